//! `hookyard recover` and what it takes.

use super::{Connection, PageOf};
use clap::{Args, Subcommand};

/// `hookyard recover`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example: hookyard recover --endpoint billing --error-kind timeout --rate 50\n\nFirst `--dry-run` says how many \
    there are. A recovery goes on without this command, over restarts of the yard; `hookyard recover watch` looks at it again."
)]
pub struct Recover {
    /// Something else than to begin one.
    #[command(subcommand)]
    pub other: Option<OneRecovery>,
    /// Which deliveries, and how fast.
    #[command(flatten)]
    pub wanted: Wanted,
    /// Show how many there are, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not stay until it is done.
    #[arg(long)]
    pub detach: bool,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// Which deliveries are sent again, and how fast.
#[derive(Debug, Clone, Args)]
pub struct Wanted {
    /// Only to this endpoint (its slug or id).
    #[arg(long, value_name = "ENDPOINT")]
    pub endpoint: Option<String>,
    /// In this state: dead_letter or failed. May be repeated.
    #[arg(long = "status", value_name = "STATE", default_value = "dead_letter")]
    pub statuses: Vec<String>,
    /// Only those whose last attempt failed so, such as timeout or http_status.
    #[arg(long, value_name = "KIND")]
    pub error_kind: Option<String>,
    /// Only those of event types that match this pattern, such as payment.*
    #[arg(long = "type", value_name = "PATTERN")]
    pub event_type: Option<String>,
    /// Only those of events that came at this time or later, such as 2026-11-29T10:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only those of events that came before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// How many are sent again in a second at the most.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rate: u32,
}

/// What can be asked of recoveries.
#[derive(Debug, Clone, Subcommand)]
pub enum OneRecovery {
    /// List them, newest first.
    List {
        /// Which page.
        #[command(flatten)]
        page: PageOf,
        /// How to reach the management API.
        #[command(flatten)]
        connection: Connection,
    },
    /// Show how far one is.
    Show(TheRecovery),
    /// Stay until one is done.
    Watch(TheRecovery),
    /// Hold one.
    Pause(TheRecovery),
    /// Have a paused one go on where it was.
    Resume(TheRecovery),
    /// End one; what it has sent again stays on its way.
    Cancel(TheRecovery),
}

/// A recovery, and where it is.
#[derive(Debug, Clone, Args)]
pub struct TheRecovery {
    /// rec_…
    pub recovery: String,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}
