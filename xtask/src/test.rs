//! `cargo xtask test`: the whole test suite on real servers.

use crate::servers::{self, Addresses, Servers};
use anyhow::Context as _;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};

/// What to clear away when the run ends, however it ends.
#[derive(Default)]
struct Running {
    servers: Option<Servers>,
    /// The process id of `cargo test`.
    tests: Option<u32>,
}

/// Runs `cargo test` with `arguments` on private servers; answers with its exit code.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let running = Arc::new(Mutex::new(Running::default()));
    stop_when_interrupted(Arc::clone(&running))?;
    let addresses = addresses(&running)?;
    let outcome = cargo_test(arguments, &addresses, &running);
    clear(&running);
    outcome
}

/// The servers that the environment names, else those that `servers start` keeps, else a pair for this run alone.
fn addresses(running: &Mutex<Running>) -> anyhow::Result<Addresses> {
    if let Some(given) = Addresses::from_environment()? {
        eprintln!("testing on the servers of HOOKYARD_TEST_POSTGRES and HOOKYARD_TEST_RABBITMQ");
        return Ok(given);
    }
    if let Some(kept) = servers::find_kept()? {
        eprintln!("testing on the servers that `cargo xtask servers start` keeps");
        return Ok(kept);
    }
    let servers = Servers::prepare_for_this_run()?;
    // Known to the handler before they start, so that an interrupted start leaves nothing behind.
    lock(running).servers = Some(servers.clone());
    servers.start()
}

fn cargo_test(
    arguments: &[String],
    addresses: &Addresses,
    running: &Mutex<Running>,
) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("test");
    if !arguments.iter().any(|argument| names_a_package(argument)) {
        command.arg("--workspace");
    }
    command.args(arguments).envs(addresses.variables());
    let mut child = command.spawn().context("cannot run `cargo test`")?;
    lock(running).tests = Some(child.id());
    let status = child.wait().context("cannot wait for `cargo test`")?;
    lock(running).tests = None;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// With `--workspace`, cargo would silently ignore these.
fn names_a_package(argument: &str) -> bool {
    argument.starts_with("-p") || argument.starts_with("--package")
}

/// Ctrl-C, SIGTERM and SIGHUP: stops the tests and the servers, then ends with the shell's code for an interrupt.
fn stop_when_interrupted(running: Arc<Mutex<Running>>) -> anyhow::Result<()> {
    ctrlc::set_handler(move || {
        clear(&running);
        std::process::exit(130);
    })
    .context("cannot listen for Ctrl-C")
}

fn clear(running: &Mutex<Running>) {
    let Running { servers, tests } = std::mem::take(&mut *lock(running));
    if let Some(tests) = tests {
        servers::signal("TERM", &tests.to_string());
    }
    if let Some(servers) = servers {
        servers.stop();
    }
}

fn lock(running: &Mutex<Running>) -> std::sync::MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
