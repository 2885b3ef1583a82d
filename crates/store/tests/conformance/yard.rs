//! One ledger for one test.

use crate::given;
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection};
use hookyard_store::{
    AcceptError, AcceptQueue, Acceptance, Accepted, KeyRing, QueueOptions, Settings, Store,
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use testkit::database::{self, TestDatabase};
use wire::Instant;

/// A migrated ledger, gone with the test.
pub(crate) struct Yard {
    pub(crate) store: Store,
    pub(crate) database: TestDatabase,
}

impl Yard {
    /// In a Postgres database of its own, copied from one that was migrated once.
    pub(crate) async fn on_postgres() -> Self {
        let database = database::postgres_prepared(&fingerprint(), migrate_alone);
        let store = connect(database.url()).await;
        Self { store, database }
    }

    /// In a SQLite file of its own.
    pub(crate) async fn on_sqlite() -> Self {
        let database = database::sqlite();
        let store = connect(&format!("sqlite:{}", database.url())).await;
        store.migrate().await.unwrap();
        Self { store, database }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.store.kind() == "postgres"
    }

    /// The ledger's address as a service would have it.
    pub(crate) fn url(&self) -> String {
        if self.is_postgres() {
            self.database.url().to_owned()
        } else {
            format!("sqlite:{}", self.database.url())
        }
    }

    /// A second handle with connections of its own. On SQLite one process has one writer, so it is the same one.
    pub(crate) async fn another_process(&self) -> Store {
        if self.is_postgres() {
            connect(self.database.url()).await
        } else {
            self.store.clone()
        }
    }

    pub(crate) fn accept_queue(&self) -> AcceptQueue {
        self.store.accept_queue(QueueOptions::default()).unwrap()
    }

    /// A connection beside the store's, as an operator's would be.
    pub(crate) fn raw(&self) -> Raw {
        if self.is_postgres() {
            Raw::Postgres(PgConnection::establish(self.database.url()).unwrap())
        } else {
            let mut conn = SqliteConnection::establish(self.database.url()).unwrap();
            conn.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
            Raw::Sqlite(conn)
        }
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.raw().execute(sql);
    }

    /// The one number that `sql` yields as `value`.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.raw().number(sql)
    }

    /// The texts that `sql` yields as `value`.
    pub(crate) fn texts(&self, sql: &str) -> Vec<Option<String>> {
        self.raw().texts(sql)
    }

    /// All that lies in the ledger, as somebody who stole it would read it.
    pub(crate) fn everything(&self) -> String {
        if !self.is_postgres() {
            let files = ["", "-wal"].map(|suffix| format!("{}{suffix}", self.database.url()));
            let read = |file: &String| std::fs::read(file).unwrap_or_default();
            return String::from_utf8_lossy(&files.iter().flat_map(read).collect::<Vec<u8>>()).into_owned();
        }
        let mut raw = self.raw();
        let tables = raw.texts("SELECT tablename AS value FROM pg_tables WHERE schemaname = 'public'");
        let rows = |table: String| raw.texts(&format!("SELECT row::text AS value FROM {table} AS row"));
        tables.into_iter().flatten().flat_map(rows).flatten().collect()
    }

    /// A time as a literal of this database.
    pub(crate) fn literal(&self, at: Instant) -> String {
        if self.is_postgres() {
            format!("'{at}'::timestamptz")
        } else {
            at.unix_micros().to_string()
        }
    }

    /// Stops every accepting thread until dropped.
    pub(crate) fn hold_accepting(&self) -> Raw {
        let mut raw = self.raw();
        raw.execute(if self.is_postgres() {
            "BEGIN; LOCK TABLE claims IN EXCLUSIVE MODE; LOCK TABLE events IN EXCLUSIVE MODE"
        } else {
            "BEGIN IMMEDIATE"
        });
        raw
    }

    /// Accepts `rows` in one batch, for certain: the writer is held up with another row until all of them are queued.
    pub(crate) async fn accept_in_one_batch(
        &self,
        rows: Vec<Acceptance>,
    ) -> Vec<Result<Accepted, AcceptError>> {
        let queue = self.accept_queue();
        let held = self.hold_accepting();
        let mut plug = Box::pin(queue.accept(given::keyless("plug")));
        assert!(poll_once(&mut plug).await.is_none());
        testkit::until("the writer took the plug", async || queue.depth() == 0).await;
        let mut answers = Vec::new();
        for row in rows {
            let mut answer = Box::pin(queue.accept(row));
            assert!(poll_once(&mut answer).await.is_none());
            answers.push(answer);
        }
        assert_eq!(queue.depth(), answers.len());
        drop(held);
        plug.await.unwrap();
        let mut answered = Vec::new();
        for answer in answers {
            answered.push(answer.await);
        }
        answered
    }
}

