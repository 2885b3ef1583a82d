//! One module per command. Each takes its arguments, does one thing, and prints what came of it.

mod apply;
mod config;
mod deliveries;
mod doctor;
pub(crate) mod endpoints;
mod events;
mod keys;
mod listen;
mod migrate;
mod openapi;
mod playbooks;
mod recover;
mod rejections;
mod replay;
mod runs;
mod send;
mod tail;
mod watch;

use crate::arguments::{Arguments, Command};
use crate::screen::{BAD, Screen, styled};
use crate::{api, dev, verify};
use clap::CommandFactory as _;
use console::Problem;
use serde_json::json;
use std::future::Future;
use std::io::{self, Write as _};
use std::process::ExitCode;

pub(crate) use apply::{applied_text, folder_of, variables};
pub(crate) use keys::master_key;

/// Does what was typed. The exit code is 0 when it is done, 1 when it failed, 2 when it cannot be understood.
pub fn run(arguments: Arguments) -> ExitCode {
    let screen = Screen { json: arguments.json };
    let done = match arguments.command {
        Command::Dev(options) => return dev::run(options, screen),
        Command::Verify(options) => return verify::run(&options, screen),
        Command::Completions { shell } => completions(shell),
        Command::Config(command) => config::run(command, screen),
        Command::Openapi => openapi::run().map(Done::exit_code),
        Command::Keys(options) => block_on(keys::run(options, screen)),
        Command::Migrate(options) => block_on(migrate::run(options, screen)),
        Command::Apply(options) => block_on(apply::run(options, screen)),
        Command::Send(options) => block_on(send::run(*options, screen)),
        Command::Tail(options) => block_on(tail::run(options, screen)),
        Command::Listen(options) => block_on(listen::run(options, screen)),
        Command::Events(options) => block_on(events::run(options, screen)),
        Command::Deliveries(options) => block_on(deliveries::run(options, screen)),
        Command::Rejections(options) => block_on(rejections::run(options, screen)),
        Command::Runs(options) => block_on(runs::run(options, screen)),
        Command::Playbook(command) => block_on(playbooks::run(command, screen)),
        Command::Endpoints(command) => block_on(endpoints::run(command, screen)),
        Command::Replay(options) => block_on(replay::run(options, screen)),
        Command::Recover(options) => block_on(recover::run(*options, screen)),
        Command::Retry(options) => block_on(deliveries::retry(options, screen)),
        Command::Doctor(options) => block_on(doctor::run(options, screen)),
    };
    done.unwrap_or_else(|error| failed(&error, screen))
}

/// What a command's success can be.
trait Done {
    fn exit_code(self) -> ExitCode;
}

impl Done for () {
    fn exit_code(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl Done for ExitCode {
    fn exit_code(self) -> ExitCode {
        self
    }
}

fn block_on<D: Done>(command: impl Future<Output = anyhow::Result<D>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(Box::pin(command)).map(Done::exit_code)
}

/// A reader that has seen enough (`| head`) is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Says what went wrong on standard error: for people as text, for programs as JSON. What is wrong with a document is
/// listed, a line each, as `path: message`.
pub(crate) fn failed(error: &anyhow::Error, screen: Screen) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let problems = problems_of(error);
    let mut message: Vec<String> = error.chain().map(ToString::to_string).collect();
    if !problems.is_empty() && message.len() > 1 {
        // The last says the same as the list.
        message.pop();
    }
    let message = message.join(": ");
    let mut stderr = anstream::stderr();
    // Where nobody listens there is nothing to say.
    if screen.json {
        let _ = writeln!(
            stderr,
            "{}",
            json!({"error": {"message": message, "details": problems}})
        );
        return ExitCode::FAILURE;
    }
    let _ = writeln!(stderr, "{} {message}", styled(BAD, "error:"));
    for problem in problems {
        let _ = writeln!(stderr, "{problem}");
    }
    ExitCode::FAILURE
}

/// Everything that is wrong with a document, whoever found it out.
fn problems_of(error: &anyhow::Error) -> &[Problem] {
    if let Some(api::Error::Refused { problems, .. }) = error.downcast_ref() {
        return problems;
    }
    match error.downcast_ref() {
        Some(console::Error::Invalid(problems)) => problems,
        _ => &[],
    }
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "hookyard", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
