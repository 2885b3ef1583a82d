//! Door 3: Nahook's ingest: to one endpoint, to everybody subscribed to an event type, and both in batches of 20.
//!
//! The answer names the deliveries, so they are decided here, by the router's own decision, and written in the accept
//! statement.

mod fields;
mod sender;

use crate::problem::{Problem, SendError, SendProblem};
use crate::{Gateway, key};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use boot::metrics::{self, Ingest};
use fields::{fields, items, missing, text};
use futures_util::future::join_all;
use sender::Sender;
use serde::Serialize;
use std::time::Duration;
use wire::{DeliveryId, EventTypeId};

const DOOR: &str = "send";

/// How long a key counts.
const WINDOW: Duration = Duration::from_mins(15);

/// The most items of a batch.
const MOST_ITEMS: usize = 20;

/// What the frame around a payload may take: names, keys and white space, in bytes.
const FRAME: u64 = 64 * 1_024;

/// The most deliveries of one event that a replay names.
const MOST_DELIVERIES: i64 = 1_000;

/// What was sent to one endpoint.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    delivery_id: DeliveryId,
    idempotency_key: String,
    status: &'static str,
    #[serde(skip)]
    is_replay: bool,
}

/// What was sent to all subscribers of a type.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Triggered {
    event_type_id: EventTypeId,
    delivery_ids: Vec<DeliveryId>,
    status: &'static str,
    #[serde(skip)]
    is_replay: bool,
}

/// One line of a batch's answer.
#[derive(Debug, Serialize)]
struct Item<T> {
    index: usize,
    #[serde(flatten)]
    done: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<SendError>,
}

/// `POST /api/ingest/{endpointId}`
pub(super) async fn to_endpoint(
    gateway: Data<Gateway>,
    request: HttpRequest,
    endpoint: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, SendProblem> {
    let sent = async {
        let (sender, body) = Sender::read(&gateway, &request, payload, 1).await?;
        let fields = fields(&body)?;
        let event_type = key::own_event_type(request.headers())?;
        let sending = sender.send(&body, &fields, &endpoint, event_type);
        let sent = gateway.in_time(sending).await?;
        Ok::<_, Problem>((sender.head(StatusCode::ACCEPTED, sent.is_replay), sent))
    };
    let sent: Result<(HttpResponseBuilder, Sent), Problem> = sent.await;
    count(sent.as_ref().map(|(_, sent)| sent.is_replay));
    let (mut head, sent) = sent?;
    Ok(head.json(sent))
}

/// `POST /api/ingest/event/{eventType}`
pub(super) async fn to_subscribers(
    gateway: Data<Gateway>,
    request: HttpRequest,
    event_type: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, SendProblem> {
    let sent = async {
        let (sender, body) = Sender::read(&gateway, &request, payload, 1).await?;
        let fields = fields(&body)?;
        let sending = sender.trigger(&body, &fields, &event_type);
        let sent = gateway.in_time(sending).await?;
        Ok::<_, Problem>((sender.head(StatusCode::ACCEPTED, sent.is_replay), sent))
    };
    let sent: Result<(HttpResponseBuilder, Triggered), Problem> = sent.await;
    count(sent.as_ref().map(|(_, sent)| sent.is_replay));
    let (mut head, sent) = sent?;
    Ok(head.json(sent))
}

/// `POST /api/ingest/batch`
pub(super) async fn to_endpoints(
    gateway: Data<Gateway>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, SendProblem> {
    let opened = Sender::read(&gateway, &request, payload, MOST_ITEMS as u64).await;
    let (mut sender, body) = opened.inspect_err(|problem| count(Err(problem)))?;
    let read = key::own_event_type(request.headers())
        .and_then(|event_type| Ok((event_type, sender.charge(items(&body)?)?)));
    let (event_type, items) = read.inspect_err(|problem| count(Err(problem)))?;
    let send = |item| {
        let (gateway, sender, body) = (&gateway, &sender, &body);
        let event_type = event_type.clone();
        async move {
            let fields = sender.item(item)?;
            let endpoint = text(fields.endpoint_id, "endpointId")?;
            let endpoint = endpoint.ok_or_else(|| missing("endpointId"))?;
            let sending = sender.send(body, &fields, &endpoint, event_type);
            gateway.in_time(sending).await
        }
    };
    let done = join_all(items.into_iter().map(send)).await;
    batch(&sender, done, |sent: &Sent| sent.is_replay)
}

/// `POST /api/ingest/event/batch`
pub(super) async fn to_subscribers_of_each(
    gateway: Data<Gateway>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, SendProblem> {
    let opened = Sender::read(&gateway, &request, payload, MOST_ITEMS as u64).await;
    let (mut sender, body) = opened.inspect_err(|problem| count(Err(problem)))?;
    let items = items(&body).and_then(|items| sender.charge(items));
    let items = items.inspect_err(|problem| count(Err(problem)))?;
    let send = |item| {
        let (gateway, sender, body) = (&gateway, &sender, &body);
        async move {
            let fields = sender.item(item)?;
            let event_type = text(fields.event_type, "eventType")?;
            let event_type = event_type.ok_or_else(|| missing("eventType"))?;
            let sending = sender.trigger(body, &fields, &event_type);
            gateway.in_time(sending).await
        }
    };
    let done = join_all(items.into_iter().map(send)).await;
    batch(&sender, done, |sent: &Triggered| sent.is_replay)
}

/// 202 when every item was accepted, else 207. It is a replay's answer when every item is one. Where nothing could be done for
/// any of them now, the request as a whole is to be sent again, as one of a single item is.
fn batch<T: Serialize>(
    sender: &Sender<'_>,
    done: Vec<Result<T, Problem>>,
    is_replay: impl Fn(&T) -> bool,
) -> Result<HttpResponse, SendProblem> {
    #[derive(Serialize)]
    struct Answer<T> {
        items: Vec<Item<T>>,
    }
    for done in &done {
        count(done.as_ref().map(&is_replay));
    }
    let comes_later = |done: &Result<T, Problem>| done.as_ref().is_err_and(Problem::may_pass);
    if !done.is_empty() && done.iter().all(comes_later) {
        let problem = done.into_iter().find_map(Result::err);
        return Err(SendProblem(problem.unwrap_or(Problem::Internal)));
    }
    let only_replays = done.iter().all(|done| done.as_ref().is_ok_and(&is_replay));
    let status = if done.iter().all(Result::is_ok) {
        StatusCode::ACCEPTED
    } else {
        StatusCode::MULTI_STATUS
    };
    let items = done
        .into_iter()
        .enumerate()
        .map(|(index, done)| match done {
            Ok(done) => Item {
                index,
                done: Some(done),
                error: None,
            },
            Err(problem) => Item {
                index,
                done: None,
                error: Some(SendProblem(problem).error().of_item()),
            },
        })
        .collect();
    Ok(sender.head(status, only_replays).json(Answer { items }))
}

fn count(done: Result<bool, &Problem>) {
    let outcome = match done {
        Ok(true) => Ingest::Duplicate,
        Ok(false) => Ingest::Accepted,
        Err(problem) => Ingest::Rejected(problem.code()),
    };
    metrics::ingest(DOOR, "none", outcome);
}
