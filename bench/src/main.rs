//! Measures the yard beside the bare parts it is made of, on the same machine in the same minute.
//!
//! `cargo run --release -p hookyard-bench -- all` measures everything and writes `docs/performance.md`; with the name of a
//! scenario, only that is measured and printed. What is measured are the release programs beside this one, as processes of
//! their own: `cargo build --release` first. The Postgres waits for the disk, as it does where it is used.
//!
//! # What it must never do
//!
//! Look inside the yard: it knows what senders, receivers and operators know, the tables included. The one exception is the
//! ledger's own crate, where what is asked is what a statement costs, and a copy of the statement would tell of itself alone.
//! Time a request from when it was sent instead of from when it was due: that hides every queue. Write down a figure without
//! what it was compared with.
#![expect(
    clippy::print_stdout,
    reason = "a report on standard output is what this program is for"
)]

mod bare;
mod clock;
mod cost;
mod deployment;
mod effort;
mod http;
mod latencies;
mod load;
mod machine;
mod processes;
mod progress;
mod receiver;
mod report;
mod scenarios;
mod servers;
mod yard;

use anyhow::{Context as _, Result, anyhow};
use clap::Parser;
use effort::Effort;
use progress::Progress;
use report::Report;
use scenarios::{Bench, Scenario};
use servers::Servers;
use std::path::Path;

/// Where `all` writes the tables, from the repository's root.
const DOCUMENT: &str = "docs/performance.md";

#[derive(Debug, Parser)]
#[command(about = "Measures the yard beside the bare parts it is made of.")]
struct Arguments {
    /// What to measure.
    #[arg(required = true, value_enum)]
    scenarios: Vec<Scenario>,
    #[command(flatten)]
    effort: Effort,
    #[command(flatten)]
    servers: servers::Given,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write docs/performance.md, which else only a whole and not a quick `all` does.
    #[arg(long)]
    write: bool,
}

fn main() -> Result<()> {
    // This program is also the bare handler that it measures, which must not share its processor time.
    if let Some(secret) = bare::handler::is_asked_for(std::env::args()) {
        return bare::handler::serve(secret);
    }
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure(arguments))
}

async fn measure(arguments: Arguments) -> Result<()> {
    let is_all = arguments.scenarios.contains(&Scenario::All);
    let scenarios = Scenario::unfold(&arguments.scenarios);
    processes::all_are_built()?;
    let servers = Servers::find_or_start(&arguments.servers).await?;
    let effort = arguments.effort;
    let measured = measure_on(&servers, &scenarios, effort).await;
    servers.close().await;
    let (report, outcome) = measured?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    outcome?;
    if arguments.write || (is_all && !effort.quick) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DOCUMENT);
        std::fs::write(&path, report.markdown())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What was measured, and what kept the rest from being measured.
async fn measure_on(
    servers: &Servers,
    scenarios: &[Scenario],
    effort: Effort,
) -> Result<(Report, Result<()>)> {
    let mut report = Report::begin(machine::look(servers).await?, effort);
    let progress = Progress::over(
        scenarios
            .iter()
            .map(|scenario| scenario.measurements(effort))
            .sum(),
    );
    let bench = Bench {
        servers,
        effort,
        progress: &progress,
    };
    let mut outcome = Ok(());
    for scenario in scenarios {
        // What was measured until then is worth having: some of it takes hours.
        let measured = tokio::select! {
            tables = scenario.run(&bench) => tables,
            _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
        };
        match measured {
            Ok(tables) => report.add(tables),
            Err(error) => {
                outcome = Err(error.context(format!("{scenario:?} cannot be measured")));
                break;
            }
        }
    }
    progress.end();
    Ok((report, outcome))
}
