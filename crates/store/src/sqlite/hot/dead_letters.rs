//! Dead letters by endpoint, kind of error and event type.

use crate::DeadLetters;
use crate::recoveries::{GROUPS, LETTERS};
use crate::sql::{Stamp, StoredText};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, SqliteConnection};
use wire::{EndpointId, WorkspaceId};

#[derive(QueryableByName)]
struct Group {
    #[diesel(sql_type = Text)]
    endpoint_id: StoredText,
    #[diesel(sql_type = Nullable<Text>)]
    error_kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    event_type: Option<String>,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    oldest: Stamp,
    #[diesel(sql_type = BigInt)]
    newest: Stamp,
}

/// Counts them, as many as may be counted, in the order of their index; the largest groups first.
pub(crate) fn dead_letters(
    conn: &mut SqliteConnection,
    workspace: &WorkspaceId,
    endpoint: Option<&EndpointId>,
) -> QueryResult<Vec<DeadLetters>> {
    let of_endpoint = if endpoint.is_some() {
        " AND endpoint_id = $2"
    } else {
        ""
    };
    // One more than is counted says that there are more.
    let text = format!(
        "SELECT endpoint_id, error_kind, event_type, count(*) AS count, min(created_at) AS oldest, \
         max(created_at) AS newest FROM (SELECT endpoint_id, error_kind, event_type, created_at FROM deliveries \
         WHERE workspace_id = $1{of_endpoint} AND state = 'dead_letter' AND recovery_id IS NULL \
         ORDER BY endpoint_id, error_kind LIMIT {}) AS letter \
         GROUP BY endpoint_id, error_kind, event_type ORDER BY count DESC, endpoint_id, error_kind, event_type \
         LIMIT {GROUPS}",
        LETTERS + 1
    );
    let query = diesel::sql_query(text).bind::<Text, _>(workspace.as_str());
    let groups: Vec<Group> = match endpoint {
        Some(endpoint) => query.bind::<Text, _>(endpoint.as_str()).load(conn)?,
        None => query.load(conn)?,
    };
    Ok(groups
        .into_iter()
        .map(|group| DeadLetters {
            endpoint_id: group.endpoint_id.into(),
            error_kind: group.error_kind,
            event_type: group.event_type,
            count: group.count,
            oldest: group.oldest.0,
            newest: group.newest.0,
        })
        .collect())
}
