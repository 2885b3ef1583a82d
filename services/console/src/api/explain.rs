//! What the routes would make of an event: nothing is saved, nothing is sent.

use super::body::Document;
use super::{directory, ok};
use crate::access::Opened;
use crate::check::value::{self, Refused};
use crate::check::{Around, Directory, Fields, kind, route};
use crate::show::ExplanationView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::Data;
use bytes::Bytes;
use routing::Moment;
use serde_json::{Map, Value};
use store::{Event, Route, RoutingTable};
use uuid::Uuid;
use wire::{EventId, EventState, Instant, RouteId, SourceId, WorkspaceId};

/// An event as somebody thinks it up.
#[derive(Debug, Default)]
struct Thought {
    event_type: Option<String>,
    source: Option<SourceId>,
    headers: Map<String, Value>,
    body: Bytes,
}

/// What is asked.
#[derive(Debug)]
struct Question {
    event: Asked,
    /// A route that is not saved, or not saved so, and whether it takes the place of a saved one.
    route: Option<(Route, bool)>,
}

#[derive(Debug)]
enum Asked {
    Thought(Thought),
    Recorded(String),
}

/// `{event: {type, source, headers, body}, route?}`, or `eventId` instead of the event. A `route` with the id or the name of
/// a saved one stands in its place and says only what differs; any other is tried last, as a new one is.
pub(super) async fn routes(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let directory = directory(&console, opened.id()).await?;
    let mut table = console.store().routing_table(opened.id()).await?;
    let around = Around {
        policy: console.checks().policy(),
        directory: &directory,
    };
    let now = Instant::now();
    let read = |fields: &mut Fields<'_>| question(fields, around, &table.routes, (opened.id(), now));
    let question = body.read(console.checks(), read).await?;
    let (event, recorded) = match question.event {
        Asked::Thought(thought) => (thought.into_event(opened.id(), now), None),
        Asked::Recorded(id) => {
            let event = super::events::find(&console, &opened, &id).await?;
            let id = event.id;
            (event, Some(id))
        }
    };
    let unsaved = question.route.map(|route| put(&mut table, route));
    let explained = explain(&console, &event, &table, unsaved.as_ref()).await?;
    Ok(ok(ExplanationView::of(
        &event,
        recorded,
        &explained,
        unsaved.as_ref(),
        &directory,
    )))
}

/// What today's rules make of an event.
pub(super) async fn explain(
    console: &Console,
    event: &Event,
    table: &RoutingTable,
    asked_for: Option<&RouteId>,
) -> Result<routing::Explained, Error> {
    let now = Instant::now();
    // Nobody is told of what is only looked at, so the lease is nobody's.
    let moment = Moment {
        now,
        lease: Uuid::nil(),
        lease_until: now,
    };
    routing::explain(console.checks().jail(), event, table, moment, asked_for)
        .await
        .map_err(Error::Jail)
}

fn question(
    fields: &mut Fields<'_>,
    around: Around<'_>,
    routes: &[Route],
    (workspace, now): (&WorkspaceId, Instant),
) -> Option<Question> {
    let recorded = fields.optional("event_id", value::text);
    let is_thought = fields.has("event");
    let thought = fields.object("event", |event| thought(event, around.directory));
    let is_recorded = fields.has("event_id");
    let event = match (is_thought, is_recorded) {
        (true, true) => {
            fields.refuse("event_id", "goes without `event`: one event is explained");
            None
        }
        (false, false) => {
            fields.refuse("event", "is missing; or write `eventId`");
            None
        }
        (true, false) if thought.is_none() && fields.get("event").is_some_and(Value::is_null) => {
            fields.refuse("event", "must be an object, not null");
            None
        }
        (true, false) => thought.flatten().map(Asked::Thought),
        (false, true) => recorded.map(Asked::Recorded),
    };
    let route = fields.object("route", |route| unsaved(route, around, routes, (workspace, now)));
    Some(Question { event: event?, route })
}

fn thought(fields: &mut Fields<'_>, directory: &Directory) -> Option<Thought> {
    let mut headers = Map::new();
    fields.entries("headers", |name, value| {
        let Value::String(_) = value else {
            return Err(Refused::new(format!("must be a text, not {}", kind(value))));
        };
        headers.insert(name.to_ascii_lowercase(), value.clone());
        Ok(())
    });
    let mut thought = Thought {
        headers,
        ..Thought::default()
    };
    fields.set_optional("type", &mut thought.event_type, value::text);
    fields.set_optional("source", &mut thought.source, |value| directory.source(value));
    let body = match fields.get("body") {
        None => {
            fields.refuse("body", "is missing");
            return None;
        }
        // What is no JSON can be thought up, too.
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(json) => json.to_string().into_bytes(),
    };
    thought.body = body.into();
    Some(thought)
}

impl Thought {
    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// The event as a door would have recorded it.
    fn into_event(self, workspace: &WorkspaceId, now: Instant) -> Event {
        let event_type = self.event_type.clone().or_else(|| self.header("x-event-type"));
        let content_type = self.header("content-type");
        let pairs: Vec<_> = self.headers.iter().collect();
        Event {
            id: EventId::new(now, rand::random()),
            workspace_id: workspace.clone(),
            source_id: self.source,
            event_type,
            state: EventState::Accepted,
            verified: None,
            received_at: now,
            method: "POST".to_owned(),
            query: None,
            remote_address: None,
            headers: serde_json::to_vec(&pairs)
                .expect("pairs of texts are JSON")
                .into(),
            content_type: content_type.or_else(|| Some("application/json".to_owned())),
            body: self.body,
            idempotency_key: None,
            traceparent: None,
            failures: 0,
            trace: None,
            verify_reason: None,
            verify_secret_id: None,
        }
    }
}

/// A route over the saved one that it names, or a new one.
fn unsaved(
    fields: &mut Fields<'_>,
    around: Around<'_>,
    routes: &[Route],
    (workspace, now): (&WorkspaceId, Instant),
) -> (Route, bool) {
    let said = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (id, name) = (said(fields.get("id")), said(fields.get("name")));
    let saved = routes.iter().find(|row| match &id {
        Some(id) => row.id.as_str() == id,
        None => name.as_ref() == Some(&row.spec.name),
    });
    let draft = route::read(fields, around, saved);
    let id = saved.map(|row| row.id.clone()).or_else(|| draft.id.clone());
    let last = routes.iter().map(|row| row.position).max().unwrap_or(0);
    let position = saved.map_or_else(|| last.saturating_add(1), |row| row.position);
    let row = draft.build(
        id.unwrap_or_else(RouteId::generate),
        workspace,
        position,
        saved,
        now,
    );
    (row, saved.is_some())
}

fn put(table: &mut RoutingTable, (row, is_saved): (Route, bool)) -> RouteId {
    let id = row.id.clone();
    match table.routes.iter_mut().find(|known| is_saved && known.id == id) {
        Some(place) => *place = row,
        None => table.routes.push(row),
    }
    id
}
