//! Writing what operators configure: every edit inserts or replaces one row by its id, or removes one.
//!
//! Operators may pin ids, so an id may be another workspace's. Every replacement is bound to the row's own workspace, and
//! one that finds no such row says that the id is taken.

use super::super::Conn;
use super::super::schema::{
    api_keys, contacts, endpoints, environments, event_types, management_tokens, playbooks, routes, sources,
    workspaces,
};
use super::{applications, registered, retired, senders};
use crate::catalog::{EndpointRow, PlaybookRow, RouteRow, SourceRow, json};
use crate::sql::Stamp;
use crate::{Edit, Environment, Error, KeyRing, NewManagementToken, Workspace};
use diesel::query_dsl::methods::FilterDsl;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl};
use wire::Instant;

/// Carries out the edits in their order, in the caller's transaction; what they do to lanes comes last.
///
/// Whoever changes an endpoint's row and its lane locks them in this order, and lanes in the order of their ids, as
/// everybody does. So nobody waits in a circle.
pub(crate) fn all(conn: &mut Conn, edits: &[Edit], keyring: &KeyRing, now: Instant) -> Result<(), Error> {
    edits.iter().try_for_each(|edit| one(conn, edit, keyring, now))?;
    let mut of_lanes: Vec<(&str, &Edit)> = edits
        .iter()
        .filter_map(|edit| Some((lane_of(edit)?, edit)))
        .collect();
    // Stable: those of one lane stay in their order.
    of_lanes.sort_by_key(|(lane, _)| *lane);
    for (lane, edit) in of_lanes {
        to_lane(conn, lane, edit, now)?;
    }
    Ok(())
}

/// The lane that an edit changes, by its endpoint's id.
fn lane_of(edit: &Edit) -> Option<&str> {
    match edit {
        Edit::Over { edit, .. } => lane_of(edit),
        Edit::Endpoint(endpoint) => Some(endpoint.id.as_str()),
        Edit::Hold { endpoint, .. } => Some(endpoint.as_str()),
        Edit::Drain(id) | Edit::RemoveEndpoint(id) => Some(id.as_str()),
        _ => None,
    }
}

/// What an edit does to its lane.
fn to_lane(conn: &mut Conn, lane: &str, edit: &Edit, now: Instant) -> Result<(), Error> {
    match edit {
        Edit::Over { edit, .. } => to_lane(conn, lane, edit, now)?,
        Edit::Endpoint(endpoint) => super::lanes::follow(conn, endpoint, now)?,
        Edit::Hold {
            workspace, reason, ..
        } => super::lanes::hold(conn, lane, workspace.as_str(), reason, now)?,
        Edit::Drain(_) => super::lanes::go_on(conn, lane, now)?,
        // The worker ends what waits for it.
        Edit::RemoveEndpoint(_) => {
            super::lanes::let_all_go(conn, lane, now)?;
            super::order::let_all_go(conn, lane)?;
        }
        _ => {}
    }
    Ok(())
}

/// Keeps the id of a row that is being removed for the workspace that it is of.
macro_rules! retire {
    ($conn:ident, $table:ident, $id:ident, $now:ident) => {
        let owner: Option<String> = $table::table
            .find($id.as_str())
            .select($table::workspace_id)
            .first($conn)
            .optional()?;
        if let Some(owner) = owner {
            retired::retire($conn, $id.as_str(), &owner, $now)?;
        }
    };
}

