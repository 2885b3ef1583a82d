//! Durable steps, timers, runs that wait, and a runner's death.

mod claims;
mod overhead;

use super::{Bench, PATIENCE};
use crate::clock::Clock;
use crate::cost::Meter;
use crate::deployment::{Deployment, Role};
use crate::effort::Effort;
use crate::load::{self, Extent, Load, Pace, Shot};
use crate::receiver::{Receiver, SLOW};
use crate::report::{Goal, Row, Table};
use crate::yard::{self, Yard};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The client, the inserts, steps, first effects, overheads, steps beside parked runs, three claims, timers, two takeovers.
pub(super) fn measurements(effort: Effort) -> u64 {
    effort.pick(10, 12)
}

/// Effects of a run.
const STEPS: u64 = 5;

/// Slow effects of a run that a runner dies over.
const SLOW_STEPS: u64 = 4;

/// What the timers wait.
const WAIT: Duration = Duration::from_secs(1);

const BYTES: usize = 128;

const ENDED: &str = "SELECT count(*) FROM runs WHERE state = 'completed'";

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let mut table = Table::new(
        "Playbooks",
        "Runs that door 6 starts, one process of the runner, Postgres and RabbitMQ. A step is durable when its run is kept after it; \
         each is a call over HTTP to the receiver. A claim that takes runs is committed before it returns; one that finds none is the \
         search alone. CPU is per 1,000 steps, or runs.",
    );
    let clock = Clock::start();
    let receiver = Receiver::start(clock)?;
    let mut yard = Deployment::on_postgres(
        bench.servers,
        &Yard::with_playbook(&calls(&receiver, "/effect", STEPS)),
    )
    .await?;
    yard.start(&[Role::Gateway, Role::Runner]).await?;
    if let Some(reason) = cannot_run(&yard, clock).await? {
        table.notes.push(format!(
            "Not measured, because this build completes no run: {reason}."
        ));
        yard.stop().await?;
        return Ok(table);
    }
    let client = bench.bare_client(&receiver, clock).await?;
    let inserts = bench.bare_inserts(&yard, BYTES).await?;
    let steps = steps(bench, "steps", &yard, &receiver, clock)
        .await?
        .against(&client)
        .against(&inserts);
    table.rows.extend([client, inserts.clone(), steps.clone()]);
    let first = first_effects(bench, &yard, &receiver, clock).await?;
    let overhead = overhead::measure(bench, &receiver, clock).await?;
    let overhead = overhead.against_p99(&inserts);
    table.rows.extend([first.clone(), overhead.clone()]);

    let parked = bench.effort.pick(10_000, 1_000_000);
    bench.progress.on("parking runs");
    yard.sql()
        .await?
        .batch_execute(&PARK.replace("$count", &parked.to_string()))
        .await?;
    bench.servers.settle().await?;
    let what = format!("steps beside {parked} runs that wait");
    let beside = self::steps(bench, &what, &yard, &receiver, clock).await?;
    table.rows.push(beside.against(&steps));
    // Whoever claims now must be the only one.
    yard.kill_all();
    let claims = claims::measure(bench, &yard, parked).await?;
    let claims = claims.map(|claim| claim.against_p99(&inserts));
    table.rows.extend(claims.clone());
    yard.stop().await?;

    let timers = timers(bench, &receiver, clock).await?;
    table.rows.push(timers.clone());
    let [many, one, _] = claims;
    table.goals = goals(&steps, [&first, &overhead, &many, &one, &timers]);
    if !bench.effort.quick {
        takeover(bench, &receiver, clock, &mut table).await?;
    }
    Ok(table)
}

