//! Apps: platforms whose messages come in at door 5.

use crate::{AppId, PlaybookId};
use serde::{Deserialize, Serialize};

/// A source's app. Its secrets are kept apart, encrypted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppSpec {
    /// Stands in door 5's path; unique in the yard.
    pub id: AppId,
    /// Who understands its requests.
    pub adapter: Adapter,
    /// For the adapter `custom`: a scheme in the language of the `signature` crate; absent: a plain HMAC-SHA256 of the body.
    #[serde(default)]
    pub scheme: Option<serde_json::Value>,
    /// Who may send.
    #[serde(default)]
    pub contacts: ContactPolicy,
    /// Runs for messages that nothing else took.
    #[serde(default)]
    pub doorkeeper: Option<PlaybookId>,
}

/// Who understands an app's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adapter {
    /// Slack's Events API.
    Slack,
    /// Meta's `WhatsApp` Business platform.
    Whatsapp,
    /// Telegram's Bot API.
    Telegram,
    /// A signature scheme of the operator's, and a plain body.
    Custom,
    /// A program of the operator's at this URL, which answers `/verify-webhook` and `/parse-inbound`.
    External(String),
}

/// Who may send messages to an app.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactPolicy {
    /// Registered contacts alone.
    #[default]
    Required,
    /// Everybody.
    Optional,
}
