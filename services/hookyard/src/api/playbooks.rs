//! The shapes of answers about playbooks and runs, as far as commands show them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A playbook.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Playbook {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) number: i64,
    pub(crate) version: i64,
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) concurrency: Option<u32>,
    #[serde(default)]
    pub(crate) concurrency_key: Option<String>,
    #[serde(default)]
    pub(crate) warnings: Vec<Warning>,
    pub(crate) updated_at: String,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// What deserves a look.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Warning {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// One page of versions, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionPage {
    pub(crate) versions: Vec<PlaybookVersion>,
    pub(crate) next_cursor: Option<String>,
}

/// A version of a playbook.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlaybookVersion {
    pub(crate) version: i64,
    pub(crate) active: bool,
    /// Only of one version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) definition: Option<String>,
    pub(crate) created_at: String,
}

/// One page of runs, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunPage {
    pub(crate) runs: Vec<Run>,
    pub(crate) next_cursor: Option<String>,
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) playbook: String,
    pub(crate) version: Option<i64>,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) queued: bool,
    pub(crate) trigger: String,
    #[serde(default)]
    pub(crate) input: Value,
    #[serde(default)]
    pub(crate) output: Value,
    #[serde(default)]
    pub(crate) error: Value,
    #[serde(default)]
    pub(crate) steps: i64,
    pub(crate) created_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) ended_at: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

impl Run {
    /// Whether nothing happens to it any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "faulted" | "cancelled")
    }
}

/// One page of steps, first to last.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepPage {
    pub(crate) steps: Vec<Step>,
    pub(crate) next_cursor: Option<String>,
}

/// A task of a run that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) number: i64,
    pub(crate) pointer: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) attempt: i64,
    #[serde(default)]
    pub(crate) input: Value,
    #[serde(default)]
    pub(crate) output: Value,
    #[serde(default)]
    pub(crate) truncated: bool,
    #[serde(default)]
    pub(crate) error: Value,
    pub(crate) started_at: String,
    pub(crate) ended_at: String,
}
