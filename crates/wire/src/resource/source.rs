//! Sources: where webhooks come in.

use super::{AppSpec, duration, enabled};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A source's settings. Its secrets (signing secrets, the channel's) are kept apart, encrypted or hashed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Names it within its workspace, also in door 1's path.
    pub slug: String,
    /// A disabled source answers as an unknown one.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// How its requests are verified; absent: no check.
    #[serde(default)]
    pub verify: Option<VerifySpec>,
    /// Where the event type stands, before the provider preset's rule.
    #[serde(default)]
    pub event_type: Option<ValueRule>,
    /// Where the idempotency key stands at door 4, and for how long it counts.
    #[serde(default)]
    pub dedupe: DedupeSpec,
    /// Opens door 1 under the source's slug.
    #[serde(default)]
    pub channel: Option<ChannelSpec>,
    /// Opens door 5.
    #[serde(default)]
    pub app: Option<AppSpec>,
    /// Bytes; absent: the door's default. At most 25 MiB.
    #[serde(default)]
    pub max_body_bytes: Option<u64>,
    /// Whether senders may compress bodies (`Content-Encoding: gzip`).
    #[serde(default)]
    pub gzip: bool,
}

/// How a request is verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerifySpec {
    /// The name of a built-in profile.
    #[serde(default)]
    pub provider: Option<String>,
    /// A scheme of the operator's own, in the language of the `signature` crate; exactly one of the two is present.
    #[serde(default)]
    pub scheme: Option<serde_json::Value>,
    /// What a failed check means.
    #[serde(default)]
    pub mode: VerifyMode,
}

/// What a failed check means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyMode {
    /// The request is refused and kept as a rejection.
    #[default]
    Enforce,
    /// The request is accepted; the event says that it did not verify.
    Record,
    /// No check.
    Off,
}

/// Where a value stands in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueRule {
    /// A header's name.
    Header(String),
    /// A jq path into a JSON body, such as `.type`.
    Body(String),
}

/// Where the idempotency key stands at door 4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DedupeSpec {
    /// Headers tried first, in order, before the standard four.
    #[serde(default)]
    pub headers: Vec<String>,
    /// A jq path into a JSON body, tried after the headers.
    #[serde(default)]
    pub body: Option<String>,
    /// How long a key counts from its first accept.
    #[serde(with = "duration", default = "DedupeSpec::default_window")]
    pub window: Duration,
    /// Whether `X-Request-Id` counts as a key: proxies that mint one per attempt would defeat it.
    #[serde(default = "enabled")]
    pub request_id: bool,
    /// How long a body counts as its own key where an event has no other: for providers without ids, whose repeats differ
    /// in nothing. None: never.
    #[serde(with = "duration::optional", default, skip_serializing_if = "Option::is_none")]
    pub same_body: Option<Duration>,
}

impl DedupeSpec {
    const fn default_window() -> Duration {
        Duration::from_hours(96)
    }
}

impl Default for DedupeSpec {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            body: None,
            window: Self::default_window(),
            request_id: true,
            same_body: None,
        }
    }
}

/// Door 1's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSpec {
    /// When false, door 1 answers 400 `direct_ingest_disabled`.
    #[serde(default = "enabled")]
    pub direct_ingest: bool,
}
