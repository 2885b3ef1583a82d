//! The ledger: the data crate, and the only one that knows tables.
//!
//! # Motivation
//!
//! The ledger is the truth and every service is a loop that moves its rows from one state to the next. Two databases
//! carry it: Postgres for a deployment of many processes, one SQLite file for a process of its own. Everything above
//! this crate sees one [`Store`] and cannot tell which.
//!
//! # Theory of operation
//!
//! One schema (`schema.rs`), one set of row types (`model`), one folder of typed queries (`queries/`) that is compiled
//! twice, as `postgres::queries` and `sqlite::queries`. The few statements that truly differ stand in `hot.rs`, once
//! per database.
//!
//! - The **hot path** (accept, route, lease, record) is written in batches by dedicated threads over connections of
//!   their own: [`AcceptQueue`], [`RoutingQueue`], [`OutcomeQueue`], [`CommitQueue`], [`SlotQueue`].
//! - What people do goes through [`Store::on_record`], which keeps who did it in the same transaction.
//! - **Reads and rare writes** go through one blocking call behind a semaphore as wide as the pool.
//!
//! # What it must never do
//!
//! It knows nothing of the conveyor, of HTTP or of what a route decides. It never returns a secret that is not in a
//! redacted type, and never writes one in the clear. It has no unbounded `SELECT`.

mod accept;
mod audit;
mod backlog;
mod catalog;
mod clock;
mod commit;
mod connect;
mod error;
mod handshakes;
mod keyring;
mod lane;
mod lanes;
mod leases;
mod lists;
mod migrate;
mod model;
mod outcome;
mod partitions;
mod postgres;
mod recoveries;
mod rejections;
mod retention;
mod routing;
mod running;
mod runs;
mod schema;
mod sealed;
mod slots;
mod sql;
mod sqlite;
mod statement;
mod sweep;
mod ticket;
mod versions;
mod waits;
mod write;

pub use accept::{AcceptError, AcceptQueue, Acceptance, Accepted, NewClaim};
pub use audit::OnRecord;
pub use backlog::{Backlog, Recovering, Unpublished, Waiting};
pub use catalog::{CONFIGURED_LIMIT, Edit};
pub use commit::CommitQueue;
pub use connect::{Settings, Store};
pub use error::Error;
pub use keyring::{KeyRing, KeyRingError};
pub use lane::LaneNews;
pub use lanes::{Ailing, Awake, Held, LaneStatus};
pub use model::*;
pub use outcome::{NewAttempt, Outcome, OutcomeQueue, Recorded};
pub use retention::{Expired, History};
pub use routing::{Gift, NewDelivery, NewRun, RoutedEvent, RoutingQueue};
pub use sealed::{KeyUse, Resealed};
pub use slots::SlotQueue;
pub use sweep::{Full, GivenUp, Sweep};
pub use waits::{Given, Unrouted, WaitKey, WaitRow, WaitShape, types_of};
pub use write::{QueueError, QueueOptions, Unwritten};
