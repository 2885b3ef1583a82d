//! `hookyard playbook`: what is done with playbooks, in their files and on a server.

mod check;
mod definition;
mod served;
mod test;

use crate::arguments::Playbook;
use crate::screen::Screen;
use std::process::ExitCode;

pub(crate) async fn run(command: Playbook, screen: Screen) -> anyhow::Result<ExitCode> {
    match command {
        Playbook::Check(options) => check::run(options, screen).await,
        Playbook::Test(options) => test::run(options, screen).await,
        Playbook::List { connection } => served::list(&connection, screen).await,
        Playbook::Versions(options) => served::versions(options, screen).await,
        Playbook::Start(options) => served::start(options, screen).await,
    }
}
