//! The tree of a document that was checked: what the engine walks. Nothing in it can be wrong any more but what only
//! shows with data.
//!
//! Tasks and their lists are found by JSON pointer, such as `/do/0/notify` and `/do/0/notify/try`: a run's state
//! outlives this release's memory layout, and pointers are what the document itself has.

mod data;
mod events;
mod http;

pub use data::{Expression, FIXED_VARIABLES, Template};
pub use events::{Correlation, EventFilter, EventTemplate, Listen, ListenMode, ListenRead};
pub use http::{Authentication, Endpoint, HttpCall, HttpOutput};

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A playbook's document, lowered.
#[derive(Debug, Clone)]
pub struct Program {
    /// What it calls itself.
    pub document: Heading,
    /// What becomes of the run's input before the first task.
    pub input: Intake,
    /// What becomes of the last task's output.
    pub output: Outlet,
    /// How long the whole run may take.
    pub timeout: Option<Delay>,
    /// The names of the secrets that calls may use.
    pub secrets: Vec<String>,
    /// The outermost list, `/do`.
    pub list: TaskList,
    /// Whether lifecycle events are emitted: `document.metadata.lifecycle: true`.
    pub lifecycle: bool,
}

/// `document`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Free.
    pub namespace: String,
    /// The playbook's slug.
    pub name: String,
    /// The author's own version, which is not the yard's.
    pub version: String,
    /// The version of the language.
    pub dsl: String,
}

/// A list of tasks, run in order unless a task says what comes then.
#[derive(Debug, Clone)]
pub struct TaskList {
    /// `/do`, `/do/0/each/do`, `/do/1/safe/try`, `/do/1/safe/catch/do` …
    pub pointer: String,
    /// In order.
    pub tasks: Vec<Task>,
}

/// One task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Unique in its list.
    pub name: String,
    /// `/do/0/name`.
    pub pointer: String,
    /// `if`: skipped when false.
    pub condition: Option<Expression>,
    /// `input`.
    pub input: Intake,
    /// `output`.
    pub output: Outlet,
    /// `export`: what the context becomes.
    pub export: Outlet,
    /// How long it may take.
    pub timeout: Option<Delay>,
    /// What comes then.
    pub then: Then,
    /// What it does.
    pub kind: TaskKind,
}

/// `input`: checked first, then transformed.
#[derive(Debug, Clone, Default)]
pub struct Intake {
    /// What the raw input must be.
    pub schema: Option<Schema>,
    /// What the input becomes.
    pub from: Option<Template>,
}

/// `output` and `export`: transformed first, then checked.
#[derive(Debug, Clone, Default)]
pub struct Outlet {
    /// What the value becomes.
    pub as_: Option<Template>,
    /// What the value that it became must be.
    pub schema: Option<Schema>,
}

/// An inline JSON Schema that compiles and refers to nothing remote.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Where it stands in the document.
    pub pointer: String,
    /// The schema.
    pub document: Value,
}

/// What comes after a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The next of the list, or the list's end.
    Continue,
    /// The list's end.
    Exit,
    /// The run's end.
    End,
    /// The task of this index in the same list.
    Task(usize),
}

/// What a task does.
#[derive(Debug, Clone)]
pub enum TaskKind {
    /// `set`: its output is this.
    Set(Template),
    /// `do`: a list of its own.
    Do(TaskList),
    /// `for`: a list for each item.
    For(Box<For>),
    /// `fork`: several at once.
    Fork(Fork),
    /// `switch`: the first case that matches.
    Switch(Vec<Case>),
    /// `try`.
    Try(Box<Try>),
    /// `raise`: an error.
    Raise(ErrorTemplate),
    /// `wait`.
    Wait(Delay),
    /// `emit`: an event.
    Emit(EventTemplate),
    /// `listen`: for events.
    Listen(Listen),
    /// `call: http` and `call: openapi`, which are the same once the operation is known.
    Http(Box<HttpCall>),
    /// `call: <name of use.functions>`: the function's own task with `with` as its input. Its task has the pointer
    /// `/use/functions/<name>`.
    Function {
        /// The function's name.
        name: String,
        /// What its task gets as input.
        with: Template,
        /// The task.
        task: Arc<Task>,
    },
}

/// `for`.
#[derive(Debug, Clone)]
pub struct For {
    /// The variable that has the item, without `$`.
    pub each: String,
    /// The variable that has the index, without `$`.
    pub at: String,
    /// What yields the array.
    pub items: Template,
    /// Tested before each iteration.
    pub condition: Option<Expression>,
    /// What is done.
    pub list: TaskList,
}

/// `fork`.
#[derive(Debug, Clone)]
pub struct Fork {
    /// The first to finish wins, and the others are cancelled.
    pub compete: bool,
    /// Each branch is one task, at `…/fork/branches/<index>/<name>`.
    pub branches: TaskList,
}

/// A case of a `switch`.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// None: always.
    pub when: Option<Expression>,
    /// What comes then.
    pub then: Then,
}

/// `try`.
#[derive(Debug, Clone)]
pub struct Try {
    /// What is tried.
    pub list: TaskList,
    /// Which errors are caught: those whose fields equal all of these.
    pub errors: BTreeMap<ErrorField, Value>,
    /// The variable that has the error, without `$`.
    pub as_: String,
    /// Caught only when true.
    pub when: Option<Expression>,
    /// Not caught when true.
    pub except_when: Option<Expression>,
    /// How often it is tried again, and when.
    pub retry: Option<Retry>,
    /// What is done with an error that was caught, and not retried any more.
    pub handler: Option<TaskList>,
    /// `catch.then`: what comes after an error was caught. None: the task's own `then`.
    pub then: Option<Then>,
}

/// A field that `catch.errors.with` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorField {
    /// Normalised, as in errors.
    Type,
    /// A number.
    Status,
    /// A text.
    Title,
    /// A text.
    Detail,
    /// A JSON pointer.
    Instance,
}

/// `retry`.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Retried only when true.
    pub when: Option<Expression>,
    /// Not retried when true.
    pub except_when: Option<Expression>,
    /// Before the first retry; none: at once.
    pub delay: Option<Delay>,
    /// How the delay grows.
    pub backoff: Backoff,
    /// The most retries.
    pub count: Option<u32>,
    /// How long one attempt may take.
    pub attempt_timeout: Option<Delay>,
    /// How long all attempts may take together.
    pub duration: Option<Delay>,
    /// Added to the delay, from and to.
    pub jitter: Option<(Delay, Delay)>,
}

/// How a retry's delay grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Not at all.
    Constant,
    /// By itself each time.
    Linear,
    /// Twofold each time.
    Exponential,
}

/// A duration.
#[derive(Debug, Clone)]
pub enum Delay {
    /// Known.
    Fixed(Duration),
    /// Computed; yields a text of ISO 8601 or an object as in the document.
    Computed(Expression),
}

/// An error to raise: `type`, `status`, `title`, `detail`, `instance`.
#[derive(Debug, Clone)]
pub struct ErrorTemplate {
    /// Normalised where it is a literal.
    pub kind: Template,
    /// 100 to 599.
    pub status: u16,
    /// A text.
    pub title: Option<Template>,
    /// A text.
    pub detail: Option<Template>,
    /// A JSON pointer; none: the task's.
    pub instance: Option<Template>,
}
