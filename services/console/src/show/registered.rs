//! What a workspace knows by name, in the shapes of Nahook's clients.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use store::{Application, EventType, Route};
use wire::{ApplicationId, EventTypeId, Instant, RouteId};

/// An event type: Nahook's fields, and ours.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventTypeView {
    id: EventTypeId,
    name: String,
    description: Option<String>,
    schema: Option<Value>,
    /// How many endpoints get its events by a subscription.
    subscriber_count: i64,
    created_at: Instant,
    updated_at: Instant,
}

impl EventTypeView {
    pub(crate) fn of(row: &EventType, subscriber_count: i64) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            description: row.spec.description.clone(),
            schema: row.spec.schema.clone(),
            subscriber_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Whether an environment's portal shows an event type.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VisibilityView {
    event_type_id: EventTypeId,
    event_type_name: String,
    published: bool,
}

impl VisibilityView {
    pub(crate) fn of(row: &EventType, published: bool) -> Self {
        Self {
            event_type_id: row.id.clone(),
            event_type_name: row.name.clone(),
            published,
        }
    }
}

/// A subscription of an endpoint to an event type.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionView {
    id: RouteId,
    event_type_id: EventTypeId,
    event_type_name: String,
    created_at: Instant,
}

impl SubscriptionView {
    /// None for a route that is no subscription.
    pub(crate) fn of(row: &Route) -> Option<Self> {
        let (event_type_id, _) = row.subscription.as_ref()?;
        Some(Self {
            id: row.id.clone(),
            event_type_id: event_type_id.clone(),
            event_type_name: row.spec.event_types.first()?.to_string(),
            created_at: row.created_at,
        })
    }
}

/// A customer of the workspace.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationView {
    id: ApplicationId,
    external_id: Option<String>,
    name: String,
    metadata: BTreeMap<String, String>,
    max_endpoints: Option<u32>,
    show_event_types: bool,
    created_at: Instant,
    updated_at: Instant,
}

impl ApplicationView {
    pub(crate) fn of(row: &Application) -> Self {
        let spec = row.spec.clone();
        Self {
            id: row.id.clone(),
            external_id: row.external_id.clone(),
            name: spec.name,
            metadata: spec.metadata,
            max_endpoints: spec.max_endpoints,
            show_event_types: spec.show_event_types,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The way into the portal. Its code is shown here and kept nowhere.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PortalView {
    url: String,
    code: String,
    expires_at: Instant,
}

impl PortalView {
    /// `place` is where the portal is.
    pub(crate) fn of(place: &str, code: &SecretString, expires_at: Instant) -> Self {
        let code = code.expose_secret().to_owned();
        Self {
            url: format!("{place}/{code}"),
            code,
            expires_at,
        }
    }
}
