//! What is measured, a file each.

mod accept;
mod backlog;
mod filling;
mod growth;
mod hanging;
mod idle;
mod latency;
mod passage;
mod playbooks;
mod retries;
mod soak;
mod sustained;

use crate::bare;
use crate::clock::Clock;
use crate::cost::{Meter, Part};
use crate::deployment::Deployment;
use crate::effort::Effort;
use crate::load::{self, Load, Shot};
use crate::progress::Progress;
use crate::receiver::Receiver;
use crate::report::{Row, Table};
use crate::servers::Servers;
use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a body, where nothing else is said.
const BYTES: usize = 512;

/// Connections, where nothing else is said; and tasks of the bare client.
const CONNECTIONS: usize = 64;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// All of them.
    All,
    /// Requests accepted a second.
    Accept,
    /// Events a second from the door to the receiver and the ledger.
    Sustained,
    /// Deliveries a second after a worker was away.
    Backlog,
    /// Latencies at 100 and 300 requests a second.
    Latency,
    /// What endpoints that never answer cost the others.
    Hanging,
    /// Leasing among millions of deliveries that are due again.
    Retries,
    /// Durable steps, timers, runs that wait, and a runner's death.
    Playbooks,
    /// The same with full tables.
    Growth,
    /// Whether memory grows under steady load.
    Soak,
    /// What doing nothing costs.
    Idle,
}

/// What every scenario works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench<'a> {
    pub(crate) servers: &'a Servers,
    pub(crate) effort: Effort,
    pub(crate) progress: &'a Progress,
}

impl Scenario {
    const EACH: [Self; 10] = [
        Self::Accept,
        Self::Sustained,
        Self::Backlog,
        Self::Latency,
        Self::Hanging,
        Self::Retries,
        Self::Playbooks,
        Self::Growth,
        Self::Soak,
        Self::Idle,
    ];

    /// Each of these once, in a fixed order; all for [`Scenario::All`].
    pub(crate) fn unfold(named: &[Self]) -> Vec<Self> {
        let is_all = named.contains(&Self::All);
        Self::EACH
            .into_iter()
            .filter(|scenario| is_all || named.contains(scenario))
            .collect()
    }

    /// How many measurements it takes, for the progress bar.
    pub(crate) fn measurements(self, effort: Effort) -> u64 {
        match self {
            Self::All => 0,
            Self::Accept => accept::measurements(effort),
            Self::Sustained => sustained::MEASUREMENTS,
            Self::Backlog => backlog::MEASUREMENTS,
            Self::Latency => latency::MEASUREMENTS,
            Self::Hanging => hanging::MEASUREMENTS,
            Self::Retries => retries::MEASUREMENTS,
            Self::Playbooks => playbooks::measurements(effort),
            Self::Growth => growth::measurements(effort),
            Self::Soak => soak::MEASUREMENTS,
            Self::Idle => idle::MEASUREMENTS,
        }
    }

    pub(crate) async fn run(self, bench: &Bench<'_>) -> Result<Vec<Table>> {
        let table = match self {
            Self::All => return Ok(Vec::new()),
            Self::Accept => Box::pin(accept::run(bench)).await,
            Self::Sustained => Box::pin(sustained::run(bench)).await,
            Self::Backlog => Box::pin(backlog::run(bench)).await,
            Self::Latency => Box::pin(latency::run(bench)).await,
            Self::Hanging => Box::pin(hanging::run(bench)).await,
            Self::Retries => Box::pin(retries::run(bench)).await,
            Self::Playbooks => Box::pin(playbooks::run(bench)).await,
            Self::Growth => Box::pin(growth::run(bench)).await,
            Self::Soak => Box::pin(soak::run(bench)).await,
            Self::Idle => Box::pin(idle::run(bench)).await,
        };
        Ok(vec![table?])
    }
}

impl Bench<'_> {
    /// Load for a while that does not count; returns how many requests were accepted.
    async fn warm_up(&self, address: SocketAddr, shot: &Arc<Shot>, load: &Load) -> Result<u64> {
        let load = load.clone().lasting(self.effort.warm_up());
        Ok(load::send(address, shot, load).await?.accepted)
    }

    /// Load on an address, and what it cost.
    async fn measure(
        &self,
        what: &str,
        (address, parts): (SocketAddr, Vec<Part>),
        shot: &Arc<Shot>,
        load: &Load,
    ) -> Result<Row> {
        self.progress.on(what);
        let meter = Meter::begin(parts);
        let outcome = load::send(address, shot, load.clone()).await?;
        self.progress.done();
        Ok(Row::of(what, &outcome).per_thousand(meter.end()))
    }

    /// The bare client, beside which delivering is measured.
    async fn bare_client(&self, receiver: &Receiver, clock: Clock) -> Result<Row> {
        let what = "the bare client";
        self.progress.on(what);
        let url = receiver.url("/bare");
        bare::client::post(&url, CONNECTIONS, BYTES, clock, self.effort.warm_up()).await?;
        let outcome = bare::client::post(&url, CONNECTIONS, BYTES, clock, self.effort.time()).await?;
        receiver.reset();
        self.progress.done();
        Ok(Row::of(what, &outcome).bare())
    }

    /// Bare inserts into a Postgres of this yard's.
    async fn bare_inserts(&self, yard: &Deployment<'_>, bytes: usize) -> Result<Row> {
        let what = "bare inserts into Postgres";
        self.progress.on(what);
        let client = yard.sql().await?;
        bare::inserts::postgres(client, bytes, self.effort.warm_up()).await?;
        let meter = Meter::begin(self.servers.parts.clone());
        let outcome = bare::inserts::postgres(client, bytes, self.effort.time()).await?;
        self.progress.done();
        Ok(Row::of(what, &outcome).per_thousand(meter.end()).bare())
    }

    /// Bare inserts into an SQLite file.
    async fn bare_inserts_into_file(&self, bytes: usize) -> Result<Row> {
        let what = "bare inserts into SQLite";
        self.progress.on(what);
        let time = self.effort.time();
        // A thread of its own, because it blocks for as long as it is measured.
        let (done, outcome) = tokio::sync::oneshot::channel();
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("bare.db");
        std::thread::spawn(move || {
            // Nobody waits any more when the measurement was given up.
            let _ = done.send(bare::inserts::sqlite(&file, bytes, time));
        });
        let outcome = outcome.await??;
        self.progress.done();
        Ok(Row::of(what, &outcome).bare())
    }
}

/// How long to wait for what must come: machines are busy, and backlogs long.
const PATIENCE: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_each_once_and_names_are_taken_in_order() {
        assert_eq!(Scenario::unfold(&[Scenario::All, Scenario::Idle]), Scenario::EACH);
        assert_eq!(
            Scenario::unfold(&[Scenario::Idle, Scenario::Accept, Scenario::Idle]),
            [Scenario::Accept, Scenario::Idle]
        );
    }
}
