//! One endpoint's line.

use super::{Limits, Ticket};
use crate::rate::Bucket;
use std::collections::VecDeque;
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Line<J> {
    pub(super) limits: Limits,
    pub(super) waiting: VecDeque<(Ticket, J)>,
    /// Of those waiting, how many only lack a slot.
    pub(super) startable: usize,
    pub(super) running: usize,
    pub(super) bucket: Bucket,
    pub(super) listed: Listed,
}

/// Where a line is lined up itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Nowhere,
    /// In `ready`.
    Ready,
    /// In `throttled`.
    Throttled,
}

impl<J> Line<J> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            startable: 0,
            running: 0,
            bucket: Bucket::default(),
            listed: Listed::Nowhere,
        }
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.running == 0
            && self.waiting.is_empty()
            && self.listed == Listed::Nowhere
            && self.bucket.is_full(now)
    }
}
