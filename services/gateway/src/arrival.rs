//! A request that is here as a whole, as the doors check it, and why one is refused.

use crate::problem::Problem;
use actix_web::dev::RequestHead;
use actix_web::web::Bytes;
use signature::Reason;
use wire::{Instant, RejectionId};

/// A request with its body: one that just came, or one that was refused and is looked at again.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) head: &'a RequestHead,
    /// What was read of it.
    pub(crate) body: &'a Bytes,
    /// When its last byte was read: the clock that its signature is checked by.
    pub(crate) at: Instant,
    /// The rejection that it was kept as, when it is looked at again.
    pub(crate) rejection: Option<RejectionId>,
}

impl<'a> Arrival<'a> {
    /// A request that has just been read.
    pub(crate) fn now(head: &'a RequestHead, body: &'a Bytes) -> Self {
        Self {
            head,
            body,
            at: Instant::now(),
            rejection: None,
        }
    }

    /// When its event is recorded as received. An event that an operator lets in comes when it is let in: lists are in
    /// this order, and the ledger's partition of an older day may be gone.
    pub(crate) fn recorded_at(&self) -> Instant {
        match self.rejection {
            Some(_) => Instant::now(),
            None => self.at,
        }
    }
}

/// Why a request is refused: what its sender is told, and what is kept of it, if anything.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    pub(crate) refusal: Option<Refusal>,
}

/// Why a request of a known source was refused, for its operator.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// A stable word.
    pub(crate) cause: &'static str,
    /// A sentence for a person.
    pub(crate) detail: String,
    /// Whether another secret or another contact could change the verdict, so that the whole request is worth keeping.
    pub(crate) is_revisable: bool,
}

impl From<Problem> for Refused {
    /// What is over the limit is worth an operator's look; everything else is the sender's business alone.
    fn from(problem: Problem) -> Self {
        let refusal = matches!(problem, Problem::TooLarge(_)).then(|| Refusal {
            cause: problem.code(),
            detail: problem.to_string(),
            is_revisable: false,
        });
        Self { problem, refusal }
    }
}

impl Refused {
    /// The signature is wrong.
    pub(crate) fn signature(reason: Reason) -> Self {
        Self::revisable(
            Problem::InvalidSignature,
            reason.as_str(),
            reason.advice().to_owned(),
        )
    }

    /// The door's secret is wrong.
    pub(crate) fn unauthorized() -> Self {
        let problem = Problem::Unauthorized;
        let refusal = Refusal {
            cause: problem.code(),
            detail: problem.to_string(),
            is_revisable: false,
        };
        Self {
            problem,
            refusal: Some(refusal),
        }
    }

    /// Refused for a reason that an operator can do something about.
    pub(crate) fn revisable(problem: Problem, cause: &'static str, detail: String) -> Self {
        let refusal = Refusal {
            cause,
            detail,
            is_revisable: true,
        };
        Self {
            problem,
            refusal: Some(refusal),
        }
    }
}
