//! `hookyard dev`: every role in one process, on a file, behind one port.
//!
//! # Theory of operation
//!
//! The data folder is locked, the port is tried, and then the roles start as they do in processes of their own, only with
//! other settings: an SQLite ledger in the folder, a conveyor of channels, loopback open for deliveries. What is to be
//! applied is applied before `/readyz` says 200. At the first start with nothing to apply, a demo is.
//!
//! The defaults below are the program's own: a settings file and the environment overrule them, so the same command also
//! runs all roles on a Postgres.

mod banner;
mod data;
mod demo;
mod plan;
mod receiver;
mod roles;

pub use data::Error as DataError;
pub use demo::Demo;

use crate::arguments;
use crate::commands::{applied_text, failed};
use crate::screen::Screen;
use banner::Banner;
use boot::shutdown::Cause;
use boot::{Process, Settings};
use console::apply::Applied;
use plan::Plan;
use std::error::Error as StdError;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// The name of this program in logs, traces and on health pages.
const PROGRAM: &str = "hookyard";

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything listens; absent: `gateway.listen`, which is 127.0.0.1:8080 here. Port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// Where the ledger and the keys are kept.
    pub data: PathBuf,
    /// A file to make a workspace of.
    pub apply: Option<PathBuf>,
    /// A TOML file with settings.
    pub config: Option<PathBuf>,
    /// Where jq is evaluated. By default in this very program, which must then begin its `main` with
    /// [`expression::worker::run_if_requested`].
    pub jail: expression::Options,
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The settings are refused.
    #[error("the settings are refused")]
    Settings(#[source] boot::Error),
    /// Something else listens there.
    #[error(
        "{address} is in use by another program; choose another address with --listen, such as --listen 127.0.0.1:0 for any free port"
    )]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// Nothing can listen there.
    #[error("cannot listen on {address}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The file to apply cannot be read.
    #[error("{path} cannot be read (--apply)", path = path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file to apply is refused.
    #[error("{path} was not applied", path = path.display())]
    Apply {
        /// The file.
        path: PathBuf,
        /// Every problem there is.
        source: Box<console::Error>,
    },
    /// The demo could not be made or found again.
    #[error("the demo cannot be set up")]
    Demo(#[source] Box<console::Error>),
    /// A role did not start.
    #[error("{role} did not start")]
    Role {
        /// Which.
        role: &'static str,
        /// Why not.
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// A running platform.
#[derive(Debug)]
pub struct Dev {
    /// Where everything listens.
    pub address: SocketAddr,
    /// The same as a URL, without a slash at its end.
    pub url: String,
    /// The demo's secrets, if there is a demo.
    pub demo: Option<Demo>,
    /// What was applied, with the secrets that were made for it.
    pub applied: Option<Applied>,
    process: Process,
    folder: PathBuf,
}

impl Dev {
    /// Starts everything in this process, and returns when it is ready. For tests: the program itself also handles
    /// signals, and logs.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        let plan = Plan::make(options)?;
        let dev = plan.carry_out(None).await?;
        dev.process.health.started();
        Ok(dev)
    }

    /// Stops taking anything, finishes what is held, and returns. The data folder is free then.
    pub async fn stop(self) -> Cause {
        self.process.shutdown.begin(Cause::Requested);
        self.process.end().await
    }

    fn settings(&self) -> &Settings {
        &self.process.settings
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

/// `hookyard dev`
pub(crate) fn run(arguments: arguments::Dev, screen: Screen) -> ExitCode {
    let began = Instant::now();
    let arguments::Dev {
        listen,
        data,
        apply,
        config,
        quiet,
    } = arguments;
    let options = Options {
        listen,
        data,
        apply,
        config,
        jail: expression::Options::default(),
    };
    let plan = match Plan::make(&options) {
        Ok(plan) => plan,
        Err(error) => return refused(error, screen),
    };
    boot::run(PROGRAM, plan.settings.clone(), async move |process: Process| {
        let health = process.health.clone();
        let dev = plan.carry_out(Some(process)).await.inspect_err(list_problems)?;
        // Before the banner: its lines must work when they are pasted.
        health.started();
        // Nobody may read it, which is no reason to end.
        let _ = announce(&dev, screen, quiet, began);
        Ok::<(), Error>(())
    })
}

/// Says why nothing was started. Settings that cannot be understood are a mistake in how the program is called.
fn refused(error: Error, screen: Screen) -> ExitCode {
    let is_usage = matches!(error, Error::Settings(_));
    let code = failed(&error.into(), screen);
    if is_usage { ExitCode::from(2) } else { code }
}

fn announce(dev: &Dev, screen: Screen, quiet: bool, began: Instant) -> io::Result<()> {
    let banner = Banner::of(dev, began.elapsed());
    if quiet && !screen.json {
        if let Some(applied) = dev
            .applied
            .as_ref()
            .filter(|applied| !applied.generated.is_empty())
        {
            screen.note(applied_text(applied));
        }
        return screen.show(&dev.url, Clone::clone);
    }
    screen.show(&banner, Banner::text)
}

/// What is wrong with the file to apply, a line each. The log has only a summary.
fn list_problems(error: &Error) {
    let Error::Apply { source, .. } = error else {
        return;
    };
    let console::Error::Invalid(problems) = source.as_ref() else {
        return;
    };
    for problem in problems {
        // Where nobody listens there is nothing to say.
        let _ = writeln!(anstream::stderr(), "{problem}");
    }
}
