//! Whether this process is alive, started and ready, and why not.
//!
//! Parts register checks; `/readyz` runs them at most once a second. A check that only [`Weight::Degrades`] shows up in
//! `/readyz?verbose` and takes no traffic away: the doors work without the conveyor, so its absence must not close them.

mod pages;
mod server;

pub(crate) use pages::is_page;
pub use pages::pages;
pub(crate) use server::serve;

use crate::shutdown::Shutdown;
use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;
use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a result of the checks is good for.
const FRESH: Duration = Duration::from_secs(1);
/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the runtime may be stuck before the process counts as dead.
const STUCK: Duration = Duration::from_secs(30);

/// What a failing check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// The process cannot work: it is not ready.
    Required,
    /// It works, but slower or with less.
    Degrades,
}

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

struct Check {
    name: &'static str,
    weight: Weight,
    probe: Probe,
}

/// The health of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health(Arc<State>);

struct State {
    program: &'static str,
    shutdown: Shutdown,
    is_started: AtomicBool,
    checks: Mutex<Vec<Arc<Check>>>,
    last: Mutex<Option<(Instant, Arc<[Finding]>)>>,
    is_probing: AtomicBool,
    began: Instant,
    /// When the runtime last ticked, in milliseconds since `began`; 0 before it is watched.
    beat_ms: AtomicU64,
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Health")
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// What one check found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The check's name.
    pub name: &'static str,
    /// What it means when it fails.
    pub weight: Weight,
    /// Whether it passed.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Finding {
    fn keeps_traffic_away(&self) -> bool {
        !self.ok && self.weight == Weight::Required
    }
}

/// Whether traffic may come, and what the checks said.
#[derive(Debug, Clone, Serialize)]
pub struct Readiness {
    /// `ready`, `starting`, `stopping` or `failing`.
    pub status: &'static str,
    /// The checks; none while the process starts or ends.
    pub checks: Arc<[Finding]>,
}

impl Readiness {
    /// Whether traffic may come.
    pub fn is_ready(&self) -> bool {
        self.status == "ready"
    }

    /// The checks that keep it away.
    pub fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().filter(|finding| finding.keeps_traffic_away())
    }
}

impl Health {
    /// A process that has not started.
    pub fn new(program: &'static str, shutdown: Shutdown) -> Self {
        Self(Arc::new(State {
            program,
            shutdown,
            is_started: AtomicBool::new(false),
            checks: Mutex::default(),
            last: Mutex::default(),
            is_probing: AtomicBool::new(false),
            began: Instant::now(),
            beat_ms: AtomicU64::new(0),
        }))
    }

    /// The program that this is.
    pub fn program(&self) -> &'static str {
        self.0.program
    }

    /// Adds a check. It is run on demand, at most once a second, and fails when it takes over two.
    pub fn register<F, E>(
        &self,
        name: &'static str,
        weight: Weight,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let probe: Probe = Box::new(move || {
            let check = tokio::time::timeout(PATIENCE, check());
            Box::pin(async {
                match check.await {
                    Ok(result) => result.map_err(|error| crate::report(error.into().as_ref())),
                    Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
                }
            })
        });
        let check = Arc::new(Check { name, weight, probe });
        self.0
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(check);
    }

    /// Says that everything a start needs is done: `/startupz` says 200 from here on.
    pub fn started(&self) {
        self.0.is_started.store(true, Ordering::Release);
    }

    /// Whether [`Health::started`] was called.
    pub fn is_started(&self) -> bool {
        self.0.is_started.load(Ordering::Acquire)
    }

    /// Whether the runtime still turns; always true while nobody watches it.
    pub fn is_alive(&self) -> bool {
        let beat = self.0.beat_ms.load(Ordering::Relaxed);
        beat == 0 || self.0.began.elapsed() < Duration::from_millis(beat) + STUCK
    }

    /// Whether traffic may come. The answer may be a second old, except for the end of the process.
    pub async fn readiness(&self) -> Readiness {
        let nothing = |status| Readiness {
            status,
            checks: Arc::new([]),
        };
        if self.0.shutdown.has_begun() {
            return nothing("stopping");
        }
        if !self.is_started() {
            return nothing("starting");
        }
        let checks = self.findings().await;
        let is_failing = checks.iter().any(Finding::keeps_traffic_away);
        Readiness {
            status: if is_failing { "failing" } else { "ready" },
            checks,
        }
    }

    async fn findings(&self) -> Arc<[Finding]> {
        let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            Some((at, findings)) if at.elapsed() < FRESH => return findings,
            // Somebody is asking already: what was true a moment ago will do.
            Some((_, findings)) if self.0.is_probing.swap(true, Ordering::AcqRel) => return findings,
            _ => {}
        }
        // A caller that goes away in between must not leave the flag behind.
        let _probing = Probing(&self.0.is_probing);
        let checks = self
            .0
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let findings: Arc<[Finding]> = join_all(checks.iter().map(|check| probe(check))).await.into();
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), Arc::clone(&findings)));
        findings
    }

    /// Lets `/livez` notice when this runtime is stuck.
    pub(crate) fn watch_runtime(&self) {
        let health = self.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            loop {
                ticks.tick().await;
                let elapsed = u64::try_from(health.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                health.0.beat_ms.store(elapsed.max(1), Ordering::Relaxed);
            }
        });
    }
}

struct Probing<'a>(&'a AtomicBool);

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn probe(check: &Check) -> Finding {
    let error = (check.probe)().await.err();
    Finding {
        name: check.name,
        weight: check.weight,
        ok: error.is_none(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;
    use crate::shutdown::Cause;
    use std::sync::atomic::AtomicUsize;

    fn health() -> (Health, Shutdown) {
        let shutdown = Shutdown::new(settings::Shutdown {
            notice: Duration::ZERO,
            drain_timeout: Duration::from_secs(1),
        });
        (Health::new("test", shutdown.clone()), shutdown)
    }

    #[tokio::test]
    async fn readiness_follows_the_life_of_the_process() {
        let (health, shutdown) = health();
        assert_eq!(health.readiness().await.status, "starting");
        health.started();
        assert!(health.readiness().await.is_ready());
        shutdown.begin(Cause::Signal("SIGTERM"));
        assert_eq!(health.readiness().await.status, "stopping");
    }

    #[tokio::test]
    async fn a_required_check_takes_readiness_away_and_a_degrading_one_does_not() {
        let (degraded, _shutdown) = health();
        degraded.started();
        degraded.register("conveyor", Weight::Degrades, async || {
            Err::<(), _>("connection refused")
        });
        let readiness = degraded.readiness().await;
        assert!(readiness.is_ready());
        assert_eq!(readiness.checks[0].error.as_deref(), Some("connection refused"));

        let (failing, _shutdown) = health();
        failing.started();
        failing.register("database", Weight::Required, async || {
            Err::<(), _>("connection refused")
        });
        assert_eq!(failing.readiness().await.status, "failing");
    }

    #[tokio::test]
    async fn checks_are_not_run_for_every_question() {
        let (health, _shutdown) = health();
        health.started();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        health.register("database", Weight::Required, move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<(), String>(()) }
        });
        for _ in 0..20 {
            health.readiness().await;
        }
        assert!(runs.load(Ordering::SeqCst) < 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_fails() {
        let (health, _shutdown) = health();
        health.started();
        health.register(
            "database",
            Weight::Required,
            std::future::pending::<Result<(), String>>,
        );
        let readiness = health.readiness().await;
        assert_eq!(readiness.checks[0].error.as_deref(), Some("no answer within 2 s"));
    }
}
