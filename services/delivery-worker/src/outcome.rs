//! What came of an attempt, as it is written down: pure but for drawing lots and counting.

use crate::judge::{self, ENDPOINT_DELETED, NO_REPLY, Reply, Verdict, judge};
use crate::message::recorded_answer;
use crate::retry_after;
use crate::tokens::TokenFailure;
use crate::worker::Leased;
use boot::metrics;
use bytes::Bytes;
use egress::{Answer, Kind, SendError};
use std::time::Duration;
use store::{NewAttempt, Outcome};
use uuid::Uuid;
use wire::circuit::Answered;
use wire::resource::DeliveryPolicy;
use wire::{AttemptId, DeliveryId, DeliveryState, EndpointId, Instant};

/// An attempt that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    delivery: DeliveryId,
    lease: Uuid,
    number: i32,
    pub(crate) at: Instant,
    endpoint: EndpointId,
    due_at: Option<Instant>,
    /// Whether it tests an open circuit.
    is_probe: bool,
    /// What the delivery shares with those that go after it.
    order_key: Option<String>,
    /// How many attempts the endpoint allows in flight.
    ceiling: u32,
}

/// An attempt that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    /// For the ledger.
    pub(crate) outcome: Outcome,
    /// Whether the receiver wants nothing more of anything.
    pub(crate) disables_endpoint: bool,
    /// What it was for metrics: see [`Reply::class`].
    pub(crate) class: &'static str,
}

impl Begun {
    pub(crate) fn of(leased: &Leased, lease: Uuid, ceiling: u32, at: Instant) -> Self {
        let job = &leased.job;
        Self {
            delivery: job.delivery_id,
            lease,
            number: job.number(),
            at,
            endpoint: job.endpoint_id.clone(),
            due_at: job.due_at,
            is_probe: leased.is_probe,
            order_key: job.order_key.clone(),
            ceiling,
        }
    }

    /// Ends with what the receiver did, at `now`.
    pub(crate) fn sent(
        &self,
        answered: Result<Answer, SendError>,
        request_headers: Bytes,
        policy: &DeliveryPolicy,
        now: Instant,
    ) -> Ended {
        let took = match &answered {
            Ok(answer) => answer.elapsed,
            Err(_) => now.since(self.at),
        };
        let reply = reply(&answered, now);
        let (said, asked) = (said(&reply), judge::pause_asked(&reply));
        let judged = self.judged(reply, policy, took, now);
        let mut ended = self.ended(judged, Some(said), took, now);
        ended.outcome.asked = asked;
        let attempt = &mut ended.outcome.attempt;
        attempt.request_headers = request_headers;
        if let Ok(answer) = answered {
            attempt.response_status = Some(i32::from(answer.status.as_u16()));
            attempt.response_headers = recorded_answer(&answer.headers);
            attempt.response_body = answer.body;
        }
        ended
    }

    /// Ends without a request, because settings of ours stand in the way. Somebody may correct them, so it counts as a
    /// failure and is tried again.
    pub(crate) fn prevented(&self, by: String, policy: &DeliveryPolicy, now: Instant) -> Ended {
        let reply = Reply::Unanswered {
            kind: Kind::Blocked.as_str(),
            sentence: by,
        };
        let judged = self.judged(reply, policy, Duration::ZERO, now);
        self.ended(judged, Some(Answered::Badly), Duration::ZERO, now)
    }

    /// Ends without a request, because the endpoint's token could not be fetched.
    pub(crate) fn unauthorized(
        &self,
        failure: &TokenFailure,
        policy: &DeliveryPolicy,
        now: Instant,
    ) -> Ended {
        let took = now.since(self.at);
        let reply = Reply::Unanswered {
            kind: failure.kind(),
            sentence: failure.to_string(),
        };
        let judged = self.judged(reply, policy, took, now);
        self.ended(judged, Some(Answered::Badly), took, now)
    }

    /// Ends the delivery without an attempt, because its endpoint was deleted.
    pub(crate) fn given_up(&self, now: Instant) -> Ended {
        let verdict = Verdict {
            state: DeliveryState::Failed,
            reason: Some(ENDPOINT_DELETED),
            due_at: None,
            fault: None,
            disables_endpoint: false,
        };
        let mut ended = self.ended((verdict, NO_REPLY), None, Duration::ZERO, now);
        ended.outcome.is_made = false;
        ended
    }

