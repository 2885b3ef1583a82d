//! Runs as their runner has them, and what it makes of them.

use crate::sql::{Maybe, Stamp, StoredText, Uid};
use crate::{NewEvent, StepRow};
use bytes::Bytes;
use diesel::Queryable;
use uuid::Uuid;
use wire::{EventId, Instant, PlaybookId, RunId, RunState, WorkspaceId};

/// A run that a worker has taken, with all that it takes to go on with it.
#[derive(Debug, Clone, Queryable)]
pub struct HeldRun {
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
    /// Where it is on its path.
    #[diesel(deserialize_as = String)]
    pub state: RunState,
    /// JSON.
    pub input: Vec<u8>,
    /// The engine's state; none before its first step.
    pub engine: Option<Vec<u8>>,
    /// JSON, when faulted.
    pub error: Option<String>,
    /// JSON, when completed.
    pub output: Option<Vec<u8>>,
    /// How often it was taken: one fence of its commits.
    pub epoch: i64,
    /// How often it was kept: the other.
    pub revision: i64,
    /// How many steps it has finished.
    pub steps: i32,
    /// How many runs the event that started it descends from.
    pub generation: i32,
    /// Its place among the runs of its playbook that go on at the same time.
    pub slot: Option<i32>,
    /// When it was recorded.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Instant,
    /// When it ended.
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub ended_at: Option<Instant>,
    /// The slug of the project it is targeted at.
    pub project: Option<String>,
    /// What it shares its places with beside the playbook, once it has asked for one; it does not change any more.
    pub slot_key: Option<String>,
}

/// Something that a run was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// In the order of coming.
    pub id: Uuid,
    /// Who was told.
    pub run_id: RunId,
    /// What.
    pub what: Telling,
}

/// What a run was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telling {
    /// An operator's wish.
    Control(crate::Control),
    /// An event came that it waits for.
    Message {
        /// Which.
        event_id: EventId,
        /// The listen's effect.
        effect: i32,
        /// The filter that matched.
        filter: i32,
    },
}

/// What one step of a run comes to: all of it is kept, or nothing.
#[derive(Debug, Clone)]
pub struct RunCommit {
    /// The run.
    pub id: RunId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Which playbook.
    pub playbook_id: PlaybookId,
    /// Who keeps it. When another has it by now, nothing is kept.
    pub owner: Uuid,
    /// As it was taken.
    pub epoch: i64,
    /// As it was before this commit, which adds one.
    pub revision: i64,
    /// Where it is now.
    pub state: RunState,
    /// The engine's state; none: what it was.
    pub engine: Option<Bytes>,
    /// JSON, when completed.
    pub output: Option<Bytes>,
    /// JSON, when faulted.
    pub error: Option<String>,
    /// How many steps it has finished in all.
    pub steps_total: i32,
    /// Whether the worker goes on with it.
    pub hold: Hold,
    /// The steps that it finished.
    pub steps: Vec<StepRow>,
    /// The events that it emitted: recorded as accepted, for the router.
    pub emitted: Vec<NewEvent>,
    /// What it waits for from now on.
    pub waits: Vec<NewWait>,
    /// What it does not wait for any more.
    pub unwaited: Unwaited,
    /// What it took in of what it was told.
    pub taken: Vec<Uuid>,
    /// How many runs of its playbook may go on at the same time, if there is a limit: when it ends, the next one gets its
    /// place.
    pub limit: Option<SlotLimit>,
    /// When.
    pub at: Instant,
}

/// What a run does not wait for any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwaited {
    /// Whatever it waits for: of one that ends, and may have waited.
    Every,
    /// The waits of these effects.
    These(Vec<i32>),
}

impl Unwaited {
    /// It waits for all that it waited for.
    pub const NOTHING: Self = Self::These(Vec::new());
}

/// Whether a worker goes on with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It does.
    Kept,
    /// It lets go of it, until then or until the run is told something.
    Parked(Option<Instant>),
}

/// How many runs may go on at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotLimit {
    /// What they share beside the playbook; empty: nothing.
    pub key: String,
    /// How many.
    pub most: i32,
}

/// What one filter of one `listen` waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWait {
    /// The listen's effect.
    pub effect: i32,
    /// Which of its filters.
    pub filter: i32,
    /// The exact type.
    pub event_type: String,
    /// The digest of the expressions that an event is asked; empty: none.
    pub shape: Vec<u8>,
    /// The digest of the expressions with the values that they must yield.
    pub correlation: Vec<u8>,
    /// What is waited for, as JSON.
    pub spec: String,
    /// Whether the first message ends the listen as a whole.
    pub is_any: bool,
    /// Whether other runs and the routes see the event too.
    pub is_broadcast: bool,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// It is kept, and these runs of the playbook got the place that it gave back.
    Kept(Vec<RunId>),
    /// Another has the run by now. Nothing was kept.
    Lost,
}

/// Whether a run may go on beside the others of its playbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slotted {
    /// It may.
    Taken(i32),
    /// It waits for another to end, and its worker has let go of it.
    Queued,
    /// Another has the run by now.
    Lost,
}
