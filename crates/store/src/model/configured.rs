//! What operators configure.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use wire::resource::{
    DeliverySpec, EndpointSpec, OrderSpec, PlaybookSpec, RouteSpec, SourceSpec, WorkspaceSpec,
};
use wire::{
    ApplicationId, EndpointId, EnvironmentId, EventTypeId, Instant, ManagementTokenId, PlaybookId, ProjectId,
    RouteId, SourceId, TemplateId, WorkspaceId,
};

/// A tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// `ws_…`.
    pub id: WorkspaceId,
    /// Unique in the yard; `{orgSlug}` of doors 1 and 2.
    pub slug: String,
    /// For people.
    pub name: String,
    /// The kill switch: false closes every door.
    pub accepting: bool,
    /// Its other settings.
    pub spec: WorkspaceSpec,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// A named slice of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// `env_…`.
    pub id: EnvironmentId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Unique in its workspace.
    pub slug: String,
    /// For people; none: the slug serves.
    pub name: Option<String>,
    /// Exactly one of a workspace's is.
    pub is_default: bool,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// A management token as it is kept: its hash.
#[derive(Debug, Clone)]
pub struct NewManagementToken {
    /// `mt_…`.
    pub id: ManagementTokenId,
    /// The workspace it opens.
    pub workspace_id: WorkspaceId,
    /// Unique in its workspace.
    pub name: String,
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// When it was made.
    pub created_at: Instant,
}

/// One of a source's or an endpoint's signing secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SigningSecret {
    /// Names it in verdicts and logs.
    pub id: String,
    /// The secret itself.
    #[serde(serialize_with = "exposed")]
    pub value: SecretString,
    /// Since when it is in use.
    pub created_at: Instant,
    /// Until when it still counts after a rotation; absent: no end.
    #[serde(default)]
    pub expires_at: Option<Instant>,
}

/// Serialises for the sealing alone; [`crate::KeyRing`] encrypts the result at once.
pub(crate) fn exposed<S: serde::Serializer>(value: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secrecy::ExposeSecret::expose_secret(value))
}

