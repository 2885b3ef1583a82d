//! The ledger on Postgres.

pub(crate) mod hot;
#[path = "../queries/mod.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "the typed queries are compiled once per database, so that one text serves both"
)]
pub(crate) mod queries;
mod statement;
pub(crate) mod schema {
    //! The tables with Postgres's column types.
    crate::schema::ledger_schema!(Uuid, Timestamptz);
}

use crate::{Error, Settings};
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::{Connection, PgConnection};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What `queries/` calls a connection.
pub(crate) type Conn = PgConnection;

/// A pool for reads and rare writes.
pub(crate) struct Ledger {
    pool: Pool<ConnectionManager<PgConnection>>,
    /// As wide as the pool: a caller waits here, asynchronously, and never in the pool, on a thread.
    permits: Arc<Semaphore>,
    acquire_timeout: Duration,
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
    pub(crate) fn open(settings: &Settings) -> Self {
        let url: SecretString = with_defaults(settings.url.expose_secret()).into();
        let pool = Pool::builder()
            .max_size(settings.max_connections.max(1))
            .min_idle(Some(0))
            .connection_timeout(settings.acquire_timeout)
            .error_handler(Box::new(diesel::r2d2::NopErrorHandler))
            .build_unchecked(ConnectionManager::new(url.expose_secret()));
        Self {
            pool,
            permits: Arc::new(Semaphore::new(settings.max_connections.max(1) as usize)),
            acquire_timeout: settings.acquire_timeout,
            url,
        }
    }

    /// Runs `call` on a pooled connection, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = crate::write::permit(&self.permits, self.acquire_timeout).await?;
        let pool = self.pool.clone();
        crate::write::blocking(permit, move || {
            let mut conn = pool.get().map_err(|error| Error::Unavailable(Box::new(error)))?;
            call(&mut conn)
        })
        .await
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

/// A writer's own connection, which comes back by itself when it breaks.
pub(crate) struct Writer {
    url: SecretString,
    conn: Option<PgConnection>,
}

impl Writer {
    /// The connection, opened when there is none.
    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        if self.conn.is_none() {
            let mut conn = PgConnection::establish(self.url.expose_secret())
                .map_err(|error| Error::Unavailable(Box::new(error)))?;
            // The bounds of architecture.md, section 3: a writer that hangs would hold up every sender behind it.
            diesel::connection::SimpleConnection::batch_execute(
                &mut conn,
                "SET lock_timeout = '1s'; SET statement_timeout = '4s'; \
                 SET idle_in_transaction_session_timeout = '10s'; SET synchronous_commit = on; SET lc_messages = 'C'",
            )
            .or_else(|error| tolerate_lc_messages(&mut conn, error))?;
            self.conn = Some(conn);
        }
        self.conn.as_mut().ok_or(Error::Closing)
    }

    /// Forgets a connection whose state is unknown.
    pub(crate) fn disconnect(&mut self) {
        self.conn = None;
    }
}

/// Only a superuser may set `lc_messages`; whoever may not keeps the server's, which is English nearly everywhere.
fn tolerate_lc_messages(conn: &mut PgConnection, error: diesel::result::Error) -> Result<(), Error> {
    if !error.to_string().contains("lc_messages") {
        return Err(error.into());
    }
    diesel::connection::SimpleConnection::batch_execute(
        conn,
        "SET lock_timeout = '1s'; SET statement_timeout = '4s'; \
         SET idle_in_transaction_session_timeout = '10s'; SET synchronous_commit = on",
    )
    .map_err(Error::from)
}

/// Adds what libpq needs to notice a dead network in seconds, unless the operator set it.
fn with_defaults(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in [
        ("connect_timeout", "3"),
        ("tcp_user_timeout", "5000"),
        ("application_name", "hookyard"),
    ] {
        if !url.contains(&format!("{name}=")) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(name);
            url.push('=');
            url.push_str(value);
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::with_defaults;

    #[test]
    fn an_operators_own_timeouts_are_kept() {
        assert_eq!(
            with_defaults("postgres://h/d?connect_timeout=9"),
            "postgres://h/d?connect_timeout=9&tcp_user_timeout=5000&application_name=hookyard"
        );
        assert!(with_defaults("postgres://h/d").starts_with("postgres://h/d?connect_timeout=3&"));
    }
}