fn one(conn: &mut Conn, edit: &Edit, keyring: &KeyRing, now: Instant) -> Result<(), Error> {
    match edit {
        Edit::Over { since, edit } => {
            super::unchanged::check(conn, edit, *since)?;
            one(conn, edit, keyring, now)
        }
        Edit::Workspace(workspace) => save_workspace(conn, workspace),
        Edit::Environment(environment) => save_environment(conn, environment),
        Edit::ManagementToken(token) => save_management_token(conn, token),
        Edit::Source(source) => {
            save_source(conn, &SourceRow::of(source, keyring)?)?;
            retired::check(conn, source.id.as_str(), &source.workspace_id)
        }
        Edit::Endpoint(endpoint) => save_endpoint(conn, &EndpointRow::of(endpoint, keyring)?),
        // These are the lane's alone.
        Edit::Hold { .. } | Edit::Drain(_) => Ok(()),
        Edit::Playbook(playbook) => {
            save_playbook(conn, &PlaybookRow::of(playbook, keyring)?)?;
            retired::check(conn, playbook.id.as_str(), &playbook.workspace_id)?;
            super::versions::keep(conn, playbook)
        }
        Edit::Route(route) => save_route(conn, &RouteRow::of(route)),
        Edit::ApiKey(key) => senders::save_key(conn, key),
        Edit::Contact(contact) => senders::save_contact(conn, contact),
        Edit::EventType(event_type) => {
            registered::types::save(conn, event_type)?;
            retired::check(conn, event_type.id.as_str(), &event_type.workspace_id)
        }
        Edit::Project(project) => registered::project::save(conn, project),
        Edit::Template(template) => registered::template::save(conn, template),
        Edit::Application(application) => applications::save(conn, application),
        Edit::CheckLimit(id) => applications::check_limit(conn, id),
        Edit::Publish {
            environment,
            event_type,
            published,
        } => registered::publish(conn, environment, event_type, *published),
        Edit::RemoveEnvironment(id) => super::workspaces::remove_environment(conn, id),
        Edit::RemoveManagementToken(id) => {
            gone(diesel::delete(management_tokens::table.find(id.as_str())).execute(conn))
        }
        Edit::RemoveSource(id) => {
            retire!(conn, sources, id, now);
            gone(diesel::delete(sources::table.find(id.as_str())).execute(conn))
        }
        Edit::RemoveCaptured(source, at) => super::handshakes::remove_captured(conn, source, *at),
        Edit::RemoveEndpoint(id) => super::endpoints::remove(conn, id, now),
        Edit::RemovePlaybook(id) => {
            retire!(conn, playbooks, id, now);
            gone(diesel::delete(playbooks::table.find(id.as_str())).execute(conn))
        }
        Edit::RemoveRoute(id) => gone(diesel::delete(routes::table.find(id.as_str())).execute(conn)),
        Edit::RemoveApiKey(id) => gone(diesel::delete(api_keys::table.find(id.as_str())).execute(conn)),
        Edit::RemoveContact(id) => gone(diesel::delete(contacts::table.find(id.as_str())).execute(conn)),
        Edit::RemoveEventType(id) => {
            retire!(conn, event_types, id, now);
            registered::types::remove(conn, id)
        }
        Edit::RemoveProject(id) => registered::project::remove(conn, id),
        Edit::RemoveTemplate(id) => registered::template::remove(conn, id),
        Edit::RemoveApplication(id) => applications::remove(conn, id, now),
    }
}

/// Whether or not it was there before.
fn gone(removed: QueryResult<usize>) -> Result<(), Error> {
    removed?;
    Ok(())
}

/// Whether the row was written, which it is not when its id is another workspace's.
pub(super) fn saved(rows: usize, id: &impl std::fmt::Display) -> Result<(), Error> {
    if rows == 0 {
        return Err(Error::Taken {
            constraint: format!("the id `{id}`"),
        });
    }
    Ok(())
}

fn save_workspace(conn: &mut Conn, row: &Workspace) -> Result<(), Error> {
    diesel::insert_into(workspaces::table)
        .values((
            workspaces::id.eq(row.id.as_str()),
            workspaces::slug.eq(&row.slug),
            workspaces::name.eq(&row.name),
            workspaces::accepting.eq(row.accepting),
            workspaces::created_at.eq(Stamp(row.created_at)),
            workspaces::updated_at.eq(Stamp(row.updated_at)),
            workspaces::spec.eq(json(&row.spec)),
        ))
        .on_conflict(workspaces::id)
        .do_update()
        .set((
            workspaces::slug.eq(excluded(workspaces::slug)),
            workspaces::name.eq(excluded(workspaces::name)),
            workspaces::accepting.eq(excluded(workspaces::accepting)),
            workspaces::spec.eq(excluded(workspaces::spec)),
            workspaces::updated_at.eq(excluded(workspaces::updated_at)),
        ))
        .execute(conn)?;
    Ok(())
}

