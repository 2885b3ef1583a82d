//! The portal's pages as data: what each template is filled with. Whatever is filled in is escaped.

use super::Place;
use super::refusal::Refusal;
use super::secrets::Overlap;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError as _};
use askama::Template;
use std::fmt;
use store::{Attempt, Delivery, Endpoint, Environment, EventType};
use wire::{DeliveryId, DeliveryState, EndpointId, EventId, Instant};

/// How much of a receiver's answer a page shows, in characters.
const ANSWER_SHOWN: usize = 2_000;

/// A page with its content type.
pub(super) fn answer(page: &impl Template) -> HttpResponse {
    filled(StatusCode::OK, page)
}

/// The page of a refusal.
pub(super) fn refused(refusal: &Refusal, place: &Place) -> HttpResponse {
    let status = refusal.status_code();
    if let Refusal::Failed(error) = refusal {
        let chain = error as &dyn std::error::Error;
        tracing::error!(error.chain = chain, "a page of the portal could not be made");
    }
    let (title, text, has_way_back) = refusal.words();
    let path = place.path.clone();
    let mut response = filled(
        status,
        &Refused {
            title,
            path,
            text,
            has_way_back,
        },
    );
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    response
}

fn filled(status: StatusCode, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(text) => HttpResponse::build(status)
            .content_type(ContentType::html())
            .body(text),
        Err(error) => {
            let chain = &error as &dyn std::error::Error;
            tracing::error!(error.chain = chain, "a page of the portal could not be filled in");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// The one stylesheet.
pub(super) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .body(include_str!("pages/style.css"))
}

/// A time, for people; [`Moment::iso`] is for programs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(Instant);

impl Moment {
    /// RFC 3339.
    fn iso(self) -> Instant {
        self.0
    }
}

impl From<Instant> for Moment {
    fn from(at: Instant) -> Self {
        Self(at)
    }
}

/// `2026-11-21 12:00:00 UTC`
impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = self.0.to_string();
        let seconds = iso.split('.').next().unwrap_or_default();
        write!(formatter, "{} UTC", seconds.replace('T', " "))
    }
}

/// Where a visitor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// The endpoints, or one of them.
    Endpoints,
    /// What may be sent to them.
    EventTypes,
}

/// What stands around every page of a visit.
pub(super) struct Chrome {
    /// Where the portal is, as a path.
    pub(super) path: String,
    pub(super) workspace: String,
    pub(super) application: String,
    pub(super) is_admin: bool,
    pub(super) shows_event_types: bool,
    /// For every form.
    pub(super) token: String,
    pub(super) ends: Moment,
    pub(super) at: Section,
}

/// The page that a link leads to.
#[derive(Template)]
#[template(path = "door.html")]
pub(super) struct Door {
    pub(super) title: &'static str,
    pub(super) path: String,
    pub(super) code: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    title: &'static str,
    path: String,
    text: &'static str,
    has_way_back: bool,
}

/// All endpoints of the customer.
#[derive(Template)]
#[template(path = "endpoints.html")]
pub(super) struct EndpointsPage {
    pub(super) title: String,
    pub(super) chrome: Chrome,
    pub(super) endpoints: Vec<EndpointLine>,
}

/// One endpoint with its latest deliveries.
#[derive(Template)]
#[template(path = "endpoint.html")]
pub(super) struct EndpointPage {
    pub(super) title: String,
    pub(super) chrome: Chrome,
    pub(super) endpoint: EndpointLine,
    /// Whether its secret was rotated a moment ago.
    pub(super) rotated: bool,
    pub(super) overlaps: &'static [Overlap],
    pub(super) deliveries: Vec<DeliveryLine>,
    pub(super) is_first_page: bool,
    pub(super) older: Option<DeliveryId>,
}

/// An endpoint's secrets, in the clear.
#[derive(Template)]
#[template(path = "secret.html")]
pub(super) struct SecretPage {
    pub(super) title: String,
    pub(super) chrome: Chrome,
    pub(super) endpoint: EndpointLine,
    pub(super) secrets: Vec<SecretLine>,
}

/// One delivery with its attempts.
#[derive(Template)]
#[template(path = "delivery.html")]
pub(super) struct DeliveryPage {
    pub(super) title: String,
    pub(super) chrome: Chrome,
    pub(super) endpoint: EndpointLine,
    pub(super) delivery: DeliveryLine,
    pub(super) attempts: Vec<AttemptLine>,
}

