//! What operators configure: looked up by the doors and the workers, edited by the console.

use crate::connect::{read, write};
use crate::{
    ApiKey, Application, Contact, Endpoint, Environment, Error, EventType, ManagementToken, Names,
    NewManagementToken, Playbook, Project, Route, RoutingTable, Source, Store, Template, Workspace,
};
use wire::resource::{EndpointSpec, PlaybookSpec, SourceSpec};
use wire::{
    ApiKeyId, ApplicationId, ContactId, EndpointId, EnvironmentId, EventTypeId, Instant, ManagementTokenId,
    PlaybookId, ProjectId, RouteId, SourceId, TemplateId, WorkspaceId,
};

pub(crate) use rows::{
    EndpointRow, HandshakesRow, PlaybookRow, RouteRow, SourceRow, from_json, hash, json, place,
};

mod registered;
mod rows;

/// How many things of a kind are listed at the most: lists of configured things are not paged. One thing too many is an
/// error and not cut off: whoever looks through such a list would take what is left out for not there.
pub const CONFIGURED_LIMIT: i64 = 10_000;

/// How many rows a list is asked for, to know of one too many.
pub(crate) const ASKED: i64 = CONFIGURED_LIMIT + 1;

/// How many rows of a kind a routing table is made of at the most. One row too many is an error and not cut off: a route
/// that is left out is a delivery that nobody misses.
pub(crate) const ROUTING_LIMIT: i64 = 100_000;

/// All of `rows`, which were asked for up to one over [`ROUTING_LIMIT`].
pub(crate) fn whole<T>(rows: Vec<T>, what: &'static str) -> Result<Vec<T>, Error> {
    bounded(rows, what, ROUTING_LIMIT)
}

/// All of `rows`, of which [`ASKED`] were asked for.
pub(crate) fn listed<T>(rows: Vec<T>, what: &'static str) -> Result<Vec<T>, Error> {
    bounded(rows, what, CONFIGURED_LIMIT)
}

fn bounded<T>(rows: Vec<T>, what: &'static str, most: i64) -> Result<Vec<T>, Error> {
    if i64::try_from(rows.len()).is_ok_and(|count| count <= most) {
        return Ok(rows);
    }
    Err(Error::Unbounded {
        what,
        most: most.unsigned_abs(),
    })
}

/// Whether a row can have this text: no text in the ledger has U+0000 in it, and Postgres would not even compare with one.
fn is_possible(text: &str) -> bool {
    !text.contains('\0')
}

/// One change to what is configured: a thing is inserted, or replaced by its id, or removed.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Saves something that was made of what was read: see [`Edit::over`].
    Over {
        /// When what was read was last changed; none: it was not there.
        since: Option<Instant>,
        /// What is saved.
        edit: Box<Edit>,
    },
    /// Saves a workspace.
    Workspace(Workspace),
    /// Saves an environment.
    Environment(Environment),
    /// Saves a management token, as its hash.
    ManagementToken(NewManagementToken),
    /// Saves a source with its secrets.
    Source(Source),
    /// Saves an endpoint with its secrets.
    Endpoint(Endpoint),
    /// Lets an endpoint hold its deliveries for this reason, unless it does already.
    Hold {
        /// Which.
        endpoint: EndpointId,
        /// Whose.
        workspace: WorkspaceId,
        /// Why, in a word.
        reason: &'static str,
    },
    /// Lets an endpoint's waiting deliveries go, whatever its circuit is: one first, and more as they succeed.
    Drain(EndpointId),
    /// Saves a playbook.
    Playbook(Playbook),
    /// Saves a route or a subscription.
    Route(Route),
    /// Saves an API key, as its hash.
    ApiKey(ApiKey),
    /// Saves a contact; the addresses it had are replaced.
    Contact(Contact),
    /// Saves an event type.
    EventType(EventType),
    /// Saves a project.
    Project(Project),
    /// Saves a template.
    Template(Template),
    /// Saves an application.
    Application(Application),
    /// Fails with [`Error::Full`] when the application has more endpoints by now than it may have.
    CheckLimit(ApplicationId),
    /// Says whether an environment's portal shows an event type.
    Publish {
        /// Where.
        environment: EnvironmentId,
        /// What.
        event_type: EventTypeId,
        /// Whether it is shown.
        published: bool,
    },
    /// Removes an environment; fails while a source or an endpoint is in it.
    RemoveEnvironment(EnvironmentId),
    /// Removes a management token.
    RemoveManagementToken(ManagementTokenId),
    /// Removes a source; its events stay.
    RemoveSource(SourceId),
    /// Forgets the secret that came with a source's handshake at that time, because it was accepted or discarded.
    RemoveCaptured(SourceId, Instant),
    /// Marks an endpoint as deleted; its deliveries stay.
    RemoveEndpoint(EndpointId),
    /// Removes a playbook; its runs stay.
    RemovePlaybook(PlaybookId),
    /// Removes a route or a subscription.
    RemoveRoute(RouteId),
    /// Removes an API key.
    RemoveApiKey(ApiKeyId),
    /// Removes a contact and its addresses.
    RemoveContact(ContactId),
    /// Removes an event type and the subscriptions to it.
    RemoveEventType(EventTypeId),
    /// Removes a project.
    RemoveProject(ProjectId),
    /// Removes a template.
    RemoveTemplate(TemplateId),
    /// Removes an application, and marks its endpoints as deleted.
    RemoveApplication(ApplicationId),
}

