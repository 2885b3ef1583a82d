//! What happens before and after a service runs: settings, telemetry, health, signals, drain.
//!
//! *Motivation.* A service is a loop that moves rows of the ledger; everything around the loop is the same for all of
//! them, and is here once. A single service and `hookyard dev`, which is all of them in one process, end alike.
//!
//! *Theory of operation.* [`Sources`] become [`Settings`] once. [`run`] starts telemetry and health, calls the
//! service's start with a [`Process`], and waits for a signal or a failed task. A start spawns the service's loops on
//! [`Tasks`] and returns; the loops take nothing new once [`Shutdown::stopping`] is cancelled. See [`shutdown`] for the
//! phases of the end.
//!
//! This crate must never know what a service does. It is the only home of the `config` crate and the OpenTelemetry
//! SDK; services count through [`metrics`], join traces through [`trace`], and answer HTTP through [`http`].

mod backoff;
mod error;
pub mod health;
pub mod http;
pub mod metrics;
mod platform;
mod process;
pub mod settings;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod trace;

pub use backoff::Backoff;
pub use error::{Error, UnknownKey};
pub use health::Health;
pub use platform::{Platform, conveyor, ledger, main_of};
pub use process::{Process, main_with, run};
pub use settings::{Settings, Sources};
pub use shutdown::Shutdown;
pub use tasks::Tasks;

use std::error::Error as StdError;

/// The release that this is.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// An error and its causes in one line, as logs have them in `error.chain`.
pub fn report(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
