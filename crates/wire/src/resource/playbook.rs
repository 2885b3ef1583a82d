//! Playbooks: named workflow documents.

use super::enabled;
use crate::{ProjectId, TemplateId};
use serde::{Deserialize, Serialize};

/// A playbook's settings and its document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaybookSpec {
    /// Names it within its workspace.
    pub slug: String,
    /// Small and unique in its workspace.
    #[serde(default)]
    pub number: Option<u32>,
    /// A disabled playbook starts no run.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// What becomes of its runs while it is disabled.
    #[serde(default)]
    pub runs: Ending,
    /// The document as it was given.
    #[serde(default)]
    pub definition: String,
    /// Door 6; absent: not open. Its token is kept as a hash.
    #[serde(default)]
    pub hook: Option<HookSpec>,
    /// What its runs are targeted at unless their request says otherwise.
    #[serde(default)]
    pub target: RunTarget,
    /// The most runs at the same time; absent: as many as there are.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// A jq expression over the input: `concurrency` counts the runs of each value that it yields; absent: all together.
    #[serde(default)]
    pub concurrency_key: Option<String>,
    /// The JSON Schema that the document asks of its input; absent: anything goes.
    #[serde(default)]
    pub input_schema: Option<serde_json::Value>,
    /// The secrets that the document may use.
    #[serde(default)]
    pub secret_names: Vec<String>,
}

/// What becomes of runs while that which they are of is switched off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// They go on to their end.
    #[default]
    Drain,
    /// They end, those included that are being made meanwhile.
    Cancel,
}

/// Door 6's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSpec {
    /// When false, door 6 answers 409 `trigger_disabled`.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

/// What runs are targeted at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTarget {
    /// Where.
    #[serde(default)]
    pub project: Option<ProjectId>,
    /// With which defaults.
    #[serde(default)]
    pub template: Option<TemplateId>,
}
