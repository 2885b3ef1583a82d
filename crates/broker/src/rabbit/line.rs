//! One connection, kept: dialed again, with growing pauses, for as long as the conveyor is open.

use super::Shared;
use super::backoff::Backoff;
use super::dial::{Dialed, Dialer};
use crate::Error;
use crate::error::cause;
use lapin::Connection;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use wire::Instant;

/// A connection that stood so long was a good one: the pauses start over.
const STABLE: Duration = Duration::from_secs(10);

/// How a line is.
#[derive(Debug, Clone)]
pub(super) enum Link {
    /// The connection, with everything declared.
    Up(Arc<Connection>),
    Down {
        since: Instant,
        error: Option<Arc<Error>>,
    },
    Closed,
}

/// A connection that comes back. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub(super) struct Line {
    links: watch::Receiver<Link>,
    address: Arc<str>,
}

impl Line {
    /// Starts keeping a connection for `purpose`, until the conveyor closes.
    pub(super) fn start(purpose: &'static str, dialer: Dialer, shared: &Shared, tasks: &TaskTracker) -> Self {
        let (sender, links) = watch::channel(Link::Down {
            since: Instant::now(),
            error: None,
        });
        let address = dialer.address();
        let keeper = Keeper {
            purpose,
            dialer,
            shared: shared.clone(),
            links: sender,
            dialed: None,
            reported: None,
        };
        tasks.spawn(keeper.keep());
        Self { links, address }
    }

    /// `host:port/vhost`.
    pub(super) fn address(&self) -> Arc<str> {
        Arc::clone(&self.address)
    }

    /// How it is now.
    pub(super) fn link(&self) -> Link {
        self.links.borrow().clone()
    }

    /// The connection, if there is one now.
    pub(super) fn connection(&self) -> Result<Arc<Connection>, Error> {
        match self.link() {
            // A lost one is noticed here before its keeper has run.
            Link::Up(connection) if connection.status().connected() => Ok(connection),
            Link::Up(_) => Err(self.disconnected(None)),
            Link::Down { error, .. } => Err(self.disconnected(error)),
            Link::Closed => Err(Error::Closed),
        }
    }

    /// Waits for a connection; `None` when the conveyor is closed. Cancel-safe.
    pub(super) async fn wait(&self) -> Option<Arc<Connection>> {
        let mut links = self.links.clone();
        let usable = |link: &Link| match link {
            Link::Up(connection) => connection.status().connected(),
            Link::Down { .. } => false,
            Link::Closed => true,
        };
        let found = links.wait_for(usable).await.ok()?.clone();
        match found {
            Link::Up(connection) => Some(connection),
            Link::Down { .. } | Link::Closed => None,
        }
    }

    /// Waits until `connection` is not this line's any more. Cancel-safe.
    pub(super) async fn lost(&self, connection: &Arc<Connection>) {
        let mut links = self.links.clone();
        let other = |link: &Link| !matches!(link, Link::Up(up) if Arc::ptr_eq(up, connection));
        // An error is the end of the keeper, and of the connection with it.
        let _changed = links.wait_for(other).await;
    }

    /// A future's output, or `None` when `connection` is lost meanwhile: the client's own futures may then wait for ever.
    pub(super) async fn unless_lost<T>(
        &self,
        connection: &Arc<Connection>,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            output = future => Some(output),
            () = self.lost(connection) => None,
        }
    }

    pub(super) fn disconnected(&self, source: Option<Arc<Error>>) -> Error {
        Error::Disconnected {
            address: self.address(),
            source,
        }
    }
}

struct Keeper {
    purpose: &'static str,
    dialer: Dialer,
    shared: Shared,
    links: watch::Sender<Link>,
    /// The connection of now.
    dialed: Option<Dialed>,
    /// The last reason that was warned of since there was a connection.
    reported: Option<String>,
}

impl Keeper {
    async fn keep(mut self) {
        let disconnecting = self.shared.disconnecting.clone();
        disconnecting.run_until_cancelled_owned(self.keep_up()).await;
        self.links.send_replace(Link::Closed);
        // The goodbye, if there is somebody to hear it.
        if let Some(dialed) = self.dialed.take() {
            dialed.close().await;
        }
    }

    /// Never ends, but can be dropped at any point.
    async fn keep_up(&mut self) {
        let mut backoff = Backoff::new();
        let mut since = Instant::now();
        loop {
            match self.dial().await {
                Ok(dialed) => {
                    let connected = Instant::now();
                    let lost = self.serve(dialed).await;
                    since = Instant::now();
                    // A broker that hangs up at once must not be dialed in a tight loop.
                    if since.since(connected) > STABLE {
                        backoff.reset();
                    }
                    self.down(since, lost);
                }
                Err(error) => self.down(since, error),
            }
            sleep(backoff.pause()).await;
        }
    }

    /// Opens a connection and declares everything; both or neither.
    async fn dial(&mut self) -> Result<Dialed, Error> {
        let mut dialed = self.dialer.dial(self.purpose).await?;
        let connection = Arc::clone(&dialed.connection);
        let declared = tokio::select! {
            declared = self.shared.topology.declare(&connection) => declared,
            lost = dialed.lost() => Err(self.lost(lost)),
        };
        if let Err(error) = declared {
            dialed.close().await;
            return Err(error);
        }
        Ok(dialed)
    }

    /// Shows a connection to everybody until it is lost; answers why it was.
    async fn serve(&mut self, dialed: Dialed) -> Error {
        tracing::info!(broker.address = %self.dialer.address(), purpose = self.purpose, "connected to the broker");
        self.reported = None;
        self.links.send_replace(Link::Up(Arc::clone(&dialed.connection)));
        let lost = self.dialed.insert(dialed).lost().await;
        self.dialed = None;
        self.shared.counters.lost_connections.add();
        self.lost(lost)
    }

    fn lost(&self, error: lapin::Error) -> Error {
        Error::Lost {
            address: self.dialer.address(),
            source: cause(error),
        }
    }

    /// Shows that there is no connection; warns once for each reason, not for each attempt.
    fn down(&mut self, since: Instant, error: Error) {
        let chain = chain(&error);
        if self.reported.as_ref() != Some(&chain) {
            tracing::warn!(
                error.chain = chain,
                purpose = self.purpose,
                "no connection to the broker, trying again until there is one; sweepers do its work meanwhile"
            );
            self.reported = Some(chain);
        }
        self.links.send_replace(Link::Down {
            since,
            error: Some(Arc::new(error)),
        });
    }
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
