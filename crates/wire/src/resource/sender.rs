//! What bounds senders: the limits of a workspace, and API keys.

use super::{Ending, RateLimit, enabled};
use serde::{Deserialize, Serialize};

/// A workspace's settings beside its name and its kill switch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceSpec {
    /// The most requests per second that all its doors together take, per gateway.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// For how long its history is kept, if that is shorter than the yard's.
    #[serde(with = "super::duration::optional", default)]
    pub retention: Option<std::time::Duration>,
    /// What becomes of its runs while it does not accept.
    #[serde(default)]
    pub runs: Ending,
}

/// An API key's settings. Of the key itself only a hash is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeySpec {
    /// A disabled key is told so: 403 `token_disabled`.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// What it may do.
    #[serde(default = "KeyScope::all")]
    pub scopes: Vec<KeyScope>,
    /// The most requests per second, per gateway.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// The key's last characters, to tell keys apart in a list.
    #[serde(default)]
    pub hint: String,
}

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Send at door 3.
    Ingest,
    /// Start playbooks at door 7.
    Trigger,
}

impl KeyScope {
    /// Every scope: what a key has unless it is limited.
    pub fn all() -> Vec<Self> {
        vec![Self::Ingest, Self::Trigger]
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Trigger => "trigger",
        }
    }
}
