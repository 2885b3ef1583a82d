//! What can be typed: every command, its options and their help.
//!
//! Nothing is decided here; the commands read these types. Options that name a server or a secret can come from the
//! environment as well, so that no token has to stand in a shell's history.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help that is printed, where backticks would only be noise"
)]

mod config;
mod listen;
mod playbooks;
mod recover;

pub use config::Config;
pub use listen::Listen;

pub use playbooks::{
    Check, Documents, KeysOf, OneRun, Playbook, RunList, Runs, Start, Test, TheRun, Versions,
};

pub use recover::{OneRecovery, Recover, TheRecovery, Wanted};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A self-hosted webhook platform: verify, record once, route, deliver.
#[derive(Debug, Parser)]
#[command(name = "hookyard", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Try `hookyard dev`: the whole platform in one process, with a demo and the curl lines to paste."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole platform in this process, on a file, with a demo at its first start.
    Dev(Dev),
    /// Bring the configured database's schema up to date.
    Migrate(Migrate),
    /// Make a workspace what a YAML file says.
    Apply(Apply),
    /// Send a signed test event to a source, as its provider would.
    Send(Box<Send>),
    /// Follow events and deliveries as they happen.
    Tail(Tail),
    /// Post new events to a local server as they come, or show them whole.
    Listen(Listen),
    /// List recorded events, or show one.
    #[command(args_conflicts_with_subcommands = true)]
    Events(Events),
    /// List deliveries, or show one.
    #[command(args_conflicts_with_subcommands = true)]
    Deliveries(Deliveries),
    /// List requests that were refused at a door, with the reason; show one, or let it in.
    #[command(args_conflicts_with_subcommands = true)]
    Rejections(Rejections),
    /// Check, test, list and start playbooks.
    #[command(subcommand, visible_alias = "playbooks")]
    Playbook(Playbook),
    /// List the runs of playbooks, show one, or have a say in it.
    #[command(args_conflicts_with_subcommands = true)]
    Runs(Runs),
    /// List endpoints, see what keeps one's deliveries, hold them, and let them go.
    #[command(subcommand)]
    Endpoints(crate::commands::endpoints::Endpoints),
    /// Deliver an event again, as a new delivery with the same webhook-id; or show what today's rules would send instead.
    Replay(Replay),
    /// Send again what failed, at a pace and behind fresh traffic; watch, hold or end that.
    #[command(args_conflicts_with_subcommands = true)]
    Recover(Box<Recover>),
    /// Try a delivery again now; its attempts go on counting.
    Retry(Retry),
    /// Look for what keeps an installation from working.
    Doctor(Doctor),
    /// Check a request's signature as a source would, and say why.
    Verify(crate::verify::Arguments),
    /// Show the settings and where each comes from, check them, or print their JSON Schema.
    #[command(subcommand)]
    Config(Config),
    /// Make master keys, and rotate them.
    #[command(subcommand)]
    Keys(Keys),
    /// Print what all doors and the management API take and answer, as OpenAPI 3.1.
    Openapi,
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `hookyard dev`
#[derive(Debug, Clone, Args)]
pub struct Dev {
    /// Where everything listens: doors, management API, health pages [default: gateway.listen, 127.0.0.1:8080]. Port 0
    /// takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where the ledger and the keys are kept.
    #[arg(long, value_name = "DIR", default_value = "hookyard-data")]
    pub data: PathBuf,
    /// Make a workspace what this YAML file says, before the doors count as open. No demo is made then.
    #[arg(long, value_name = "FILE")]
    pub apply: Option<PathBuf>,
    /// A TOML file with settings that differ from the defaults.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the address alone.
    #[arg(long)]
    pub quiet: bool,
}

/// Where the settings come from.
#[derive(Debug, Clone, Args)]
pub struct SettingsFrom {
    /// A TOML file with settings that differ from the defaults; HOOKYARD__SECTION__KEY overrules it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `hookyard migrate`
#[derive(Debug, Clone, Args)]
pub struct Migrate {
    /// Where the settings come from.
    #[command(flatten)]
    pub settings: SettingsFrom,
    /// How long to wait for a database that does not answer yet.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = wire::resource::duration::parse)]
    pub wait: std::time::Duration,
}

/// How to reach the management API.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// Where the management API is, such as http://127.0.0.1:8080.
    #[arg(long, value_name = "URL", env = "HOOKYARD_URL", help_heading = "Connection")]
    pub url: Option<String>,
    /// A management token (nhm_…).
    #[arg(
        long,
        value_name = "TOKEN",
        env = "HOOKYARD_TOKEN",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub token: Option<String>,
    /// The workspace's slug or id [default: the token's own].
    #[arg(
        long,
        value_name = "WORKSPACE",
        env = "HOOKYARD_WORKSPACE",
        help_heading = "Connection"
    )]
    pub workspace: Option<String>,
}

