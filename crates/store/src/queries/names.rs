//! What the things of a workspace are called.

use super::super::Conn;
use super::super::schema::{applications, endpoints, environments, playbooks, projects, sources, templates};
use crate::sql::StoredText;
use crate::{Error, Names};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use wire::WorkspaceId;

pub(crate) fn of(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Names, Error> {
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