fn goals(steps: &Row, [first, overhead, many, one, timers]: [&Row; 5]) -> Vec<Goal> {
    let p99 = |what, bounds, row: &Row| Goal::at_most(what, "ms", bounds, row.p99_ms).beside(row);
    let durable = (1_000.0, Some(3_000.0));
    vec![
        Goal::at_least("durable steps", "/s", durable, steps.per_second).beside(steps),
        p99("between two calls of a run, p99", (50.0, Some(20.0)), overhead),
        p99(
            "from a run's start to its first call, p99",
            (100.0, Some(40.0)),
            first,
        ),
        p99("the lateness of timers, p99", (1_000.0, Some(300.0)), timers),
        p99("the claim of one ready run, p99", (5.0, Some(2.0)), one),
        p99("the claim of 64 ready runs, p99", (5.0, Some(2.0)), many),
    ]
}

/// So many calls one after the other; the first carries the stamp.
fn calls(receiver: &Receiver, path: &str, count: u64) -> String {
    let url = receiver.url(path);
    let call = |number| {
        format!(
            "{{step{number}: {{call: http, with: {{method: post, endpoint: \"{url}\", body: \"${{ {{at: .at}} }}\"}}}}}}"
        )
    };
    let calls: Vec<String> = (1..=count).map(call).collect();
    format!("[{}]", calls.join(", "))
}

/// Runs one, and says why it did not complete.
async fn cannot_run(yard: &Deployment<'_>, clock: Clock) -> Result<Option<String>> {
    let shot = Arc::new(Shot::stamped(yard::hook_door(), BYTES, clock));
    start_runs(yard, &shot, 1).await?;
    let unended = "SELECT count(*) FROM runs WHERE ended_at IS NULL";
    yard.until(unended, 0, Duration::from_mins(1)).await?;
    let query = "SELECT state, coalesce(error, '') FROM runs";
    let row = yard.sql().await?.query_one(query, &[]).await?;
    let (state, error): (String, String) = (row.get(0), row.get(1));
    let error: Value = serde_json::from_str(&error).unwrap_or_default();
    let reason = error.get("detail").or_else(|| error.get("title"));
    let reason = reason.and_then(Value::as_str).unwrap_or("it does not say why");
    Ok((state != "completed").then(|| format!("{state}, {reason}")))
}

async fn start_runs(yard: &Deployment<'_>, shot: &Arc<Shot>, count: u64) -> Result<u64> {
    let load = Load {
        connections: 16,
        pace: Pace::Closed,
        extent: Extent::Count(count),
    };
    Ok(load::send(yard.doors, shot, load).await?.accepted)
}

/// Starts runs, and counts until all have completed.
async fn steps(
    bench: &Bench<'_>,
    what: &str,
    yard: &Deployment<'_>,
    receiver: &Receiver,
    clock: Clock,
) -> Result<Row> {
    bench.progress.on(what);
    receiver.reset();
    let runs = bench.effort.pick(100, 4_000);
    let before = yard.count(ENDED).await?;
    let shot = Arc::new(Shot::stamped(yard::hook_door(), BYTES, clock));
    let (began, meter) = (Instant::now(), Meter::begin(yard.parts()));
    let started = start_runs(yard, &shot, runs).await?;
    // Asking the ledger reads every run that there is, so it is not asked before the last effect.
    receiver.until(started * STEPS, PATIENCE).await?;
    yard.until(ENDED, before + started, PATIENCE).await?;
    let row = Row::new(what)
        .at_rate(started * STEPS, began.elapsed())
        .per_thousand(meter.end());
    bench.progress.done();
    Ok(row)
}

/// From when a run was due to its first effect, at a rate that is far from the highest.
async fn first_effects(
    bench: &Bench<'_>,
    yard: &Deployment<'_>,
    receiver: &Receiver,
    clock: Clock,
) -> Result<Row> {
    let what = "the first effect, 20 runs/s";
    bench.progress.on(what);
    receiver.reset();
    let before = yard.count(ENDED).await?;
    let shot = Arc::new(Shot::stamped(yard::hook_door(), BYTES, clock));
    let meter = Meter::begin(yard.parts());
    let outcome = load::send(yard.doors, &shot, Load::open(20, bench.effort.time())).await?;
    yard.until(ENDED, before + outcome.accepted, PATIENCE).await?;
    let row = Row::new(what)
        .at_rate(outcome.accepted, outcome.took)
        .with_latencies(&receiver.latencies())
        .per_thousand(meter.end());
    bench.progress.done();
    Ok(row)
}