impl Edit {
    /// The same, but only over what was last changed at `since`, or where `since` is none, where nothing is. Else it fails:
    /// with [`Error::Changed`], or with [`Error::Taken`] when there is something with the id of a new thing.
    ///
    /// Whoever reads, changes and saves must say so, or brings back what was removed in between, or undoes what somebody
    /// else changed.
    #[must_use]
    pub fn over(self, since: Option<Instant>) -> Self {
        Self::Over {
            since,
            edit: Box::new(self),
        }
    }
}

impl Store {
    /// Carries out the edits in their order, all or none.
    ///
    /// Fails with [`Error::Changed`] when one is not [over](Edit::over) what it was made of, and with [`Error::Taken`] when a slug, name, number or token is another thing's, or an id another workspace's.
    pub async fn edit(&self, edits: Vec<Edit>, now: Instant) -> Result<(), Error> {
        let keyring = self.keyring.clone();
        write!(self, |conn, queries| queries::edits::all(
            conn, &edits, &keyring, now
        ))
    }

    /// The workspace with this id or slug.
    pub async fn workspace(&self, id_or_slug: &str) -> Result<Option<Workspace>, Error> {
        if !is_possible(id_or_slug) {
            return Ok(None);
        }
        let name = id_or_slug.to_owned();
        read!(self, |conn, queries| queries::workspaces::find(conn, &name))
    }

    /// The workspaces by slug, at most `limit`.
    pub async fn workspaces(&self, limit: i64) -> Result<Vec<Workspace>, Error> {
        read!(self, |conn, queries| queries::workspaces::list(conn, limit))
    }

