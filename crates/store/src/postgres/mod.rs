//! The ledger on Postgres.

mod address;
pub(crate) mod hot;
#[path = "../queries/mod.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "the typed queries are compiled once per database, so that one text serves both"
)]
pub(crate) mod queries;
mod steady;
pub(crate) mod schema {
    //! The tables with Postgres's column types.
    crate::schema::ledger_schema!(Uuid, Timestamptz);
}

use crate::connect::{CALL_TIMEOUT, MIGRATION_TIMEOUT, blocking, permit};
use crate::{Error, Settings};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::{Connection, PgConnection};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use steady::Steady;
use tokio::sync::Semaphore;

/// What `queries/` calls a connection.
pub(crate) type Conn = PgConnection;

/// Bounds every wait on the server's side, so that no caller and no connection is held for ever.
const CALL_BOUNDS: &str = "SET statement_timeout = '20s'; SET lock_timeout = '5s'; \
                           SET idle_in_transaction_session_timeout = '30s'";

/// Should this process stand still in the middle of a sweep, its lanes are free again after two seconds: whoever makes a
/// delivery wait for one of them waits less than an accept does for its answer.
const SWEEP_BOUND: &str = "SET idle_in_transaction_session_timeout = '2s'";

/// The bounds of architecture.md, section 3: a writer that hangs would hold up every sender behind it.
const WRITER_BOUNDS: &str = "SET statement_timeout = '4s'; SET lock_timeout = '1s'; \
                             SET idle_in_transaction_session_timeout = '10s'; SET synchronous_commit = on";

/// Lists are planned for the workspace at hand: a plan for the average one would walk through a large neighbour's rows for
/// a small one's page.
const OWN_PLANS: &str = "SET plan_cache_mode = force_custom_plan";

/// Each of the few statements of a hot connection is planned once.
///
/// Every one looks rows up by their keys, but over a table that is empty when it is planned (tomorrow's partition is)
/// reading all of it looks cheaper, and that plan would be kept while the table fills up. So the only plan that stays good
/// is the only one left to choose.
const KEPT_PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
                          SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off";

/// A pool for reads and rare writes.
pub(crate) struct Ledger {
    pool: Pool<ConnectionManager<PgConnection>>,
    /// As wide as the pool: a caller waits here, asynchronously, and never in the pool, on a thread.
    permits: Arc<Semaphore>,
    acquire_timeout: Duration,
    steady: Steady,
    url: SecretString,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("postgres::Ledger")
            .field("connections", &self.pool.state().connections)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    pub(crate) fn pool_state(&self) -> diesel::r2d2::State {
        self.pool.state()
    }

    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        let url: SecretString = address::complete(settings.url.expose_secret())?.into();
        let pool = Pool::builder()
            .max_size(settings.max_connections.max(1))
            .min_idle(Some(0))
            .connection_timeout(settings.acquire_timeout)
            .connection_customizer(Box::new(Session))
            .error_handler(Box::new(diesel::r2d2::NopErrorHandler))
            .build_unchecked(ConnectionManager::new(url.expose_secret()));
        Ok(Self {
            pool,
            permits: Arc::new(Semaphore::new(settings.max_connections.max(1) as usize)),
            acquire_timeout: settings.acquire_timeout,
            steady: Steady::new(url.clone(), settings),
            url,
        })
    }

    /// Runs `call` on a pooled connection, on a thread that may block. A single statement is a transaction of its own.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = permit(&self.permits, self.acquire_timeout).await?;
        let pool = self.pool.clone();
        blocking(permit, CALL_TIMEOUT, move || {
            let mut conn = pool.get().map_err(|error| Error::Unavailable(Box::new(error)))?;
            call(&mut conn)
        })
        .await
    }

    /// Looks up by key what every event needs. A single statement is a transaction of its own.
    pub(crate) async fn look_up<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.steady.call(call).await
    }

    /// Runs `call` in one transaction whose statements are planned once.
    pub(crate) async fn lease<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.steady.transaction(call).await
    }

    /// Runs `call` on a connection of its own, which no statement's time limit interrupts: for migrations.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = permit(&self.permits, self.acquire_timeout).await?;
        let url = self.url.clone();
        blocking(permit, MIGRATION_TIMEOUT, move || call(&mut establish(&url)?)).await
    }

    /// Runs `call` in one transaction.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.read(move |conn| conn.transaction(call)).await
    }

    /// A connection of a hot writer's own, opened when first used.
    pub(crate) fn writer(&self) -> Writer {
        Writer {
            url: self.url.clone(),
            conn: None,
        }
    }
}

/// Prepares each connection of the pool.
#[derive(Debug)]
struct Session;

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Session {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        speak_english(conn)
            .and_then(|()| conn.batch_execute(CALL_BOUNDS))
            .and_then(|()| conn.batch_execute(OWN_PLANS))
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// A writer's own connection, which comes back by itself when it breaks.
pub(crate) struct Writer {
    url: SecretString,
    conn: Option<PgConnection>,
}

impl Writer {
    /// The connection, opened when there is none.
    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        if self.conn.is_none() {
            self.conn = Some(open(&self.url, &[WRITER_BOUNDS, KEPT_PLANS])?);
        }
        self.conn.as_mut().ok_or(Error::Closing)
    }

    /// Forgets a connection whose state is unknown.
    pub(crate) fn disconnect(&mut self) {
        self.conn = None;
    }
}

/// Opens a connection with these settings.
fn open(url: &SecretString, settings: &[&str]) -> Result<PgConnection, Error> {
    let mut conn = establish(url)?;
    speak_english(&mut conn)?;
    for settings in settings {
        conn.batch_execute(settings)?;
    }
    Ok(conn)
}

fn establish(url: &SecretString) -> Result<PgConnection, Error> {
    PgConnection::establish(url.expose_secret()).map_err(|error| Error::Unavailable(Box::new(error)))
}

/// Failures are sorted by the server's texts (see `error::classify`). Only a superuser may set their language; for whoever
/// may not, the server's own is kept, which is English nearly everywhere.
fn speak_english(conn: &mut PgConnection) -> Result<(), diesel::result::Error> {
    conn.batch_execute(
        "SELECT set_config('lc_messages', 'C', false) FROM pg_roles WHERE rolname = current_user AND rolsuper",
    )
}