/// How late the effect after a wait is.
async fn timers(bench: &Bench<'_>, receiver: &Receiver, clock: Clock) -> Result<Row> {
    let what = "timers of 1 s: lateness, 20 runs/s";
    bench.progress.on(what);
    let call = calls(receiver, "/timer", 1);
    let call = call.trim_start_matches('[');
    let tasks = format!("[{{pause: {{wait: {{seconds: {}}}}}}}, {call}", WAIT.as_secs());
    let mut yard = Deployment::on_postgres(bench.servers, &Yard::with_playbook(&tasks)).await?;
    yard.start(&[Role::Gateway, Role::Runner]).await?;
    receiver.reset();
    let shot = Arc::new(Shot::stamped(yard::hook_door(), BYTES, clock));
    let meter = Meter::begin(yard.parts());
    let outcome = load::send(yard.doors, &shot, Load::open(20, bench.effort.time())).await?;
    yard.until(ENDED, outcome.accepted, PATIENCE).await?;
    let row = Row::new(what)
        .at_rate(outcome.accepted, outcome.took)
        .with_lateness(&receiver.latencies(), WAIT)
        .per_thousand(meter.end());
    bench.progress.done();
    yard.stop().await?;
    Ok(row)
}

/// How much later runs end when one of two runners is killed over them.
async fn takeover(bench: &Bench<'_>, receiver: &Receiver, clock: Clock, table: &mut Table) -> Result<()> {
    const RUNS: u64 = 100;
    let undisturbed = slow_runs(bench, receiver, clock, RUNS, None).await?;
    let killed_after = SLOW * 2;
    let disturbed = slow_runs(bench, receiver, clock, RUNS, Some(killed_after)).await?;
    table.notes.push(format!(
        "Takeover: {RUNS} runs of {SLOW_STEPS} calls of {SLOW:?} on two runners ended after {:.1} s; with `kill -9` of one runner \
         after {killed_after:?}, after {:.1} s.",
        undisturbed.as_secs_f64(),
        disturbed.as_secs_f64()
    ));
    let later = disturbed.saturating_sub(undisturbed).as_secs_f64();
    let goal = Goal::at_most(
        "later after kill -9 of a runner",
        "s",
        (20.0, Some(10.0)),
        Some(later),
    );
    table.goals.push(goal);
    Ok(())
}

async fn slow_runs(
    bench: &Bench<'_>,
    receiver: &Receiver,
    clock: Clock,
    runs: u64,
    kill_after: Option<Duration>,
) -> Result<Duration> {
    bench.progress.on("takeover");
    let playbook = Yard::with_playbook(&calls(receiver, "/slow", SLOW_STEPS));
    let mut yard = Deployment::on_postgres(bench.servers, &playbook).await?;
    yard.start(&[Role::Gateway, Role::Runner, Role::Runner]).await?;
    let shot = Arc::new(Shot::stamped(yard::hook_door(), BYTES, clock));
    let began = Instant::now();
    let started = start_runs(&yard, &shot, runs).await?;
    if let Some(after) = kill_after {
        tokio::time::sleep(after).await;
        yard.kill_last();
    }
    let ended = yard.until(ENDED, started, PATIENCE).await;
    ended.context("runs did not end after a runner was killed")?;
    bench.progress.done();
    let took = began.elapsed();
    yard.stop().await?;
    Ok(took)
}

/// Runs that wait for a timer of tomorrow, as the runner parks them.
const PARK: &str = "INSERT INTO runs (id, workspace_id, playbook_id, state, input, started_at, created_at, updated_at, ready_at)
    SELECT gen_random_uuid(), workspace_id, id, 'waiting', '{}', now(), now(), now(), now() + interval '1 day'
    FROM playbooks, generate_series(1, $count); ANALYZE runs";
