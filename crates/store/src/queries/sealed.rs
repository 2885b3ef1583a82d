//! The one list of all columns with sealed values, and what re-sealing takes of each.

use super::super::Conn;
use super::super::schema::{endpoints, handshakes, playbooks, rejections, sources};
use crate::Error;
use crate::sealed::{Head, RowKey};
use diesel::sql_types::{Binary, Integer};
use diesel::{
    ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl, Table,
    define_sql_function,
};
use wire::RejectionId;

/// How much of a value says which master key it is under: two bytes, and a name of at most 64.
const HEAD: i32 = 66;

define_sql_function! {
    /// A part of some bytes, counted from 1.
    fn substr(bytes: Binary, from: Integer, count: Integer) -> Binary;
}

/// The values behind a row, in the order of the keys, so many at the most.
type Heads = fn(&mut Conn, Option<&str>, i64) -> Result<Vec<Head>, Error>;
/// A row's value, if it still has one.
type Value = fn(&mut Conn, &str) -> Result<Option<Vec<u8>>, Error>;
/// Puts a value in the place of another: of the row, the old one, the new one. False when the old one is not there.
type Replace = fn(&mut Conn, &str, &[u8], &[u8]) -> Result<bool, Error>;

/// A column with sealed values. Rows are named by their keys as texts.
pub(crate) struct Column {
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    pub(crate) heads: Heads,
    pub(crate) value: Value,
    pub(crate) replace: Replace,
}

macro_rules! sealed_columns {
    ($($table:ident by $key:ty: $column:ident,)+) => {
        /// All of them. A test compares the list with the schema.
        pub(crate) const COLUMNS: &[Column] = &[$(Column {
            table: stringify!($table),
            name: stringify!($column),
            heads: |conn, after, limit| {
                let key = $table::table.primary_key();
                let mut query = $table::table
                    .filter($table::$column.is_not_null())
                    .select((key, substr($table::$column.assume_not_null(), 1, HEAD)))
                    .order(key)
                    .limit(limit)
                    .into_boxed();
                if let Some(after) = after.and_then(<$key>::stored) {
                    query = query.filter(key.gt(after));
                }
                let rows: Vec<(<$key as RowKey>::Stored, Vec<u8>)> = query.load(conn)?;
                let heads = rows.into_iter().map(|(key, head)| Head { key: <$key>::text(key), head });
                Ok(heads.collect())
            },
            value: |conn, key| {
                let Some(key) = <$key>::stored(key) else { return Ok(None) };
                let row = $table::table.find(key).select($table::$column).first(conn).optional()?;
                Ok(row.flatten())
            },
            replace: |conn, key, old, new| {
                let Some(key) = <$key>::stored(key) else { return Ok(false) };
                let replaced = diesel::update($table::table.find(key))
                    .filter($table::$column.eq(old))
                    .set($table::$column.eq(new))
                    .execute(conn)?;
                Ok(replaced > 0)
            },
        }),+];
    };
}

sealed_columns! {
    sources by String: sealed,
    sources by String: app_sealed,
    handshakes by String: sealed,
    endpoints by String: sealed,
    endpoints by String: credential_sealed,
    endpoints by String: client_key_sealed,
    playbooks by String: secrets_sealed,
    rejections by RejectionId: request_sealed,
}
