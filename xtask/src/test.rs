//! `cargo xtask test`: the whole test suite on real servers.

use crate::interrupt;
use crate::python;
use crate::servers::{self, Addresses, Purpose, Servers};
use anyhow::Context as _;
use std::process::{Command, ExitCode};

/// What a shell answers for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Runs `cargo test` with `arguments` on private servers; answers with its exit code.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    if let Some(given) = Addresses::from_environment()? {
        eprintln!("testing on the servers of HOOKYARD_TEST_POSTGRES and HOOKYARD_TEST_RABBITMQ");
        return cargo_test(arguments, &given);
    }
    if let Some(kept) = servers::find_kept(Purpose::Tests)? {
        eprintln!("testing on the servers that `cargo xtask servers start` keeps");
        return cargo_test(arguments, &kept);
    }
    let servers = Servers::for_this_run()?;
    let outcome = servers
        .start()
        .and_then(|addresses| cargo_test(arguments, &addresses));
    servers.stop();
    outcome
}

fn cargo_test(arguments: &[String], addresses: &Addresses) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("test");
    if !arguments.iter().any(|argument| names_a_package(argument)) {
        command.arg("--workspace");
    }
    command.args(arguments).envs(addresses.variables());
    if let Some(interpreter) = python::find_or_prepare(&servers::target_folder()?) {
        command.env(python::VARIABLE, interpreter);
    }
    let mut child = command.spawn().context("cannot run `cargo test`")?;
    interrupt::pass_on_to(child.id());
    let status = child.wait().context("cannot wait for `cargo test`")?;
    if interrupt::arrived() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// With `--workspace`, cargo would silently ignore these.
fn names_a_package(argument: &str) -> bool {
    argument.starts_with("-p") || argument.starts_with("--package")
}
