//! The connected parts that every service gets: the ledger and the conveyor, beside the process's own.

use crate::error::Error;
use crate::health::{Health, Weight};
use crate::metrics;
use crate::process::{Process, main_with};
use crate::settings::{self, BrokerUrl, Queues, Settings};
use crate::shutdown::Shutdown;
use crate::tasks::Tasks;
use broker::{Conveyor, QueueKind, RabbitSettings, State};
use std::error::Error as StdError;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use store::{KeyRing, Store};

/// Messages that an in-process queue holds; more are found by sweeps.
const IN_PROCESS_CAPACITY: usize = 10_000;
/// The longest pause between two tries of the ledger.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a schema that is behind is looked at.
const SCHEMA_PAUSE: Duration = Duration::from_secs(5);
/// How often the ledger is asked for its time: clocks that nobody synchronises drift by seconds a day.
const CLOCK_PAUSE: Duration = Duration::from_mins(1);
/// How soon it is asked again when it did not answer.
const CLOCK_RETRY: Duration = Duration::from_secs(1);
/// How far a host's clock may be off without a word.
const APART: Duration = Duration::from_secs(2);

/// A process with its ledger and its conveyor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Platform {
    /// What the operator decided.
    pub settings: Arc<Settings>,
    /// The ledger, with the schema of this release.
    pub store: Store,
    /// The conveyor, connected or not: it reconnects by itself.
    pub conveyor: Conveyor,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// What runs in it.
    pub tasks: Tasks,
    /// How it is.
    pub health: Health,
}

impl Platform {
    /// Connects the ledger and the conveyor, and registers their health.
    ///
    /// Waits as long as it takes for a database that does not answer or whose schema is behind, and says so. A broker
    /// that is down is not waited for. Fails on settings that can never work.
    pub async fn connect(process: Process) -> Result<Self, Error> {
        let conveyor = conveyor(&process.settings.broker, process.health.program())?;
        look_after(&conveyor, &process.tasks);
        let store = ledger(&process.settings.database, &process.settings.secrets).await?;
        metrics::observe_pool(store.pool());
        schema(&store, &process.settings.database).await?;

        let Process {
            settings,
            shutdown,
            tasks,
            health,
        } = process;
        // Before the first lease; the ledger has answered just now.
        let asked = store.set_clock().await;
        tasks.spawn("ledger.clock", keep_time(asked, store.clone(), shutdown.clone()));
        let pinged = store.clone();
        health.register("database", Weight::Required, move || {
            let store = pinged.clone();
            async move { store.ping().await }
        });
        let watched = conveyor.clone();
        health.register("conveyor", Weight::Degrades, move || {
            std::future::ready(moves(&watched.state()))
        });
        Ok(Self {
            settings,
            store,
            conveyor,
            shutdown,
            tasks,
            health,
        })
    }
}

