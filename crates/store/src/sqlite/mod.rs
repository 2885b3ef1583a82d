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

use crate::{Error, Settings};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::{Connection, SqliteConnection};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What `queries/` calls a connection.
pub(crate) type Conn = SqliteConnection;

const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; \
                       PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000;";

/// Waits no longer than a sender would for the file's lock, which only another process can hold.
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
    pub(crate) fn open(path: &str, settings: &Settings) -> Result<Self, Error> {
        let unavailable = |error: diesel::ConnectionError| Error::Unavailable(Box::new(error));
        if let Some(folder) = Path::new(path)
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|error| Error::Unavailable(Box::new(error)))?;
        }
        let mut conn = SqliteConnection::establish(path).map_err(unavailable)?;
        conn.batch_execute("PRAGMA journal_mode = WAL;")?;
        conn.batch_execute(PRAGMAS)?;
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
            writer: Writer(Arc::new(Mutex::new(conn))),
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
        let permit = crate::write::permit(&self.permits, self.acquire_timeout).await?;
        let pool = self.pool.clone();
        crate::write::blocking(permit, move || {
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
        let permit = crate::write::permit(&self.writing, self.acquire_timeout).await?;
        let writer = self.writer();
        crate::write::blocking(permit, move || writer.connection().immediate_transaction(call)).await
    }

    /// Runs `call` on the writing connection without a transaction around it.
    pub(crate) async fn exclusive<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut SqliteConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = crate::write::permit(&self.writing, self.acquire_timeout).await?;
        let writer = self.writer();
        crate::write::blocking(permit, move || call(&mut writer.connection())).await
    }

    /// The writing connection, for a hot writer to share.
    pub(crate) fn writer(&self) -> Writer {
        Writer(Arc::clone(&self.writer.0))
    }
}

/// The one writing connection. Its holders take turns, a batch each.
pub(crate) struct Writer(Arc<Mutex<SqliteConnection>>);

impl Writer {
    /// Waits for its turn. A panic of an earlier holder rolled its transaction back, so the connection is still good.
    pub(crate) fn connection(&self) -> MutexGuard<'_, SqliteConnection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
