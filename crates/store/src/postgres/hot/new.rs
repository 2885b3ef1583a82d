//! Rows that are new, as nearly always, and those that may be there already.

use diesel::result::{DatabaseErrorKind, Error};
use diesel::{PgConnection, QueryResult};

/// Runs a batch with a statement for new rows, and should one of them be there already, with the one that passes those by.
///
/// The keys of the rows are drawn once, so one is there only when the answer to an earlier try was lost. To ask of each new row
/// whether it is (`ON CONFLICT`) costs a look-up and a record in the log: as much as one more index.
pub(super) fn new_or_again<T>(
    conn: &mut PgConnection,
    new: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
    again: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    match new(conn) {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => again(conn),
        done => done,
    }
}

/// The end of an `INSERT` of rows with an id.
pub(super) fn unless_there(is_again: bool) -> &'static str {
    if is_again {
        " ON CONFLICT (id) DO NOTHING"
    } else {
        ""
    }
}
