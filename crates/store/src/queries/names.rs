//! What the things of a workspace are called.

use super::super::Conn;
use super::super::schema::{applications, endpoints, environments, playbooks, projects, sources, templates};
use crate::catalog::{ROUTING_LIMIT, whole};
use crate::sql::StoredText;
use crate::{Error, Names};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use wire::WorkspaceId;

/// All of them: what is left out would be a reference that dangles.
pub(crate) fn of(conn: &mut Conn, workspace: &WorkspaceId) -> Result<Names, Error> {
    let limit = ROUTING_LIMIT + 1;
    let environments: Vec<(StoredText, String, bool)> = environments::table
        .filter(environments::workspace_id.eq(workspace.as_str()))
        .select((environments::id, environments::slug, environments::is_default))
        .limit(limit)
        .load(conn)?;
    let sources: Vec<(StoredText, String)> = sources::table
        .filter(sources::workspace_id.eq(workspace.as_str()))
        .select((sources::id, sources::slug))
        .limit(limit)
        .load(conn)?;
    let endpoints: Vec<(StoredText, Option<String>)> = endpoints::table
        .filter(endpoints::workspace_id.eq(workspace.as_str()))
        .filter(endpoints::deleted_at.is_null())
        .select((endpoints::id, endpoints::slug))
        .limit(limit)
        .load(conn)?;
    let playbooks: Vec<(StoredText, String)> = playbooks::table
        .filter(playbooks::workspace_id.eq(workspace.as_str()))
        .select((playbooks::id, playbooks::slug))
        .limit(limit)
        .load(conn)?;
    let projects: Vec<(StoredText, String)> = projects::table
        .filter(projects::workspace_id.eq(workspace.as_str()))
        .select((projects::id, projects::slug))
        .limit(limit)
        .load(conn)?;
    let templates: Vec<(StoredText, String)> = templates::table
        .filter(templates::workspace_id.eq(workspace.as_str()))
        .select((templates::id, templates::slug))
        .limit(limit)
        .load(conn)?;
    let applications: Vec<(StoredText, Option<String>)> = applications::table
        .filter(applications::workspace_id.eq(workspace.as_str()))
        .select((applications::id, applications::external_id))
        .limit(limit)
        .load(conn)?;
    let environments = whole(environments, "environments")?;
    let sources = whole(sources, "sources")?;
    let endpoints = whole(endpoints, "endpoints")?;
    let playbooks = whole(playbooks, "playbooks")?;
    let projects = whole(projects, "projects")?;
    let templates = whole(templates, "templates")?;
    let applications = whole(applications, "applications")?;
    Ok(Names {
        projects: projects.into_iter().map(|(id, slug)| (id.into(), slug)).collect(),
        templates: templates
            .into_iter()
            .map(|(id, slug)| (id.into(), slug))
            .collect(),
        applications: applications
            .into_iter()
            .map(|(id, external)| (id.into(), external))
            .collect(),
        environments: environments
            .into_iter()
            .map(|(id, slug, is_default)| (id.into(), slug, is_default))
            .collect(),
        sources: sources.into_iter().map(|(id, slug)| (id.into(), slug)).collect(),
        endpoints: endpoints
            .into_iter()
            .map(|(id, slug)| (id.into(), slug))
            .collect(),
        playbooks: playbooks
            .into_iter()
            .map(|(id, slug)| (id.into(), slug))
            .collect(),
    })
}
