//! Door 5: ORQO's app webhooks, `POST /api/v1/webhooks/{appId}` and the handshakes there: messages of registered contacts.

use super::{look_up, lookup_failed};
use crate::accept::{self, Key, Offer, Receipt};
use crate::adapters::{App, Heard, Id, Message, Spoken};
use crate::arrival::{Arrival, Refused};
use crate::problem::Problem;
use crate::sources::OpenSource;
use crate::{Gateway, body, identity};
use actix_web::http::Method;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use boot::metrics::{self, Ingest};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::collections::HashMap;
use store::Verification;
use wire::resource::ContactPolicy;
use wire::{ContactId, Door, EventId};

const DOOR: &str = "app";

/// What an event is called unless somebody has a better name.
const EVENT_TYPE: &str = "message.received";

/// Messages of one request that wait for the ledger at once.
const AT_ONCE: usize = 64;

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<EventId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// What became of a request that the door lets in.
pub(crate) enum Admitted {
    /// It was a challenge; this is its answer.
    Challenge(HttpResponse),
    /// What it brings is recorded, a receipt for each message; none where it brings nothing that anybody wrote.
    Messages(Vec<Receipt>),
}

/// Takes any method: platforms ask with `GET`, `HEAD` and `OPTIONS` whether the address is theirs; everything else but
/// `POST` is refused.
pub(super) async fn any(
    gateway: Data<Gateway>,
    request: HttpRequest,
    app: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let found = look_up(&gateway, gateway.sources.by_app(&app)).await?;
    let open = found.as_deref();
    let answered = match open.and_then(|open| Some((open, open.app.as_ref()?))) {
        Some((open, app)) => take(&gateway, &request, (open, app), payload).await,
        None => Err(Problem::NotFound),
    };
    if let Err(problem) = &answered {
        let app = open.and_then(|open| open.app.as_ref());
        let provider = app.map_or("none", App::name);
        metrics::ingest(DOOR, provider, Ingest::Rejected(problem.code()));
    }
    answered
}

async fn take(
    gateway: &Gateway,
    request: &HttpRequest,
    (open, app): (&OpenSource, &App),
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let limit = open.body_limit(gateway.settings.body_limit, gateway.settings.max_body_limit);
    let read = body::read_of_source(request, payload, open, (limit, gateway.settings.body_timeout)).await;
    let (body, broken) = match read {
        Ok(body) => (body, None),
        Err(problem) => (Bytes::new(), Some(problem)),
    };
    let arrival = Arrival::now(request.head(), &body);
    let admitted = match broken {
        None => admit(gateway, open, app, arrival).await,
        Some(problem) => Err(problem.into()),
    };
    match admitted {
        Ok(Admitted::Challenge(answer)) => Ok(answer),
        Ok(Admitted::Messages(receipts)) => Ok(answer(app, &receipts)),
        Err(refused) => Err(gateway.rejections.refuse(Door::App, open, arrival, refused)),
    }
}

/// Checks a request, and records the messages of those who may send.
pub(crate) async fn admit(
    gateway: &Gateway,
    open: &OpenSource,
    app: &App,
    arrival: Arrival<'_>,
) -> Result<Admitted, Refused> {
    let spoken = match app.hear(gateway, &open.source, arrival).await? {
        Heard::Challenge(answer) => return Ok(Admitted::Challenge(answer)),
        Heard::Spoken(spoken) => spoken,
    };
    if arrival.head.method != Method::POST {
        let allow = app.allow();
        return Err(Problem::MethodNotAllowed { allow }.into());
    }
    let receipts = gateway
        .in_time(record_all(gateway, open, app, spoken, arrival))
        .await?;
    Ok(Admitted::Messages(receipts))
}

/// Records the messages of those who may send.
async fn record_all(
    gateway: &Gateway,
    open: &OpenSource,
    app: &App,
    Spoken { messages, verified }: Spoken,
    arrival: Arrival<'_>,
) -> Result<Vec<Receipt>, Refused> {
    let ruled = identity::ruled_event_type(gateway, arrival.head, open, arrival.body).await?;
    let messages = known(gateway, open, arrival, messages).await?;
    let recorded = messages.into_iter().map(|message| {
        let own = message.kind.clone().filter(|_| app.names_events());
        let event_type = ruled
            .clone()
            .or_else(|| own.filter(|kind| wire::is_event_type(kind)))
            .unwrap_or_else(|| EVENT_TYPE.to_owned());
        record(gateway, open, arrival, (message, verified.clone()), event_type)
    });
    // In order, and in one batch or a few: what is recorded already when one fails is a duplicate the next time.
    Ok(stream::iter(recorded).buffered(AT_ONCE).try_collect().await?)
}

