//! What can be typed about playbooks and runs.

use super::{Connection, PageOf};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `hookyard playbook`
#[derive(Debug, Clone, Subcommand)]
pub enum Playbook {
    /// Check playbooks' files, and point at what is wrong. Needs no server.
    #[command(after_help = "The exit code is 0 when all of them can be saved, 1 when one cannot.")]
    Check(Check),
    /// Run playbooks against the cases beside them, with mocked calls and a time that costs none. Needs no server.
    #[command(
        after_help = "The cases of order.yaml are in order.test.yaml; docs/playbooks.md has their form. The exit code is 0 \
        when all of them pass, 1 when one does not."
    )]
    Test(Test),
    /// List the workspace's playbooks.
    List {
        /// How to reach the management API.
        #[command(flatten)]
        connection: Connection,
    },
    /// List the versions of a playbook, or print the definition of one.
    Versions(Versions),
    /// Start a run.
    #[command(after_help = "Example: hookyard playbook start hello -d '{\"name\":\"Ada\"}' --watch")]
    Start(Start),
}

/// Where OpenAPI documents are.
#[derive(Debug, Clone, Args)]
pub struct Documents {
    /// A file instead of an OpenAPI document that a playbook calls, as URL=FILE. May be repeated; others are fetched.
    #[arg(long = "openapi", value_name = "URL=FILE")]
    pub openapi: Vec<String>,
}

/// `hookyard playbook check`
#[derive(Debug, Clone, Args)]
pub struct Check {
    /// The files; - reads standard input.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Where OpenAPI documents are.
    #[command(flatten)]
    pub documents: Documents,
}

/// `hookyard playbook test`
#[derive(Debug, Clone, Args)]
pub struct Test {
    /// The playbooks.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Only the cases with this in their name.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Also print the steps of each case.
    #[arg(long)]
    pub steps: bool,
    /// Where OpenAPI documents are.
    #[command(flatten)]
    pub documents: Documents,
}

/// `hookyard playbook versions`
#[derive(Debug, Clone, Args)]
pub struct Versions {
    /// Its slug or id.
    pub playbook: String,
    /// Print this version's definition.
    #[arg(id = "number", value_name = "VERSION")]
    pub version: Option<u32>,
    /// Let new runs begin with that version again.
    #[arg(long, requires = "number")]
    pub activate: bool,
    /// Which page.
    #[command(flatten)]
    pub page: PageOf,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// `hookyard playbook start`
#[derive(Debug, Clone, Args)]
pub struct Start {
    /// Its slug or id.
    pub playbook: String,
    /// The run's input, JSON; @FILE reads a file, @- standard input.
    #[arg(short, long, value_name = "JSON")]
    pub data: Option<String>,
    /// Follow the run to its end, step by step. The exit code is 1 unless it completes.
    #[arg(long)]
    pub watch: bool,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// `hookyard runs`
#[derive(Debug, Clone, Args)]
pub struct Runs {
    /// One run instead of the list.
    #[command(subcommand)]
    pub one: Option<OneRun>,
    /// Which of them.
    #[command(flatten)]
    pub list: RunList,
}

/// Which runs are listed.
#[derive(Debug, Clone, Args)]
pub struct RunList {
    /// Only of this playbook (its slug or id).
    #[arg(long, value_name = "PLAYBOOK")]
    pub playbook: Option<String>,
    /// Only in this state: pending, running, waiting, paused, completed, faulted or cancelled.
    #[arg(long, value_name = "STATE")]
    pub status: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: PageOf,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// Commands on one run.
#[derive(Debug, Clone, Subcommand)]
pub enum OneRun {
    /// List them, newest first, as the command does by itself.
    List(RunList),
    /// Tell a run's story: each step, when, and what came of it.
    Show {
        /// Which.
        #[command(flatten)]
        run: TheRun,
        /// Show what went into each step and came out of it.
        #[arg(long)]
        data: bool,
        /// Follow it to its end. The exit code is 1 unless it completes.
        #[arg(long)]
        watch: bool,
    },
    /// End a run. Calls in flight are given up.
    Cancel(TheRun),
    /// Hold a run. Calls in flight end, and nothing new begins.
    Pause(TheRun),
    /// Let a run that is held go on.
    Resume(TheRun),
    /// Do the step again at which a run faulted.
    Retry {
        /// Which.
        #[command(flatten)]
        run: TheRun,
        /// Whether calls have the idempotency keys that they had: receivers may then answer as they did before.
        #[arg(long, value_enum, default_value_t = KeysOf::Same)]
        keys: KeysOf,
    },
}

/// One run.
#[derive(Debug, Clone, Args)]
pub struct TheRun {
    /// run_…
    pub run: String,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// Idempotency keys of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeysOf {
    /// As before.
    Same,
    /// New ones.
    Fresh,
}

impl KeysOf {
    /// The management API's word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Fresh => "fresh",
        }
    }
}
