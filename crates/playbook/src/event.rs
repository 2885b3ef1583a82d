//! What a run is told, and what comes of it: the words between the engine and whoever keeps its state.
//!
//! All of it is plain data with a JSON form, since the engine runs in a jailed process.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::{Instant, RunState};

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The run begins. Only with no state, and only once.
    Start(Start),
    /// Something happened, and the playbook has secrets that the run does not know: whoever set them meant the steps from
    /// here on to have them.
    WithSecrets {
        /// What [`Start::secrets`] would be now, with what the run knew beside it ([`crate::secrets::learned`]).
        secrets: Value,
        /// What happened.
        then: Box<Event>,
    },
    /// An effect ended.
    Done {
        /// Which.
        id: u32,
        /// What came of it.
        result: Result<Reply, CallFailure>,
    },
    /// Time went by: whatever is due happens.
    Tick,
    /// An event came that a `listen` waits for.
    Message {
        /// The `listen`'s effect.
        id: u32,
        /// Which of its filters matched.
        filter: usize,
        /// The id of the event in the ledger, `msg_…`: one run never takes it twice.
        key: String,
        /// The CloudEvent: `id`, `source`, `type`, `time`, `specversion`, `datacontenttype`, `data`.
        envelope: Value,
    },
    /// An operator ends it. Calls in flight are given up.
    Cancel,
    /// An operator holds it: calls in flight end, and nothing new begins.
    Pause,
    /// An operator lets it go on.
    Resume,
    /// The engine cannot go on: it was stopped, or what it would keep is too large. Not to be caught.
    Fault {
        /// Why.
        error: Error,
    },
    /// An operator has the step that faulted done again.
    Retry {
        /// Calls get new idempotency keys. Else receivers may answer as they did before.
        fresh_keys: bool,
    },
}

impl Event {
    /// Whether expressions of the playbook are run for it: only then can it take long.
    pub fn evaluates(&self) -> bool {
        match self {
            Self::Cancel | Self::Pause | Self::Fault { .. } => false,
            Self::WithSecrets { then, .. } => then.evaluates(),
            _ => true,
        }
    }
}

/// What a run begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// `run_…`; the stem of every idempotency key.
    pub run: String,
    /// Its input.
    pub input: Value,
    /// What `$context` is at first: `{"project": …}`, or null.
    pub context: Value,
    /// The playbook's secrets with every text replaced by null: names, no values.
    pub secrets: Value,
    /// Unguessable, for the places of secrets ([`crate::secrets`]).
    pub nonce: String,
    /// The yard's version of the playbook, for `$workflow`.
    pub version: i32,
}

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, base64.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFailure {
    /// `blocked`, `dns`, `connect`, `tls`, `timeout`, `reset`, `protocol`, `too_large`, `unsealed` …
    pub kind: String,
    /// A sentence for a person.
    pub message: String,
}

/// What a step asks for and reports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Out {
    /// Effects to begin once the state is kept. One that was issued before, under the same id, replaces itself: a
    /// `listen` of which a part came, or what a retried run still waits for.
    pub issued: Vec<Issued>,
    /// Effects to give up. A `listen` that ended is among them, since other filters of it may still be waited for.
    pub cancelled: Vec<u32>,
    /// Events to record in the workspace, exactly once.
    pub emitted: Vec<Emitted>,
    /// Journal: tasks that ended in this step, in order.
    pub finished: Vec<Step>,
    /// Where the run is now.
    pub summary: Summary,
}

/// A run's state, as far as its keeper must know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Where it is on its path: never `pending` once it began.
    pub status: RunState,
    /// When the nearest timer is due.
    pub wake_at: Option<Instant>,
    /// Whether calls are in flight: without any, nothing but time, messages and operators can move it.
    pub has_calls: bool,
    /// When it is `completed`.
    pub output: Option<Value>,
    /// When it is `faulted`.
    pub error: Option<Error>,
    /// How many steps were finished so far.
    pub steps: u32,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            status: RunState::Running,
            wake_at: None,
            has_calls: false,
            output: None,
            error: None,
            steps: 0,
        }
    }
}

/// An effect that a step began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issued {
    /// Unique in its run.
    pub id: u32,
    /// The task's JSON pointer.
    pub pointer: String,
    /// What is to be done.
    pub effect: Effect,
}

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
pub enum Effect {
    /// Sends a request. At least once, always under one key with one body.
    Http(Box<HttpRequest>),
    /// Waits for events.
    Listen(ListenRequest),
}

/// A request to send. Texts may have places of secrets in them ([`crate::secrets`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Upper case.
    pub method: String,
    /// Absolute.
    pub uri: String,
    /// To be added to the URI's query, percent-encoded.
    pub query: Vec<(String, String)>,
    /// Without those that the sender sets: `Idempotency-Key`, `X-Hookyard-Run`, `X-Hookyard-Attempt`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Body>,
    /// Who is calling.
    pub authentication: Option<Credentials>,
    /// `Idempotency-Key`: the run, the way to this call, and a digest of what is sent. It is the same for every attempt
    /// that sends the same.
    pub key: String,
    /// From 1; grows with the retries of a `try` around it.
    pub attempt: u32,
}

/// A request's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Sent as compact JSON, once its secrets are in.
    Json(Value),
    /// Sent as it is, once its secrets are in.
    Text(String),
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// RFC 7617.
    Basic {
        /// As given.
        username: String,
        /// As given.
        password: String,
    },
    /// RFC 6750.
    Bearer {
        /// As given.
        token: String,
    },
}

/// What a `listen` waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListenRequest {
    /// Those that have not matched yet, with their index.
    pub filters: Vec<(usize, Awaited)>,
    /// Whether the first message ends it as a whole. Else each filter waits for one of its own.
    pub is_any: bool,
    /// Whether others and the routes see the event too.
    pub broadcast: bool,
}

/// One filter, with all that the run knew put in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Awaited {
    /// The exact type.
    pub event_type: String,
    /// The exact source.
    pub source: Option<String>,
    /// A jq expression over the event's data that must be true.
    pub data: Option<String>,
    /// jq expressions over the envelope, and what each must yield. Sorted by their names.
    pub correlate: Vec<(String, Value)>,
}

/// An event that the run emitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Emitted {
    /// Unique in its run: its id in the ledger derives from it and the run.
    pub key: String,
    /// The CloudEvent as an object.
    pub envelope: Value,
}

/// A task that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 1, without gaps, in the order of ending.
    pub number: u32,
    /// The task's JSON pointer.
    pub pointer: String,
    /// The task's name.
    pub name: String,
    /// `set`, `do`, `for`, `fork`, `switch`, `try`, `raise`, `wait`, `emit`, `listen`, `call`.
    pub kind: String,
    /// How it ended.
    pub status: StepStatus,
    /// From 1.
    pub attempt: u32,
    /// Its raw input.
    pub input: Value,
    /// When it completed.
    pub output: Option<Value>,
    /// Whether input or output is not all of it: over 64 KiB each, the beginning of its JSON as a text; over 3 MiB in
    /// one step, null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// When it faulted.
    pub error: Option<Error>,
    /// When it began.
    pub started_at: Instant,
    /// When it ended.
    pub ended_at: Instant,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// As it should.
    Completed,
    /// Its `if` was false.
    Skipped,
    /// With an error.
    Faulted,
    /// Given up: a sibling won or failed, time ran out, or an operator ended the run.
    Cancelled,
}

/// An error as the language has it (RFC 9457 in shape).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// A URI. Those of the language are `https://open-workflow-specification.org/dsl/errors/types/<kind>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As of HTTP.
    pub status: u16,
    /// A few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The JSON pointer of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}
