//! The statements of the hot path on SQLite: the same steps as on Postgres, row by row in one transaction. A commit
//! costs one flush of the file whatever it carries, which is why the batches matter here even more.

mod accept;
mod claim;
mod commit;
mod due;
mod outcome;
mod routing;
mod waits;

pub(crate) use accept::accept;
pub(crate) use claim::{claim, claim_named, clock, lock_slots};
pub(crate) use commit::commit;
pub(crate) use due::{lease_due, reap};
pub(crate) use outcome::record;
pub(crate) use routing::route;
pub(crate) use waits::{give, wait_shapes, waits};
