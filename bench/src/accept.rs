//! How many requests per second are accepted at door 4.

use crate::load::{Outcome, Shot};
use crate::{AcceptOptions, load, programs};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use std::time::Duration;

const SECRET: &str = "bench-signing-secret";

/// The workspace of the measurement: a source that verifies GitHub's signatures, and nothing that it leads to.
const YARD: &str = "workspace: {slug: bench, name: Bench}
environments: [{slug: production, default: true}]
sources:
  - {slug: github, token: src_bench0000000001, verify: {provider: github, secrets: [bench-signing-secret]}}
";

/// One line of the report.
struct Row {
    system: &'static str,
    outcome: Outcome,
    cpu_seconds: Option<f64>,
    resident_mib: Option<f64>,
}

pub(crate) async fn run(options: AcceptOptions) -> Result<()> {
    let shot = Arc::new(Shot {
        path: "/ingest/src_bench0000000001".to_owned(),
        secret: SECRET.to_owned(),
        body_bytes: options.body_bytes,
    });
    let bar = progress(3);
    let mut rows = vec![bare(&shot, options).await?];
    bar.inc(1);
    let folder = tempfile::tempdir()?;
    let sqlite = format!("sqlite:{}", folder.path().join("bench.db").display());
    rows.push(gateway("gateway on SQLite", sqlite, &shot, options).await?);
    bar.inc(1);
    match std::panic::catch_unwind(testkit::database::postgres) {
        Ok(database) => {
            rows.push(gateway("gateway on Postgres", database.url().to_owned(), &shot, options).await?);
        }
        Err(_no_server) => {
            println!("no Postgres: `cargo xtask servers start` prints the variable that names one");
        }
    }
    bar.finish_and_clear();
    print(&rows, options);
    Ok(())
}

async fn bare(shot: &Arc<Shot>, options: AcceptOptions) -> Result<Row> {
    let (program, address) = programs::bare(SECRET)?;
    let outcome = measure(address, shot, options).await?;
    Ok(Row {
        system: "bare actix-web with HMAC",
        outcome,
        cpu_seconds: program.cpu_seconds(),
        resident_mib: program.resident_mib(),
    })
}

async fn gateway(
    system: &'static str,
    database: String,
    shot: &Arc<Shot>,
    options: AcceptOptions,
) -> Result<Row> {
    let address = programs::free_port()?;
    let folder = tempfile::tempdir()?;
    let yard = folder.path().join("yard.yaml");
    std::fs::write(&yard, YARD)?;
    let settings = [
        ("HOOKYARD__DATABASE__URL", database),
        ("HOOKYARD__BROKER__URL", "in-process".to_owned()),
        (
            "HOOKYARD__SECRETS__MASTER_KEYS",
            "bench:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=".to_owned(),
        ),
        ("HOOKYARD__GATEWAY__LISTEN", address.to_string()),
        ("HOOKYARD__HEALTH__LISTEN", "off".to_owned()),
        ("HOOKYARD__LOG__LEVEL", "error".to_owned()),
    ];
    programs::run("hookyard", &["migrate"], &settings)?;
    programs::run(
        "hookyard",
        &["apply", "-f", &yard.display().to_string()],
        &settings,
    )?;
    let program = programs::start("hookyard-gateway", &settings, address).await?;
    let outcome = measure(address, shot, options).await?;
    Ok(Row {
        system,
        outcome,
        cpu_seconds: program.cpu_seconds(),
        resident_mib: program.resident_mib(),
    })
}

/// A second to warm up, then the time that counts.
async fn measure(address: std::net::SocketAddr, shot: &Arc<Shot>, options: AcceptOptions) -> Result<Outcome> {
    load::send(
        address,
        Arc::clone(shot),
        options.connections,
        Duration::from_secs(1),
    )
    .await?;
    load::send(address, Arc::clone(shot), options.connections, options.duration()).await
}

fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} systems measured, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new(steps).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn print(rows: &[Row], options: AcceptOptions) {
    println!(
        "accept, door 4: {} connections, {} bytes, a key and a signature each, {} s",
        options.connections,
        options.body_bytes,
        options.duration().as_secs()
    );
    println!(
        "{:<26} {:>10} {:>9} {:>9} {:>9} {:>8} {:>9} {:>8} {:>7}",
        "system", "accepted/s", "p50 ms", "p99 ms", "p99.9 ms", "refused", "CPU s/1k", "RSS MiB", "ratio"
    );
    let baseline = rows.first().map_or(1.0, |row| row.outcome.per_second());
    for Row {
        system,
        outcome,
        cpu_seconds,
        resident_mib,
    } in rows
    {
        let millis = |share| outcome.quantile(share).as_secs_f64() * 1_000.0;
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let cpu = cpu_seconds.map(|seconds| seconds * 1_000.0 / outcome.accepted());
        println!(
            "{:<26} {:>10.0} {:>9.2} {:>9.2} {:>9.2} {:>8} {:>9} {:>8} {:>7.3}",
            system,
            outcome.per_second(),
            millis(0.5),
            millis(0.99),
            millis(0.999),
            outcome.refused,
            number(cpu),
            number(*resident_mib),
            outcome.per_second() / baseline,
        );
    }
}
