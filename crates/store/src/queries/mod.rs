//! The typed queries, compiled once per database: as `postgres::queries` and as `sqlite::queries`.
//!
//! `super::…` is the database's own module, with its `Conn` and its `schema`. A query that would need to know which
//! one it is belongs into `hot`. Every list is bounded, and has its index and a test of its plan.

pub(crate) mod applications;
pub(crate) mod audit;
pub(crate) mod backlog;
pub(crate) mod by_hand;
pub(crate) mod control;
pub(crate) mod deliveries;
pub(crate) mod edits;
pub(crate) mod endpoints;
pub(crate) mod events;
pub(crate) mod handshakes;
pub(crate) mod lanes;
pub(crate) mod names;
pub(crate) mod order;
pub(crate) mod playbooks;
pub(crate) mod recover;
pub(crate) mod recoveries;
pub(crate) mod registered;
pub(crate) mod rejections;
pub(crate) mod retention;
pub(crate) mod retired;
pub(crate) mod routes;
pub(crate) mod runs;
pub(crate) mod sealed;
pub(crate) mod senders;
pub(crate) mod sleepers;
pub(crate) mod slots;
pub(crate) mod sources;
pub(crate) mod unchanged;
pub(crate) mod versions;
pub(crate) mod waits;
pub(crate) mod workers;
pub(crate) mod workspaces;

use super::Conn;
use crate::Error;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::sql_types::{Binary, Bool, Integer};
use diesel::{RunQueryDsl, define_sql_function};

define_sql_function! {
    /// How many bytes they are.
    fn length(bytes: Binary) -> Integer;
}

/// Says that a row is in `state`, one of our own words. It is written out, since a bound parameter would keep SQLite, and
/// Postgres's prepared plans, from the indexes of just one state.
fn in_state(state: &'static str) -> SqlLiteral<Bool> {
    sql(&format!("state = '{state}'"))
}

/// Asks for a sign of life.
pub(crate) fn ping(conn: &mut Conn) -> Result<(), Error> {
    diesel::select(sql::<Integer>("1")).execute(conn)?;
    Ok(())
}
