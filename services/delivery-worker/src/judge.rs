//! What follows an attempt: a pure function of what the receiver did and of the delivery's policy.

use egress::StatusCode;
use std::time::Duration;
use wire::resource::DeliveryPolicy;
use wire::{DeliveryState, Instant, Next};

/// Why a delivery `failed` when its receiver answered 410.
pub const GONE: &str = "gone";

/// Why a delivery `failed` when its receiver answered with a status that its policy has as final.
pub const FINAL_STATUS: &str = "final_status";

/// Why a delivery `failed` when its endpoint was deleted.
pub const ENDPOINT_DELETED: &str = "endpoint_deleted";

/// What came of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The receiver answered.
    Answered {
        /// With this status.
        status: StatusCode,
        /// And asked for this pause, where it may.
        retry_after: Option<Duration>,
    },
    /// There is no answer.
    Unanswered {
        /// The stable name of the failure.
        kind: &'static str,
        /// The same for a person.
        sentence: String,
    },
}

/// The class of a delivery that ends without an attempt.
pub const NO_REPLY: &str = "none";

impl Reply {
    /// For metrics: the class of the status, or the kind of the failure.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Answered { status, .. } => match status.as_u16() / 100 {
                1 => "1xx",
                2 => "2xx",
                3 => "3xx",
                4 => "4xx",
                5 => "5xx",
                _ => "other",
            },
            Self::Unanswered { kind, .. } => kind,
        }
    }
}

/// An attempt, as far as the judgement depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Counted from 1.
    pub number: u32,
    /// When it ended.
    pub ended_at: Instant,
    /// Its schedule, and the answers that end it.
    pub policy: &'a DeliveryPolicy,
    /// Uniform in `0.0..1.0`.
    pub random: f64,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The delivery's next state.
    pub state: DeliveryState,
    /// Why it failed for good, before its schedule was over.
    pub reason: Option<&'static str>,
    /// When the next attempt is due.
    pub due_at: Option<Instant>,
    /// What was wrong; none on success.
    pub fault: Option<Fault>,
    /// Whether the receiver wants nothing more of anything.
    pub disables_endpoint: bool,
}

/// What was wrong with an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `http_status`, or what `egress` calls it.
    pub kind: &'static str,
    /// The same for a person, with what to do.
    pub message: String,
}

/// Judges an attempt.
///
/// 2xx is a success. 410 ends the delivery and disables the endpoint; a status that the policy has as final ends the delivery.
/// Everything else is tried again on the schedule, not sooner than a 429 or 503 asked for, and is a dead letter when the
/// schedule has no entry left.
pub fn judge(reply: Reply, attempt: Attempt<'_>) -> Verdict {
    let asked = pause_asked(&reply);
    let fault = match reply {
        Reply::Answered { status, .. } if status.is_success() => {
            return Verdict {
                state: DeliveryState::Delivered,
                reason: None,
                due_at: None,
                fault: None,
                disables_endpoint: false,
            };
        }
        Reply::Answered { status, .. } => {
            let fault = Fault {
                kind: "http_status",
                message: sentence(status),
            };
            if status == StatusCode::GONE {
                return failed(GONE, fault, true);
            }
            if attempt.policy.is_final(status.as_u16()) {
                return failed(FINAL_STATUS, fault, false);
            }
            fault
        }
        Reply::Unanswered { kind, sentence } => Fault {
            kind,
            message: sentence,
        },
    };
    let next = attempt
        .policy
        .retry
        .next(attempt.number, attempt.ended_at, asked, attempt.random);
    let (state, due_at) = match next {
        Next::Retry(due_at) => (DeliveryState::ScheduledRetry, Some(due_at)),
        Next::Exhausted => (DeliveryState::DeadLetter, None),
    };
    Verdict {
        state,
        reason: None,
        due_at,
        fault: Some(fault),
        disables_endpoint: false,
    }
}

fn failed(reason: &'static str, fault: Fault, disables_endpoint: bool) -> Verdict {
    Verdict {
        state: DeliveryState::Failed,
        reason: Some(reason),
        due_at: None,
        fault: Some(fault),
        disables_endpoint,
    }
}

/// For how long the receiver asked to be left alone, where its status may ask for that.
pub(crate) fn pause_asked(reply: &Reply) -> Option<Duration> {
    match reply {
        Reply::Answered { status, retry_after } => retry_after.filter(|_| {
            matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            )
        }),
        Reply::Unanswered { .. } => None,
    }
}

