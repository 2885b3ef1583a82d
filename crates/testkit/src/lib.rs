//! Real parts for tests: a database and a namespace at the broker for each test, a receiver that does as it is told, certificates,
//! a connection that can be cut, a document to hold answers against, allocations as checked numbers, and waiting for a
//! condition instead of for a time.
//!
//! For `[dev-dependencies]` only. Nothing here imitates a database or a broker: the servers are real ones, which
//! `cargo xtask test` starts and names in `HOOKYARD_TEST_POSTGRES` and `HOOKYARD_TEST_RABBITMQ`.

pub mod allocations;
pub mod broker;
pub mod certificate;
pub mod database;
mod described;
mod given;
pub mod name_server;
pub mod proxy;
pub mod python;
pub mod receiver;
pub mod secure;
pub mod ssrf;
mod thread;
mod wait;

pub use described::{Described, Exchange};
pub use wait::{DEADLINE, until};
