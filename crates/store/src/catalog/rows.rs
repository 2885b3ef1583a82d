//! The rows of configured things: settings as JSON, secrets sealed.

use crate::sql::Stamp;
use crate::{Endpoint, Error, KeyRing, Playbook, Route, SigningSecret, Source};
use diesel::Queryable;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{EndpointId, EnvironmentId, PlaybookId, RouteId, SourceId, WorkspaceId};
use zeroize::Zeroizing;

/// A row of `sources`.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct SourceRow {
    pub(crate) id: String,
    pub(crate) workspace_id: String,
    pub(crate) environment_id: String,
    pub(crate) slug: String,
    pub(crate) token: String,
    pub(crate) channel_secret_hash: Option<Vec<u8>>,
    pub(crate) spec: String,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) created_at: Stamp,
    pub(crate) updated_at: Stamp,
}

impl SourceRow {
    pub(crate) fn of(source: &Source, keyring: &KeyRing) -> Result<Self, Error> {
        Ok(Self {
            id: source.id.to_string(),
            workspace_id: source.workspace_id.to_string(),
            environment_id: source.environment_id.to_string(),
            slug: source.spec.slug.clone(),
            token: source.token.expose_secret().to_owned(),
            channel_secret_hash: source.channel_secret_hash.map(|hash| hash.to_vec()),
            spec: json(&source.spec),
            sealed: seal(keyring, "sources", source.id.as_str(), &source.secrets)?,
            created_at: source.created_at.into(),
            updated_at: source.updated_at.into(),
        })
    }

    pub(crate) fn open(self, keyring: &KeyRing) -> Result<Source, Error> {
        let hash = self.channel_secret_hash.map(|hash| {
            <[u8; 32]>::try_from(hash)
                .map_err(|_length| corrupt("channel_secret_hash of a source", "not 32 bytes"))
        });
        Ok(Source {
            secrets: open(keyring, "sources", &self.id, self.sealed.as_deref())?,
            id: SourceId::from_stored(self.id),
            workspace_id: WorkspaceId::from_stored(self.workspace_id),
            environment_id: EnvironmentId::from_stored(self.environment_id),
            token: self.token.into(),
            channel_secret_hash: hash.transpose()?,
            spec: from_json("spec of a source", &self.spec)?,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

/// A row of `endpoints`.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct EndpointRow {
    pub(crate) id: String,
    pub(crate) workspace_id: String,
    pub(crate) environment_id: String,
    pub(crate) slug: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) spec: String,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) created_at: Stamp,
    pub(crate) updated_at: Stamp,
    pub(crate) deleted_at: Option<Stamp>,
}

impl EndpointRow {
    pub(crate) fn of(endpoint: &Endpoint, keyring: &KeyRing) -> Result<Self, Error> {
        Ok(Self {
            id: endpoint.id.to_string(),
            workspace_id: endpoint.workspace_id.to_string(),
            environment_id: endpoint.environment_id.to_string(),
            slug: endpoint.spec.slug.clone(),
            enabled: endpoint.spec.enabled,
            spec: json(&endpoint.spec),
            sealed: seal(keyring, "endpoints", endpoint.id.as_str(), &endpoint.secrets)?,
            created_at: endpoint.created_at.into(),
            updated_at: endpoint.updated_at.into(),
            deleted_at: endpoint.deleted_at.map(Stamp),
        })
    }

    pub(crate) fn open(self, keyring: &KeyRing) -> Result<Endpoint, Error> {
        Ok(Endpoint {
            secrets: open(keyring, "endpoints", &self.id, self.sealed.as_deref())?,
            id: EndpointId::from_stored(self.id),
            workspace_id: WorkspaceId::from_stored(self.workspace_id),
            environment_id: EnvironmentId::from_stored(self.environment_id),
            spec: from_json("spec of an endpoint", &self.spec)?,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            deleted_at: self.deleted_at.map(|stamp| stamp.0),
        })
    }
}

/// A row of `playbooks`.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct PlaybookRow {
    pub(crate) id: String,
    pub(crate) workspace_id: String,
    pub(crate) slug: String,
    pub(crate) number: i32,
    pub(crate) spec: String,
    pub(crate) created_at: Stamp,
    pub(crate) updated_at: Stamp,
}

impl PlaybookRow {
    pub(crate) fn of(playbook: &Playbook) -> Self {
        Self {
            id: playbook.id.to_string(),
            workspace_id: playbook.workspace_id.to_string(),
            slug: playbook.spec.slug.clone(),
            number: playbook.number,
            spec: json(&playbook.spec),
            created_at: playbook.created_at.into(),
            updated_at: playbook.updated_at.into(),
        }
    }

    pub(crate) fn open(self) -> Result<Playbook, Error> {
        Ok(Playbook {
            id: PlaybookId::from_stored(self.id),
            workspace_id: WorkspaceId::from_stored(self.workspace_id),
            number: self.number,
            spec: from_json("spec of a playbook", &self.spec)?,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

/// A row of `routes`.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct RouteRow {
    pub(crate) id: String,
    pub(crate) workspace_id: String,
    pub(crate) name: String,
    pub(crate) position: i32,
    pub(crate) spec: String,
    pub(crate) created_at: Stamp,
    pub(crate) updated_at: Stamp,
}

impl RouteRow {
    pub(crate) fn of(route: &Route) -> Self {
        Self {
            id: route.id.to_string(),
            workspace_id: route.workspace_id.to_string(),
            name: route.spec.name.clone(),
            position: route.position,
            spec: json(&route.spec),
            created_at: route.created_at.into(),
            updated_at: route.updated_at.into(),
        }
    }

    pub(crate) fn open(self) -> Result<Route, Error> {
        Ok(Route {
            id: RouteId::from_stored(self.id),
            workspace_id: WorkspaceId::from_stored(self.workspace_id),
            position: self.position,
            spec: from_json("spec of a route", &self.spec)?,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

fn json<T: Serialize>(spec: &T) -> String {
    serde_json::to_string(spec).expect("a spec has string keys and finite numbers, which serialise")
}

fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Corrupt {
        what,
        source: Box::new(source),
    })
}

fn corrupt(what: &'static str, how: &'static str) -> Error {
    Error::Corrupt {
        what,
        source: how.into(),
    }
}

/// No secrets need no key, so an installation without any runs without one.
fn seal(
    keyring: &KeyRing,
    table: &str,
    row: &str,
    secrets: &[SigningSecret],
) -> Result<Option<Vec<u8>>, Error> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let text = Zeroizing::new(
        serde_json::to_vec(secrets)
            .expect("a list of secrets has string keys and no numbers, which serialises"),
    );
    Ok(Some(keyring.seal(&place(table, row), &text, rand::random())?))
}

fn open(
    keyring: &KeyRing,
    table: &str,
    row: &str,
    sealed: Option<&[u8]>,
) -> Result<Vec<SigningSecret>, Error> {
    let Some(sealed) = sealed else {
        return Ok(Vec::new());
    };
    let text = keyring.open(&place(table, row), sealed)?;
    serde_json::from_slice(&text).map_err(|source| Error::Corrupt {
        what: "the secrets of a row",
        source: Box::new(source),
    })
}

fn place(table: &str, row: &str) -> String {
    format!("{table}/{row}/sealed")
}
