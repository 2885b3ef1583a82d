//! The command line, and `hookyard dev`: every role in one process.
//!
//! The commands talk to the management API, except for those that an operator needs before there is one (`migrate`,
//! `apply` of the first workspace, `doctor`, `keys`), which read the settings of a service and go to the ledger.
//!
//! [`dev`] puts the roles together on an embedded ledger and an in-process conveyor: the same code in another
//! configuration, never a second implementation. It is also what tests start when they want the whole platform.
//!
//! # What it must never do
//!
//! Decide anything that a service decides; print a secret that was not just made or asked for; take a colour or a
//! progress bar to where no terminal is.

mod api;
pub mod arguments;
mod commands;
pub mod dev;
mod rehearsal;
mod screen;
mod story;
mod timeline;
pub mod verify;

pub use arguments::Arguments;
pub use commands::run;
