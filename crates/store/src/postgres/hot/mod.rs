//! The statements of the hot path, as only Postgres can say them.

mod accept;
mod due;
mod made;
mod outcome;
mod routing;

pub(crate) use accept::accept;
pub(crate) use due::{lease_due, reap};
pub(crate) use outcome::record;
pub(crate) use routing::route;
