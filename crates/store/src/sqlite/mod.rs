//! The ledger in one SQLite file.
//!
//! One connection writes, a few read: in WAL mode readers see the last commit and never wait for the writer.
//! `synchronous=FULL`, because NORMAL loses acknowledged rows when the power goes.

pub(crate) mod hot;
#[path = "../queries/mod.rs"]
pub(crate) mod queries;
pub(crate) mod schema {
    //! The tables with SQLite's column types.
    crate::schema::ledger_schema!(Binary, BigInt);
}

use crate::connect::{CALL_TIMEOUT, MIGRATION_TIMEOUT, blocking, permit};
use crate::{Error, Settings};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool, R2D2Connection};
use diesel::{Connection, SqliteConnection};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What `queries/` calls a connection.
pub(crate) type Conn = SqliteConnection;

/// The wait for the file's lock, which only another process can hold, comes first: turning WAL on needs the lock.
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000;";

/// Prepares each reading connection.
#[derive(Debug)]
struct Reader;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Reader {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        conn.batch_execute(PRAGMAS)
            .and_then(|()| conn.batch_execute("PRAGMA query_only = ON"))
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// One writing connection and a pool of reading ones.
pub(crate) struct Ledger {
    writer: Writer,
    pool: Pool<ConnectionManager<SqliteConnection>>,
    permits: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    acquire_timeout: Duration,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("sqlite::Ledger").finish_non_exhaustive()
    }
}

impl Ledger {
    pub(crate) fn pool_state(&self) -> diesel::r2d2::State {
        self.pool.state()
    }

    pub(crate) fn open(path: &str, settings: &Settings) -> Result<Self, Error> {
        if let Some(fault) = fault(path) {
            return Err(Error::Address { fault });
        }
        create(path).map_err(|error| Error::Unavailable(Box::new(error)))?;
        let readers = settings.max_connections.clamp(1, 8);
        let pool = Pool::builder()
            .max_size(readers)
            .min_idle(Some(0))
            .connection_timeout(settings.acquire_timeout)
            .test_on_check_out(false)
            .connection_customizer(Box::new(Reader))
            .error_handler(Box::new(diesel::r2d2::NopErrorHandler))
            .build_unchecked(ConnectionManager::new(path));
        Ok(Self {
            writer: Writer(Arc::new(Shared {
                conn: Mutex::new(establish(path)?),
                path: path.to_owned(),
            })),
            pool,
            permits: Arc::new(Semaphore::new(readers as usize)),
            writing: Arc::new(Semaphore::new(1)),
            acquire_timeout: settings.acquire_timeout,
        })
    }

    /// Runs `call` on a reading connection, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut SqliteConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = permit(&self.permits, self.acquire_timeout).await?;
        let pool = self.pool.clone();
        blocking(permit, CALL_TIMEOUT, move || {
            let mut conn = pool.get().map_err(|error| Error::Unavailable(Box::new(error)))?;
            call(&mut conn)
        })
        .await
    }

    /// Runs `call` in one transaction on the writing connection.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut SqliteConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.exclusive(|conn| conn.immediate_transaction(call)).await
    }

    /// The same, however long it takes: for migrations, which may copy all that there is.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut SqliteConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.exclusive_for(MIGRATION_TIMEOUT, |conn| conn.immediate_transaction(call))
            .await
    }

    /// Runs `call` on the writing connection without a transaction around it.
    pub(crate) async fn exclusive<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut SqliteConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.exclusive_for(CALL_TIMEOUT, call).await
    }

    async fn exclusive_for<T: Send + 'static>(
        &self,
        longest: Duration,
        call: impl FnOnce(&mut SqliteConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = permit(&self.writing, self.acquire_timeout).await?;
        let writer = self.writer();
        blocking(permit, longest, move || call(&mut *writer.connection()?)).await
    }

    /// The writing connection, for a hot writer to share.
    pub(crate) fn writer(&self) -> Writer {
        Writer(Arc::clone(&self.writer.0))
    }
}

/// The one writing connection. Its holders take turns, a batch each.
pub(crate) struct Writer(Arc<Shared>);

struct Shared {
    path: String,
    conn: Mutex<SqliteConnection>,
}

impl Writer {
    /// Waits for its turn.
    ///
    /// A holder that panicked, or whose commit could not be undone on a full disk, leaves a transaction open for ever: its
    /// connection is replaced, and closing it rolls that transaction back.
    pub(crate) fn connection(&self) -> Result<MutexGuard<'_, SqliteConnection>, Error> {
        let mut conn = self.0.conn.lock().unwrap_or_else(PoisonError::into_inner);
        if conn.is_broken() {
            *conn = establish(&self.0.path)?;
        }
        Ok(conn)
    }
}

fn establish(path: &str) -> Result<SqliteConnection, Error> {
    let mut conn = SqliteConnection::establish(path).map_err(|error| Error::Unavailable(Box::new(error)))?;
    conn.batch_execute(PRAGMAS)?;
    Ok(conn)
}

/// Every connection must open the same file.
fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("names no file; write sqlite:path/to/file.db");
    }
    if path.starts_with(":memory:") || path.starts_with("file:") {
        return Some("is not the path of a file; a ledger in memory would be one for each connection");
    }
    None
}

/// Makes the file, and its folder, when absent: readable by its owner alone, since events are in it. SQLite gives the
/// files beside it the same mode.
fn create(path: &str) -> std::io::Result<()> {
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(folder: &tempfile::TempDir) -> Ledger {
        let settings = Settings {
            url: "".into(),
            max_connections: 1,
            acquire_timeout: Duration::from_secs(5),
        };
        let path = folder.path().join("deeper/ledger.db");
        Ledger::open(path.to_str().unwrap(), &settings).unwrap()
    }

    #[tokio::test]
    async fn a_panic_in_a_transaction_is_rolled_back_and_the_next_one_works() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder);
        ledger
            .write(|conn| Ok(conn.batch_execute("CREATE TABLE seen (id INTEGER PRIMARY KEY)")?))
            .await
            .unwrap();
        let panicked: Result<(), Error> = ledger
            .write(|conn| {
                conn.batch_execute("INSERT INTO seen VALUES (1)")?;
                panic!("on purpose")
            })
            .await;
        assert!(panicked.unwrap_err().is_transient());
        ledger
            .write(|conn| Ok(conn.batch_execute("INSERT INTO seen VALUES (1)")?))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_write_and_not_those_after() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder);
        ledger
            .exclusive(|conn| {
                conn.batch_execute("CREATE TABLE seen (body BLOB); PRAGMA max_page_count = 20")?;
                Ok(())
            })
            .await
            .unwrap();
        let insert = "INSERT INTO seen VALUES (zeroblob(1000000))";
        let full: Result<(), Error> = ledger.write(|conn| Ok(conn.batch_execute(insert)?)).await;
        full.unwrap_err();
        ledger
            .exclusive(|conn| Ok(conn.batch_execute("PRAGMA max_page_count = 10000")?))
            .await
            .unwrap();
        ledger
            .write(|conn| Ok(conn.batch_execute(insert)?))
            .await
            .unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_may_read_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder);
        ledger
            .write(|conn| Ok(conn.batch_execute("CREATE TABLE seen (id INTEGER PRIMARY KEY)")?))
            .await
            .unwrap();
        for name in ["ledger.db", "ledger.db-wal"] {
            let file = std::fs::metadata(folder.path().join("deeper").join(name)).unwrap();
            assert_eq!(file.permissions().mode() & 0o077, 0, "{name}");
        }
    }
}
