//! Measures the yard beside the bare parts it is made of, on the same machine in the same minute.
//!
//! `cargo run --release -p hookyard-bench -- accept` prints how many requests per second are accepted on each ledger, with
//! what latency, and what share that is of a bare actix-web handler that only checks the signature. The programs measured
//! are the release binaries beside this one: `cargo build --release` first.
#![expect(
    clippy::print_stdout,
    reason = "a report on standard output is what this program is for"
)]

mod accept;
mod bare;
mod load;
mod programs;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::time::Duration;

#[derive(Debug, Parser)]
#[command(about = "Measures the yard beside the bare parts it is made of.")]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Requests accepted per second at door 4, on each ledger.
    Accept(AcceptOptions),
    /// Every scenario there is.
    All(AcceptOptions),
    /// The bare handler; started by the others.
    #[command(hide = true)]
    Bare {
        /// The secret that requests are signed with.
        secret: String,
    },
}

/// How hard to push.
#[derive(Debug, Clone, Copy, clap::Args)]
struct AcceptOptions {
    /// Connections that each send one request after the other.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Bytes of a body.
    #[arg(long, default_value_t = 500)]
    body_bytes: usize,
    /// Seconds for each system.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Three seconds for each system.
    #[arg(long)]
    quick: bool,
}

impl AcceptOptions {
    fn duration(self) -> Duration {
        Duration::from_secs(if self.quick { 3 } else { self.seconds })
    }
}

fn main() -> Result<()> {
    match Arguments::parse().scenario {
        Scenario::Bare { secret } => bare::serve(secret),
        Scenario::Accept(options) | Scenario::All(options) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(accept::run(options))
        }
    }
}
