//! Playbooks: named workflow documents.

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
    /// The document as it was given.
    #[serde(default)]
    pub definition: String,
}

const fn enabled() -> bool {
    true
}
