//! What a receiver answers.

use std::collections::VecDeque;
use std::time::Duration;

/// One answer, good or bad.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) delay: Duration,
    pub(super) action: Action,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    Hang,
    Reset,
    EndlessBody,
    Raw(Vec<u8>),
}

impl Reply {
    /// An empty answer with this status.
    pub fn status(status: u16) -> Self {
        Self::doing(Action::Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Never answers; the connection stays open.
    pub fn hang() -> Self {
        Self::doing(Action::Hang)
    }

    /// Breaks the connection with a TCP reset.
    pub fn reset() -> Self {
        Self::doing(Action::Reset)
    }

    /// 200 with a chunked body that has no end.
    pub fn endless_body() -> Self {
        Self::doing(Action::EndlessBody)
    }

    /// These bytes instead of an HTTP answer, then the end of the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::doing(Action::Raw(bytes.into()))
    }

    /// Adds a header to an ordinary answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Action::Answer { headers, .. } = &mut self.action {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Gives an ordinary answer a body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Action::Answer { body, .. } = &mut self.action {
            *body = bytes.into();
        }
        self
    }

    /// Waits before it does anything.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn doing(action: Action) -> Self {
        Self {
            delay: Duration::ZERO,
            action,
        }
    }
}

/// Replies for the next requests, and one for all that follow.
#[derive(Debug)]
pub(super) struct Script {
    next: VecDeque<Reply>,
    then: Reply,
}

impl Default for Script {
    fn default() -> Self {
        Self::of(Reply::status(200))
    }
}

impl Script {
    pub(super) fn of(reply: Reply) -> Self {
        Self {
            next: VecDeque::new(),
            then: reply,
        }
    }

    pub(super) fn add(&mut self, replies: impl IntoIterator<Item = Reply>) {
        self.next.extend(replies);
    }

    pub(super) fn take(&mut self) -> Reply {
        self.next.pop_front().unwrap_or_else(|| self.then.clone())
    }
}
