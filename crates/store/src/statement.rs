//! Statements that are text with typed binds.
//!
//! `diesel::sql_query` is planned anew at every call; a type with a static query id is planned once per connection.

macro_rules! statement {
    ($name:ident, $row:ty) => {
        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $row;
        }

        impl diesel::RunQueryDsl<diesel::PgConnection> for $name<'_> {}
    };
}
pub(super) use statement;
