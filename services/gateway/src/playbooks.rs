//! Playbooks as the doors need them, and what their runs are targeted at, remembered for a while.

use crate::problem::Issue;
use crate::sources::REMEMBERED;
use broker::Generation;
use jsonschema::{PatternOptions, Validator};
use moka::future::Cache;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::{Playbook, Project, Store, Template};
use wire::WorkspaceId;

/// The most problems of an input that its sender is told.
const MOST_ISSUES: usize = 20;

/// A playbook whose workspace is open. Whether it is enabled itself means something else at each door.
#[derive(Debug)]
pub(crate) struct OpenPlaybook {
    pub(crate) playbook: Playbook,
    schema: Option<Validator>,
}

impl OpenPlaybook {
    /// Opens the playbook; a closed workspace's is the same as none.
    fn of(playbook: Playbook, accepting: bool) -> Result<Option<Arc<Self>>, store::Error> {
        if !accepting {
            return Ok(None);
        }
        let schema = playbook.spec.input_schema.as_ref().map(validator).transpose()?;
        Ok(Some(Arc::new(Self { playbook, schema })))
    }

    /// What is wrong with an input; nothing when the playbook takes it.
    pub(crate) fn problems(&self, input: &Value) -> Vec<Issue> {
        let Some(schema) = &self.schema else {
            return Vec::new();
        };
        schema
            .iter_errors(input)
            .take(MOST_ISSUES)
            .map(|error| Issue {
                path: error.instance_path().to_string(),
                message: error.masked().to_string(),
            })
            .collect()
    }

    /// Whether the playbook asks anything of its input.
    pub(crate) fn has_schema(&self) -> bool {
        self.schema.is_some()
    }
}

/// Patterns run in linear time, whatever a sender writes; nothing is fetched.
fn validator(schema: &Value) -> Result<Validator, store::Error> {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| store::Error::Corrupt {
            what: "the input schema of a playbook",
            source: error.to_string().into(),
        })
}

/// How a door names a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// The slugs of its workspace and its own.
    Slugs(Arc<str>, Arc<str>),
    /// The token in door 6's path.
    Hook(Arc<str>),
    /// Its number in a workspace.
    Number(WorkspaceId, i32),
    /// Its id or slug in a workspace.
    IdOrSlug(WorkspaceId, Arc<str>),
}

/// What a run is targeted at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wanted {
    Project(WorkspaceId, Arc<str>),
    Template(WorkspaceId, Arc<str>),
}

#[derive(Debug, Clone)]
pub(crate) struct Playbooks {
    store: Store,
    generation: Generation,
    open: Cache<(u64, Name), Option<Arc<OpenPlaybook>>>,
    projects: Cache<(u64, Wanted), Option<Arc<Project>>>,
    templates: Cache<(u64, Wanted), Option<Arc<Template>>>,
}

impl Playbooks {
    pub(crate) fn new(store: Store, generation: Generation, ttl: Duration) -> Self {
        Self {
            store,
            generation,
            open: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
            projects: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
            templates: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
        }
    }

    /// The playbook of this name, if its workspace is open.
    pub(crate) async fn find(&self, name: Name) -> Result<Option<Arc<OpenPlaybook>>, Arc<store::Error>> {
        let key = (self.generation.now(), name.clone());
        self.open.try_get_with(key, self.read(name)).await
    }

    async fn read(&self, name: Name) -> Result<Option<Arc<OpenPlaybook>>, store::Error> {
        // Where a workspace is given, an API key of it was shown, and a closed one's finds nothing.
        let of_open = |found: Option<Playbook>| found.map(|playbook| (playbook, true));
        let found = match name {
            Name::Slugs(workspace, slug) => self.store.playbook_by_slugs(&workspace, &slug).await?,
            Name::Hook(token) => self.store.playbook_by_hook(&token).await?,
            Name::Number(workspace, number) => {
                of_open(self.store.playbook_by_number(&workspace, number).await?)
            }
            Name::IdOrSlug(workspace, name) => of_open(self.store.playbook(&workspace, &name).await?),
        };
        match found {
            Some((playbook, accepting)) => OpenPlaybook::of(playbook, accepting),
            None => Ok(None),
        }
    }

    /// A workspace's project by its id or slug, also a disabled one.
    pub(crate) async fn project(
        &self,
        workspace: &WorkspaceId,
        id_or_slug: &str,
    ) -> Result<Option<Arc<Project>>, Arc<store::Error>> {
        let wanted = Wanted::Project(workspace.clone(), id_or_slug.into());
        let read = async { Ok(self.store.project(workspace, id_or_slug).await?.map(Arc::new)) };
        self.projects
            .try_get_with((self.generation.now(), wanted), read)
            .await
    }

    /// A workspace's template by its id or slug.
    pub(crate) async fn template(
        &self,
        workspace: &WorkspaceId,
        id_or_slug: &str,
    ) -> Result<Option<Arc<Template>>, Arc<store::Error>> {
        let wanted = Wanted::Template(workspace.clone(), id_or_slug.into());
        let read = async { Ok(self.store.template(workspace, id_or_slug).await?.map(Arc::new)) };
        self.templates
            .try_get_with((self.generation.now(), wanted), read)
            .await
    }
}
