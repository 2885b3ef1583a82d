//! Routes: from sources and event types to one target.

use super::{DeliverySpec, duration, enabled};
use crate::{EndpointId, EventTypePattern, PlaybookId, SourceId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A route's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteSpec {
    /// Names it within its workspace.
    pub name: String,
    /// A disabled route matches nothing.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// The sources it takes events of; empty: any, also events without a source.
    #[serde(default)]
    pub from: Vec<SourceId>,
    /// At least one must match; empty: all.
    #[serde(default)]
    pub event_types: Vec<EventTypePattern>,
    /// A jq expression over the JSON body that yields a boolean.
    #[serde(default)]
    pub filter: Option<String>,
    /// A jq expression over the JSON body that yields what the target gets instead.
    #[serde(default)]
    pub transform: Option<String>,
    /// How long the delivery waits before its first attempt.
    #[serde(with = "duration", default)]
    pub delay: Duration,
    /// How its deliveries are made, where its endpoint's way will not do.
    #[serde(default)]
    pub delivery: DeliverySpec,
    /// Where matching events go.
    pub to: Target,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A delivery to this endpoint.
    Endpoint(EndpointId),
    /// A run of this playbook.
    Playbook(PlaybookId),
}
