//! Connections for the look-ups and leases that every event needs: each of their statements is planned once.

use crate::connect::{CALL_TIMEOUT, blocking, permit};
use crate::{Error, Settings};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use secrecy::SecretString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How many of these calls run at a time in one process.
const CONNECTIONS: usize = 4;

/// A connection that was used within this time is not asked whether it is still there: the question takes as long as a
/// look-up does. Should it be broken, one call fails, and its caller tries again as after any other outage.
const TRUSTED: Duration = Duration::from_secs(5);

/// Up to [`CONNECTIONS`] connections, which open as they are needed. The pool's own are planned anew with each call, as
/// lists must be; of a look-up by key the planning takes most of the time.
pub(super) struct Steady {
    url: SecretString,
    idle: Arc<Mutex<Vec<Idle>>>,
    permits: Arc<Semaphore>,
    acquire_timeout: Duration,
}

struct Idle {
    conn: PgConnection,
    since: Instant,
}

impl Steady {
    pub(super) fn new(url: SecretString, settings: &Settings) -> Self {
        Self {
            url,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            acquire_timeout: settings.acquire_timeout,
        }
    }

    /// Runs `call` on a thread that may block. A single statement is a transaction of its own.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = permit(&self.permits, self.acquire_timeout).await?;
        let (idle, url) = (Arc::clone(&self.idle), self.url.clone());
        blocking(permit, CALL_TIMEOUT, move || {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut conn = match kept.and_then(Idle::wake) {
                Some(conn) => conn,
                None => super::open(&url, &[super::CALL_BOUNDS, super::SWEEP_BOUND, super::KEPT_PLANS])?,
            };
            // After a failure its state is not known; it is closed, and the next call opens another.
            let found = call(&mut conn)?;
            let since = Instant::now();
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(Idle { conn, since });
            Ok(found)
        })
        .await
    }

    /// Runs `call` in one transaction.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.call(move |conn| conn.transaction(call)).await
    }
}

impl Idle {
    /// The connection, if it is still there.
    fn wake(mut self) -> Option<PgConnection> {
        let is_there = self.since.elapsed() < TRUSTED || self.conn.batch_execute("SELECT 1").is_ok();
        is_there.then_some(self.conn)
    }
}
