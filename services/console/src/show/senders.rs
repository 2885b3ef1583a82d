//! Who may send, and who may operate.

use super::configured::RateLimitView;
use crate::check::Directory;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use store::{ApiKey, Contact, NewManagementToken};
use wire::resource::KeyScope;
use wire::{ApiKeyId, ContactId, EnvironmentId, Instant, ManagementTokenId, SourceId};

/// An API key without the key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyView {
    id: ApiKeyId,
    name: String,
    /// The one it is limited to; none: all.
    environment_id: Option<EnvironmentId>,
    scopes: Vec<KeyScope>,
    enabled: bool,
    rate_limit: Option<RateLimitView>,
    /// The key's last characters.
    hint: String,
    created_at: Instant,
    updated_at: Instant,
    /// The key itself, only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl ApiKeyView {
    pub(crate) fn of(row: &ApiKey) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            environment_id: row.environment_id.clone(),
            scopes: row.spec.scopes.clone(),
            enabled: row.spec.enabled,
            rate_limit: row.spec.rate_limit.map(RateLimitView::of),
            hint: row.spec.hint.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            token: None,
        }
    }

    /// With the key, for the answer that made it.
    pub(crate) fn with_token(row: &ApiKey, token: &SecretString) -> Self {
        Self {
            token: Some(token.expose_secret().to_owned()),
            ..Self::of(row)
        }
    }
}

/// A management token without the token.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagementTokenView {
    id: ManagementTokenId,
    name: String,
    created_at: Instant,
    /// The token itself, only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl ManagementTokenView {
    pub(crate) fn of(row: &NewManagementToken) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            created_at: row.created_at,
            token: None,
        }
    }

    /// With the token, for the answer that made it.
    pub(crate) fn with_token(row: &NewManagementToken, token: &SecretString) -> Self {
        Self {
            token: Some(token.expose_secret().to_owned()),
            ..Self::of(row)
        }
    }
}

/// A registered sender.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContactView {
    id: ContactId,
    name: String,
    addresses: Vec<AddressView>,
    created_at: Instant,
    updated_at: Instant,
}

#[derive(Debug, Serialize)]
struct AddressView {
    /// The source's slug.
    source: String,
    id: String,
}

impl ContactView {
    pub(crate) fn of(row: &Contact, directory: &Directory) -> Self {
        let slug = |id: &SourceId| directory.sources.slug(id).unwrap_or(id.as_str()).to_owned();
        let addresses = row.addresses.iter().map(|(source, id)| AddressView {
            source: slug(source),
            id: id.clone(),
        });
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            addresses: addresses.collect(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