/// Polls once, which is enough to queue a row; none when it is not ready.
pub(crate) async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *future).poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// A connection of the test's own.
pub(crate) enum Raw {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct Words {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

impl Raw {
    pub(crate) fn execute(&mut self, sql: &str) {
        match self {
            Self::Postgres(conn) => conn.batch_execute(sql),
            Self::Sqlite(conn) => conn.batch_execute(sql),
        }
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(crate) fn number(&mut self, sql: &str) -> i64 {
        let query = diesel::sql_query(sql);
        match self {
            Self::Postgres(conn) => query.get_result::<Number>(conn),
            Self::Sqlite(conn) => query.get_result::<Number>(conn),
        }
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
        .value
    }

    /// What the database answers to an `EXPLAIN`.
    pub(crate) fn plan(&mut self, sql: &str) -> String {
        let query = diesel::sql_query(sql);
        let lines: Result<Vec<String>, _> = match self {
            Self::Postgres(conn) => query
                .load::<Line>(conn)
                .map(|lines| lines.into_iter().map(|line| line.line).collect()),
            Self::Sqlite(conn) => query
                .load::<Step>(conn)
                .map(|steps| steps.into_iter().map(|step| step.detail).collect()),
        };
        lines.unwrap_or_else(|error| panic!("{sql}: {error}")).join("\n")
    }

    pub(crate) fn texts(&mut self, sql: &str) -> Vec<Option<String>> {
        let query = diesel::sql_query(sql);
        match self {
            Self::Postgres(conn) => query.load::<Words>(conn),
            Self::Sqlite(conn) => query.load::<Words>(conn),
        }
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
        .into_iter()
        .map(|words| words.value)
        .collect()
    }
}

/// Opens the ledger at `url` with the key that all tests use.
pub(crate) async fn connect(url: &str) -> Store {
    connect_with(url, keyring(&[("test", 7)])).await.unwrap()
}

pub(crate) async fn connect_with(url: &str, keyring: KeyRing) -> Result<Store, hookyard_store::Error> {
    let settings = Settings {
        url: SecretString::from(url),
        max_connections: 4,
        acquire_timeout: Duration::from_secs(10),
    };
    Store::connect(settings, keyring).await
}

/// Master keys of one repeated byte each.
pub(crate) fn keyring(keys: &[(&str, u8)]) -> KeyRing {
    let keys: Vec<SecretString> = keys
        .iter()
        .map(|(id, byte)| KeyRing::new_key(id, [*byte; 32]))
        .collect();
    KeyRing::parse(&keys).unwrap()
}

/// The migrations' folder.
pub(crate) fn migrations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations")
}

/// Of all migrations for Postgres, and of the day, since partitions are made for days.
fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for name in names(&migrations().join("postgres")) {
        let path = migrations().join("postgres").join(&name).join("up.sql");
        hash.update(&name);
        hash.update(std::fs::read(path).unwrap());
    }
    hash.update(Instant::now().to_string().split('T').next().unwrap_or_default());
    hex::encode(hash.finalize()).chars().take(32).collect()
}

/// The names of the folders in `folder`, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// On a thread and a runtime of its own, since the caller stands in an asynchronous test.
fn migrate_alone(url: &str) {
    let migrate = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { connect(url).await.migrate().await.unwrap() })
    };
    std::thread::scope(|scope| scope.spawn(migrate).join().unwrap());
}
