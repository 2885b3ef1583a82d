//! Looking up what a workspace knows by name: senders, customers, event types, and what runs are targeted at.

use super::{ASKED, CONFIGURED_LIMIT, is_possible, listed};
use crate::catalog::RouteRow;
use crate::connect::{look_up, read, write};
use crate::sweep::LONGEST_SWEEP;
use crate::{
    ApiKey, Application, Contact, Endpoint, Error, EventType, Playbook, PortalSession, Project, Route,
    Source, Store, Template,
};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use wire::{
    ApplicationId, ContactId, EndpointId, EnvironmentId, EventTypeId, Instant, PortalSessionId, SourceId,
    WorkspaceId,
};

impl Store {
    /// The API key with this SHA-256, and whether its workspace accepts.
    pub async fn api_key(&self, key_hash: [u8; 32]) -> Result<Option<(ApiKey, bool)>, Error> {
        read!(self, |conn, queries| queries::senders::key_by_hash(
            conn, &key_hash
        ))
    }

    /// A workspace's API keys by name.
    pub async fn api_keys(&self, workspace: &WorkspaceId) -> Result<Vec<ApiKey>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::senders::keys(
            conn, &workspace, ASKED
        ))?;
        listed(rows, "API keys")
    }

    /// A workspace's contacts by name.
    pub async fn contacts(&self, workspace: &WorkspaceId) -> Result<Vec<Contact>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::senders::contacts(
            conn, &workspace, ASKED
        ))?;
        listed(rows, "contacts")
    }

    /// Who is known by this address at this source.
    pub async fn contact_at(&self, source: &SourceId, address: &str) -> Result<Option<ContactId>, Error> {
        if !is_possible(address) {
            return Ok(None);
        }
        let (source, address) = (source.clone(), address.to_owned());
        read!(self, |conn, queries| queries::senders::contact_at(
            conn, &source, &address
        ))
    }

    /// Who is known by these addresses at this source; strangers are left out.
    pub async fn contacts_at(
        &self,
        source: &SourceId,
        addresses: Vec<String>,
    ) -> Result<HashMap<String, ContactId>, Error> {
        if addresses.is_empty() {
            return Ok(HashMap::new());
        }
        let source = source.clone();
        read!(self, |conn, queries| queries::senders::contacts_at(
            conn, &source, &addresses
        ))
    }

    /// The source whose app has this id, and whether its workspace accepts.
    pub async fn source_by_app(&self, app: &str) -> Result<Option<(Source, bool)>, Error> {
        if !is_possible(app) {
            return Ok(None);
        }
        let app = app.to_owned();
        let found = read!(self, |conn, queries| queries::sources::by_app(conn, &app))?;
        found
            .map(|(row, accepting)| Ok((row.open(&self.keyring)?, accepting)))
            .transpose()
    }

    /// The playbook with this slug in the workspace with that slug, and whether the workspace accepts.
    pub async fn playbook_by_slugs(
        &self,
        workspace: &str,
        slug: &str,
    ) -> Result<Option<(Playbook, bool)>, Error> {
        if !is_possible(workspace) || !is_possible(slug) {
            return Ok(None);
        }
        let (workspace, slug) = (workspace.to_owned(), slug.to_owned());
        let found = read!(self, |conn, queries| queries::playbooks::by_slugs(
            conn, &workspace, &slug
        ))?;
        found
            .map(|(row, accepting)| Ok((row.open(&self.keyring)?, accepting)))
            .transpose()
    }

    /// The playbook with this token at door 6, and whether its workspace accepts.
    pub async fn playbook_by_hook(&self, token: &str) -> Result<Option<(Playbook, bool)>, Error> {
        let hash = <[u8; 32]>::from(Sha256::digest(token.as_bytes()));
        let found = read!(self, |conn, queries| queries::playbooks::by_hook(conn, &hash))?;
        found
            .map(|(row, accepting)| Ok((row.open(&self.keyring)?, accepting)))
            .transpose()
    }

    /// A workspace's playbook with this number.
    pub async fn playbook_by_number(
        &self,
        workspace: &WorkspaceId,
        number: i32,
    ) -> Result<Option<Playbook>, Error> {
        let workspace = workspace.clone();
        let row = read!(self, |conn, queries| queries::playbooks::by_number(
            conn, &workspace, number
        ))?;
        row.map(|row| row.open(&self.keyring)).transpose()
    }

    /// A workspace's playbook with this id or slug.
    pub async fn playbook(
        &self,
        workspace: &WorkspaceId,
        id_or_slug: &str,
    ) -> Result<Option<Playbook>, Error> {
        if !is_possible(id_or_slug) {
            return Ok(None);
        }
        let (workspace, name) = (workspace.clone(), id_or_slug.to_owned());
        let row = look_up!(self, |conn, queries| queries::playbooks::find(
            conn, &workspace, &name
        ))?;
        row.map(|row| row.open(&self.keyring)).transpose()
    }

    /// A workspace's event types by name.
    pub async fn event_types(&self, workspace: &WorkspaceId) -> Result<Vec<EventType>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::registered::types::list(
            conn, &workspace, ASKED
        ))?;
        listed(rows, "event types")
    }

    /// A workspace's event type with this id or name.
    pub async fn event_type(
        &self,
        workspace: &WorkspaceId,
        id_or_name: &str,
    ) -> Result<Option<EventType>, Error> {
        if !is_possible(id_or_name) {
            return Ok(None);
        }
        let (workspace, name) = (workspace.clone(), id_or_name.to_owned());
        read!(self, |conn, queries| queries::registered::types::find(
            conn, &workspace, &name
        ))
    }

    /// Registers an event type unless its name is there, and returns the one that is there: of many at once one is made.
    pub async fn register_event_type(&self, row: EventType) -> Result<EventType, Error> {
        write!(self, |conn, queries| queries::registered::register_type(
            conn, &row
        ))
    }

    /// The event types that an environment's portal shows.
    pub async fn published_event_types(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Vec<EventTypeId>, Error> {
        let environment = environment.clone();
        let rows = read!(self, |conn, queries| queries::registered::published(
            conn,
            &environment,
            ASKED
        ))?;
        listed(rows, "published event types")
    }

    /// An endpoint's subscriptions, oldest first.
    pub async fn subscriptions(&self, endpoint: &EndpointId) -> Result<Vec<Route>, Error> {
        let endpoint = endpoint.clone();
        let rows = read!(self, |conn, queries| queries::routes::subscriptions(
            conn, &endpoint, ASKED
        ))?;
        let rows = listed(rows, "subscriptions")?;
        rows.into_iter().map(RouteRow::open).collect()
    }

    /// How many subscribers each event type of a workspace has; types without any are left out.
    pub async fn subscriber_counts(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<HashMap<EventTypeId, i64>, Error> {
        let workspace = workspace.clone();
        let counts = read!(self, |conn, queries| queries::routes::subscriber_counts(
            conn, &workspace, ASKED
        ))?;
        Ok(listed(counts, "event types")?.into_iter().collect())
    }

    /// A workspace's projects by slug.
    pub async fn projects(&self, workspace: &WorkspaceId) -> Result<Vec<Project>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::registered::project::list(
            conn, &workspace, ASKED
        ))?;
        listed(rows, "projects")
    }

    /// A workspace's project with this id or slug.
    pub async fn project(&self, workspace: &WorkspaceId, id_or_slug: &str) -> Result<Option<Project>, Error> {
        if !is_possible(id_or_slug) {
            return Ok(None);
        }
        let (workspace, name) = (workspace.clone(), id_or_slug.to_owned());
        read!(self, |conn, queries| queries::registered::project::find(
            conn, &workspace, &name
        ))
    }

    /// A workspace's templates by slug.
    pub async fn templates(&self, workspace: &WorkspaceId) -> Result<Vec<Template>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::registered::template::list(
            conn, &workspace, ASKED
        ))?;
        listed(rows, "templates")
    }

    /// A workspace's template with this id or slug.
    pub async fn template(
        &self,
        workspace: &WorkspaceId,
        id_or_slug: &str,
    ) -> Result<Option<Template>, Error> {
        if !is_possible(id_or_slug) {
            return Ok(None);
        }
        let (workspace, name) = (workspace.clone(), id_or_slug.to_owned());
        read!(self, |conn, queries| queries::registered::template::find(
            conn, &workspace, &name
        ))
    }

    /// A workspace's applications, oldest first, from the `offset`th on.
    pub async fn applications(
        &self,
        workspace: &WorkspaceId,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Application>, Error> {
        let workspace = workspace.clone();
        let (offset, limit) = (offset.max(0), limit.clamp(0, CONFIGURED_LIMIT));
        read!(self, |conn, queries| queries::applications::list(
            conn, &workspace, offset, limit
        ))
    }

    /// All of a workspace's applications, oldest first.
    pub async fn all_applications(&self, workspace: &WorkspaceId) -> Result<Vec<Application>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::applications::list(
            conn, &workspace, 0, ASKED
        ))?;
        listed(rows, "applications")
    }

    /// A workspace's application with this id or external id.
    pub async fn application(
        &self,
        workspace: &WorkspaceId,
        id_or_external: &str,
    ) -> Result<Option<Application>, Error> {
        if !is_possible(id_or_external) {
            return Ok(None);
        }
        let (workspace, name) = (workspace.clone(), id_or_external.to_owned());
        read!(self, |conn, queries| queries::applications::find(
            conn, &workspace, &name
        ))
    }

    /// An application's endpoints, oldest first, without the deleted ones.
    pub async fn endpoints_of(&self, application: &ApplicationId) -> Result<Vec<Endpoint>, Error> {
        let application = application.clone();
        let rows = read!(self, |conn, queries| queries::endpoints::of_application(
            conn,
            &application,
            ASKED
        ))?;
        let rows = listed(rows, "endpoints")?;
        rows.into_iter().map(|row| row.open(&self.keyring)).collect()
    }

    /// Uses a code up, by its SHA-256: true once, and not when it is too late. From here on the browser shows what has
    /// the SHA-256 `cookie_hash`.
    pub async fn open_portal_session(
        &self,
        code_hash: [u8; 32],
        cookie_hash: [u8; 32],
        now: Instant,
    ) -> Result<bool, Error> {
        write!(self, |conn, queries| queries::applications::open_session(
            conn,
            &code_hash,
            &cookie_hash,
            now
        ))
    }

    /// The visit of the browser that shows what has this SHA-256, unless it is over.
    pub async fn portal_session(
        &self,
        cookie_hash: [u8; 32],
        now: Instant,
    ) -> Result<Option<PortalSession>, Error> {
        read!(self, |conn, queries| queries::applications::session(
            conn,
            &cookie_hash,
            now
        ))
    }

    /// Ends a visit before its time.
    pub async fn end_portal_session(&self, id: &PortalSessionId) -> Result<(), Error> {
        let id = id.clone();
        write!(self, |conn, queries| queries::applications::end_session(
            conn, &id
        ))
    }

    /// Removes up to `limit` visits that are over; returns how many.
    pub async fn forget_portal_sessions(&self, now: Instant, limit: i64) -> Result<usize, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        write!(self, |conn, queries| queries::applications::forget_sessions(
            conn, now, limit
        ))
    }
}
