//! The statements of the hot path, as only Postgres can say them.

mod accept;
mod again;
mod claim;
mod commit;
mod dead_letters;
mod due;
mod made;
mod outcome;
mod routing;

pub(crate) use accept::accept;
pub(crate) use again::again;
pub(crate) use claim::{claim, claim_named, clock, lock_slots};
pub(crate) use commit::commit;
pub(crate) use dead_letters::dead_letters;
pub(crate) use due::{lease_due, reap};
pub(crate) use outcome::record;
pub(crate) use routing::route;
