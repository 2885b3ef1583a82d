//! What the things of a workspace are called, and which ids stand behind it.

use super::value::{Refused, any_text, one_of};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;
use store::Names;
use wire::{
    ApplicationId, ConfiguredId, EndpointId, EnvironmentId, PlaybookId, ProjectId, SourceId, TemplateId,
};

/// One kind of thing: found by its id, or else by its slug.
#[derive(Debug, Clone)]
pub(crate) struct Index<Id> {
    ids: HashMap<Box<str>, Id>,
    by_slug: HashMap<Box<str>, Id>,
    slugs: HashMap<Id, Box<str>>,
}

impl<Id> Default for Index<Id> {
    fn default() -> Self {
        Self {
            ids: HashMap::new(),
            by_slug: HashMap::new(),
            slugs: HashMap::new(),
        }
    }
}

impl<Id: ConfiguredId + Eq + Hash> Index<Id> {
    /// Adds a thing. A slug that looks like another thing's id, as external ids may, does not hide that thing.
    pub(crate) fn insert(&mut self, id: Id, slug: Option<&str>) {
        self.ids.insert(id.as_str().into(), id.clone());
        if let Some(slug) = slug {
            self.by_slug.insert(slug.into(), id.clone());
            self.slugs.insert(id, slug.into());
        }
    }

    /// The thing with this id or slug.
    pub(crate) fn find(&self, id_or_slug: &str) -> Option<&Id> {
        self.ids.get(id_or_slug).or_else(|| self.by_slug.get(id_or_slug))
    }

    /// What a thing is called; none without a slug, and for things that are gone.
    pub(crate) fn slug(&self, id: &Id) -> Option<&str> {
        self.slugs.get(id).map(AsRef::as_ref)
    }

    /// Reads a reference.
    fn refer(&self, value: &Value, what: &str) -> Result<Id, Refused> {
        let asked = any_text(value)?;
        self.find(asked)
            .cloned()
            .ok_or_else(|| one_of(self.slugs.values(), asked, &format!("{what} of this workspace")))
    }
}

/// All that can be referred to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    pub(crate) environments: Index<EnvironmentId>,
    pub(crate) default_environment: Option<EnvironmentId>,
    pub(crate) sources: Index<SourceId>,
    pub(crate) endpoints: Index<EndpointId>,
    pub(crate) playbooks: Index<PlaybookId>,
    pub(crate) projects: Index<ProjectId>,
    pub(crate) templates: Index<TemplateId>,
    /// By their external ids.
    pub(crate) applications: Index<ApplicationId>,
}

impl Directory {
    /// From what is configured now.
    pub(crate) fn of(names: Names) -> Self {
        let mut directory = Self::default();
        for (id, slug, is_default) in names.environments {
            if is_default {
                directory.default_environment = Some(id.clone());
            }
            directory.environments.insert(id, Some(&slug));
        }
        for (id, slug) in names.sources {
            directory.sources.insert(id, Some(&slug));
        }
        for (id, slug) in names.endpoints {
            directory.endpoints.insert(id, slug.as_deref());
        }
        for (id, slug) in names.playbooks {
            directory.playbooks.insert(id, Some(&slug));
        }
        for (id, slug) in names.projects {
            directory.projects.insert(id, Some(&slug));
        }
        for (id, slug) in names.templates {
            directory.templates.insert(id, Some(&slug));
        }
        for (id, external) in names.applications {
            directory.applications.insert(id, external.as_deref());
        }
        directory
    }

    pub(crate) fn environment(&self, value: &Value) -> Result<EnvironmentId, Refused> {
        self.environments.refer(value, "environment")
    }

    pub(crate) fn source(&self, value: &Value) -> Result<SourceId, Refused> {
        self.sources.refer(value, "source")
    }

    pub(crate) fn endpoint(&self, value: &Value) -> Result<EndpointId, Refused> {
        self.endpoints.refer(value, "endpoint")
    }

    pub(crate) fn application(&self, value: &Value) -> Result<ApplicationId, Refused> {
        self.applications.refer(value, "application")
    }

    pub(crate) fn playbook(&self, value: &Value) -> Result<PlaybookId, Refused> {
        self.playbooks.refer(value, "playbook")
    }

    pub(crate) fn project(&self, value: &Value) -> Result<ProjectId, Refused> {
        self.projects.refer(value, "project")
    }

    pub(crate) fn template(&self, value: &Value) -> Result<TemplateId, Refused> {
        self.templates.refer(value, "template")
    }
}