fn save_environment(conn: &mut Conn, row: &Environment) -> Result<(), Error> {
    let replaced = diesel::insert_into(environments::table)
        .values((
            environments::id.eq(row.id.as_str()),
            environments::workspace_id.eq(row.workspace_id.as_str()),
            environments::slug.eq(&row.slug),
            environments::name.eq(&row.name),
            environments::is_default.eq(row.is_default),
            environments::created_at.eq(Stamp(row.created_at)),
            environments::updated_at.eq(Stamp(row.updated_at)),
        ))
        .on_conflict(environments::id)
        .do_update()
        .set((
            environments::slug.eq(excluded(environments::slug)),
            environments::name.eq(excluded(environments::name)),
            environments::is_default.eq(excluded(environments::is_default)),
            environments::updated_at.eq(excluded(environments::updated_at)),
        ))
        .filter(environments::workspace_id.eq(excluded(environments::workspace_id)))
        .execute(conn)?;
    saved(replaced, &row.id)
}

fn save_management_token(conn: &mut Conn, row: &NewManagementToken) -> Result<(), Error> {
    let replaced = diesel::insert_into(management_tokens::table)
        .values((
            management_tokens::id.eq(row.id.as_str()),
            management_tokens::workspace_id.eq(row.workspace_id.as_str()),
            management_tokens::name.eq(&row.name),
            management_tokens::token_hash.eq(row.token_hash.as_slice()),
            management_tokens::created_at.eq(Stamp(row.created_at)),
        ))
        .on_conflict(management_tokens::id)
        .do_update()
        .set((
            management_tokens::name.eq(excluded(management_tokens::name)),
            management_tokens::token_hash.eq(excluded(management_tokens::token_hash)),
        ))
        .filter(management_tokens::workspace_id.eq(excluded(management_tokens::workspace_id)))
        .execute(conn)?;
    saved(replaced, &row.id)
}

fn save_source(conn: &mut Conn, row: &SourceRow) -> Result<(), Error> {
    let replaced = diesel::insert_into(sources::table)
        .values((
            sources::id.eq(&row.id),
            sources::workspace_id.eq(&row.workspace_id),
            sources::environment_id.eq(&row.environment_id),
            sources::slug.eq(&row.slug),
            sources::token.eq(&row.token),
            sources::channel_secret_hash.eq(&row.channel_secret_hash),
            sources::spec.eq(&row.spec),
            sources::sealed.eq(&row.sealed),
            sources::created_at.eq(row.created_at),
            sources::updated_at.eq(row.updated_at),
            sources::app_id.eq(&row.app_id),
            sources::app_sealed.eq(&row.app_sealed),
        ))
        .on_conflict(sources::id)
        .do_update()
        .set((
            sources::environment_id.eq(excluded(sources::environment_id)),
            sources::slug.eq(excluded(sources::slug)),
            sources::token.eq(excluded(sources::token)),
            sources::channel_secret_hash.eq(excluded(sources::channel_secret_hash)),
            sources::spec.eq(excluded(sources::spec)),
            sources::sealed.eq(excluded(sources::sealed)),
            sources::updated_at.eq(excluded(sources::updated_at)),
            sources::app_id.eq(excluded(sources::app_id)),
            sources::app_sealed.eq(excluded(sources::app_sealed)),
        ))
        .filter(sources::workspace_id.eq(excluded(sources::workspace_id)))
        .execute(conn)?;
    saved(replaced, &row.id)
}

