//! The rows of configured things: settings as JSON, secrets sealed.

use crate::model::exposed;
use crate::sql::Stamp;
use crate::{
    Captured, Endpoint, Error, Handshakes, KeyRing, NewHandshakes, Playbook, Route, SigningSecret, Source,
};
use diesel::Queryable;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::{
    ApplicationId, EndpointId, EnvironmentId, EventTypeId, PlaybookId, RouteId, SourceId, WorkspaceId,
};
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
    pub(crate) app_id: Option<String>,
    pub(crate) app_sealed: Option<Vec<u8>>,
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
            sealed: seal(
                keyring,
                &place("sources", source.id.as_str(), "sealed"),
                SourceSecrets::of(source).as_ref(),
            )?,
            created_at: source.created_at.into(),
            updated_at: source.updated_at.into(),
            app_id: source.spec.app.as_ref().map(|app| app.id.to_string()),
            app_sealed: seal(
                keyring,
                &place("sources", source.id.as_str(), "app_sealed"),
                Some(&source.app_secrets).filter(|secrets| !secrets.is_empty()),
            )?,
        })
    }

    pub(crate) fn open(self, keyring: &KeyRing) -> Result<Source, Error> {
        let sealed: Option<SourceSecrets> = open(
            keyring,
            &place("sources", &self.id, "sealed"),
            self.sealed.as_deref(),
        )?;
        let (secrets, verify_token) = match sealed {
            None => (Vec::new(), None),
            Some(SourceSecrets::Signing(secrets)) => (secrets, None),
            Some(SourceSecrets::WithToken {
                signing,
                verify_token,
            }) => (signing, Some(verify_token)),
        };
        Ok(Source {
            secrets,
            verify_token,
            app_secrets: open(
                keyring,
                &place("sources", &self.id, "app_sealed"),
                self.app_sealed.as_deref(),
            )?,
            id: SourceId::from_stored(self.id),
            workspace_id: WorkspaceId::from_stored(self.workspace_id),
            environment_id: EnvironmentId::from_stored(self.environment_id),
            token: self.token.into(),
            channel_secret_hash: hash("channel_secret_hash of a source", self.channel_secret_hash)?,
            spec: from_json("spec of a source", &self.spec)?,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

/// What is sealed with a source. Without a token it is the bare list, which releases that know no token can read.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SourceSecrets {
    Signing(Vec<SigningSecret>),
    WithToken {
        signing: Vec<SigningSecret>,
        #[serde(serialize_with = "exposed")]
        verify_token: SecretString,
    },
}

impl SourceSecrets {
    fn of(source: &Source) -> Option<Self> {
        let signing = source.secrets.clone();
        match &source.verify_token {
            None if signing.is_empty() => None,
            None => Some(Self::Signing(signing)),
            Some(token) => Some(Self::WithToken {
                signing,
                verify_token: token.clone(),
            }),
        }
    }
}

/// A row of `handshakes`.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct HandshakesRow {
    pub(crate) source_id: String,
    pub(crate) answered: i64,
    pub(crate) last_at: Stamp,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) captured_at: Option<Stamp>,
    pub(crate) captured_from: Option<String>,
}

impl HandshakesRow {
    pub(crate) fn of(new: &NewHandshakes, keyring: &KeyRing) -> Result<Self, Error> {
        let captured = new.captured.as_ref();
        Ok(Self {
            source_id: new.source_id.to_string(),
            answered: new.answered,
            last_at: new.last_at.into(),
            sealed: seal(
                keyring,
                &place("handshakes", new.source_id.as_str(), "sealed"),
                captured.map(|captured| captured.secret.expose_secret()),
            )?,
            captured_at: captured.map(|captured| captured.at.into()),
            captured_from: captured.and_then(|captured| captured.remote_address.clone()),
        })
    }

    pub(crate) fn open(self, keyring: &KeyRing) -> Result<Handshakes, Error> {
        let secret: Option<SecretString> = open(
            keyring,
            &place("handshakes", &self.source_id, "sealed"),
            self.sealed.as_deref(),
        )?;
        let captured = secret.zip(self.captured_at).map(|(secret, at)| Captured {
            secret,
            at: at.0,
            remote_address: self.captured_from,
        });
        Ok(Handshakes {
            source_id: SourceId::from_stored(self.source_id),
            answered: self.answered,
            last_at: self.last_at.into(),
            captured,
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
    pub(crate) application_id: Option<String>,
    pub(crate) credential_sealed: Option<Vec<u8>>,
    pub(crate) client_key_sealed: Option<Vec<u8>>,
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
            sealed: seal(
                keyring,
                &place("endpoints", endpoint.id.as_str(), "sealed"),
                some(&endpoint.secrets),
            )?,
            created_at: endpoint.created_at.into(),
            updated_at: endpoint.updated_at.into(),
            deleted_at: endpoint.deleted_at.map(Stamp),
            application_id: endpoint.application_id.as_ref().map(ToString::to_string),
            credential_sealed: seal(
                keyring,
                &place("endpoints", endpoint.id.as_str(), "credential_sealed"),
                endpoint.credential.as_ref().map(ExposeSecret::expose_secret),
            )?,
            client_key_sealed: seal(
                keyring,
                &place("endpoints", endpoint.id.as_str(), "client_key_sealed"),
                endpoint.client_key.as_ref().map(ExposeSecret::expose_secret),
            )?,
        })
    }

