//! Chores that cargo cannot say: `cargo xtask test`, `cargo xtask servers start|stop|env`, `cargo xtask openapi`.
//!
//! Progress goes to standard error, so that what a shell should read (`eval "$(cargo xtask servers start)"`) stands
//! alone on standard output. Nothing here may touch a server, a service or a port that it did not start.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks to its terminal"
)]

mod debian;
mod interrupt;
mod openapi;
mod python;
mod servers;
mod test;

use anyhow::Context as _;
use servers::Purpose;
use std::process::ExitCode;

const USAGE: &str = "\
usage:
  cargo xtask test [ARGS]       start private servers, run `cargo test --workspace ARGS`, stop them
  cargo xtask servers start     start private servers that keep running, print their addresses as shell lines
  cargo xtask servers env       print the addresses of the servers that run
  cargo xtask servers stop      stop them and remove their folder
                                with --durable, each is about another pair, whose Postgres waits for the disk
  cargo xtask openapi           write docs/openapi.json anew, after the API or its description changed

The servers are a Postgres and a RabbitMQ of this checkout alone, on free ports, below target/test-servers.
Where HOOKYARD_TEST_POSTGRES and HOOKYARD_TEST_RABBITMQ are set, `test` uses those servers instead.

`test` also makes a Python environment for the tests that need one, below target/test-python; where
HOOKYARD_TEST_PYTHON names an interpreter, it uses that one.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", ..] => return test::run(arguments.get(1..).unwrap_or_default()),
        ["servers", chore] => return keep_servers(chore, Purpose::Tests),
        ["servers", chore, "--durable"] => return keep_servers(chore, Purpose::Measurements),
        ["openapi"] => openapi::write()?,
        [] | ["help" | "--help" | "-h"] => println!("{USAGE}"),
        _ => return Err(unknown(&words)),
    }
    Ok(ExitCode::SUCCESS)
}

fn keep_servers(chore: &str, purpose: Purpose) -> anyhow::Result<ExitCode> {
    match chore {
        "start" => println!("{}", servers::start_kept(purpose)?.export_lines()),
        "env" => {
            let addresses = servers::find_kept(purpose)?.context(
                "no such servers run in this checkout: start them with `cargo xtask servers start`",
            )?;
            println!("{}", addresses.export_lines());
        }
        "stop" => servers::stop_kept(purpose)?,
        other => return Err(unknown(&["servers", other])),
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(words: &[&str]) -> anyhow::Error {
    anyhow::anyhow!("`cargo xtask {}` is not a chore\n{USAGE}", words.join(" "))
}