fn save_endpoint(conn: &mut Conn, row: &EndpointRow) -> Result<(), Error> {
    let replaced = diesel::insert_into(endpoints::table)
        .values((
            endpoints::id.eq(&row.id),
            endpoints::workspace_id.eq(&row.workspace_id),
            endpoints::environment_id.eq(&row.environment_id),
            endpoints::slug.eq(&row.slug),
            endpoints::enabled.eq(row.enabled),
            endpoints::spec.eq(&row.spec),
            endpoints::sealed.eq(&row.sealed),
            endpoints::created_at.eq(row.created_at),
            endpoints::updated_at.eq(row.updated_at),
            endpoints::deleted_at.eq(row.deleted_at),
            endpoints::application_id.eq(&row.application_id),
            endpoints::credential_sealed.eq(&row.credential_sealed),
            endpoints::client_key_sealed.eq(&row.client_key_sealed),
        ))
        .on_conflict(endpoints::id)
        .do_update()
        .set((
            endpoints::environment_id.eq(excluded(endpoints::environment_id)),
            endpoints::slug.eq(excluded(endpoints::slug)),
            endpoints::enabled.eq(excluded(endpoints::enabled)),
            endpoints::spec.eq(excluded(endpoints::spec)),
            endpoints::sealed.eq(excluded(endpoints::sealed)),
            endpoints::updated_at.eq(excluded(endpoints::updated_at)),
            endpoints::deleted_at.eq(excluded(endpoints::deleted_at)),
            endpoints::application_id.eq(excluded(endpoints::application_id)),
            endpoints::credential_sealed.eq(excluded(endpoints::credential_sealed)),
            endpoints::client_key_sealed.eq(excluded(endpoints::client_key_sealed)),
        ))
        .filter(endpoints::workspace_id.eq(excluded(endpoints::workspace_id)))
        .execute(conn)?;
    saved(replaced, &row.id)
}

fn save_playbook(conn: &mut Conn, row: &PlaybookRow) -> Result<(), Error> {
    let replaced = diesel::insert_into(playbooks::table)
        .values((
            playbooks::id.eq(&row.id),
            playbooks::workspace_id.eq(&row.workspace_id),
            playbooks::slug.eq(&row.slug),
            playbooks::number.eq(row.number),
            playbooks::spec.eq(&row.spec),
            playbooks::created_at.eq(row.created_at),
            playbooks::updated_at.eq(row.updated_at),
            playbooks::secret_hash.eq(&row.secret_hash),
            playbooks::hook_hash.eq(&row.hook_hash),
            playbooks::secrets_sealed.eq(&row.secrets_sealed),
            playbooks::version.eq(row.version),
        ))
        .on_conflict(playbooks::id)
        .do_update()
        .set((
            playbooks::slug.eq(excluded(playbooks::slug)),
            playbooks::number.eq(excluded(playbooks::number)),
            playbooks::spec.eq(excluded(playbooks::spec)),
            playbooks::updated_at.eq(excluded(playbooks::updated_at)),
            playbooks::secret_hash.eq(excluded(playbooks::secret_hash)),
            playbooks::hook_hash.eq(excluded(playbooks::hook_hash)),
            playbooks::secrets_sealed.eq(excluded(playbooks::secrets_sealed)),
        ))
        .filter(playbooks::workspace_id.eq(excluded(playbooks::workspace_id)))
        .execute(conn)?;
    saved(replaced, &row.id)
}

fn save_route(conn: &mut Conn, row: &RouteRow) -> Result<(), Error> {
    let replaced = diesel::insert_into(routes::table)
        .values((
            routes::id.eq(&row.id),
            routes::workspace_id.eq(&row.workspace_id),
            routes::name.eq(&row.name),
            routes::position.eq(row.position),
            routes::spec.eq(&row.spec),
            routes::created_at.eq(row.created_at),
            routes::updated_at.eq(row.updated_at),
            routes::event_type_id.eq(&row.event_type_id),
            routes::endpoint_id.eq(&row.endpoint_id),
        ))
        .on_conflict(routes::id)
        .do_update()
        .set((
            routes::name.eq(excluded(routes::name)),
            routes::position.eq(excluded(routes::position)),
            routes::spec.eq(excluded(routes::spec)),
            routes::updated_at.eq(excluded(routes::updated_at)),
            routes::event_type_id.eq(excluded(routes::event_type_id)),
            routes::endpoint_id.eq(excluded(routes::endpoint_id)),
        ))
        .filter(routes::workspace_id.eq(excluded(routes::workspace_id)))
        .execute(conn)?;
    saved(replaced, &row.id)
}
