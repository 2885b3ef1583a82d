//! Opening a ledger, and one call on it.

use crate::clock::Clock;
use crate::sweep::Turns;
use crate::{Error, KeyRing, postgres, sqlite};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a caller waits for a blocking call. The databases give up earlier; only a connection that neither answers nor
/// breaks takes this long.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long migrations may take, and how long one process waits for another that migrates.
pub(crate) const MIGRATION_TIMEOUT: Duration = Duration::from_hours(1);

/// How to reach the ledger.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `postgres://user:password@host:5432/database` or `sqlite:path/to/file.db`.
    pub url: SecretString,
    /// The most connections for reads and rare writes; the hot writers have one each besides.
    pub max_connections: u32,
    /// How long a call waits for a free connection.
    pub acquire_timeout: Duration,
}

/// A handle to the ledger; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) keyring: KeyRing,
    pub(crate) turns: Arc<Turns>,
    pub(crate) clock: Clock,
}

#[derive(Debug)]
pub(crate) enum Ledger {
    Postgres(postgres::Ledger),
    Sqlite(sqlite::Ledger),
}

impl Ledger {
    pub(crate) fn pool_state(&self) -> diesel::r2d2::State {
        match self {
            Self::Postgres(ledger) => ledger.pool_state(),
            Self::Sqlite(ledger) => ledger.pool_state(),
        }
    }
}

/// Runs a query of `queries/` on a connection for reading: `read!(self, |conn, queries| queries::events::find(conn, id))`.
/// The body is compiled once per database, which is what lets one text serve two sets of types.
macro_rules! read {
    ($store:expr, |$conn:ident, $queries:ident| $body:expr) => {
        match &*$store.ledger {
            $crate::connect::Ledger::Postgres(ledger) => {
                use $crate::postgres::queries as $queries;
                ledger.read(move |$conn| $body).await
            }
            $crate::connect::Ledger::Sqlite(ledger) => {
                use $crate::sqlite::queries as $queries;
                ledger.read(move |$conn| $body).await
            }
        }
    };
}
pub(crate) use read;

/// The same for what every event needs, by key: on Postgres such a query is planned once.
macro_rules! look_up {
    ($store:expr, |$conn:ident, $queries:ident| $body:expr) => {
        match &*$store.ledger {
            $crate::connect::Ledger::Postgres(ledger) => {
                use $crate::postgres::queries as $queries;
                ledger.look_up(move |$conn| $body).await
            }
            $crate::connect::Ledger::Sqlite(ledger) => {
                use $crate::sqlite::queries as $queries;
                ledger.read(move |$conn| $body).await
            }
        }
    };
}
pub(crate) use look_up;

/// Runs queries of `queries/` in one transaction for writing; an error of the body rolls it back.
macro_rules! write {
    ($store:expr, |$conn:ident, $queries:ident| $body:expr) => {
        match &*$store.ledger {
            $crate::connect::Ledger::Postgres(ledger) => {
                use $crate::postgres::queries as $queries;
                ledger.write(move |$conn| $body).await
            }
            $crate::connect::Ledger::Sqlite(ledger) => {
                use $crate::sqlite::queries as $queries;
                ledger.write(move |$conn| $body).await
            }
        }
    };
}
pub(crate) use write;

impl Store {
    /// Opens the ledger. A SQLite file is made when absent; Postgres must answer.
    ///
    /// Migrates nothing, see [`Store::migrate`]. `keyring` seals and opens the secrets.
    pub async fn connect(settings: Settings, keyring: KeyRing) -> Result<Self, Error> {
        let Some(address) = settings.url.expose_secret().split_once(':') else {
            // What has no scheme may be a password.
            return Err(Error::Address {
                fault: "names no database; use postgres://user:password@host/database or sqlite:path/to/file.db",
            });
        };
        let ledger = match address {
            ("postgres" | "postgresql", _) => Ledger::Postgres(postgres::Ledger::open(&settings)?),
            ("sqlite", path) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                Ledger::Sqlite(sqlite::Ledger::open(path, &settings)?)
            }
            (other, _) => {
                return Err(Error::Scheme {
                    scheme: other.chars().take(20).collect(),
                });
            }
        };
        let store = Self {
            ledger: Arc::new(ledger),
            keyring,
            turns: Arc::default(),
            clock: Clock::default(),
        };
        store.ping().await?;
        Ok(store)
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), Error> {
        read!(self, |conn, queries| queries::ping(conn))
    }

    /// `postgres` or `sqlite`.
    pub fn kind(&self) -> &'static str {
        match &*self.ledger {
            Ledger::Postgres(_) => "postgres",
            Ledger::Sqlite(_) => "sqlite",
        }
    }
}

/// Waits for a permit, asynchronously.
pub(crate) async fn permit(permits: &Arc<Semaphore>, wait: Duration) -> Result<OwnedSemaphorePermit, Error> {
    match tokio::time::timeout(wait, Arc::clone(permits).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_closed)) => Err(Error::Closing),
        Err(_elapsed) => Err(Error::Busy {
            waited_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

/// Runs a blocking call on a thread for such, and gives the permit back when it is done, not when the caller is.
pub(crate) async fn blocking<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    within: Duration,
    call: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place for blocking calls, behind a semaphore"
    )]
    let done = tokio::task::spawn_blocking(move || {
        let _held = permit;
        call()
    });
    match tokio::time::timeout(within, done).await {
        Ok(Ok(result)) => result,
        Ok(Err(stopped)) => Err(Error::Unavailable(Box::new(stopped))),
        Err(elapsed) => Err(Error::Unavailable(Box::new(elapsed))),
    }
}