/// `hookyard apply`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "With a URL the change is made through the management API. Without one it is written straight \
    into the configured database, which is how the first workspace comes to be."
)]
pub struct Apply {
    /// The YAML file; - reads standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Show the difference and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what the file does not have.
    #[arg(long)]
    pub prune: bool,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
    /// Where the settings come from, when the database is written directly.
    #[command(flatten)]
    pub settings: SettingsFrom,
}

/// `hookyard send`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example: hookyard send http://127.0.0.1:8080/ingest/src_… --as github --type push -d '{\"ref\":\"refs/heads/main\"}'"
)]
pub struct Send {
    /// A door's URL, or a source's slug (its URL is then asked of the management API).
    pub to: String,
    /// Who signs: decides headers and signature. Without it nothing is signed.
    #[arg(long = "as", value_name = "PROVIDER")]
    pub provider: Option<Provider>,
    /// The signing secret that the source was given.
    #[arg(
        long,
        value_name = "SECRET",
        env = "HOOKYARD_SEND_SECRET",
        hide_env_values = true
    )]
    pub secret: Option<String>,
    /// The event type, where the provider puts it.
    #[arg(long = "type", value_name = "TYPE", default_value = "test.event")]
    pub event_type: String,
    /// The event's id, which it is deduped by. Without it each request has a fresh one.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// The body; @FILE reads a file, @- standard input. Without it, a small one with the id and the type where the
    /// provider puts them.
    #[arg(short, long, value_name = "BODY")]
    pub data: Option<String>,
    /// A further header, as Name: value. May be repeated.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// How often to send; each with an id of its own unless --id is given.
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// How many requests may be under way at once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,
    /// Where the doors are, when a slug was given and they are not beside the management API: a gateway's URL.
    #[arg(long, value_name = "URL", env = "HOOKYARD_GATEWAY")]
    pub gateway: Option<String>,
    /// How to reach the management API, when a slug was given.
    #[command(flatten)]
    pub connection: Connection,
}

/// Senders that `hookyard send` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// X-Hub-Signature-256 over the body.
    Github,
    /// Stripe-Signature over the time and the body.
    Stripe,
    /// X-Slack-Signature over the time and the body.
    Slack,
    /// X-Shopify-Hmac-Sha256 over the body, in base64.
    Shopify,
    /// webhook-signature over id, time and body.
    StandardWebhooks,
}

impl Provider {
    /// Who signs as this provider does.
    pub(crate) const fn sender(self) -> signature::Sender {
        match self {
            Self::Github => signature::Sender::Github,
            Self::Stripe => signature::Sender::Stripe,
            Self::Slack => signature::Sender::Slack,
            Self::Shopify => signature::Sender::Shopify,
            Self::StandardWebhooks => signature::Sender::StandardWebhooks,
        }
    }
}

/// `hookyard tail`
#[derive(Debug, Clone, Args)]
pub struct Tail {
    /// Also print what happened lately: this many events.
    #[arg(short = 'n', long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=100))]
    pub lines: u16,
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = wire::resource::duration::parse)]
    pub every: std::time::Duration,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// Which page of a list.
