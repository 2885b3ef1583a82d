//! All that a run is between two events.
//!
//! A state is JSON in a row of the ledger. It outlives the release that wrote it, so what is here is a format: a field
//! may be added with a default, and nothing may change its meaning without a new [`VERSION`].

use super::errors::{self, Error};
use super::frame::{Activity, Frame, ListFrame, TaskFrame};
use crate::{Effect, Issued};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use wire::{Instant, RunState};

/// The version of the format that this release writes.
///
/// When there is a second, a state of the first is turned into one where it is read, in [`known`], and the states in
/// `tests/golden` that the first release wrote prove that its runs can be finished.
const VERSION: u32 = 1;

/// The thread that a run begins with. Only branches have other ones.
pub(super) const MAIN: u32 = 0;

/// A run's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    #[serde(deserialize_with = "known")]
    version: u32,
    /// For the places of secrets ([`crate::secrets`]).
    pub(super) nonce: String,
    /// `waiting` is not told from `running` here.
    pub(super) status: RunState,
    /// The time of the last event.
    pub(super) now: Instant,
    /// None: it has not begun.
    pub(super) run: Option<Run>,
    /// How many effects, threads and lifecycle events there were, which is what their ids are counted by.
    pub(super) counters: Counters,
    /// When the run takes too long.
    pub(super) deadline: Option<Instant>,
    /// Since when it is paused or faulted: timeouts wait with it.
    pub(super) stopped_at: Option<Instant>,
    /// `$context`.
    pub(super) context: Value,
    /// By id. Whoever is next is the lowest that is ready.
    pub(super) threads: BTreeMap<u32, Thread>,
    /// Effects that have not ended: whoever takes the run over issues them again.
    pub(super) pending: Vec<Issued>,
    /// The keys of the events that came.
    pub(super) inbox: BTreeSet<String>,
    /// When it is completed.
    pub(super) output: Value,
    /// When it is faulted.
    pub(super) error: Option<Error>,
    /// When it is faulted: the thread whose topmost task is to be done again.
    pub(super) failed: Option<u32>,
}

/// What a run began with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    /// `run_…`.
    pub(super) id: String,
    /// Its raw input.
    pub(super) input: Value,
    /// The shape of its secrets, as far as it was told of them.
    pub(super) secrets: Value,
    /// The yard's version of the playbook.
    pub(super) version: i32,
    /// When it began.
    pub(super) started_at: Instant,
}

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    /// Effects issued; the last one's id.
    pub(super) effects: u32,
    /// Branches begun; the last one's thread.
    pub(super) threads: u32,
    /// Tasks begun.
    pub(super) tasks: u32,
    /// Steps in the journal; the last one's number.
    pub(super) steps: u32,
    /// Lifecycle events.
    pub(super) lifecycle: u32,
    /// How often an operator asked for new keys.
    pub(super) generation: u32,
}

/// One line of execution.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Thread {
    /// Whose branch it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<Parent>,
    /// The outermost first.
    pub(super) frames: Vec<Frame>,
}

/// Where a branch belongs: the `fork` on top of another thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parent {
    /// The `fork`'s thread.
    pub(super) thread: u32,
    /// Which of its branches.
    pub(super) branch: usize,
}

impl Default for State {
    /// A run that has not begun.
    fn default() -> Self {
        Self {
            version: VERSION,
            nonce: String::new(),
            status: RunState::Pending,
            now: Instant::from_unix_micros(0),
            run: None,
            counters: Counters::default(),
            deadline: None,
            stopped_at: None,
            context: Value::Null,
            threads: BTreeMap::new(),
            pending: Vec::new(),
            inbox: BTreeSet::new(),
            output: Value::Null,
            error: None,
            failed: None,
        }
    }
}

impl State {
    /// A thread's frames; none when there is no such thread.
    pub(super) fn frames(&self, thread: u32) -> &[Frame] {
        self.threads.get(&thread).map_or(&[], |thread| &thread.frames)
    }

