//! What the ledger has of a workspace before a file is applied.

use crate::Error;
use std::collections::HashMap;
use store::{
    ApiKey, Application, Contact, Endpoint, Environment, EventType, NewManagementToken, Playbook, Project,
    Route, Source, Store, Template, Workspace,
};
use wire::EventTypeId;

/// Everything configured in one workspace.
#[derive(Debug, Default)]
pub(super) struct Current {
    /// None: the file makes it.
    pub(super) workspace: Option<Workspace>,
    pub(super) environments: Vec<Environment>,
    pub(super) tokens: Vec<NewManagementToken>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) sources: Vec<Source>,
    pub(super) playbooks: Vec<Playbook>,
    pub(super) routes: Vec<Route>,
    pub(super) api_keys: Vec<ApiKey>,
    pub(super) projects: Vec<Project>,
    pub(super) templates: Vec<Template>,
    pub(super) event_types: Vec<EventType>,
    pub(super) applications: Vec<Application>,
    /// How many endpoints are subscribed to each event type; those without any are left out.
    pub(super) subscribers: HashMap<EventTypeId, i64>,
    pub(super) contacts: Vec<Contact>,
}

impl Current {
    /// Reads it all.
    pub(super) async fn read(store: &Store, workspace: Option<Workspace>) -> Result<Self, Error> {
        let Some(workspace) = workspace else {
            return Ok(Self::default());
        };
        let id = &workspace.id;
        Ok(Self {
            environments: store.environments(id).await?,
            tokens: store.management_tokens(id).await?,
            endpoints: store.endpoints(id).await?,
            sources: store.sources(id).await?,
            playbooks: store.playbooks(id).await?,
            routes: store.routes(id).await?,
            api_keys: store.api_keys(id).await?,
            projects: store.projects(id).await?,
            templates: store.templates(id).await?,
            event_types: store.event_types(id).await?,
            applications: store.all_applications(id).await?,
            subscribers: store.subscriber_counts(id).await?,
            contacts: store.contacts(id).await?,
            workspace: Some(workspace),
        })
    }
}