    /// The verdict, and the attempt's class.
    fn judged(
        &self,
        reply: Reply,
        policy: &DeliveryPolicy,
        took: Duration,
        now: Instant,
    ) -> (Verdict, &'static str) {
        let is_success = matches!(&reply, Reply::Answered { status, .. } if status.is_success());
        let class = reply.class();
        metrics::delivery_attempted(class, is_success, took);
        let attempt = judge::Attempt {
            number: u32::try_from(self.number).unwrap_or(1),
            ended_at: now,
            policy,
            random: rand::random(),
        };
        (judge(reply, attempt), class)
    }

    fn ended(
        &self,
        (verdict, class): (Verdict, &'static str),
        answered: Option<Answered>,
        took: Duration,
        now: Instant,
    ) -> Ended {
        // A probe that failed uses no attempt up: its delivery waits on as it did before.
        let waits_on = matches!(
            verdict.state,
            DeliveryState::ScheduledRetry | DeliveryState::DeadLetter
        );
        let counts = !(self.is_probe && waits_on);
        let (state, due_at) = match (counts, self.number) {
            (true, _) => (verdict.state, verdict.due_at),
            (false, ..=1) => (DeliveryState::Pending, Some(self.due_at.unwrap_or(now))),
            (false, _) => (DeliveryState::ScheduledRetry, Some(self.due_at.unwrap_or(now))),
        };
        let no_headers = Bytes::from_static(b"[]");
        let (kind, message) = match verdict.fault {
            Some(fault) => (Some(fault.kind.to_owned()), Some(fault.message)),
            None => (None, None),
        };
        let attempt = NewAttempt {
            id: AttemptId::new(self.at, rand::random()),
            number: self.number,
            response_status: None,
            duration_ms: i32::try_from(took.as_millis()).unwrap_or(i32::MAX),
            error_kind: kind,
            error_message: message,
            request_headers: no_headers.clone(),
            response_headers: no_headers,
            response_body: Bytes::new(),
            created_at: self.at,
        };
        Ended {
            outcome: Outcome {
                delivery_id: self.delivery,
                lease: self.lease,
                state,
                reason: verdict.reason.map(str::to_owned),
                due_at,
                attempt,
                at: now,
                endpoint_id: self.endpoint.clone(),
                counts,
                is_made: true,
                is_probe: self.is_probe,
                answered,
                asked: None,
                order_key: self.order_key.clone(),
                ceiling: self.ceiling,
                random: rand::random(),
            },
            disables_endpoint: verdict.disables_endpoint,
            class,
        }
    }
}

fn reply(answered: &Result<Answer, SendError>, now: Instant) -> Reply {
    match answered {
        Ok(answer) => {
            let asked = answer.headers.get("retry-after");
            Reply::Answered {
                status: answer.status,
                retry_after: asked.and_then(|value| retry_after::parse(value.to_str().ok()?, now)),
            }
        }
        Err(error) => Reply::Unanswered {
            kind: error.kind().as_str(),
            sentence: error.to_string(),
        },
    }
}

/// What an answer says of its endpoint: whether it would be helped by fewer requests at a time.
fn said(reply: &Reply) -> Answered {
    match reply {
        Reply::Answered { status, .. } if status.is_success() => Answered::Well,
        Reply::Answered { status, .. }
            if status.is_server_error() || matches!(status.as_u16(), 408 | 429) =>
        {
            Answered::Overloaded
        }
        Reply::Unanswered { kind, .. } if *kind == Kind::Timeout.as_str() => Answered::Overloaded,
        Reply::Answered { .. } | Reply::Unanswered { .. } => Answered::Badly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egress::{HeaderMap, HeaderValue, StatusCode};
    use std::io;
    use wire::RetryPolicy;

    const NOW: Instant = Instant::from_unix_micros(1_800_000_000_000_000);

    fn begun() -> Begun {
        Begun {
            delivery: DeliveryId::new(NOW, 1),
            lease: Uuid::from_u128(7),
            number: 1,
            at: NOW,
            endpoint: EndpointId::from_stored("ep_one"),
            due_at: Some(NOW),
            is_probe: false,
            order_key: None,
            ceiling: 10,
        }
    }

    fn policy() -> DeliveryPolicy {
        DeliveryPolicy {
            retry: RetryPolicy {
                jitter: 0.0,
                ..RetryPolicy::default()
            },
            ..DeliveryPolicy::default()
        }
    }

    fn sent(answered: Result<Answer, SendError>) -> Outcome {
        let later = NOW + Duration::from_millis(40);
        let headers = Bytes::from_static(br#"[["a","b"]]"#);
        begun().sent(answered, headers, &policy(), later).outcome
    }

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value)));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect::<HeaderMap>(),
            body: Bytes::from_static(b"so it is"),
            body_truncated: false,
            elapsed: Duration::from_millis(30),
        }
    }

    #[test]
    fn an_answer_is_kept_with_all_that_an_operator_asks_about() {
        let outcome = sent(Ok(answer(200, &[("x-a", "1")])));
        assert_eq!(outcome.state, DeliveryState::Delivered);
        assert_eq!(outcome.lease, Uuid::from_u128(7));
        assert_eq!(outcome.at, NOW + Duration::from_millis(40));
        let attempt = outcome.attempt;
        assert_eq!(attempt.response_status, Some(200));
        assert_eq!(attempt.duration_ms, 30);
        assert_eq!((attempt.error_kind, attempt.error_message), (None, None));
        assert_eq!(attempt.request_headers, &br#"[["a","b"]]"#[..]);
        assert_eq!(attempt.response_headers, &br#"[["x-a","1"]]"#[..]);
        assert_eq!(attempt.response_body, &b"so it is"[..]);
        assert_eq!(attempt.created_at, NOW);
    }

    #[test]
    fn retry_after_is_read_from_the_answer() {
        for (value, wait) in [("90", 90), ("nonsense", 5)] {
            let asked = Box::leak(value.to_owned().into_boxed_str());
            let outcome = sent(Ok(answer(503, &[("retry-after", asked)])));
            let ended = NOW + Duration::from_millis(40);
            assert_eq!(outcome.due_at, Some(ended + Duration::from_secs(wait)), "{value}");
            let asked = (value == "90").then_some(Duration::from_secs(90));
            assert_eq!(outcome.asked, asked, "its circuit is told");
            assert_eq!(outcome.attempt.error_kind.as_deref(), Some("http_status"));
        }
    }

    #[test]
    fn a_failure_has_the_kind_and_the_sentence_of_egress() {
        let reset = SendError::Reset {
            host: "hooks.example.com".into(),
            source: Box::new(io::Error::from(io::ErrorKind::ConnectionReset)),
        };
        let sentence = reset.to_string();
        let outcome = sent(Err(reset));
        assert_eq!(outcome.state, DeliveryState::ScheduledRetry);
        assert_eq!(outcome.attempt.error_kind.as_deref(), Some("reset"));
        assert_eq!(outcome.attempt.error_message, Some(sentence));
        assert_eq!(outcome.attempt.response_status, None);
        assert_eq!(outcome.attempt.duration_ms, 40);
    }

    #[test]
    fn settings_that_stand_in_the_way_are_tried_again_and_a_deleted_endpoint_is_not() {
        let prevented = begun().prevented("no key".to_owned(), &policy(), NOW).outcome;
        assert_eq!(prevented.state, DeliveryState::ScheduledRetry);
        assert_eq!(prevented.attempt.error_kind.as_deref(), Some("blocked"));

        let given_up = begun().given_up(NOW).outcome;
        assert_eq!(given_up.state, DeliveryState::Failed);
        assert_eq!(given_up.reason.as_deref(), Some("endpoint_deleted"));
        assert_eq!((given_up.due_at, given_up.is_made), (None, false));
    }

    #[test]
    fn a_probe_that_failed_uses_no_attempt_up_and_one_that_ended_it_does() {
        let probe = |number| Begun {
            number,
            is_probe: true,
            ..begun()
        };
        let sent = |number, status| {
            let headers = Bytes::from_static(b"[]");
            probe(number)
                .sent(Ok(answer(status, &[])), headers, &policy(), NOW)
                .outcome
        };
        for (number, state) in [(1, DeliveryState::Pending), (5, DeliveryState::ScheduledRetry)] {
            let failed = sent(number, 500);
            assert_eq!(
                (failed.state, failed.due_at, failed.counts),
                (state, Some(NOW), false)
            );
        }
        let delivered = sent(1, 200);
        assert_eq!(
            (delivered.state, delivered.counts),
            (DeliveryState::Delivered, true)
        );
        let gone = sent(1, 410);
        assert_eq!((gone.state, gone.counts), (DeliveryState::Failed, true));
    }

    #[test]
    fn timeouts_and_the_statuses_of_too_many_requests_say_that_there_are_too_many() {
        for (status, expected) in [
            (200, Answered::Well),
            (404, Answered::Badly),
            (408, Answered::Overloaded),
            (429, Answered::Overloaded),
            (500, Answered::Overloaded),
            (503, Answered::Overloaded),
        ] {
            assert_eq!(sent(Ok(answer(status, &[]))).answered, Some(expected), "{status}");
        }
        let unanswered = |kind| {
            said(&Reply::Unanswered {
                kind,
                sentence: String::new(),
            })
        };
        assert_eq!(unanswered("timeout"), Answered::Overloaded);
        assert_eq!(unanswered("dns"), Answered::Badly);
    }
}