impl SigningSecret {
    /// Whether it counts at `now`.
    pub fn is_live(&self, now: Instant) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Where webhooks come in.
#[derive(Debug, Clone)]
pub struct Source {
    /// `so_…`.
    pub id: SourceId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// In which slice.
    pub environment_id: EnvironmentId,
    /// The secret in door 4's path, `src_…`. Shown by the sources API alone.
    pub token: SecretString,
    /// SHA-256 of door 1's secret; absent: door 1 is not open.
    pub channel_secret_hash: Option<[u8; 32]>,
    /// Its settings.
    pub spec: SourceSpec,
    /// What its requests may be signed with; any may match.
    pub secrets: Vec<SigningSecret>,
    /// What a handshake of its sender must show (Meta, Strava, eBay).
    pub verify_token: Option<SecretString>,
    /// The secrets of its app at door 5.
    pub app_secrets: AppSecrets,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// The secrets of a source's app.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AppSecrets {
    /// What its requests may be signed with; any may match.
    pub signing: Vec<SigningSecret>,
    /// What a platform must know to have its `GET` challenge answered.
    #[serde(default, serialize_with = "exposed_or_null")]
    pub verify_token: Option<SecretString>,
}

impl AppSecrets {
    /// Whether there is nothing to seal.
    pub fn is_empty(&self) -> bool {
        self.signing.is_empty() && self.verify_token.is_none()
    }
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn exposed_or_null<S: serde::Serializer>(
    value: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => exposed(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// Where webhooks go out.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `ep_…`.
    pub id: EndpointId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// In which slice.
    pub environment_id: EnvironmentId,
    /// Its settings.
    pub spec: EndpointSpec,
    /// What its deliveries are signed with; more than one while a secret is rotated.
    pub secrets: Vec<SigningSecret>,
    /// The customer whose it is; none: the workspace's own.
    pub application_id: Option<ApplicationId>,
    /// The secret part of its [`AuthSpec`](wire::resource::AuthSpec): a password, a token or a header's value.
    pub credential: Option<SecretString>,
    /// The private key (PEM) of its client certificate.
    pub client_key: Option<SecretString>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// A deleted endpoint gets nothing and is not listed.
    pub deleted_at: Option<Instant>,
}

/// From sources and event types to one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// `rt_…`.
    pub id: RouteId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Routes are tried in this order.
    pub position: i32,
    /// The event type and the endpoint of a subscription; none for every other route.
    pub subscription: Option<(EventTypeId, EndpointId)>,
    /// Its settings.
    pub spec: RouteSpec,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// A named workflow document.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// `pb_…`.
    pub id: PlaybookId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Small and unique in its workspace.
    pub number: i32,
    /// Its settings.
    pub spec: PlaybookSpec,
    /// SHA-256 of door 2's secret; absent: door 2 is not open.
    pub secret_hash: Option<[u8; 32]>,
    /// SHA-256 of the token in door 6's path; absent: door 6 is not open.
    pub hook_hash: Option<[u8; 32]>,
    /// What its calls may use as `$secrets`: a JSON object.
    pub secrets: Option<SecretString>,
    /// Which version new runs begin with, from 1. Its definition is the spec's: saving another definition than this
    /// version's makes the next one, whatever stands here.
    pub version: i32,
    /// What a new definition calls, pinned: `playbook::Operations` as JSON. Of no interest, and none when it is read,
    /// unless saving makes a version.
    pub operations: Option<String>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// A definition that a playbook has or had. Never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaybookVersion {
    /// Whose; the playbook may be gone.
    pub playbook_id: PlaybookId,
    /// From 1, without gaps.
    pub version: i32,
    /// The document as it was given.
    pub definition: String,
    /// What it calls, pinned: `playbook::Operations` as JSON.
    pub operations: String,
    /// When it was saved.
    pub created_at: Instant,
}

/// All that the router needs to decide a workspace's events.
#[derive(Debug, Clone, Default)]
pub struct RoutingTable {
    /// In their order.
    pub routes: Vec<Route>,
    /// The workspace's endpoints that are not deleted, and whether each is enabled.
    pub endpoints: HashMap<EndpointId, bool>,
    /// Those of them whose deliveries go one after the other, and by what.
    pub orders: HashMap<EndpointId, OrderSpec>,
    /// How long a delivery waits before its first attempt where the endpoint says nothing of it.
    pub first_wait: Duration,
    /// The same of those endpoints that have a schedule of their own.
    pub first_waits: HashMap<EndpointId, Duration>,
    /// Which environment each of those is in.
    pub environments: HashMap<EndpointId, EnvironmentId>,
    /// The workspace's playbooks, and whether each is enabled.
    pub playbooks: HashMap<PlaybookId, bool>,
    /// What runs for the events of a source that no route takes, where its app has a doorkeeper.
    pub doorkeepers: HashMap<SourceId, PlaybookId>,
    /// What the workspace's sources are called.
    pub sources: HashMap<SourceId, String>,
}

impl RoutingTable {
    /// How long a delivery to `endpoint` waits before its first attempt: the first entry of the nearest schedule. `route` is what
    /// the route says of deliveries, where one made it.
    pub fn first_wait(&self, endpoint: &EndpointId, route: Option<&DeliverySpec>) -> Duration {
        let of_endpoint = || self.first_waits.get(endpoint).copied();
        route
            .and_then(DeliverySpec::first_wait)
            .or_else(of_endpoint)
            .unwrap_or(self.first_wait)
    }
}

/// What the things of a workspace are called, without anything else of them.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// With their slugs, and which one is the default.
    pub environments: Vec<(EnvironmentId, String, bool)>,
    /// With their slugs.
    pub sources: Vec<(SourceId, String)>,
    /// Those that are not deleted, with their slugs.
    pub endpoints: Vec<(EndpointId, Option<String>)>,
    /// With their slugs.
    pub playbooks: Vec<(PlaybookId, String)>,
    /// With their slugs.
    pub projects: Vec<(ProjectId, String)>,
    /// With their slugs.
    pub templates: Vec<(TemplateId, String)>,
    /// With their external ids.
    pub applications: Vec<(ApplicationId, Option<String>)>,
}
