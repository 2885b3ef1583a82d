//! The conveyor: references into the ledger, from the service that wrote a row to the one that takes it next.
//!
//! *Motivation.* The ledger is the truth; a message only says "look there, now". So the conveyor may lose, double,
//! delay and reorder messages, and nothing breaks: sweepers find the rows that no message named. It is here for speed
//! (a hop takes a millisecond instead of a sweep) and for spreading work over processes.
//!
//! *Theory of operation.* A [`Conveyor`] is one of two: queues at a RabbitMQ, or queues in this process. Both promise
//! the same, which one suite of tests holds them to:
//!
//! - [`Conveyor::publish`] answers `Ok` when the queue has the message, and an error at once or within a deadline when
//!   that is not certain. It never waits for a lost connection to return.
//! - [`Consumer::next`] hands out a message that no other consumer has; at most `prefetch` of them are unacknowledged.
//!   It waits through outages, and ends only with [`Conveyor::close`].
//! - A message that was not acknowledged may come again ([`Received::redelivered`]), or may not.
//! - [`Conveyor::announce`] reaches every [`Changes`] of every process; who may have missed one is told that
//!   everything changed.
//!
//! The crate must never look into the ledger, and its messages must never carry a body or a secret.

mod changes;
mod consumer;
mod conveyor;
mod counts;
mod error;
mod in_process;
mod rabbit;
mod state;

pub use changes::{Changes, Generation};
pub use consumer::{Consumer, Received};
pub use conveyor::Conveyor;
pub use counts::Counts;
pub use error::{Cause, Error};
pub use in_process::InProcess;
pub use rabbit::{QueueKind, Rabbit, RabbitSettings};
pub use state::State;
