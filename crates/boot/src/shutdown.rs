//! How a process ends, in phases that every service shares.
//!
//! # Theory of operation
//!
//! 1. **Begun** – a signal, a failed task or a caller: `/readyz` says 503 from here on, the doors are still open for
//!    `shutdown.notice`.
//! 2. **Stopping** – nothing new is taken: HTTP servers close their listeners, consumers and sweepers stop.
//! 3. **Draining** – what is held is finished, for `shutdown.drain_timeout` at most. What is not finished then is
//!    dropped: it is leased in the ledger, and somebody else picks it up.
//! 4. **Flushing** – the conveyor is closed and telemetry is sent ([`crate::run`] does that), then the process exits.
//!
//! A second signal exits at once. A task that must stop looks at [`Shutdown::stopping`]; nobody else ends tasks.

use crate::settings;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Why a process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The operating system asked for it: `SIGTERM` or `SIGINT`.
    Signal(&'static str),
    /// The program itself is done.
    Requested,
    /// The start did not come to its end.
    StartFailed,
    /// A task that must run until the end did not.
    TaskEnded {
        /// Its name.
        task: &'static str,
    },
}

impl Cause {
    /// Whether the process shall exit with 0.
    pub const fn is_orderly(&self) -> bool {
        match self {
            Self::Signal(_) | Self::Requested => true,
            Self::StartFailed | Self::TaskEnded { .. } => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => formatter.write_str(name),
            Self::Requested => formatter.write_str("a request to end"),
            Self::StartFailed => formatter.write_str("a failed start"),
            Self::TaskEnded { task } => write!(formatter, "the end of the task {task}"),
        }
    }
}

/// The end of the process, as its parts see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<Phases>);

#[derive(Debug)]
struct Phases {
    begun: CancellationToken,
    stopping: CancellationToken,
    cause: OnceLock<Cause>,
    notice: Duration,
    drain_timeout: Duration,
}

impl Shutdown {
    /// A process that has not begun to end.
    pub fn new(settings: settings::Shutdown) -> Self {
        Self(Arc::new(Phases {
            begun: CancellationToken::new(),
            stopping: CancellationToken::new(),
            cause: OnceLock::new(),
            notice: settings.notice,
            drain_timeout: settings.drain_timeout,
        }))
    }

    /// Begins the end. Only the first call counts.
    pub fn begin(&self, cause: Cause) {
        if self.0.cause.set(cause).is_ok() {
            self.0.begun.cancel();
        }
    }

    /// Whether the end has begun: readiness is gone, the doors may still be open.
    pub fn has_begun(&self) -> bool {
        self.0.begun.is_cancelled()
    }

    /// Resolves when the end begins, with its cause. Cancel-safe.
    pub async fn begun(&self) -> Cause {
        self.0.begun.cancelled().await;
        // `begin` sets the cause before it cancels.
        self.0.cause.get().cloned().unwrap_or(Cause::Requested)
    }

    /// A token that is cancelled when nothing new may be taken. Cancelling it cancels nothing else.
    pub fn stopping(&self) -> CancellationToken {
        self.0.stopping.child_token()
    }

    /// How long work in hand may take after that.
    pub fn drain_timeout(&self) -> Duration {
        self.0.drain_timeout
    }

    /// Waits for the notice to pass, then tells everybody to take nothing new.
    pub(crate) async fn stop(&self) {
        // After a failure there is nothing to be gained by waiting.
        let orderly = self.0.cause.get().is_none_or(Cause::is_orderly);
        if orderly && !self.0.notice.is_zero() {
            tokio::time::sleep(self.0.notice).await;
        }
        self.0.stopping.cancel();
    }

    /// Begins the end at the first `SIGTERM` or `SIGINT`, exits at once at the second.
    pub(crate) fn listen_for_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            loop {
                // 128 and the signal's number, as shells report it.
                let (name, code) = tokio::select! {
                    _ = terminate.recv() => ("SIGTERM", 143),
                    _ = interrupt.recv() => ("SIGINT", 130),
                };
                if shutdown.has_begun() {
                    tracing::warn!("{name} again: exiting at once; what is held is left to its leases");
                    std::process::exit(code);
                }
                shutdown.begin(Cause::Signal(name));
            }
        });
        Ok(())
    }
}