/// Leaves out the messages of strangers, where the app has registered senders only.
///
/// Nobody known is a refusal; a stranger among others is kept as one, and the others are let in.
async fn known(
    gateway: &Gateway,
    open: &OpenSource,
    arrival: Arrival<'_>,
    messages: Vec<Message>,
) -> Result<Vec<Message>, Refused> {
    let contacts = contacts(gateway, open, &messages).await?;
    let is_required = open
        .source
        .spec
        .app
        .as_ref()
        .is_none_or(|app| app.contacts == ContactPolicy::Required);
    let mut stranger = None;
    let mut known = Vec::with_capacity(messages.len());
    for mut message in messages {
        message.contact = contacts.get(&message.sender.id).cloned();
        if message.contact.is_none() && is_required {
            stranger.get_or_insert(message.sender.id);
        } else {
            known.push(message);
        }
    }
    if let Some(stranger) = stranger {
        let refused = Refused::revisable(
            Problem::UnknownSender,
            "unknown_sender",
            format!(
                "`{}` is the address of no contact at this source",
                stranger.as_str()
            ),
        );
        if known.is_empty() {
            return Err(refused);
        }
        if arrival.rejection.is_none() {
            gateway.rejections.refuse(Door::App, open, arrival, refused);
        }
    }
    Ok(known)
}

async fn contacts(
    gateway: &Gateway,
    open: &OpenSource,
    messages: &[Message],
) -> Result<HashMap<Id, ContactId>, Problem> {
    let senders = messages
        .iter()
        .map(|message| message.sender.id.as_str().to_owned());
    let found = gateway
        .store
        .contacts_at(&open.source.id, senders.collect())
        .await
        .map_err(|error| lookup_failed(&error.into()))?;
    Ok(messages
        .iter()
        .filter_map(|message| {
            let id = &message.sender.id;
            Some((id.clone(), found.get(id.as_str())?.clone()))
        })
        .collect())
}

/// Records one message under the id that its platform gave it.
async fn record(
    gateway: &Gateway,
    open: &OpenSource,
    arrival: Arrival<'_>,
    (message, verified): (Message, Option<Verification>),
    event_type: String,
) -> Result<Receipt, Problem> {
    let key = Key {
        scope: open.source.id.to_string(),
        text: message.id.as_str().to_owned(),
        // One id is one message, whatever a platform adds to it when it tries again.
        fingerprint: None,
        window: open.source.spec.dedupe.window,
    };
    let body = serde_json::to_vec(&message).expect("texts and JSON texts serialise");
    let offer = Offer {
        request: arrival.head,
        workspace_id: &open.source.workspace_id,
        source: Some(open),
        body: body.into(),
        event_type: Some(event_type),
        verified,
        key: Some(key),
        received_at: arrival.recorded_at(),
    };
    let mut draft = accept::draft(gateway, offer);
    draft.event.content_type = Some("application/json".to_owned());
    accept::accept_draft(gateway, draft, None).await
}

fn answer(app: &App, receipts: &[Receipt]) -> HttpResponse {
    for receipt in receipts {
        let outcome = match receipt.replay {
            None => Ingest::Accepted,
            Some(_) => Ingest::Duplicate,
        };
        metrics::ingest(DOOR, app.name(), outcome);
    }
    let mut response = HttpResponse::Ok();
    if !receipts.is_empty() && receipts.iter().all(|receipt| receipt.replay.is_some()) {
        return response
            .insert_header(("Idempotent-Replayed", "true"))
            .json(Answer {
                status: "accepted",
                ids: None,
                note: Some("duplicate"),
            });
    }
    response.json(Answer {
        status: "accepted",
        ids: Some(receipts.iter().map(|receipt| receipt.event_id).collect()),
        note: None,
    })
}
