//! Statements that are text with typed binds.
//!
//! `diesel::sql_query` is planned anew at every call, and so are diesel's own `UPDATE` and `ON CONFLICT DO UPDATE`, whose
//! text may depend on their values. A type with a static query id is planned once per connection.

/// Declares that the text of `$name` never changes but with its `$flag`s, that it yields `$row`s, and on which connection it
/// runs.
macro_rules! statement {
    ($name:ident $(<$($flag:ident),+>)?, $row:ty, $connection:ty) => {
        impl $(<$(const $flag: bool),+>)? diesel::query_builder::QueryId for $name<'_ $($(, $flag)+)?> {
            type QueryId = $name<'static $($(, $flag)+)?>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl $(<$(const $flag: bool),+>)? diesel::query_builder::Query for $name<'_ $($(, $flag)+)?> {
            type SqlType = $row;
        }

        impl $(<$(const $flag: bool),+>)? diesel::RunQueryDsl<$connection> for $name<'_ $($(, $flag)+)?> {}
    };
}
pub(crate) use statement;
