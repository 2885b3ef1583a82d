//! A database for one test, gone with the test.

use crate::given;
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection};
use std::path::PathBuf;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

/// An empty or prepared database; dropping it removes it, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Postgres { server: Url, name: String },
    Sqlite { _folder: TempDir },
}

impl TestDatabase {
    /// `postgres://…`, or the path of an SQLite file that does not exist yet.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything it holds, as it lies there: every row of Postgres as text, binary columns in hexadecimal; or the bytes of
    /// the SQLite file and its log.
    pub fn raw(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Postgres { server, name } => rows(&mut connect(&url_of(server, name))),
            Kind::Sqlite { .. } => ["", "-wal"]
                .iter()
                .filter_map(|suffix| std::fs::read(format!("{}{suffix}", self.url)).ok())
                .flatten()
                .collect(),
        }
    }

    /// Runs statements, as an operator beside the product would.
    pub fn execute(&self, sql: &str) {
        match &self.kind {
            Kind::Postgres { server, name } => execute(&mut connect(&url_of(server, name)), sql),
            Kind::Sqlite { .. } => self
                .file()
                .batch_execute(sql)
                .expect("the test's own statement is sound, because the test wrote it"),
        }
    }

    /// The one whole number that `sql` yields as `value`.
    pub fn number(&self, sql: &str) -> i64 {
        let query = diesel::sql_query(sql);
        let number: Result<Number, _> = match &self.kind {
            Kind::Postgres { server, name } => query.get_result(&mut connect(&url_of(server, name))),
            Kind::Sqlite { .. } => query.get_result(&mut self.file()),
        };
        number
            .expect("the test's own query yields a number, because the test wrote it")
            .value
    }

    fn file(&self) -> SqliteConnection {
        let mut connection =
            SqliteConnection::establish(&self.url).expect("the file opens, because the test made it");
        connection
            .batch_execute("PRAGMA busy_timeout = 10000")
            .expect("a connection can be told to wait, because it is open");
        connection
    }

    /// Disconnects every client, as a restart of the server would. Nothing to do on SQLite.
    pub fn disconnect_all(&self) {
        if let Kind::Postgres { server, name } = &self.kind {
            run(
                server,
                &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
            );
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Kind::Postgres { server, name } = &self.kind {
            run(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

/// An empty Postgres database.
pub fn postgres() -> TestDatabase {
    create_postgres("template1")
}

/// A Postgres database that `prepare` has been run on: once per server and `fingerprint`, then copied, which takes
/// milliseconds where migrations take seconds.
///
/// `fingerprint` stands for what `prepare` does, say the name of the last migration: letters, digits and `_`, at most
/// 40. `prepare` gets the URL and must leave no connection open.
pub fn postgres_prepared(fingerprint: &str, prepare: impl FnOnce(&str)) -> TestDatabase {
    let server = server();
    let template = format!("hookyard_template_{fingerprint}");
    let mut connection = connect(&server);
    // Other tests, in this process and in others, want the same template: the first makes it.
    let lock = format!("SELECT pg_advisory_lock(hashtext('{template}'))");
    execute(&mut connection, &lock);
    if !exists(&mut connection, &template) {
        let unfinished = format!("{template}_unfinished");
        execute(
            &mut connection,
            &format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"),
        );
        execute(&mut connection, &format!("CREATE DATABASE {unfinished}"));
        prepare(url_of(&server, &unfinished).as_str());
        execute(
            &mut connection,
            &format!("ALTER DATABASE {unfinished} RENAME TO {template}"),
        );
    }
    drop(connection);
    create_postgres(&template)
}

/// An SQLite database in a folder of its own.
pub fn sqlite() -> TestDatabase {
    let folder = tempfile::Builder::new()
        .prefix("hookyard-test-")
        .tempdir()
        .expect("a temporary folder can be created, because the tests need one");
    let path: PathBuf = folder.path().join("ledger.db");
    TestDatabase {
        url: path.to_string_lossy().into_owned(),
        kind: Kind::Sqlite { _folder: folder },
    }
}

fn create_postgres(template: &str) -> TestDatabase {
    let server = server();
    let name = format!("hookyard_test_{}", Uuid::new_v4().simple());
    run(&server, &format!("CREATE DATABASE {name} TEMPLATE {template}"));
    TestDatabase {
        url: url_of(&server, &name).into(),
        kind: Kind::Postgres { server, name },
    }
}

fn server() -> Url {
    given::server("HOOKYARD_TEST_POSTGRES")
}

fn url_of(server: &Url, database: &str) -> Url {
    let mut url = server.clone();
    url.set_path(database);
    url
}

fn run(server: &Url, statement: &str) {
    execute(&mut connect(server), statement);
}

#[expect(clippy::panic, reason = "a test without its database must fail")]
fn connect(server: &Url) -> PgConnection {
    PgConnection::establish(server.as_str()).unwrap_or_else(|error| {
        let place = (
            server.host_str().unwrap_or_default(),
            server.port().unwrap_or(5432),
        );
        panic!("cannot connect to the test Postgres at {place:?}: {error}")
    })
}

#[expect(clippy::panic, reason = "a test without its database must fail")]
fn execute(connection: &mut PgConnection, statement: &str) {
    if let Err(error) = connection.batch_execute(statement) {
        panic!("`{statement}` failed on the test Postgres: {error}");
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Every row of every table.
fn rows(connection: &mut PgConnection) -> Vec<u8> {
    let mut lines = |query: &str| -> Vec<String> {
        let lines: Vec<Line> = diesel::sql_query(query)
            .load(connection)
            .expect("the test's own tables can be read, because it made them");
        lines.into_iter().map(|line| line.line).collect()
    };
    let tables = lines("SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public'");
    let rows = tables
        .iter()
        .flat_map(|table| lines(&format!("SELECT t::text AS line FROM \"{table}\" AS t")));
    rows.collect::<Vec<_>>().join("\n").into_bytes()
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    found: bool,
}

fn exists(connection: &mut PgConnection, name: &str) -> bool {
    diesel::sql_query("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS found")
        .bind::<Text, _>(name)
        .get_result::<Found>(connection)
        .expect("pg_database can be read, because every role may")
        .found
}
