//! The jail with its real worker: a process that is confined, killed and replaced.

mod confinement;
mod danger;
mod service;

use std::{
    num::NonZero,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_executor::block_on;
use hookyard_expression::{ExpressionError, Jail, Job, Launch, Options, Output, Want};

/// Options for a worker that is a program of its own, since a test's cannot become one.
fn options() -> Options {
    Options {
        launch: Launch::Program(env!("CARGO_BIN_EXE_hookyard-expression-worker").into()),
        ..Options::default()
    }
}

fn jail() -> Jail {
    Jail::new(options())
}

/// A jail with one worker, which therefore answers everything.
fn single() -> Jail {
    Jail::new(Options {
        workers: NonZero::<usize>::MIN,
        ..options()
    })
}

fn job(program: &str, json: &str, want: Want) -> Job {
    Job {
        program: Arc::from(program),
        input: Bytes::copy_from_slice(json.as_bytes()),
        want,
    }
}

fn filter(program: &str) -> Job {
    job(program, "null", Want::Boolean)
}

fn evaluate(jail: &Jail, jobs: Vec<Job>) -> Vec<Result<Output, ExpressionError>> {
    block_on(jail.evaluate(jobs)).expect("the jail is open and has workers")
}

fn evaluate_one(jail: &Jail, job: Job) -> Result<Output, ExpressionError> {
    block_on(jail.evaluate_one(job)).expect("the jail is open and has workers")
}

/// Waits for a condition that must come true.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen that {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
