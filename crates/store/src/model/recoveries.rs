//! Recoveries and dead letters.

use wire::resource::RecoverySpec;
use wire::{EndpointId, Instant, RecoveryId, RecoveryState, WorkspaceId};

/// One sending again of many deliveries that failed.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// `rec_…`.
    pub id: RecoveryId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Which deliveries, and how fast.
    pub spec: RecoverySpec,
    /// How far it is.
    pub state: RecoveryState,
    /// How many deliveries there were when it was started, as far as they were counted.
    pub total: i64,
    /// How many were sent again.
    pub recovered: i64,
    /// How many of this pass cannot be sent again: their events or endpoints are gone.
    pub skipped: i64,
    /// How many of this pass wait for their endpoint's queue to be short.
    pub deferred: i64,
    /// When it was saved.
    pub created_at: Instant,
    /// When it was started.
    pub started_at: Option<Instant>,
    /// When it completed or was cancelled.
    pub ended_at: Option<Instant>,
    /// When it last changed.
    pub updated_at: Instant,
}

/// What an operator does to a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steering {
    /// Begins one that is saved, over so many deliveries.
    Start {
        /// As far as they were counted.
        total: i64,
    },
    /// Holds one that runs.
    Pause,
    /// Has one that is paused go on.
    Resume,
    /// Ends one that has not ended.
    Cancel,
}

/// What a recovery would send again.
#[derive(Debug, Clone, Default)]
pub struct RecoveryPreview {
    /// How many, as far as they were counted.
    pub count: i64,
    /// Whether all were counted.
    pub is_complete: bool,
    /// When the event of the first of them came.
    pub oldest: Option<Instant>,
    /// When the event of the last that was counted came.
    pub newest: Option<Instant>,
    /// Some of the first.
    pub sample: Vec<crate::Delivery>,
}

/// A process's right to work on a recovery for a while.
#[derive(Debug, Clone)]
pub struct RecoveryLease {
    /// Which.
    pub id: RecoveryId,
    /// Fences off whoever had it before.
    pub fence: i64,
}

/// What a batch of a recovery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// Another process has it by now, or an operator stopped it: nothing was done.
    Lost,
    /// So many were sent again, and more may be.
    Sent(usize),
    /// So many were sent again, and nothing is left.
    Completed(usize),
}

/// Dead letters that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    /// Where they were to go.
    pub endpoint_id: EndpointId,
    /// What was wrong with their last attempts.
    pub error_kind: Option<String>,
    /// Their events' type.
    pub event_type: Option<String>,
    /// How many.
    pub count: i64,
    /// When the first of them was made.
    pub oldest: Instant,
    /// When the last of them was made.
    pub newest: Instant,
}
