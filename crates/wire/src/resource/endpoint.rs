//! Endpoints: where webhooks go out.

use super::{DeliverySpec, enabled};
use crate::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An endpoint's settings. Its signing secrets and its credentials are kept apart, encrypted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// Names it within its workspace; endpoints made through the API may have none.
    #[serde(default)]
    pub slug: Option<String>,
    /// Where to; checked by `egress` when saved and again at every dial.
    pub url: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// A disabled endpoint holds its deliveries.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Sent with every attempt.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How its deliveries are made, where the workspace's way will not do.
    #[serde(flatten)]
    pub delivery: DeliverySpec,
    /// Whether deliveries go one after the other; absent: each for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<OrderSpec>,
    /// The most attempts per second.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// The most attempts at the same time, per worker.
    #[serde(default = "EndpointSpec::default_concurrency")]
    pub concurrency: u32,
    /// Whatever its owner wants to remember.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Nahook's settings by kind, kept for their owner as they came.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// How attempts say who they are, beside their signature. The secret part is kept apart, encrypted.
    #[serde(default)]
    pub auth: Option<AuthSpec>,
    /// The certificates (PEM, its own first) that attempts show in the TLS handshake, also beside `auth`. Their key is
    /// kept apart, encrypted.
    #[serde(default)]
    pub client_certificate: Option<String>,
    /// The authorities (PEM) whose certificates the receiver may have, instead of those that everybody trusts.
    #[serde(default)]
    pub ca: Option<String>,
    /// Since when it is its application's, if it was another's or nobody's before: what was delivered until then is nothing that
    /// its customer may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_since: Option<Instant>,
}

/// Which of an endpoint's deliveries go one after the other, in the order of their events: those that share a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderSpec {
    /// All of them.
    All,
    /// Those whose bodies yield the same text to this jq program.
    By(String),
    /// Those that came with the same value of this header.
    Header(String),
}

/// How attempts say who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthSpec {
    /// `Authorization: Basic` with this user name (RFC 7617).
    Basic {
        /// The user name; it has no colon.
        username: String,
    },
    /// `Authorization: Bearer` (RFC 6750).
    Bearer,
    /// A header of this name.
    Header {
        /// Its name.
        name: String,
    },
    /// `Authorization: Bearer` with a token that is fetched (RFC 6749 §4.4, client credentials).
    Oauth2(Oauth2Client),
}

/// Where tokens come from, and for whom. The client's secret is kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oauth2Client {
    /// The token endpoint.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// What for, space-separated.
    #[serde(default)]
    pub scope: Option<String>,
    /// Whom the token is for, where the server wants to know.
    #[serde(default)]
    pub audience: Option<String>,
}

impl EndpointSpec {
    /// 10.
    pub const fn default_concurrency() -> u32 {
        10
    }

    /// An endpoint with only an address: everything else at its default.
    pub fn to(url: impl Into<String>) -> Self {
        Self {
            slug: None,
            url: url.into(),
            description: None,
            enabled: true,
            headers: BTreeMap::new(),
            delivery: DeliverySpec::default(),
            ordered: None,
            rate_limit: None,
            concurrency: Self::default_concurrency(),
            metadata: BTreeMap::new(),
            config: serde_json::Map::new(),
            auth: None,
            client_certificate: None,
            ca: None,
            owned_since: None,
        }
    }
}

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// The sustained rate.
    pub per_second: f64,
    /// How many may go at once after a pause; absent: one second's worth.
    #[serde(default)]
    pub burst: Option<u32>,
}
