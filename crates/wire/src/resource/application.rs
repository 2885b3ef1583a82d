//! Applications: a workspace's customers, and their visits to the portal.

use super::enabled;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An application's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationSpec {
    /// For people.
    pub name: String,
    /// Whatever the workspace wants to remember.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The most endpoints it may have, disabled ones counted; absent: any number.
    #[serde(default)]
    pub max_endpoints: Option<u32>,
    /// Whether its portal shows the published event types.
    #[serde(default = "enabled")]
    pub show_event_types: bool,
}

/// What a visit to the portal may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PortalSpec {
    /// What the visitor may do.
    #[serde(default)]
    pub role: PortalRole,
    /// Whatever the workspace wants to remember.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// What a visitor of the portal may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortalRole {
    /// See endpoints and deliveries, no secrets.
    Viewer,
    /// Everything.
    #[default]
    Admin,
}
