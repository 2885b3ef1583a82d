//! Projects and templates: what the runs of playbooks are targeted at.

use super::enabled;
use serde::{Deserialize, Serialize};

/// A project's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectSpec {
    /// For people; absent: the slug serves.
    #[serde(default)]
    pub name: Option<String>,
    /// No run can be targeted at a disabled project.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

/// A template's settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TemplateSpec {
    /// For people; absent: the slug serves.
    #[serde(default)]
    pub name: Option<String>,
    /// What a run gets where its request says nothing.
    #[serde(default)]
    pub inputs: serde_json::Map<String, serde_json::Value>,
}