/// The published event types.
#[derive(Template)]
#[template(path = "event_types.html")]
pub(super) struct EventTypesPage {
    pub(super) title: String,
    pub(super) chrome: Chrome,
    pub(super) environments: Vec<Published>,
}

/// What one environment publishes.
pub(super) struct Published {
    pub(super) name: String,
    pub(super) event_types: Vec<EventTypeLine>,
}

/// An event type.
pub(super) struct EventTypeLine {
    name: String,
    description: Option<String>,
    schema: Option<String>,
}

impl EventTypeLine {
    pub(super) fn of(row: &EventType) -> Self {
        let schema = row.spec.schema.as_ref();
        Self {
            name: row.name.clone(),
            description: row.spec.description.clone(),
            // A JSON value always prints.
            schema: schema.and_then(|schema| serde_json::to_string_pretty(schema).ok()),
        }
    }
}

/// An endpoint, without its secrets.
pub(super) struct EndpointLine {
    id: EndpointId,
    url: String,
    description: Option<String>,
    enabled: bool,
    environment: String,
}

impl EndpointLine {
    pub(super) fn of(row: &Endpoint, environments: &[Environment]) -> Self {
        let environment = environments
            .iter()
            .find(|environment| environment.id == row.environment_id);
        Self {
            id: row.id.clone(),
            url: row.spec.url.clone(),
            description: row.spec.description.clone(),
            enabled: row.spec.enabled,
            environment: environment.map_or_else(String::new, name_of),
        }
    }
}

/// What people call an environment.
pub(super) fn name_of(row: &Environment) -> String {
    row.name.clone().unwrap_or_else(|| row.slug.clone())
}

/// What a receiver verifies with.
pub(super) struct SecretLine {
    pub(super) value: String,
    /// Whether anybody may know it.
    pub(super) is_public: bool,
    /// Until when it counts, if it is being rotated out.
    pub(super) ends: Option<Moment>,
}

/// A delivery.
pub(super) struct DeliveryLine {
    id: DeliveryId,
    event_id: EventId,
    event_type: String,
    status: String,
    /// Which mark it gets.
    tone: &'static str,
    reason: Option<String>,
    attempts: i32,
    next_retry_at: Option<Moment>,
    created_at: Moment,
}

impl DeliveryLine {
    pub(super) fn of(row: &Delivery) -> Self {
        let retries = row.state == DeliveryState::ScheduledRetry;
        Self {
            id: row.id,
            event_id: row.event_id,
            event_type: row
                .event_type
                .clone()
                .unwrap_or_else(|| "without a type".to_owned()),
            status: row.state.as_str().replace('_', " "),
            tone: match row.state {
                DeliveryState::Delivered => "good",
                DeliveryState::DeadLetter | DeliveryState::Failed => "bad",
                DeliveryState::ScheduledRetry | DeliveryState::Skipped => "idle",
                DeliveryState::Pending | DeliveryState::Delivering => "open",
            },
            reason: row.reason.as_ref().map(|reason| reason.replace('_', " ")),
            attempts: row.attempts,
            next_retry_at: row.due_at.filter(|_| retries).map(Moment),
            created_at: row.created_at.into(),
        }
    }

    /// For the page's title.
    pub(super) fn event_type(&self) -> &str {
        &self.event_type
    }
}

/// One HTTP try.
pub(super) struct AttemptLine {
    number: i32,
    at: Moment,
    duration_ms: i32,
    is_success: bool,
    status: Option<i32>,
    error: Option<String>,
    /// The beginning of what the receiver answered, where it is a text.
    answer: Option<String>,
}

impl AttemptLine {
    pub(super) fn of(row: &Attempt) -> Self {
        let answer = std::str::from_utf8(&row.response_body).ok();
        let answer = answer.filter(|text| !text.trim().is_empty());
        Self {
            number: row.number,
            at: row.created_at.into(),
            duration_ms: row.duration_ms,
            is_success: row.error_kind.is_none(),
            status: row.response_status,
            error: row.error_message.clone(),
            answer: answer.map(|text| text.chars().take(ANSWER_SHOWN).collect()),
        }
    }
}