    /// A workspace's environments, oldest first.
    pub async fn environments(&self, workspace: &WorkspaceId) -> Result<Vec<Environment>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::workspaces::environments(
            conn, &workspace, ASKED
        ))?;
        listed(rows, "environments")
    }

    /// What the things of a workspace are called.
    pub async fn names(&self, workspace: &WorkspaceId) -> Result<Names, Error> {
        let workspace = workspace.clone();
        read!(self, |conn, queries| queries::names::of(conn, &workspace))
    }

    /// The management token with this SHA-256.
    pub async fn management_token(&self, token_hash: [u8; 32]) -> Result<Option<ManagementToken>, Error> {
        read!(self, |conn, queries| queries::workspaces::management_token(
            conn,
            &token_hash
        ))
    }

    /// A workspace's management tokens by name.
    pub async fn management_tokens(&self, workspace: &WorkspaceId) -> Result<Vec<NewManagementToken>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::workspaces::management_tokens(
            conn, &workspace, ASKED
        ))?;
        listed(rows, "management tokens")
    }

    /// The source with this path token, and whether its workspace accepts.
    pub async fn source_by_token(&self, token: &str) -> Result<Option<(Source, bool)>, Error> {
        if !is_possible(token) {
            return Ok(None);
        }
        let token = token.to_owned();
        let found = read!(self, |conn, queries| queries::sources::by_token(conn, &token))?;
        found
            .map(|(row, accepting)| Ok((row.open(&self.keyring)?, accepting)))
            .transpose()
    }

    /// The source with this slug in the workspace with that slug, and whether the workspace accepts.
    pub async fn source_by_slugs(
        &self,
        workspace: &str,
        slug: &str,
    ) -> Result<Option<(Source, bool)>, Error> {
        if !is_possible(workspace) || !is_possible(slug) {
            return Ok(None);
        }
        let (workspace, slug) = (workspace.to_owned(), slug.to_owned());
        let found = read!(self, |conn, queries| queries::sources::by_slugs(
            conn, &workspace, &slug
        ))?;
        found
            .map(|(row, accepting)| Ok((row.open(&self.keyring)?, accepting)))
            .transpose()
    }

    /// The source with this id.
    pub async fn source(&self, id: &SourceId) -> Result<Option<Source>, Error> {
        let id = id.clone();
        let row = read!(self, |conn, queries| queries::sources::find(conn, &id))?;
        row.map(|row| row.open(&self.keyring)).transpose()
    }

    /// A workspace's sources by slug.
    pub async fn sources(&self, workspace: &WorkspaceId) -> Result<Vec<Source>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::sources::list(
            conn, &workspace, ASKED
        ))?;
        let rows = listed(rows, "sources")?;
        rows.into_iter().map(|row| row.open(&self.keyring)).collect()
    }

    /// The endpoint with this id, also when it is deleted.
    pub async fn endpoint(&self, id: &EndpointId) -> Result<Option<Endpoint>, Error> {
        let id = id.clone();
        let row = read!(self, |conn, queries| queries::endpoints::find(conn, &id))?;
        row.map(|row| row.open(&self.keyring)).transpose()
    }

    /// A workspace's endpoints, oldest first, without the deleted ones.
    pub async fn endpoints(&self, workspace: &WorkspaceId) -> Result<Vec<Endpoint>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::endpoints::list(
            conn, &workspace, ASKED
        ))?;
        let rows = listed(rows, "endpoints")?;
        rows.into_iter().map(|row| row.open(&self.keyring)).collect()
    }

    /// The route or subscription with this id.
    pub async fn route(&self, id: &RouteId) -> Result<Option<Route>, Error> {
        let id = id.clone();
        let row = read!(self, |conn, queries| queries::routes::find(conn, &id))?;
        row.map(RouteRow::open).transpose()
    }

    /// A workspace's routes in their order, without subscriptions.
    pub async fn routes(&self, workspace: &WorkspaceId) -> Result<Vec<Route>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::routes::list(
            conn, &workspace, ASKED
        ))?;
        let rows = listed(rows, "routes")?;
        rows.into_iter().map(RouteRow::open).collect()
    }

    /// A workspace's playbooks by slug.
    pub async fn playbooks(&self, workspace: &WorkspaceId) -> Result<Vec<Playbook>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::playbooks::list(
            conn, &workspace, ASKED
        ))?;
        let rows = listed(rows, "playbooks")?;
        rows.into_iter().map(|row| row.open(&self.keyring)).collect()
    }

    /// All that the router needs to decide a workspace's events.
    ///
    /// Fails with [`Error::Unbounded`] when it is more than a process should hold.
    pub async fn routing_table(&self, workspace: &WorkspaceId) -> Result<RoutingTable, Error> {
        let workspace = workspace.clone();
        let limit = ROUTING_LIMIT + 1;
        let (routes, endpoints, particular, playbooks, apps, sources, of_workspace) =
            read!(self, |conn, queries| Ok((
                whole(queries::routes::all(conn, &workspace, limit)?, "routes")?,
                whole(queries::routes::targets(conn, &workspace, limit)?, "endpoints")?,
                whole(queries::routes::particular(conn, &workspace, limit)?, "endpoints")?,
                whole(queries::playbooks::specs(conn, &workspace, limit)?, "playbooks")?,
                whole(queries::sources::with_apps(conn, &workspace, limit)?, "apps")?,
                whole(queries::sources::slugs(conn, &workspace, limit)?, "sources")?,
                queries::workspaces::find(conn, workspace.as_str())?,
            )))?;
        let of_workspace = of_workspace.and_then(|found| found.spec.delivery.first_wait());
        let mut table = RoutingTable {
            routes: routes
                .into_iter()
                .map(RouteRow::open)
                .collect::<Result<_, Error>>()?,
            playbooks: playbooks
                .into_iter()
                .map(|(id, spec)| {
                    let spec: PlaybookSpec = from_json("spec of a playbook", &spec)?;
                    Ok((id, spec.enabled))
                })
                .collect::<Result<_, Error>>()?,
            sources: sources.into_iter().collect(),
            first_wait: of_workspace.unwrap_or_default(),
            ..RoutingTable::default()
        };
        for (id, enabled, environment) in endpoints {
            table.environments.insert(id.clone(), environment);
            table.endpoints.insert(id, enabled);
        }
        for (id, spec) in particular {
            let spec: EndpointSpec = from_json("spec of an endpoint", &spec)?;
            let wait = spec.delivery.first_wait();
            table.first_waits.extend(wait.map(|wait| (id.clone(), wait)));
            table.orders.extend(spec.ordered.map(|ordered| (id, ordered)));
        }
        for (id, spec) in apps {
            let spec: SourceSpec = from_json("spec of a source", &spec)?;
            let doorkeeper = spec.app.and_then(|app| app.doorkeeper);
            table
                .doorkeepers
                .extend(doorkeeper.map(|playbook| (id, playbook)));
        }
        Ok(table)
    }
}
