//! `src/schema.rs` is kept by hand; here it is compared with what the migrations make.

use crate::yard::Yard;

/// One line a column: `table.column type` and then `null` or `not null`, and `key 1` where it is in the primary key.
fn declared(time: &str, uid: &str, words: [&str; 5]) -> Vec<String> {
    let [text, bytes, boolean, integer, big] = words;
    let source = include_str!("../../src/schema.rs");
    let mut columns = Vec::new();
    let mut table = None;
    for line in source.lines().map(str::trim) {
        if let Some((name, keys)) = line
            .split_once(" (")
            .and_then(|(name, rest)| Some((name, rest.strip_suffix(") {")?)))
        {
            table = Some((name, keys.split(", ").collect::<Vec<_>>()));
        } else if line == "}" {
            table = None;
        } else if let (Some((table, keys)), Some((name, declared))) =
            (&table, line.trim_end_matches(',').split_once(" -> "))
        {
            let inner = declared
                .strip_prefix("Nullable<")
                .and_then(|inner| inner.strip_suffix('>'));
            let kind = match inner.unwrap_or(declared) {
                "$time" => time,
                "$uid" => uid,
                "Text" => text,
                "Binary" => bytes,
                "Bool" => boolean,
                "Integer" => integer,
                "BigInt" => big,
                other => panic!("{table}.{name}: {other}"),
            };
            let null = if inner.is_some() { "null" } else { "not null" };
            let key = keys.iter().position(|key| key == &name).map_or(0, |at| at + 1);
            columns.push(format!("{table}.{name} {kind} {null} key {key}"));
        }
    }
    assert!(columns.len() > 100, "schema.rs was read: {columns:?}");
    columns.sort();
    columns
}

fn found(yard: &Yard, sql: &str) -> Vec<String> {
    let mut columns: Vec<String> = yard.texts(sql).into_iter().flatten().collect();
    columns.sort();
    columns
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_the_schema_is_what_the_migrations_make() {
    let yard = Yard::on_postgres().await;
    let found = found(
        &yard,
        "SELECT t.relname || '.' || c.attname || ' ' || format_type(c.atttypid, c.atttypmod) \
         || CASE WHEN c.attnotnull THEN ' not null' ELSE ' null' END \
         || ' key ' || coalesce(array_position(k.conkey, c.attnum), 0) AS value \
         FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped \
         LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p' \
         WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition \
         AND t.relname NOT LIKE '\\_\\_diesel%'",
    );
    let words = ["text", "bytea", "boolean", "integer", "bigint"];
    similar(&declared("timestamp with time zone", "uuid", words), &found);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_the_schema_is_what_the_migrations_make() {
    let yard = Yard::on_sqlite().await;
    let found = found(
        &yard,
        "SELECT t.name || '.' || c.name || ' ' || c.type || CASE WHEN c.\"notnull\" THEN ' not null' ELSE ' null' END \
         || ' key ' || c.pk AS value \
         FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'",
    );
    let words = ["TEXT", "BLOB", "BOOLEAN", "INTEGER", "INTEGER"];
    similar(&declared("INTEGER", "BLOB", words), &found);
}

/// Equal, or the lines that differ.
fn similar(declared: &[String], found: &[String]) {
    let missing: Vec<_> = declared.iter().filter(|line| !found.contains(line)).collect();
    let unknown: Vec<_> = found.iter().filter(|line| !declared.contains(line)).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not in the database: {missing:#?}\nnot in schema.rs: {unknown:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_every_text_in_an_index_is_compared_byte_by_byte() {
    let yard = Yard::on_postgres().await;
    let others = yard.texts(
        "SELECT i.indexrelid::regclass::text AS value FROM pg_index i \
         JOIN pg_class t ON t.oid = i.indrelid AND t.relnamespace = 'public'::regnamespace \
         CROSS JOIN unnest(i.indcollation) AS used (oid) JOIN pg_collation c ON c.oid = used.oid \
         WHERE c.collname <> 'C' AND t.relname NOT LIKE '\\_\\_diesel%'",
    );
    assert!(others.is_empty(), "{others:?}");
}

/// Whoever deletes a row looks for those that go along.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_what_goes_along_with_another_row_is_found_by_index() {
    let yard = Yard::on_postgres().await;
    let without = yard.texts(
        "SELECT c.conrelid::regclass || ' (' || a.attname || ')' AS value FROM pg_constraint c \
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
         WHERE c.contype = 'f' AND c.confdeltype = 'c' AND c.connamespace = 'public'::regnamespace \
         AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])",
    );
    assert!(without.is_empty(), "{without:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_both_the_indexes_have_the_same_names() {
    let postgres = found(
        &Yard::on_postgres().await,
        "SELECT c.relname AS value FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         JOIN pg_class t ON t.oid = i.indrelid WHERE t.relnamespace = 'public'::regnamespace \
         AND NOT t.relispartition AND NOT i.indisunique",
    );
    let sqlite = found(
        &Yard::on_sqlite().await,
        "SELECT name AS value FROM sqlite_schema WHERE type = 'index' AND sql LIKE 'CREATE INDEX%'",
    );
    assert_eq!(postgres, sqlite);
    assert!(!postgres.is_empty());
}
