//! Who and what a workspace knows by name: senders, customers, event types, and what runs are targeted at.

use wire::resource::{ApiKeySpec, ApplicationSpec, EventTypeSpec, PortalSpec, ProjectSpec, TemplateSpec};
use wire::{
    ApiKeyId, ApplicationId, ContactId, EnvironmentId, EventTypeId, Instant, PortalSessionId, ProjectId,
    SourceId, TemplateId, WorkspaceId,
};

/// What authenticates a sender at doors 3 and 7, as it is kept: its hash.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    /// `key_…`.
    pub id: ApiKeyId,
    /// The workspace it sends into.
    pub workspace_id: WorkspaceId,
    /// The one environment it is limited to; none: all.
    pub environment_id: Option<EnvironmentId>,
    /// Unique in its workspace.
    pub name: String,
    /// SHA-256 of the key.
    pub key_hash: [u8; 32],
    /// Its settings.
    pub spec: ApiKeySpec,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// A registered event type.
#[derive(Debug, Clone, PartialEq)]
pub struct EventType {
    /// `evt_…`.
    pub id: EventTypeId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Dotted; unique in its workspace.
    pub name: String,
    /// Its settings.
    pub spec: EventTypeSpec,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// A customer of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// `app_…`.
    pub id: ApplicationId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// The workspace's own name for it, unique there.
    pub external_id: Option<String>,
    /// Its settings.
    pub spec: ApplicationSpec,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// What runs are targeted at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// `prj_…`.
    pub id: ProjectId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Unique in its workspace.
    pub slug: String,
    /// Its settings.
    pub spec: ProjectSpec,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// Default inputs of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// `tpl_…`.
    pub id: TemplateId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Unique in its workspace.
    pub slug: String,
    /// Its settings.
    pub spec: TemplateSpec,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// A registered sender for an app door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// `con_…`.
    pub id: ContactId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Unique in its workspace.
    pub name: String,
    /// By which ids the platforms know them, each at one source.
    pub addresses: Vec<(SourceId, String)>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// A customer's visit to the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalSession {
    /// `ps_…`.
    pub id: PortalSessionId,
    /// Whose portal.
    pub application_id: ApplicationId,
    /// The customer's workspace.
    pub workspace_id: WorkspaceId,
    /// What it may do.
    pub spec: PortalSpec,
    /// When its link was made.
    pub created_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
}
