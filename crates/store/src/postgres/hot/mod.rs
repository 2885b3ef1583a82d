//! The statements of the hot path, as only Postgres can say them.

mod accept;
mod claim;
mod commit;
mod due;
mod gifts;
mod made;
mod outcome;
mod routing;
mod waits;

pub(crate) use accept::accept;
pub(crate) use claim::{claim, claim_named, clock, lock_slots};
pub(crate) use commit::commit;
pub(crate) use due::{lease_due, reap};
pub(crate) use gifts::give;
pub(crate) use outcome::record;
pub(crate) use routing::route;
pub(crate) use waits::{wait_shapes, waits};
