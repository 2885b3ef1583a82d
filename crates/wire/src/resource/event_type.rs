//! Event types: registered names of what happens.

use serde::{Deserialize, Serialize};

/// An event type's settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EventTypeSpec {
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// A JSON Schema of its payloads, for people and their tools.
    #[serde(default)]
    pub schema: Option<serde_json::Value>,
}