#[derive(Debug, Clone, Args)]
pub struct PageOf {
    /// How many at most.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub limit: u16,
    /// Where an earlier list ended (its nextCursor).
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// `hookyard events`
#[derive(Debug, Clone, Args)]
pub struct Events {
    /// One event instead of the list.
    #[command(subcommand)]
    pub one: Option<OneEvent>,
    /// Only of this source (its slug).
    #[arg(long, value_name = "SLUG")]
    pub source: Option<String>,
    /// Only of this event type.
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Only in this state: accepted, routed or quarantined.
    #[arg(long, value_name = "STATE")]
    pub status: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: PageOf,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// Commands on one event.
#[derive(Debug, Clone, Subcommand)]
pub enum OneEvent {
    /// Tell an event's story: what came, each route's decision, every delivery and its attempts.
    Show {
        /// msg_…
        event: String,
        /// Show headers and body too.
        #[arg(long)]
        payload: bool,
        /// How to reach the management API.
        #[command(flatten)]
        connection: Connection,
    },
}

/// `hookyard deliveries`
#[derive(Debug, Clone, Args)]
pub struct Deliveries {
    /// One delivery instead of the list.
    #[command(subcommand)]
    pub one: Option<OneDelivery>,
    /// Only to this endpoint (ep_…).
    #[arg(long, value_name = "ENDPOINT")]
    pub endpoint: Option<String>,
    /// Only of this event (msg_…).
    #[arg(long, value_name = "EVENT")]
    pub event: Option<String>,
    /// Only in this state: pending, delivering, scheduled_retry, delivered, dead_letter, failed or skipped.
    #[arg(long, value_name = "STATE")]
    pub status: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: PageOf,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// Commands on one delivery.
#[derive(Debug, Clone, Subcommand)]
pub enum OneDelivery {
    /// Show a delivery with each of its attempts and the receiver's answers.
    Show {
        /// del_…
        delivery: String,
        /// How to reach the management API.
        #[command(flatten)]
        connection: Connection,
    },
}

/// `hookyard rejections`
#[derive(Debug, Clone, Args)]
pub struct Rejections {
    /// One rejection instead of the list.
    #[command(subcommand)]
    pub one: Option<OneRejection>,
    /// Which of them.
    #[command(flatten)]
    pub list: RejectionList,
}

/// Which rejections are listed.
#[derive(Debug, Clone, Args)]
pub struct RejectionList {
    /// Only of this source (its slug).
    #[arg(long, value_name = "SLUG")]
    pub source: Option<String>,
    /// Only for this cause, such as signature_mismatch or unknown_sender.
    #[arg(long, value_name = "CAUSE")]
    pub cause: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: PageOf,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// What can be asked of rejections.
#[derive(Debug, Clone, Subcommand)]
pub enum OneRejection {
    /// List them, newest first, as the command does by itself.
    List(RejectionList),
    /// Show what was refused and why.
    Show {
        /// rej_…
        rejection: String,
        /// How to reach the management API.
        #[command(flatten)]
        connection: Connection,
    },
    /// Send it through its door again, once the secret or the contact is mended.
    #[command(
        after_help = "The request is judged by today's settings and secrets, but by the clock of its arrival. What its \
        door would still refuse stays refused."
    )]
    Accept {
        /// rej_…
        rejection: String,
        /// How to reach the management API.
        #[command(flatten)]
        connection: Connection,
    },
}

/// `hookyard replay`
#[derive(Debug, Clone, Args)]
pub struct Replay {
    /// An event (msg_…) or a delivery (del_…).
    pub id: String,
    /// What is sent.
    #[arg(long, value_name = "MODE", default_value = "as-delivered")]
    pub mode: ReplayMode,
    /// Only to this endpoint (ep_…). May be repeated.
    #[arg(long = "endpoint", value_name = "ENDPOINT")]
    pub endpoints: Vec<String>,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// What a replay sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplayMode {
    /// The same bytes to the same endpoints.
    #[value(alias = "as_delivered")]
    AsDelivered,
    /// What today's rules make of the event.
    Current,
    /// Nothing: both are shown side by side.
    Diff,
}

impl ReplayMode {
    /// The management API's word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AsDelivered => "as_delivered",
            Self::Current => "current",
            Self::Diff => "diff",
        }
    }
}

/// `hookyard retry`
#[derive(Debug, Clone, Args)]
pub struct Retry {
    /// del_…
    pub delivery: String,
    /// How to reach the management API.
    #[command(flatten)]
    pub connection: Connection,
}

/// `hookyard doctor`
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// Where the settings come from.
    #[command(flatten)]
    pub settings: SettingsFrom,
    /// A platform that runs, to be asked instead.
    #[command(flatten)]
    pub connection: Connection,
}

/// `hookyard keys`
#[derive(Debug, Clone, Subcommand)]
pub enum Keys {
    /// Make a master key for HOOKYARD__SECRETS__MASTER_KEYS.
    Generate {
        /// The key's name, by which secrets remember what they are sealed with.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
    /// Say how many secrets of the ledger each master key holds.
    Status(SettingsFrom),
    /// Seal every secret of the ledger under the first master key, so that the others can be retired.
    ///
    /// To rotate: put the new key before the old one, restart every service with both, run this, and take the old key out
    /// once `hookyard keys status` says that it holds nothing. Safe to interrupt and to repeat.
    Reseal(SettingsFrom),
}
