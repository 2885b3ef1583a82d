//! One attempt: from the slot to the record.

use crate::health::{GONE, disable, heed};
use crate::lines::Ticket;
use crate::message::{Message, Own, compose};
use crate::notice::{self, About};
use crate::outcome::{Begun, Ended};
use crate::recipients::Recipient;
use crate::record::record;
use crate::worker::{Leased, Worker};
use boot::{metrics, trace};
use egress::{Deadlines, Method, Request, StatusCode};
use std::sync::Arc;
use store::Job;
use tracing::Instrument as _;
use tracing::field::Empty;
use wire::resource::EndpointSpec;
use wire::{DeliveryState, Instant, RetryPolicy};

/// Makes one attempt and records it.
///
/// No connection to the ledger is held during the request, and no slot while the outcome is written.
pub(crate) async fn attempt(worker: Arc<Worker>, ticket: Ticket, leased: Leased) {
    let job = &leased.job;
    let span = tracing::info_span!(
        "attempt",
        delivery.id = %job.delivery_id,
        event.id = %job.event_id,
        endpoint.id = %job.endpoint_id,
        attempt.number = job.number(),
        http.status = Empty,
        error.kind = Empty,
    );
    trace::follow(&span, job.traceparent.as_deref());
    let run = run(worker, ticket, leased, trace::of(&span));
    run.instrument(span).await;
}

async fn run(worker: Arc<Worker>, ticket: Ticket, leased: Leased, traceparent: Option<String>) {
    let found = worker.recipients.find(&ticket.endpoint).await;
    let ceiling = match &found {
        Ok(Some(recipient)) => recipient.endpoint.spec.concurrency,
        Ok(None) | Err(_) => EndpointSpec::default_concurrency(),
    };
    let begun = Begun::of(&leased, ticket.lease, ceiling, Instant::now());
    let Leased { job, until, .. } = leased;
    let received_at = job.received_at;
    let about = About::of(&job);
    let ended = match found {
        Ok(Some(recipient)) if recipient.is_enabled() => {
            post(&worker, &recipient, job, &begun, traceparent).await
        }
        // It was disabled while the delivery waited in its line.
        Ok(Some(_)) => return give_back(&worker, &ticket).await,
        Ok(None) => begun.given_up(Instant::now()),
        Err(error) if error.is_transient() => return give_back(&worker, &ticket).await,
        Err(error) => begun.prevented(boot::report(&error), &RetryPolicy::default(), Instant::now()),
    };
    worker.answered(&ticket, ended.outcome.state == DeliveryState::Delivered);
    let Ended {
        outcome,
        disables_endpoint,
    } = ended;
    let span = tracing::Span::current();
    span.record("http.status", outcome.attempt.response_status);
    span.record("error.kind", outcome.attempt.error_kind.as_deref());
    let told = notice::of_delivery(&about, &outcome);
    let Some(recorded) = record(&worker, outcome, received_at, until).await else {
        return;
    };
    if recorded.moved
        && let Some(event) = told
    {
        notice::raise(&worker, event).await;
    }
    if disables_endpoint {
        disable(&worker, &ticket.endpoint, GONE).await;
    }
    if let Some(news) = &recorded.lane {
        heed(&worker, &about.workspace, &ticket.endpoint, news).await;
    }
}

async fn give_back(worker: &Worker, ticket: &Ticket) {
    worker.release(vec![(ticket.delivery, ticket.lease)]).await;
}

async fn post(
    worker: &Worker,
    recipient: &Recipient,
    job: Job,
    begun: &Begun,
    traceparent: Option<String>,
) -> Ended {
    let spec = &recipient.endpoint.spec;
    let keys = match recipient.keys_at(begun.at) {
        Ok(keys) => keys,
        Err(error) => return begun.prevented(boot::report(error), &spec.retry, Instant::now()),
    };
    if let Some(due_at) = job.due_at {
        metrics::delivery_lag(begun.at.since(due_at));
    }
    let deadlines = Deadlines {
        connect: worker.connect_timeout.min(spec.timeout),
        first_byte: spec.timeout,
        total: spec.timeout,
    };
    let security = match worker.certificates.of(&recipient.endpoint).await {
        Ok(security) => security,
        Err(error) => {
            let said = format!("the endpoint's certificates cannot be used: {error}");
            return begun.prevented(said, &spec.retry, Instant::now());
        }
    };
    // The token's time is the attempt's: its lease was made for one timeout.
    let token = match worker.tokens.of(&recipient.endpoint, deadlines).await {
        Ok(token) => token,
        Err(failure) => return begun.unauthorized(&failure, &spec.retry, Instant::now()),
    };
    let traceparent = traceparent.or_else(|| job.traceparent.clone());
    let Message {
        headers,
        custom_headers,
        body,
        recorded_headers,
    } = compose(
        job,
        recipient,
        &keys,
        begun.at,
        Own {
            traceparent: traceparent.as_deref(),
            user_agent: &worker.settings.user_agent,
            token: token.as_deref(),
        },
    );
    let request = Request {
        method: Method::POST,
        url: spec.url.clone(),
        headers,
        custom_headers,
        body,
        security,
        deadlines,
        max_answer_bytes: worker.settings.response_limit.bytes(),
    };
    let answered = worker.egress.send(request).await;
    // Whatever it says of its lifetime, a token that is refused is no good any more.
    if token.is_some()
        && answered
            .as_ref()
            .is_ok_and(|answer| answer.status == StatusCode::UNAUTHORIZED)
    {
        worker.tokens.forget(&recipient.endpoint).await;
    }
    begun.sent(answered, recorded_headers, &spec.retry, Instant::now())
}
