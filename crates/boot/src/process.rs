//! The life of a process, from settings to exit code; the same for a single service and for all roles in one.

use crate::error::Error;
use crate::health::{self, Health};
use crate::settings::{Settings, Sources};
use crate::shutdown::{Cause, Shutdown};
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
use std::error::Error as StdError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// For blocking work that the drain left behind.
const LAST_THREADS: Duration = Duration::from_secs(1);

/// A running process, as the parts that are started in it see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Process {
    /// What the operator decided.
    pub settings: Arc<Settings>,
    /// How it ends.
    pub shutdown: Shutdown,
    /// What runs in it.
    pub tasks: Tasks,
    /// How it is.
    pub health: Health,
}

impl Process {
    /// A process that has not begun: for [`run`], and for tests that drive one by hand.
    pub fn new(program: &'static str, settings: Settings) -> Self {
        let shutdown = Shutdown::new(settings.shutdown);
        Self {
            tasks: Tasks::new(shutdown.clone()),
            health: Health::new(program, shutdown.clone()),
            settings: Arc::new(settings),
            shutdown,
        }
    }

    /// Waits for the end to begin, then goes through its phases. Returns the cause.
    pub async fn end(&self) -> Cause {
        let cause = self.shutdown.begun().await;
        tracing::info!("ending, because of {cause}");
        self.shutdown.stop().await;
        let unfinished = self.tasks.drain().await;
        if !unfinished.is_empty() {
            let tasks = unfinished.join(", ");
            tracing::warn!(
                tasks,
                "not everything finished in time; what it held is picked up again from the ledger"
            );
        }
        self.tasks.close().await;
        cause
    }
}

/// What every service takes on its command line.
#[derive(Debug, clap::Parser)]
#[command(
    version,
    about = "One role of Hookyard, a self-hosted webhook platform.",
    after_help = "Every setting can also come from the environment: HOOKYARD__SECTION__KEY. config/default.toml lists them."
)]
struct Arguments {
    /// A TOML file with settings that differ from the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The whole `main` of a service without a ledger: reads `--config` and the environment, then [`run`]s.
pub fn main_with<E>(program: &'static str, start: impl AsyncFnOnce(Process) -> Result<(), E>) -> ExitCode
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    use clap::{CommandFactory as _, FromArgMatches as _};

    let matches = Arguments::command().name(program).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match Sources::from_process(arguments.config.as_deref()).load() {
        Ok(settings) => run(program, settings, start),
        Err(error) => refuse(program, &error),
    }
}

/// Runs a process: telemetry, signals and health first, then `start`, then until something begins the end.
///
/// `start` spawns the service's tasks and returns; readiness comes with its return. A signal drops it, so it may wait as
/// long as it must, for a database say. The exit code is 0 after a signal or a request to end, 1 after a failure, 2 when
/// the settings are refused.
pub fn run<E>(
    program: &'static str,
    settings: Settings,
    start: impl AsyncFnOnce(Process) -> Result<(), E>,
) -> ExitCode
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    // One provider for all TLS of the process. A test may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let telemetry = match Telemetry::start(&settings, program) {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse(program, &error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name(program)
        .build();
    let ended = runtime.map_err(Error::Runtime).and_then(|runtime| {
        let ended = runtime.block_on(Box::pin(live(Process::new(program, settings), start)));
        runtime.shutdown_timeout(LAST_THREADS);
        ended
    });
    let code = match ended {
        Ok(cause) if cause.is_orderly() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(error.chain = &error as &dyn StdError, "{program} did not start");
            ExitCode::FAILURE
        }
    };
    telemetry.finish();
    code
}

async fn live<E>(process: Process, start: impl AsyncFnOnce(Process) -> Result<(), E>) -> Result<Cause, Error>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let Process {
        settings,
        shutdown,
        health,
        ..
    } = &process;
    shutdown.listen_for_signals().map_err(Error::Runtime)?;
    health.watch_runtime();
    let end_of_health = CancellationToken::new();
    health::serve(settings.health.listen, health, &end_of_health)?;

    tokio::select! {
        _ = shutdown.begun() => {}
        started = start(process.clone()) => match started {
            Ok(()) => {
                health.started();
                tracing::info!(service.version = crate::VERSION, "ready");
            }
            Err(error) => {
                let error = error.into();
                tracing::error!(error.chain = error.as_ref() as &dyn StdError, "the start failed");
                shutdown.begin(Cause::StartFailed);
            }
        },
    }
    let cause = process.end().await;
    end_of_health.cancel();
    Ok(cause)
}

/// Before there are logs: a line for the person who started the program.
#[expect(clippy::print_stderr, reason = "there is no log yet, or it is what failed")]
fn refuse(program: &str, error: &Error) -> ExitCode {
    eprintln!("{program}: {}", crate::report(error));
    ExitCode::from(2)
}
