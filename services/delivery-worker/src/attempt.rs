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
use std::time::Instant as Stopwatch;
use store::Job;
use tracing::Instrument as _;
use tracing::field::Empty;
use wire::resource::{DeliveryPolicy, EndpointSpec};
use wire::{DeliveryId, DeliveryState, Instant, WorkspaceId};

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
    let is_ordered = job.order_key.is_some();
    let ended = match &found {
        Ok(Some(recipient)) if recipient.is_enabled() => {
            let policy = match worker.recipients.policy(recipient, job.route_id.as_ref()).await {
                Ok(policy) => policy,
                Err(error) if error.is_transient() => return give_back(&worker, &ticket).await,
                // The route's settings cannot be read, so it says nothing.
                Err(_) => recipient.policy(None),
            };
            let to = To {
                recipient,
                policy: &policy,
            };
            post(&worker, to, job, &begun, traceparent).await
        }
        // It was disabled while the delivery waited in its line.
        Ok(Some(_)) => return give_back(&worker, &ticket).await,
        Ok(None) => begun.given_up(Instant::now()),
        Err(error) if error.is_transient() => return give_back(&worker, &ticket).await,
        Err(error) => begun.prevented(boot::report(error), &DeliveryPolicy::default(), Instant::now()),
    };
    worker.answered(&ticket, ended.outcome.state == DeliveryState::Delivered);
    let Ended {
        outcome,
        disables_endpoint,
        class,
    } = ended;
    let span = tracing::Span::current();
    span.record("http.status", outcome.attempt.response_status);
    span.record("error.kind", outcome.attempt.error_kind.as_deref());
    let told = notice::of_delivery(&about, &outcome);
    let reached = (outcome.delivery_id, outcome.state);
    // The lease was renewed while the attempt ran, so it holds for as long again.
    let until = until.max(worker.store.now() + worker.settings.lease);
    let Some(recorded) = record(&worker, (outcome, class), received_at, until).await else {
        return;
    };
    if is_ordered {
        worker.turned.notify_one();
    }
    if let Some(told) = told
        && (recorded.moved || is_there(&worker, &about.workspace, reached).await)
        && let Some(untold) = worker.quota.admit(&ticket.endpoint, Instant::now())
    {
        notice::raise(&worker, told.event(untold)).await;
    }
    let as_read = found.as_ref().ok().and_then(Option::as_ref);
    let as_read = as_read.map(|recipient| &recipient.endpoint);
    if disables_endpoint && let Some(as_read) = as_read {
        disable(&worker, as_read, GONE).await;
    }
    if let Some(news) = &recorded.lane {
        heed(&worker, &about.workspace, (&ticket.endpoint, as_read), news).await;
    }
}

/// Whether a delivery that an outcome did not move is where the outcome would have it. Then it may have been this very one,
/// whose answer was lost; what is told twice is recorded once.
async fn is_there(
    worker: &Worker,
    workspace: &WorkspaceId,
    (id, state): (DeliveryId, DeliveryState),
) -> bool {
    let found = worker.store.delivery(workspace, id).await;
    found.is_ok_and(|found| found.is_some_and(|delivery| delivery.state == state))
}

async fn give_back(worker: &Worker, ticket: &Ticket) {
    worker.release(vec![(ticket.delivery, ticket.lease)]).await;
}

/// Where a request goes, and how.
#[derive(Debug, Clone, Copy)]
struct To<'a> {
    recipient: &'a Recipient,
    policy: &'a DeliveryPolicy,
}

async fn post(
    worker: &Worker,
    To { recipient, policy }: To<'_>,
    job: Job,
    begun: &Begun,
    traceparent: Option<String>,
) -> Ended {
    let spec = &recipient.endpoint.spec;
    let keys = match recipient.keys_at(begun.at) {
        Ok(keys) => keys,
        Err(error) => return begun.prevented(boot::report(error), policy, Instant::now()),
    };
    if let Some(due_at) = job.due_at {
        metrics::delivery_lag(begun.at.since(due_at));
    }
    let deadlines = Deadlines {
        connect: worker.connect_timeout.min(policy.timeout),
        first_byte: policy.timeout,
        total: policy.timeout,
    };
    let security = match worker.certificates.of(&recipient.endpoint).await {
        Ok(security) => security,
        Err(error) => {
            let said = format!("the endpoint's certificates cannot be used: {error}");
            return begun.prevented(said, policy, Instant::now());
        }
    };
    // The token's time is the attempt's: its lease, and whoever waits for a probe, were made for one timeout.
    let asked_at = Stopwatch::now();
    let token = match worker.tokens.of(&recipient.endpoint, deadlines).await {
        Ok(token) => token,
        Err(failure) => return begun.unauthorized(&failure, policy, Instant::now()),
    };
    let left = deadlines.total.saturating_sub(asked_at.elapsed());
    let deadlines = Deadlines {
        connect: deadlines.connect.min(left),
        first_byte: left,
        total: left,
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
    if let Some(token) = &token
        && answered
            .as_ref()
            .is_ok_and(|answer| answer.status == StatusCode::UNAUTHORIZED)
    {
        worker.tokens.forget(&recipient.endpoint, token).await;
    }
    begun.sent(answered, recorded_headers, policy, Instant::now())
}
