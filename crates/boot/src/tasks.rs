//! The long-lived tasks of a process: named, watched, and finished before it exits.
//!
//! A loop that a service lives from must not die quietly: a task that returns, fails or panics before the end has begun
//! is logged and ends the process, and whoever supervises it starts it anew.

use crate::shutdown::{Cause, Shutdown};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinError};
use tokio_util::task::TaskTracker;

/// For each thing that is closed at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How a task can end: `()` or a `Result<(), E>`.
pub trait Ending: Send + 'static {
    /// What failed, if something did.
    fn into_failure(self) -> Option<Box<dyn StdError + Send + Sync>>;
}

impl Ending for () {
    fn into_failure(self) -> Option<Box<dyn StdError + Send + Sync>> {
        None
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>> + Send + 'static> Ending for Result<(), E> {
    fn into_failure(self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.err().map(Into::into)
    }
}

/// Spawns and watches the tasks of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    shutdown: Shutdown,
    tracker: TaskTracker,
    running: Arc<Running>,
    closers: Arc<Closers>,
}

/// What is closed after the last task, in reverse.
#[derive(Default)]
struct Closers(Mutex<Vec<(&'static str, BoxFuture<'static, ()>)>>);

impl fmt::Debug for Closers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Closers")
    }
}

/// What runs, by the order of start; a name may occur twice.
#[derive(Debug, Default)]
struct Running(Mutex<BTreeMap<u64, (&'static str, AbortHandle)>>);

impl Tasks {
    /// No tasks yet, for a process that ends as `shutdown` says.
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            shutdown,
            tracker: TaskTracker::new(),
            running: Arc::default(),
            closers: Arc::default(),
        }
    }

    /// The end that these tasks look at.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Runs a task that must not end before [`Shutdown::stopping`] is cancelled, and must end soon after.
    ///
    /// `name` says what it does, with its service first: `router.sweep`. It runs in no span: each message or request that
    /// it handles opens its own, or a process's whole life would be one trace.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output: Ending> + Send + 'static,
    {
        let handle = tokio::spawn(task);
        let number = self.running.enter(name, handle.abort_handle());
        let running = Arc::clone(&self.running);
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            let ended = handle.await;
            running.leave(number);
            watch(name, ended, &shutdown);
        });
    }

    /// Has something closed that tasks use: after the last of them, the latest first, each within three seconds.
    pub fn close_at_end(&self, name: &'static str, closing: impl Future<Output = ()> + Send + 'static) {
        self.closers
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name, Box::pin(closing)));
    }

    pub(crate) async fn close(&self) {
        let closers = std::mem::take(&mut *self.closers.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, closing) in closers.into_iter().rev() {
            if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
                tracing::warn!("{name} did not close in time");
            }
        }
    }

    /// Waits for all tasks to end, at most as long as the settings allow; aborts the rest and returns their names.
    pub(crate) async fn drain(&self) -> Vec<&'static str> {
        self.tracker.close();
        if tokio::time::timeout(self.shutdown.drain_timeout(), self.tracker.wait())
            .await
            .is_ok()
        {
            return Vec::new();
        }
        self.running.abort()
    }
}

impl Running {
    fn enter(&self, name: &'static str, abort: AbortHandle) -> u64 {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = running.keys().next_back().map_or(0, |last| last + 1);
        running.insert(number, (name, abort));
        number
    }

    fn leave(&self, number: u64) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&number);
    }

    fn abort(&self) -> Vec<&'static str> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let abort = |(name, handle): &(&'static str, AbortHandle)| {
            handle.abort();
            *name
        };
        running.values().map(abort).collect()
    }
}

/// Logs how a task ended and, if it must not have, ends the process.
fn watch<E: Ending>(name: &'static str, ended: Result<E, JoinError>, shutdown: &Shutdown) {
    let failure = match ended {
        Ok(ending) => ending.into_failure().map(|error| crate::report(error.as_ref())),
        Err(join) if join.is_panic() => Some(format!("panicked: {}", panic_text(join))),
        Err(_) => None,
    };
    match (failure, shutdown.has_begun()) {
        (None, true) => tracing::debug!(task.name = name, "a task has finished"),
        (Some(failure), true) => {
            tracing::warn!(
                task.name = name,
                error.chain = failure,
                "a task failed while the process was ending"
            );
        }
        (failure, false) => {
            let failure = failure.unwrap_or_else(|| "it returned".to_owned());
            tracing::error!(
                task.name = name,
                error.chain = failure,
                "a task ended that must not: the process exits"
            );
            shutdown.begin(Cause::TaskEnded { task: name });
        }
    }
}

fn panic_text(join: JoinError) -> String {
    let panic = join.into_panic();
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;
    use std::time::Duration;

    fn tasks(drain_timeout: Duration) -> Tasks {
        Tasks::new(Shutdown::new(settings::Shutdown {
            notice: Duration::ZERO,
            drain_timeout,
        }))
    }

    async fn cause_of(tasks: &Tasks) -> Cause {
        tokio::time::timeout(Duration::from_secs(10), tasks.shutdown().begun())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_task_that_returns_early_ends_the_process_with_a_failure() {
        let tasks = tasks(Duration::from_secs(10));
        tasks.spawn("test.returns", async {});
        let cause = cause_of(&tasks).await;
        assert_eq!(cause, Cause::TaskEnded { task: "test.returns" });
        assert!(!cause.is_orderly());
    }

    #[tokio::test]
    async fn a_task_that_fails_or_panics_ends_the_process_with_a_failure() {
        let failing = tasks(Duration::from_secs(10));
        failing.spawn("test.fails", async { Err::<(), _>("no more rows") });
        assert_eq!(cause_of(&failing).await, Cause::TaskEnded { task: "test.fails" });

        let panicking = tasks(Duration::from_secs(10));
        panicking.spawn("test.panics", async {
            assert!(std::env::args().count() == 0, "on purpose");
        });
        assert_eq!(
            cause_of(&panicking).await,
            Cause::TaskEnded { task: "test.panics" }
        );
    }

    #[tokio::test]
    async fn tasks_that_look_at_the_end_are_waited_for() {
        let tasks = tasks(Duration::from_secs(10));
        let finished = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopping = tasks.shutdown().stopping();
        let flag = Arc::clone(&finished);
        tasks.spawn("test.finishes", async move {
            stopping.cancelled().await;
            tokio::task::yield_now().await;
            flag.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        tasks.shutdown().begin(Cause::Requested);
        tasks.shutdown().stop().await;
        assert!(tasks.drain().await.is_empty());
        assert!(finished.load(std::sync::atomic::Ordering::SeqCst));
        assert_eq!(tasks.shutdown().begun().await, Cause::Requested);
    }

    #[tokio::test]
    async fn a_task_that_does_not_finish_in_time_is_named_and_dropped() {
        let tasks = tasks(Duration::from_millis(10));
        tasks.spawn("test.hangs", std::future::pending::<()>());
        tasks.shutdown().begin(Cause::Requested);
        tasks.shutdown().stop().await;
        assert_eq!(tasks.drain().await, ["test.hangs"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_stops_before_the_notice_has_passed() {
        let shutdown = Shutdown::new(settings::Shutdown {
            notice: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(25),
        });
        let stopping = shutdown.stopping();
        shutdown.begin(Cause::Signal("SIGTERM"));
        assert!(shutdown.has_begun());
        let stop = shutdown.stop();
        tokio::pin!(stop);
        let early = tokio::time::timeout(Duration::from_secs(4), &mut stop).await;
        assert!(early.is_err() && !stopping.is_cancelled());
        stop.await;
        assert!(stopping.is_cancelled());
    }
}