/// Follows the ledger's clock, by which leases are measured, after it was `asked` for the first time.
async fn keep_time(mut asked: Result<i64, store::Error>, store: Store, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    let mut was_apart = false;
    loop {
        let mut pause = CLOCK_PAUSE;
        match asked {
            Ok(behind) => {
                let is_apart = Duration::from_micros(behind.unsigned_abs()) > APART;
                if is_apart && !was_apart {
                    tracing::warn!(
                        behind_ms = behind / 1_000,
                        "this host's clock is not the ledger's; leases go by the ledger's, but times that are shown and \
                         signatures go by this one: is it synchronised?"
                    );
                }
                was_apart = is_apart;
            }
            Err(error) => {
                tracing::debug!(
                    error.chain = &error as &dyn StdError,
                    "the ledger did not tell its time"
                );
                pause = CLOCK_RETRY;
            }
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        asked = store.set_clock().await;
    }
}

/// The whole `main` of a service: reads `--config` and the environment, connects, calls `start`, and runs until a signal
/// or a failed task. See [`crate::run`].
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     hookyard_boot::main_of("hookyard-router", async |platform| {
///         let stopping = platform.shutdown.stopping();
///         platform.tasks.spawn("router.sweep", async move { stopping.cancelled().await });
///         Ok::<(), std::convert::Infallible>(())
///     })
/// }
/// ```
pub fn main_of<E>(program: &'static str, start: impl AsyncFnOnce(Platform) -> Result<(), E>) -> ExitCode
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    main_with(program, async move |process| {
        if matches!(process.settings.broker.url, BrokerUrl::InProcess) {
            tracing::warn!(
                "broker.url is `in-process` in a process of one role: the other roles find its work by sweeps only"
            );
        }
        let platform = Platform::connect(process).await?;
        start(platform).await.map_err(Into::into)
    })
}

/// Puts a conveyor together; over RabbitMQ it connects by itself, and goes on trying. Needs a runtime.
///
/// `program` is what the broker's own pages call this process.
pub fn conveyor(settings: &settings::Broker, program: &str) -> Result<Conveyor, Error> {
    match &settings.url {
        BrokerUrl::InProcess => Ok(Conveyor::in_process(IN_PROCESS_CAPACITY)),
        BrokerUrl::Rabbit(url) => {
            let certificates = settings.certificates()?;
            let rabbit = RabbitSettings {
                certificates,
                queues: match settings.queues {
                    Queues::Classic => QueueKind::Classic,
                    Queues::Quorum => QueueKind::Quorum,
                },
                queue_expiry: settings.queue_expiry,
                namespace: settings.namespace.clone(),
                client: format!("{program} {}", std::process::id()),
                ..RabbitSettings::new(url.clone())
            };
            Conveyor::rabbit(&rabbit).map_err(Error::Conveyor)
        }
    }
}

/// Has a conveyor counted, and closed after everything that uses it.
fn look_after(conveyor: &Conveyor, tasks: &Tasks) {
    let counted = conveyor.clone();
    metrics::observe_conveyor(move || counted.counts());
    let closed = conveyor.clone();
    tasks.close_at_end("the conveyor", async move { closed.close().await });
}

/// Opens the ledger, however long it takes to answer.
pub async fn ledger(database: &settings::Database, secrets: &settings::Secrets) -> Result<Store, Error> {
    let url = database.required_url()?;
    let keyring = KeyRing::parse(secrets.required_master_keys()?).map_err(Error::MasterKeys)?;
    let mut pause = Duration::from_secs(1);
    loop {
        let settings = store::Settings {
            url: url.clone(),
            max_connections: database.max_connections.get(),
            acquire_timeout: database.acquire_timeout,
        };
        match Store::connect(settings, keyring.clone()).await {
            Ok(store) => return Ok(store),
            Err(error) if error.is_transient() => {
                let place = database.place();
                tracing::warn!(
                    error.chain = &error as &dyn StdError,
                    "{place} does not answer; trying again in {} s",
                    pause.as_secs()
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(Error::Ledger(error)),
        }
    }
}

/// Returns when the ledger has the schema of this release: by migrating, if that is our job, or by waiting.
async fn schema(store: &Store, database: &settings::Database) -> Result<(), Error> {
    // A file belongs to one process, so nobody else would.
    if database.migrate || store.kind() == "sqlite" {
        let done = store.migrate().await.map_err(Error::Ledger)?;
        if !done.is_empty() {
            tracing::info!("migrated {}: {}", database.place(), done.join(", "));
        }
        return Ok(());
    }
    loop {
        match store.pending_migrations().await {
            Ok(pending) if pending.is_empty() => return Ok(()),
            Ok(pending) => tracing::warn!(
                "{} lacks {} migrations of this release ({} …): run `hookyard migrate`; looking again in {} s",
                database.place(),
                pending.len(),
                pending.first().map_or("", String::as_str),
                SCHEMA_PAUSE.as_secs()
            ),
            Err(error) if error.is_transient() => tracing::warn!(
                error.chain = &error as &dyn StdError,
                "{} does not answer; looking again in {} s",
                database.place(),
                SCHEMA_PAUSE.as_secs()
            ),
            Err(error) => return Err(Error::Ledger(error)),
        }
        tokio::time::sleep(SCHEMA_PAUSE).await;
    }
}

fn moves(state: &State) -> Result<(), String> {
    match state {
        State::Connected => Ok(()),
        State::Blocked => Err("the broker takes no messages until it has memory and disk again".to_owned()),
        State::Connecting { since, error } => {
            let cause = error
                .as_deref()
                .map_or_else(String::new, |error| format!(": {}", crate::report(error)));
            Err(format!("no connection since {since}{cause}"))
        }
        State::Closed => Err("closed".to_owned()),
    }
}
