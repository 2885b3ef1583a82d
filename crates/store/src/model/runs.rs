//! Runs, as they are shown and told what to do.

use crate::sql::{Maybe, Stamp, StoredText, Uid};
use diesel::Queryable;
use wire::{EventId, Instant, PlaybookId, RouteId, RunId, RunState, StepState, Trigger, WorkspaceId};

/// One execution of one version of one playbook. Its engine's state is the runner's alone, and not among this.
#[derive(Debug, Clone, Queryable)]
pub struct Run {
    /// `run_…`.
    #[diesel(deserialize_as = Uid)]
    pub id: RunId,
    /// Whose.
    #[diesel(deserialize_as = StoredText)]
    pub workspace_id: WorkspaceId,
    /// Which playbook.
    #[diesel(deserialize_as = StoredText)]
    pub playbook_id: PlaybookId,
    /// The version of the playbook that it keeps to.
    pub version: i32,
    /// The event that started it.
    #[diesel(deserialize_as = Maybe<Uid>)]
    pub event_id: Option<EventId>,
    /// The route that started it.
    #[diesel(deserialize_as = Maybe<StoredText>)]
    pub route_id: Option<RouteId>,
    /// Where it is on its path.
    #[diesel(deserialize_as = String)]
    pub state: RunState,
    /// JSON.
    pub input: Vec<u8>,
    /// JSON, when completed. Lists leave it out: one has up to 1 MiB.
    pub output: Option<Vec<u8>>,
    /// JSON, when faulted.
    pub error: Option<String>,
    /// How many steps it has finished.
    pub steps: i32,
    /// Whether it waits for another run of its playbook to end.
    pub queued: bool,
    /// When it was recorded.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Instant,
    /// When a runner first took it.
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub started_at: Option<Instant>,
    /// When it ended.
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub ended_at: Option<Instant>,
    /// When it last changed.
    #[diesel(deserialize_as = Stamp)]
    pub updated_at: Instant,
    /// What started it.
    #[diesel(deserialize_as = String)]
    pub trigger: Trigger,
    /// The slug of the project it is targeted at.
    pub project: Option<String>,
    /// The slug of the template whose inputs it has.
    pub template: Option<String>,
}

/// A task of a run that ended: one row of its journal.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct StepRow {
    /// From 1, without gaps, in the order of ending.
    pub number: i32,
    /// The task's JSON pointer in the definition.
    pub pointer: String,
    /// The task's name.
    pub name: String,
    /// `set`, `do`, `for`, `fork`, `switch`, `try`, `raise`, `wait`, `emit`, `listen`, `call`.
    pub kind: String,
    /// How it ended.
    #[diesel(deserialize_as = String)]
    pub status: StepState,
    /// From 1.
    pub attempt: i32,
    /// JSON.
    pub input: Vec<u8>,
    /// JSON, when it completed.
    pub output: Option<Vec<u8>>,
    /// Whether input or output is not all of it: then it is the beginning of its JSON as a text, or null.
    pub is_cut: bool,
    /// JSON, when it faulted.
    pub error: Option<String>,
    /// When it began.
    #[diesel(deserialize_as = Stamp)]
    pub started_at: Instant,
    /// When it ended.
    #[diesel(deserialize_as = Stamp)]
    pub ended_at: Instant,
}

/// Whose runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunsOf {
    /// A workspace's.
    Workspace(WorkspaceId),
    /// A playbook's, which need not be there any more.
    Playbook(PlaybookId),
}

/// What an operator wants of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It ends. Calls in flight are given up.
    Cancel,
    /// It stands still: calls in flight end, and nothing new begins.
    Pause,
    /// It goes on.
    Resume,
    /// The step that faulted is done again.
    Retry {
        /// Calls get new idempotency keys, else receivers may answer as they did before.
        fresh_keys: bool,
    },
}

impl Control {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry { .. } => "retry",
        }
    }
}

/// What became of an operator's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controlled {
    /// It is written down, and whoever runs the run will see to it.
    Wished,
    /// A run in this state cannot do that.
    Refused(RunState),
    /// There is no such run in the workspace.
    Missing,
}
