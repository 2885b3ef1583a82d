//! Locks of what has no row, or more than one.

use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use wire::PlaybookId;

/// Locks the slots of a playbook and a key until the end of the transaction.
pub(crate) fn lock_slots(conn: &mut PgConnection, playbook: &PlaybookId, key: &str) -> QueryResult<()> {
    lock(conn, format!("hookyard.slots\n{playbook}\n{key}"))
}

/// Locks an id until the end of the transaction, whether or not anything has it.
pub(crate) fn lock_id(conn: &mut PgConnection, id: &str) -> QueryResult<()> {
    lock(conn, format!("hookyard.id\n{id}"))
}

fn lock(conn: &mut PgConnection, name: String) -> QueryResult<()> {
    let locked = sql::<Text>("pg_advisory_xact_lock(hashtextextended(")
        .bind::<Text, _>(name)
        .sql(", 0))::text");
    diesel::select(locked).execute(conn)?;
    Ok(())
}
