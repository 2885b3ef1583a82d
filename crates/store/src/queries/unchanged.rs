//! Whether a thing is still as it was read: what is saved over it was made of what it was then.

use super::super::Conn;
use super::super::hot::lock_id;
use super::super::schema::{
    api_keys, applications, contacts, endpoints, environments, event_types, playbooks, projects, routes,
    sources, templates, workspaces,
};
use crate::sql::Stamp;
use crate::{Edit, Error};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::Instant;

/// When a row was last changed, if it is there, and its id. From here on to the end of the transaction it stays so.
macro_rules! changed_at {
    ($conn:expr, $table:ident, $row:expr) => {
        changed_at!($conn, $table, $row, $table::table.find($row.id.as_str()))
    };
    ($conn:expr, $table:ident, $row:expr, $found:expr) => {{
        let id = $row.id.as_str();
        // Where there is no row to lock: whoever makes one of this id meanwhile would be written over.
        lock_id($conn, id)?;
        // Changes nothing and locks the row, in the words of both databases.
        diesel::update($table::table.find(id))
            .set($table::updated_at.eq($table::updated_at))
            .execute($conn)?;
        let found = $found.select($table::updated_at).first::<Stamp>($conn);
        (found.optional()?, id)
    }};
}

/// Fails unless the thing that `edit` saves was last changed at `since`; none: unless it is not there.
pub(crate) fn check(conn: &mut Conn, edit: &Edit, since: Option<Instant>) -> Result<(), Error> {
    let (found, id) = match edit {
        Edit::Workspace(row) => changed_at!(conn, workspaces, row),
        Edit::Environment(row) => changed_at!(conn, environments, row),
        Edit::Source(row) => changed_at!(conn, sources, row),
        Edit::Endpoint(row) => {
            // One that was removed is there for its history alone, and its id may be given again.
            let row_of = endpoints::table.find(row.id.as_str());
            changed_at!(
                conn,
                endpoints,
                row,
                row_of.filter(endpoints::deleted_at.is_null())
            )
        }
        Edit::Playbook(row) => changed_at!(conn, playbooks, row),
        Edit::Route(row) => changed_at!(conn, routes, row),
        Edit::ApiKey(row) => changed_at!(conn, api_keys, row),
        Edit::Contact(row) => changed_at!(conn, contacts, row),
        Edit::EventType(row) => changed_at!(conn, event_types, row),
        Edit::Project(row) => changed_at!(conn, projects, row),
        Edit::Template(row) => changed_at!(conn, templates, row),
        Edit::Application(row) => changed_at!(conn, applications, row),
        // Nothing that anybody reads first and saves then.
        _ => return Ok(()),
    };
    match (found.map(Instant::from), since) {
        (Some(_), None) => Err(Error::Taken {
            constraint: format!("the id `{id}`"),
        }),
        (found, since) if found == since => Ok(()),
        _ => Err(Error::Changed { what: id.to_owned() }),
    }
}
