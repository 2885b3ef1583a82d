//! One endpoint's line.

use super::{Limits, Ticket};
use crate::rate::Bucket;
use std::collections::VecDeque;
use std::time::Instant;
use wire::WorkspaceId;

#[derive(Debug)]
pub(super) struct Line<J> {
    pub(super) workspace: WorkspaceId,
    pub(super) limits: Limits,
    pub(super) waiting: VecDeque<(Ticket, J)>,
    /// Of those waiting, how many only lack a slot.
    pub(super) startable: usize,
    /// Of those started, how many hold a place: they run, or have failed and are being recorded.
    pub(super) running: usize,
    /// How many may run: few at first, one more with each that went well, up to what the endpoint allows.
    pub(super) window: usize,
    pub(super) bucket: Bucket,
    pub(super) listed: Listed,
}

/// Where a line is lined up itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Nowhere,
    /// Among its workspace's ready ones.
    Ready,
    /// In `throttled`.
    Throttled,
}

impl<J> Line<J> {
    pub(super) fn new(workspace: WorkspaceId, limits: Limits, window: usize) -> Self {
        Self {
            workspace,
            limits,
            waiting: VecDeque::new(),
            startable: 0,
            running: 0,
            window,
            bucket: Bucket::default(),
            listed: Listed::Nowhere,
        }
    }

    /// Takes out of those that wait.
    pub(super) fn take(&mut self, leaves: impl Fn(&Ticket) -> bool) -> Vec<Ticket> {
        let (left, stays) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(ticket, _)| leaves(ticket));
        self.waiting = stays;
        left.into_iter().map(|(ticket, _): (Ticket, J)| ticket).collect()
    }

    /// How many more may run.
    pub(super) fn allowed(&self) -> usize {
        let most = self.limits.concurrency.min(self.window);
        most.saturating_sub(self.running)
    }

    /// Notes that an attempt went well.
    pub(super) fn succeeded(&mut self) {
        self.running -= 1;
        self.window = self
            .window
            .saturating_add(1)
            .min(self.limits.concurrency.max(self.window));
    }

    /// Notes that the ledger knows of an attempt that failed.
    pub(super) fn failed(&mut self) {
        self.running -= 1;
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.running == 0
            && self.waiting.is_empty()
            && self.listed == Listed::Nowhere
            && self.bucket.is_full(now)
    }
}
