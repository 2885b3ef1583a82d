//! What a workspace knows by one name each: event types, projects and templates.

use super::super::Conn;
use super::super::schema::{event_types, projects, published_event_types, templates};
use crate::catalog::{from_json, json};
use crate::sql::{Stamp, StoredText};
use crate::{Error, EventType, Project, Template};
use diesel::query_dsl::methods;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{ConfiguredId, EnvironmentId, EventTypeId, ProjectId, TemplateId, WorkspaceId};

/// A row of any of these tables.
type Row = (StoredText, StoredText, String, String, Stamp, Stamp);

/// The queries of one table, whose rows have an id, a workspace, a name that is unique there, a spec and two times.
macro_rules! named {
    ($module:ident, $table:ident . $name:ident, $thing:ident, $id:ident, $what:literal) => {
        pub(crate) mod $module {
            use super::*;

            pub(super) fn open(
                (id, workspace_id, name, spec, created_at, updated_at): Row,
            ) -> Result<$thing, Error> {
                Ok($thing {
                    id: id.into(),
                    workspace_id: workspace_id.into(),
                    $name: name,
                    spec: from_json(concat!("spec of ", $what), &spec)?,
                    created_at: created_at.into(),
                    updated_at: updated_at.into(),
                })
            }

            /// By name.
            pub(crate) fn list(
                conn: &mut Conn,
                workspace: &WorkspaceId,
                limit: i64,
            ) -> Result<Vec<$thing>, Error> {
                let rows: Vec<Row> =
                    QueryDsl::filter($table::table, $table::workspace_id.eq(workspace.as_str()))
                        .order($table::$name)
                        .limit(limit)
                        .load(conn)?;
                rows.into_iter().map(open).collect()
            }

            /// By its id or else by its name.
            pub(crate) fn find(
                conn: &mut Conn,
                workspace: &WorkspaceId,
                id_or_name: &str,
            ) -> Result<Option<$thing>, Error> {
                let of_workspace =
                    || QueryDsl::filter($table::table, $table::workspace_id.eq(workspace.as_str()));
                let mut found: Option<Row> = QueryDsl::filter(of_workspace(), $table::id.eq(id_or_name))
                    .first(conn)
                    .optional()?;
                if found.is_none() {
                    found = QueryDsl::filter(of_workspace(), $table::$name.eq(id_or_name))
                        .first(conn)
                        .optional()?;
                }
                found.map(open).transpose()
            }

            pub(crate) fn save(conn: &mut Conn, row: &$thing) -> Result<(), Error> {
                let insert = diesel::insert_into($table::table)
                    .values((
                        $table::id.eq(row.id.as_str()),
                        $table::workspace_id.eq(row.workspace_id.as_str()),
                        $table::$name.eq(&row.$name),
                        $table::spec.eq(json(&row.spec)),
                        $table::created_at.eq(Stamp(row.created_at)),
                        $table::updated_at.eq(Stamp(row.updated_at)),
                    ))
                    .on_conflict($table::id)
                    .do_update()
                    .set((
                        $table::$name.eq(excluded($table::$name)),
                        $table::spec.eq(excluded($table::spec)),
                        $table::updated_at.eq(excluded($table::updated_at)),
                    ));
                let replaced = methods::FilterDsl::filter(
                    insert,
                    $table::workspace_id.eq(excluded($table::workspace_id)),
                )
                .execute(conn)?;
                super::super::edits::saved(replaced, &row.id)
            }

            pub(crate) fn remove(conn: &mut Conn, id: &$id) -> Result<(), Error> {
                diesel::delete($table::table.find(ConfiguredId::as_str(id))).execute(conn)?;
                Ok(())
            }
        }
    };
}
named!(types, event_types.name, EventType, EventTypeId, "an event type");
named!(project, projects.slug, Project, ProjectId, "a project");
named!(template, templates.slug, Template, TemplateId, "a template");

/// Registers a type unless its name is there, and returns the one that is there now. An update that changes nothing holds
/// its row until the end of the transaction, so that nobody removes it in between.
pub(crate) fn register_type(conn: &mut Conn, row: &EventType) -> Result<EventType, Error> {
    diesel::insert_into(event_types::table)
        .values((
            event_types::id.eq(row.id.as_str()),
            event_types::workspace_id.eq(row.workspace_id.as_str()),
            event_types::name.eq(&row.name),
            event_types::spec.eq(json(&row.spec)),
            event_types::created_at.eq(Stamp(row.created_at)),
            event_types::updated_at.eq(Stamp(row.updated_at)),
        ))
        .on_conflict((event_types::workspace_id, event_types::name))
        .do_update()
        .set(event_types::name.eq(excluded(event_types::name)))
        .execute(conn)?;
    let there: Row = QueryDsl::filter(
        event_types::table,
        event_types::workspace_id.eq(row.workspace_id.as_str()),
    )
    .filter(event_types::name.eq(&row.name))
    .first(conn)?;
    types::open(there)
}

/// The types that an environment's portal shows.
pub(crate) fn published(
    conn: &mut Conn,
    environment: &EnvironmentId,
    limit: i64,
) -> Result<Vec<EventTypeId>, Error> {
    let rows: Vec<StoredText> = QueryDsl::filter(
        published_event_types::table,
        published_event_types::environment_id.eq(environment.as_str()),
    )
    .select(published_event_types::event_type_id)
    .limit(limit)
    .load(conn)?;
    Ok(rows.into_iter().map(EventTypeId::from).collect())
}

pub(crate) fn publish(
    conn: &mut Conn,
    environment: &EnvironmentId,
    event_type: &EventTypeId,
    is_published: bool,
) -> Result<(), Error> {
    if is_published {
        diesel::insert_into(published_event_types::table)
            .values((
                published_event_types::environment_id.eq(environment.as_str()),
                published_event_types::event_type_id.eq(event_type.as_str()),
            ))
            .on_conflict_do_nothing()
            .execute(conn)?;
    } else {
        diesel::delete(published_event_types::table.find((environment.as_str(), event_type.as_str())))
            .execute(conn)?;
    }
    Ok(())
}