    pub(crate) fn open(self, keyring: &KeyRing) -> Result<Endpoint, Error> {
        Ok(Endpoint {
            secrets: open(
                keyring,
                &place("endpoints", &self.id, "sealed"),
                self.sealed.as_deref(),
            )?,
            credential: open(
                keyring,
                &place("endpoints", &self.id, "credential_sealed"),
                self.credential_sealed.as_deref(),
            )?,
            client_key: open(
                keyring,
                &place("endpoints", &self.id, "client_key_sealed"),
                self.client_key_sealed.as_deref(),
            )?,
            application_id: self.application_id.map(ApplicationId::from_stored),
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
    pub(crate) secret_hash: Option<Vec<u8>>,
    pub(crate) hook_hash: Option<Vec<u8>>,
    pub(crate) secrets_sealed: Option<Vec<u8>>,
    pub(crate) version: i32,
}

impl PlaybookRow {
    pub(crate) fn of(playbook: &Playbook, keyring: &KeyRing) -> Result<Self, Error> {
        Ok(Self {
            id: playbook.id.to_string(),
            workspace_id: playbook.workspace_id.to_string(),
            slug: playbook.spec.slug.clone(),
            number: playbook.number,
            spec: json(&playbook.spec),
            created_at: playbook.created_at.into(),
            updated_at: playbook.updated_at.into(),
            secret_hash: playbook.secret_hash.map(|hash| hash.to_vec()),
            hook_hash: playbook.hook_hash.map(|hash| hash.to_vec()),
            secrets_sealed: seal(
                keyring,
                &place("playbooks", playbook.id.as_str(), "secrets_sealed"),
                playbook.secrets.as_ref().map(ExposeSecret::expose_secret),
            )?,
            version: playbook.version,
        })
    }

    pub(crate) fn open(self, keyring: &KeyRing) -> Result<Playbook, Error> {
        Ok(Playbook {
            secrets: open(
                keyring,
                &place("playbooks", &self.id, "secrets_sealed"),
                self.secrets_sealed.as_deref(),
            )?,
            secret_hash: hash("secret_hash of a playbook", self.secret_hash)?,
            hook_hash: hash("hook_hash of a playbook", self.hook_hash)?,
            id: PlaybookId::from_stored(self.id),
            workspace_id: WorkspaceId::from_stored(self.workspace_id),
            number: self.number,
            version: self.version,
            operations: None,
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
    pub(crate) event_type_id: Option<String>,
    pub(crate) endpoint_id: Option<String>,
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
            event_type_id: route.subscription.as_ref().map(|(id, _)| id.to_string()),
            endpoint_id: route.subscription.as_ref().map(|(_, id)| id.to_string()),
        }
    }

    pub(crate) fn open(self) -> Result<Route, Error> {
        Ok(Route {
            id: RouteId::from_stored(self.id),
            workspace_id: WorkspaceId::from_stored(self.workspace_id),
            position: self.position,
            subscription: self
                .event_type_id
                .zip(self.endpoint_id)
                .map(|(event_type, endpoint)| {
                    (
                        EventTypeId::from_stored(event_type),
                        EndpointId::from_stored(endpoint),
                    )
                }),
            spec: from_json("spec of a route", &self.spec)?,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

pub(crate) fn json<T: Serialize>(spec: &T) -> String {
    serde_json::to_string(spec).expect("a spec has string keys and finite numbers, which serialise")
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Corrupt {
        what,
        source: Box::new(source),
    })
}

/// A column of hashes.
pub(crate) fn hash(what: &'static str, bytes: Option<Vec<u8>>) -> Result<Option<[u8; 32]>, Error> {
    let hash = bytes.map(|bytes| {
        <[u8; 32]>::try_from(bytes).map_err(|_length| Error::Corrupt {
            what,
            source: "not 32 bytes".into(),
        })
    });
    hash.transpose()
}

/// A list with something in it.
fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

/// No secrets need no key, so an installation without any runs without one.
fn seal<T: Serialize + ?Sized>(
    keyring: &KeyRing,
    place: &str,
    secrets: Option<&T>,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(secrets) = secrets else { return Ok(None) };
    let text = Zeroizing::new(
        serde_json::to_vec(secrets).expect("secrets have string keys and no numbers, which serialises"),
    );
    Ok(Some(keyring.seal(place, &text, rand::random())?))
}

fn open<T: DeserializeOwned + Default>(
    keyring: &KeyRing,
    place: &str,
    sealed: Option<&[u8]>,
) -> Result<T, Error> {
    let Some(sealed) = sealed else {
        return Ok(T::default());
    };
    let text = keyring.open(place, sealed)?;
    serde_json::from_slice(&text).map_err(|source| Error::Corrupt {
        what: "the secrets of a row",
        source: Box::new(source),
    })
}

/// Where a sealed value stands: table, row and column. Elsewhere it does not open.
pub(crate) fn place(table: &str, row: &str, column: &str) -> String {
    format!("{table}/{row}/{column}")
}