/// Says what a status means here, and what to do about it.
fn sentence(status: StatusCode) -> String {
    let advice = match status.as_u16() {
        300..=399 => "redirects are not followed, so give the endpoint the URL that this one leads to",
        401 | 403 => "check the endpoint's secret and headers against what the receiver expects",
        404 | 405 => "check the endpoint's URL",
        408 | 504 => "see what keeps the receiver",
        410 => "it wants no more deliveries, so the endpoint is disabled; enable it when that was a mistake",
        413 => "let the receiver take larger bodies, or let the route's transform send less",
        415 => "let the receiver take this content type, or let the route's transform send JSON",
        429 => "give the endpoint a lower rate limit or concurrency",
        _ => "the receiver's log may say why",
    };
    let name = status.canonical_reason().map(|name| format!(" {name}"));
    format!(
        "the receiver answered {}{}: {advice}",
        status.as_u16(),
        name.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::RetryPolicy;
    use wire::resource::StatusPattern;

    const NOW: Instant = Instant::from_unix_micros(1_800_000_000_000_000);

    /// Every kind that `egress` has, as its documentation lists them.
    const KINDS: [egress::Kind; 7] = [
        egress::Kind::Blocked,
        egress::Kind::Dns,
        egress::Kind::Connect,
        egress::Kind::Tls,
        egress::Kind::Timeout,
        egress::Kind::Reset,
        egress::Kind::Protocol,
    ];

    fn statuses() -> impl Iterator<Item = StatusCode> {
        (100..1000).map(|code| StatusCode::from_u16(code).unwrap())
    }

    fn answered(status: StatusCode, retry_after: Option<u64>) -> Reply {
        Reply::Answered {
            status,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn attempt(number: u32, policy: &DeliveryPolicy) -> Attempt<'_> {
        Attempt {
            number,
            ended_at: NOW,
            policy,
            // Without jitter.
            random: 0.5,
        }
    }

    #[test]
    fn exactly_the_statuses_from_200_to_299_are_a_success_at_every_attempt() {
        let policy = DeliveryPolicy::default();
        for status in statuses() {
            for number in 1..=7 {
                let verdict = judge(answered(status, Some(9)), attempt(number, &policy));
                let succeeded = verdict.state == DeliveryState::Delivered;
                assert_eq!(
                    succeeded,
                    (200..300).contains(&status.as_u16()),
                    "{status} at {number}"
                );
                assert_eq!(verdict.fault.is_none(), succeeded, "{status}");
                if succeeded {
                    assert_eq!(
                        (verdict.due_at, verdict.reason, verdict.disables_endpoint),
                        (None, None, false)
                    );
                }
            }
        }
    }

    #[test]
    fn a_410_ends_the_delivery_and_disables_the_endpoint_and_no_other_status_does() {
        let policy = DeliveryPolicy::default();
        for status in statuses() {
            for number in 1..=7 {
                let verdict = judge(answered(status, None), attempt(number, &policy));
                let is_gone = status.as_u16() == 410;
                assert_eq!(verdict.disables_endpoint, is_gone, "{status}");
                assert_eq!(verdict.state == DeliveryState::Failed, is_gone, "{status}");
                assert_eq!(verdict.reason, is_gone.then_some("gone"), "{status}");
            }
        }
    }

    #[test]
    fn every_other_reply_is_tried_again_on_the_schedule_and_then_a_dead_letter() {
        let policy = DeliveryPolicy::default();
        let unanswered = KINDS.map(|kind| Reply::Unanswered {
            kind: kind.as_str(),
            sentence: "it broke".to_owned(),
        });
        let others = statuses()
            .filter(|status| !status.is_success() && status.as_u16() != 410)
            .map(|status| answered(status, None))
            .chain(unanswered);
        for reply in others {
            for (number, wait) in [(1, 5), (2, 60), (3, 600), (4, 3_600)] {
                let verdict = judge(reply.clone(), attempt(number, &policy));
                assert_eq!(
                    verdict.state,
                    DeliveryState::ScheduledRetry,
                    "{reply:?} at {number}"
                );
                assert_eq!(verdict.due_at, Some(NOW + Duration::from_secs(wait)), "{reply:?}");
            }
            // The schedule's entries are the attempts; a retry by hand goes on counting.
            for number in [5, 6, 100] {
                let verdict = judge(reply.clone(), attempt(number, &policy));
                assert_eq!(
                    (verdict.state, verdict.due_at),
                    (DeliveryState::DeadLetter, None),
                    "{reply:?}"
                );
            }
        }
    }

    #[test]
    fn a_final_status_ends_the_delivery_and_leaves_the_endpoint_alone() {
        let policy = DeliveryPolicy {
            final_statuses: vec![StatusPattern::Class(4), StatusPattern::Exact(503)],
            ..DeliveryPolicy::default()
        };
        for status in statuses().filter(|status| !status.is_success() && status.as_u16() != 410) {
            let verdict = judge(answered(status, Some(9)), attempt(1, &policy));
            let code = status.as_u16();
            let is_final = code == 503 || ((400..500).contains(&code) && ![408, 425, 429].contains(&code));
            assert_eq!(verdict.state == DeliveryState::Failed, is_final, "{status}");
            assert_eq!(verdict.reason, is_final.then_some("final_status"), "{status}");
            assert_eq!(verdict.due_at.is_none(), is_final, "{status}");
            assert!(!verdict.disables_endpoint, "{status}");
        }
        // As ever.
        let gone = judge(answered(StatusCode::GONE, None), attempt(1, &policy));
        assert_eq!((gone.reason, gone.disables_endpoint), (Some("gone"), true));
        let delivered = judge(answered(StatusCode::OK, None), attempt(1, &policy));
        assert_eq!(delivered.state, DeliveryState::Delivered);
    }

    #[test]
    fn only_429_and_503_may_ask_for_a_pause() {
        let policy = DeliveryPolicy::default();
        for status in statuses().filter(|status| !status.is_success() && status.as_u16() != 410) {
            let verdict = judge(answered(status, Some(30)), attempt(1, &policy));
            let wait = if matches!(status.as_u16(), 429 | 503) {
                30
            } else {
                5
            };
            assert_eq!(verdict.due_at, Some(NOW + Duration::from_secs(wait)), "{status}");
        }
    }

    #[test]
    fn a_pause_is_capped_at_an_hour_and_never_shortens_the_schedule() {
        let policy = DeliveryPolicy::default();
        let due = |number, asked| {
            let verdict = judge(
                answered(StatusCode::SERVICE_UNAVAILABLE, Some(asked)),
                attempt(number, &policy),
            );
            verdict.due_at.unwrap()
        };
        assert_eq!(due(1, u64::MAX), NOW + Duration::from_hours(1));
        assert_eq!(due(3, 1), NOW + Duration::from_mins(10));
    }

    #[test]
    fn a_fault_has_the_kind_of_its_cause_and_a_sentence() {
        let policy = DeliveryPolicy::default();
        for kind in KINDS {
            let sentence = format!("it was {kind}");
            let reply = Reply::Unanswered {
                kind: kind.as_str(),
                sentence: sentence.clone(),
            };
            let expected = Fault {
                kind: kind.as_str(),
                message: sentence,
            };
            assert_eq!(judge(reply, attempt(1, &policy)).fault, Some(expected));
        }
        for status in statuses().filter(|status| !status.is_success()) {
            let fault = judge(answered(status, None), attempt(1, &policy)).fault.unwrap();
            assert_eq!(fault.kind, "http_status");
            assert!(fault.message.contains(status.as_str()), "{}", fault.message);
        }
        let redirect = judge(answered(StatusCode::FOUND, None), attempt(1, &policy));
        assert_eq!(
            redirect.fault.unwrap().message,
            "the receiver answered 302 Found: redirects are not followed, so give the endpoint the URL that this one \
             leads to"
        );
    }

    proptest! {
        #[test]
        fn a_retry_is_never_sooner_than_the_least_jitter_allows(
            number in 1_u32..10,
            random in 0.0..1.0,
            asked in proptest::option::of(0_u64..10_000),
        ) {
            let policy = DeliveryPolicy::default();
            let reply = answered(StatusCode::TOO_MANY_REQUESTS, asked);
            let verdict = judge(reply, Attempt { random, ..attempt(number, &policy) });
            if let Some(due_at) = verdict.due_at {
                let least = policy.retry.schedule[number as usize].mul_f64(1.0 - policy.retry.jitter);
                let asked = Duration::from_secs(asked.unwrap_or(0)).min(RetryPolicy::LONGEST_RETRY_AFTER);
                prop_assert!(due_at.since(NOW) >= asked.max(least));
            } else {
                prop_assert_eq!(verdict.state, DeliveryState::DeadLetter);
            }
        }
    }
}
