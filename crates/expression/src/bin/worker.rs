//! The worker of expressions as a program of its own.
//!
//! The services need it not: each turns into a worker by itself, see `worker::run_if_requested`. It is for this
//! crate's tests, and for hosts that cannot call that function first in their `main`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hookyard_expression::worker::run_if_requested();
    ExitCode::from(2)
}
