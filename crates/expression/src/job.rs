//! What callers ask for and get: one [`Job`] in, one [`Output`] out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

/// One program to run on one input.
#[derive(Clone, Debug)]
pub struct Job {
    /// The jq program. Clones of one `Arc` are cheap; equal texts are compiled once.
    pub program: Arc<str>,
    /// The JSON text. Clones of one `Bytes` in a batch are parsed once.
    pub input: Bytes,
    /// What the one value must be.
    pub want: Want,
}

/// What the one value of an expression must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// `true` or `false`, as of a route's filter.
    Boolean,
    /// Any JSON, as of a transform.
    Value,
    /// A text or a number; null or no value is none, as of an event type or a dedupe id.
    Text,
}

/// The value of an expression, in the shape that [`Want`] asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// For [`Want::Boolean`].
    Boolean(bool),
    /// For [`Want::Value`]: compact JSON.
    Value(Bytes),
    /// For [`Want::Text`].
    Text(Option<String>),
}

/// What the worker does with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Only compile it.
    Check,
    /// Run it on its input.
    Evaluate(Want),
    /// Hand both to the worker's [`Guest`](crate::Guest). Named: each evaluation is announced, so that a fatal one
    /// has a number.
    Guest { is_named: bool },
}

/// A request to the worker's [`Guest`](crate::Guest).
#[derive(Clone, Debug)]
pub struct GuestJob {
    /// A text that the guest may keep what it makes of.
    pub program: Arc<str>,
    /// What it is asked.
    pub input: Bytes,
    /// Whom stopped evaluations are put down to.
    pub account: Account,
    /// How long the same request has taken before, when it is asked again.
    pub spent: Duration,
    /// Whether the program's expressions are evaluated. One that evaluates nothing is answered like everybody's, whatever
    /// others of its program did.
    pub evaluates: bool,
}

/// Whom a stopped evaluation is put down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// The program: it is not run for a while when it was stopped too often.
    Program,
    /// One of many that share the program, and do not answer for each other. It is never refused in advance, but told
    /// when a stopped evaluation is [its last](crate::GuestStop::is_last).
    Own(Arc<str>),
}

/// A [`Job`] on its way to a worker, or a program to check.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) program: Arc<str>,
    pub(crate) input: Bytes,
    pub(crate) ask: Ask,
    pub(crate) account: Account,
    /// How long the same request has taken before.
    pub(crate) spent: Duration,
    /// Whether it may take long: not a guest's that evaluates nothing.
    pub(crate) evaluates: bool,
}

impl Task {
    /// Whether it may be one of a program's that is suspected: other programs have budgets instead.
    pub(crate) fn may_be_suspected(&self) -> bool {
        self.evaluates && matches!(self.ask, Ask::Guest { .. })
    }

    /// Whose name is on the list of suspects.
    pub(crate) fn suspect(&self) -> &Arc<str> {
        match &self.account {
            Account::Program => &self.program,
            Account::Own(name) => name,
        }
    }
}

impl From<GuestJob> for Task {
    fn from(job: GuestJob) -> Self {
        Self {
            program: job.program,
            input: job.input,
            ask: Ask::Guest { is_named: false },
            account: job.account,
            spent: job.spent,
            evaluates: job.evaluates,
        }
    }
}

impl From<Job> for Task {
    fn from(Job { program, input, want }: Job) -> Self {
        Self {
            program,
            input,
            ask: Ask::Evaluate(want),
            account: Account::Program,
            spent: Duration::ZERO,
            evaluates: true,
        }
    }
}

/// What became of a [`Task`]; a program that compiles has no output.
pub(crate) type Outcome = Result<Option<Output>, crate::ExpressionError>;
