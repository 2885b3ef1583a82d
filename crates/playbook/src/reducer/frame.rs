//! What a thread's stack is made of.
//!
//! A frame knows its place in the document by JSON pointer and its place in the run by path. What it does not have is
//! anything of the program: that is looked up by the pointer, so that a state means the same in every process.

use super::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::Instant;

/// One level of a thread's stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "frame")]
pub(super) enum Frame {
    /// A place in a list of tasks. On top: the thread is ready.
    List(ListFrame),
    /// A task that began and has not ended. On top: the thread is blocked.
    Task(TaskFrame),
}

/// A place in a list of tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ListFrame {
    /// The list's pointer.
    pub(super) list: String,
    /// The list's path.
    pub(super) path: Path,
    /// Which task is next, or under way. None, or none of the list: it is over.
    pub(super) next: Option<usize>,
    /// The raw input of the next task: the output of the one before. Null while a task is under way, which has it then.
    pub(super) data: Value,
    /// The variables that the list's tasks see: of a loop, or the error that was caught.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) variables: Map<String, Value>,
    /// How often each task was begun, as far as any was.
    pub(super) visits: Vec<u32>,
}

impl ListFrame {
    /// The place before the first task.
    pub(super) fn new(list: &str, path: Path, data: Value) -> Self {
        Self {
            list: list.to_owned(),
            path,
            next: Some(0),
            data,
            variables: Map::new(),
            visits: Vec::new(),
        }
    }

    /// Counts a visit of a task and returns how many it had.
    pub(super) fn visit(&mut self, index: usize) -> u32 {
        if self.visits.len() <= index {
            self.visits.resize(index.saturating_add(1), 0);
        }
        self.visits.get_mut(index).map_or(1, |visits| {
            *visits = visits.saturating_add(1);
            *visits
        })
    }
}

/// A task that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TaskFrame {
    /// The task's pointer.
    pub(super) task: String,
    /// The task's path.
    pub(super) path: Path,
    /// What it was given.
    pub(super) raw: Value,
    /// What its `input.from` made of it.
    #[serde(default, skip_serializing_if = "Input::is_raw")]
    pub(super) input: Input,
    /// When it began.
    pub(super) started_at: Instant,
    /// When its `timeout` is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<Instant>,
    /// What it is doing.
    pub(super) activity: Activity,
}

impl TaskFrame {
    /// Its transformed input.
    pub(super) fn input(&self) -> &Value {
        match &self.input {
            Input::Raw => &self.raw,
            Input::Transformed(input) => input,
        }
    }
}

/// A task's input after `input.from`. Not an `Option`, whose `Some(null)` would not survive JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Input {
    /// The same as the raw one.
    #[default]
    Raw,
    /// Another.
    Transformed(Value),
}

impl Input {
    fn is_raw(&self) -> bool {
        matches!(self, Self::Raw)
    }
}

/// What a task that is under way is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "activity")]
pub(super) enum Activity {
    /// It only just began; or it failed, nobody caught it, and it may be begun anew.
    Idle,
    /// `do`: its list is above.
    Do,
    /// `for`: the list of an iteration is above.
    For {
        /// What it goes through.
        items: Vec<Value>,
        /// Which iteration is under way, from 0.
        index: usize,
    },
    /// `fork`: each branch is a thread.
    Fork {
        /// In the document's order.
        branches: Vec<Branch>,
    },
    /// `try`.
    Try(Trying),
    /// `call` of a function, whose task is above.
    Function,
    /// `wait`.
    Wait {
        /// Until when.
        until: Instant,
    },
    /// `call`: a request is on its way.
    Call {
        /// Its effect.
        effect: u32,
    },
    /// `listen`.
    Listen {
        /// Its effect.
        effect: u32,
        /// What was kept of the events that came, in the order of coming.
        events: Vec<Value>,
    },
}

/// A branch of a `fork`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "branch")]
pub(super) enum Branch {
    /// It is under way.
    Running {
        /// In this thread.
        thread: u32,
    },
    /// It ended.
    Completed {
        /// Its output.
        output: Value,
    },
    /// It lost a race by an error.
    Failed,
}

/// How far a `try` is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Trying {
    /// What is going on.
    pub(super) phase: Phase,
    /// How often it was tried, this time included.
    pub(super) attempt: u32,
    /// When this attempt takes too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<Instant>,
}

/// What is going on in a `try`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub(super) enum Phase {
    /// What is tried is above.
    Body,
    /// It failed and is tried again later.
    Waiting {
        /// When.
        until: Instant,
    },
    /// What is done with the error is above. Errors of its own are for others to catch.
    Handler,
}
