//! What can go wrong, split by whose fault it is: [`ExpressionError`] belongs to one expression and one
//! input and goes into that row's trace; [`JailError`] is ours, says nothing about any row, and passes.

use std::{io, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Says why one expression gave no answer for one input.
///
/// The same expression and input give the same error again, but for [`Stopped`](Self::Stopped) and
/// [`Suspended`](Self::Suspended). Messages may quote up to 300 bytes of the input: they are for the workspace's
/// own operators, never for logs.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ExpressionError {
    /// The text is not a jq program, or uses a filter that is not there.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The text of the expression is over the limit.
    #[error("the expression has {length} bytes, more than the {limit} allowed; shorten it")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// The input is not one JSON text of RFC 8259.
    #[error("the input is not JSON: {reason}; only a source with JSON bodies can have expressions")]
    InputNotJson {
        /// What the parser found, and where.
        reason: String,
    },
    /// The input is over the limit.
    #[error("the input has {length} bytes, more than the {limit} that expressions may read")]
    InputTooLarge {
        /// Its length in bytes.
        length: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// The input nests arrays and objects deeper than allowed.
    #[error("the input is nested deeper than {limit} levels")]
    InputTooDeep {
        /// The deepest that is allowed.
        limit: usize,
    },
    /// The input holds a number with absurdly many digits.
    #[error("the input holds a number of more than {limit} characters")]
    InputNumberTooLong {
        /// The longest that is allowed.
        limit: usize,
    },
    /// The expression itself failed, as `.a` does on an array, or called `error`.
    #[error("the expression failed: {message}")]
    Failed {
        /// What jq says, cut at 300 bytes.
        message: String,
    },
    /// The expression yields no value where one is needed.
    #[error("the expression yields no value; add an alternative, such as `// false` or `// null`")]
    NoOutput,
    /// The expression yields more than one value.
    #[error(
        "the expression yields more than one value; collect them with `[…]`, or ask `any(…)` or `all(…)`"
    )]
    ManyOutputs,
    /// A filter yields something else than `true` or `false`.
    #[error("the expression yields {found} where a boolean is needed; compare it, as in `. == …`")]
    NotBoolean {
        /// The value, cut at 80 bytes.
        found: String,
    },
    /// A text is needed, and the value is neither text nor number nor null.
    #[error("the expression yields {found} where a text is needed; choose a part of it, or use `tostring`")]
    NotText {
        /// The value, cut at 80 bytes.
        found: String,
    },
    /// The value has no counterpart in JSON that receivers and databases take.
    #[error("the expression yields {0}")]
    NotJson(#[from] NotJson),
    /// The value, written as JSON, is over the limit.
    #[error("the expression yields more than {limit} bytes; narrow the result")]
    OutputTooLarge {
        /// The most that is allowed.
        limit: usize,
    },
    /// The evaluation was stopped, and so were its retries.
    #[error("the expression was stopped: it {0}; simplify it, or narrow what it reads")]
    Stopped(StopCause),
    /// An evaluation of a [`Guest`](crate::Guest)'s was stopped, and so were its retries.
    #[error("the expression was stopped: it {}; simplify it, or narrow what it reads", .0.cause)]
    StoppedIn(Box<GuestStop>),
    /// The expression was stopped too often lately and is not run for a while.
    #[error("the expression was stopped too often and is not run for {} s; simplify it", wait.as_secs())]
    Suspended {
        /// How long it will not be run.
        wait: Duration,
    },
}

impl ExpressionError {
    /// Returns a stable word for the decision trace, metrics and the console's translations.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Compile(_) => "compile",
            Self::TooLong { .. } => "too_long",
            Self::InputNotJson { .. } => "input_not_json",
            Self::InputTooLarge { .. } => "input_too_large",
            Self::InputTooDeep { .. } => "input_too_deep",
            Self::InputNumberTooLong { .. } => "input_number_too_long",
            Self::Failed { .. } => "failed",
            Self::NoOutput => "no_output",
            Self::ManyOutputs => "many_outputs",
            Self::NotBoolean { .. } => "not_boolean",
            Self::NotText { .. } => "not_text",
            Self::NotJson(_) => "not_json",
            Self::OutputTooLarge { .. } => "output_too_large",
            Self::Stopped(_) | Self::StoppedIn(_) => "stopped",
            Self::Suspended { .. } => "suspended",
        }
    }
}

/// Says where a program is wrong, for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("line {line}, column {column}: {message}")]
pub struct CompileError {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong, and where possible what to write instead.
    pub message: String,
}

/// Says which value of jq's has no counterpart in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum NotJson {
    /// NaN or an infinity.
    #[error("a number that JSON cannot hold (not a number, or infinite)")]
    NonFinite,
    /// jaq allows any value as a key.
    #[error("an object with a key that is not a text; use `tostring` on the key")]
    NonStringKey,
    /// U+0000, which databases and many receivers refuse in texts.
    #[error("a text with the character U+0000")]
    NulText,
    /// Bytes that are not UTF-8, as `@base64d` can make.
    #[error("a text that is not UTF-8")]
    NotUtf8,
    /// A byte string of `tobytes`.
    #[error("a byte string; encode it with `@base64`")]
    Bytes,
    /// Deeper than inputs may be.
    #[error("a value that is nested too deeply")]
    TooDeep,
}

/// Says which evaluation of a [`Guest`](crate::Guest)'s was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestStop {
    /// Which of the request's evaluations, from 0.
    pub evaluation: u32,
    /// Where it stands, as the guest told with [`Evaluator::stand_at`](crate::Evaluator::stand_at).
    pub place: String,
    /// How it ended.
    pub cause: StopCause,
    /// How long the request has taken so far, with all earlier tries.
    pub spent: Duration,
    /// Whether the request is to be given up: its time is over, or its account was stopped too often lately.
    pub is_last: bool,
}

/// Says how an evaluation ended that had no end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum StopCause {
    /// It ran longer than allowed.
    #[error("took longer than {limit:?}")]
    Time {
        /// How long it may run.
        limit: Duration,
    },
    /// The request that it is a part of ran longer than allowed.
    #[error("and what came before it took longer than {limit:?}")]
    Total {
        /// How long the request may take.
        limit: Duration,
    },
    /// The worker ended under it: out of memory or out of stack.
    #[error("needed more than {memory_mib} MiB of memory, or nested too deeply")]
    Collapse {
        /// How much memory it may have, in MiB.
        memory_mib: u64,
    },
}

/// Says why nothing was evaluated at all. None of it is the expressions' doing: keep the rows and come back.
#[derive(Debug, Error)]
pub enum JailError {
    /// Too many requests wait already.
    #[error("{waiting} requests wait for an expression worker already; try again, or allow more workers")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// Requests of the same program were stopped a moment ago, and others of such programs wait already. What waits for this
    /// one should not hold up others meanwhile.
    #[error(
        "the program was stopped a moment ago, and such programs get one expression worker together; try again later"
    )]
    Suspected,
    /// No worker could be started.
    #[error("an expression worker cannot be started from {program}")]
    Unavailable {
        /// The program that was to become the worker.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The thread that kept the worker ended without an answer.
    #[error("the request to an expression worker was lost; try again")]
    Lost,
}
