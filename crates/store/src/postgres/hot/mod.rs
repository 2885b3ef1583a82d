//! The statements of the hot path, as only Postgres can say them.

mod accept;
mod again;
mod by_event;
mod claim;
mod commit;
mod dead_letters;
mod due;
mod gifts;
mod lanes;
mod locks;
mod losers;
mod made;
mod new;
mod outcome;
mod renew;
mod retention;
mod routing;
mod slots;
mod waits;

pub(crate) use accept::accept;
pub(crate) use again::again;
pub(crate) use by_event::deliveries_of;
pub(crate) use claim::{claim, claim_named, clock};
pub(crate) use commit::commit;
pub(crate) use dead_letters::dead_letters;
pub(crate) use due::{give_up, lease, reap};
pub(crate) use gifts::give;
pub(crate) use lanes::{in_flight, lock_ready, looked, next_due, ready_workspaces};
pub(crate) use locks::{lock_id, lock_slots};
use new::{new_or_again, unless_there};
pub(crate) use outcome::record;
pub(crate) use renew::renew;
pub(crate) use retention::{forget_claims, lock_events};
pub(crate) use routing::route;
pub(crate) use slots::seat;
pub(crate) use waits::{wait_shapes, waits};