    /// The task on top of a thread.
    pub(super) fn task(&self, thread: u32) -> Result<&TaskFrame, Error> {
        match self.frames(thread).last() {
            Some(Frame::Task(frame)) => Ok(frame),
            _ => Err(errors::misfit()),
        }
    }

    /// The task on top of a thread, to be changed.
    pub(super) fn task_mut(&mut self, thread: u32) -> Result<&mut TaskFrame, Error> {
        match self
            .threads
            .get_mut(&thread)
            .and_then(|thread| thread.frames.last_mut())
        {
            Some(Frame::Task(frame)) => Ok(frame),
            _ => Err(errors::misfit()),
        }
    }

    /// The list on top of a thread, to be changed.
    pub(super) fn list_mut(&mut self, thread: u32) -> Result<&mut ListFrame, Error> {
        match self
            .threads
            .get_mut(&thread)
            .and_then(|thread| thread.frames.last_mut())
        {
            Some(Frame::List(frame)) => Ok(frame),
            _ => Err(errors::misfit()),
        }
    }

    /// Puts a frame on top of a thread.
    pub(super) fn push(&mut self, thread: u32, frame: Frame) {
        self.threads.entry(thread).or_default().frames.push(frame);
    }

    /// Takes the frame on top of a thread.
    pub(super) fn pop(&mut self, thread: u32) -> Option<Frame> {
        self.threads.get_mut(&thread)?.frames.pop()
    }

    /// The first thread that can advance.
    pub(super) fn ready(&self) -> Option<u32> {
        self.threads
            .iter()
            .find(|(_, thread)| matches!(thread.frames.last(), Some(Frame::List(_))))
            .map(|(id, _)| *id)
    }

    /// An effect that has not ended.
    pub(super) fn effect(&self, id: u32) -> Option<&Effect> {
        let issued = self.pending.iter().find(|issued| issued.id == id);
        issued.map(|issued| &issued.effect)
    }

    /// The thread that waits for an effect.
    pub(super) fn waiting_for(&self, id: u32) -> Option<u32> {
        let waits = |thread: &Thread| match thread.frames.last() {
            Some(Frame::Task(frame)) => frame.awaits() == Some(id),
            _ => false,
        };
        self.threads
            .iter()
            .find(|(_, thread)| waits(thread))
            .map(|(thread, _)| *thread)
    }
}

impl TaskFrame {
    /// The effect that it waits for.
    pub(super) fn awaits(&self) -> Option<u32> {
        match self.activity {
            Activity::Call { effect } | Activity::Listen { effect, .. } => Some(effect),
            _ => None,
        }
    }
}

fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    if version == VERSION {
        return Ok(version);
    }
    Err(de::Error::custom(format!(
        "a state of version {version}, and this release knows version {VERSION}; finish the run with the release \
         that wrote it, or with a newer one"
    )))
}

/// What whoever takes a run over must know of its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// What it waits for, to be issued again.
    pub issued: Vec<Issued>,
    /// For the places of its secrets.
    pub nonce: String,
    /// The shape of the secrets that it knows.
    pub secrets: Value,
}

/// Reads only that of a state.
pub fn pending(state_json: &[u8]) -> Result<Pending, serde_json::Error> {
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "version", deserialize_with = "known")]
        _version: u32,
        pending: Vec<Issued>,
        nonce: String,
        run: Option<OfRun>,
    }
    #[derive(Deserialize)]
    struct OfRun {
        secrets: Value,
    }
    serde_json::from_slice(state_json).map(|part: Part| Pending {
        issued: part.pending,
        nonce: part.nonce,
        secrets: part.run.map_or(Value::Null, |run| run.secrets),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_of_an_unknown_version_is_not_guessed_at() {
        let mut state = serde_json::to_value(State::default()).unwrap();
        assert_eq!(
            serde_json::from_value::<State>(state.clone()).unwrap(),
            State::default()
        );
        state["version"] = json!(7);
        let error = serde_json::from_value::<State>(state.clone()).unwrap_err();
        assert!(error.to_string().contains("version 7"), "{error}");
        assert!(pending(state.to_string().as_bytes()).is_err());
    }
}
