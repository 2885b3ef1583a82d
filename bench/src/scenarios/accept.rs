//! Requests accepted a second at door 4, on each ledger.

use super::{BYTES, Bench, CONNECTIONS};
use crate::bare;
use crate::cost::Part;
use crate::deployment::{Deployment, Role};
use crate::effort::Effort;
use crate::load::{Load, Shot};
use crate::processes;
use crate::report::{Goal, Row, Table};
use crate::yard::{self, Yard};
use anyhow::Result;
use std::fmt;
use std::sync::Arc;

/// How it is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    connections: usize,
    bytes: usize,
    has_keys: bool,
}

const USUAL: Case = Case {
    connections: CONNECTIONS,
    bytes: BYTES,
    has_keys: true,
};

/// The usual case, and what differs from it in one thing.
const CASES: [Case; 7] = [
    USUAL,
    Case {
        has_keys: false,
        ..USUAL
    },
    Case {
        connections: 1,
        ..USUAL
    },
    Case {
        connections: 16,
        ..USUAL
    },
    Case {
        connections: 256,
        ..USUAL
    },
    Case {
        bytes: 4 * 1_024,
        ..USUAL
    },
    Case {
        bytes: 64 * 1_024,
        ..USUAL
    },
];

fn cases(effort: Effort) -> &'static [Case] {
    effort.pick(&CASES[..1], &CASES[..])
}

/// The handler and two gateways for each case, and the inserts for each new size.
pub(super) fn measurements(effort: Effort) -> u64 {
    effort.pick(5, 7 * 3 + 3 * 2)
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let mut table = Table::new(
        "Accept",
        "Requests accepted a second at door 4, each with a signature of its body and an idempotency key of its own; as many as \
         there can be over so many connections (closed loop). The gateway alone, recording into Postgres beside RabbitMQ, or \
         into SQLite.",
    );
    let folder = tempfile::tempdir()?;
    let (program, address) = processes::start_own(&[bare::handler::ARGUMENT, yard::SECRET], folder.path())?;
    let handler = Part {
        name: "handler".to_owned(),
        pid: program.pid(),
        shares_memory: false,
    };
    let yard = Yard::silent();
    let mut on_postgres = Deployment::on_postgres(bench.servers, &yard).await?;
    on_postgres.start(&[Role::Gateway]).await?;
    let mut on_sqlite = Deployment::on_sqlite(&yard)?;
    on_sqlite.start(&[Role::Gateway]).await?;

    let mut inserts: Option<(usize, [Row; 2])> = None;
    for case in cases(bench.effort) {
        let shot = Arc::new(Shot::fixed(yard::token_door(), case.bytes, case.has_keys));
        let load = Load::closed(case.connections, bench.effort.time());
        let accept = async |system: &str, address, parts: Vec<Part>| {
            let what = format!("{system}, {case}");
            bench.progress.on(&what);
            bench.warm_up(address, &shot, &load).await?;
            bench.measure(&what, (address, parts), &shot, &load).await
        };
        let bare = accept("the bare handler", address, vec![handler.clone()])
            .await?
            .bare();
        bench.servers.settle().await?;
        let postgres = accept("Postgres", on_postgres.doors, on_postgres.parts()).await?;
        let sqlite = accept("SQLite", on_sqlite.doors, on_sqlite.parts()).await?;
        let [postgres, sqlite] = [postgres, sqlite].map(|row| row.against(&bare));
        table.rows.push(bare);
        // What differs in its bodies alone has inserts of its own to be compared with.
        if inserts.as_ref().is_none_or(|(bytes, _)| *bytes != case.bytes) {
            let into_postgres = bench.bare_inserts(&on_postgres, case.bytes).await?;
            let into_sqlite = bench.bare_inserts_into_file(case.bytes).await?;
            table.rows.extend([into_postgres.clone(), into_sqlite.clone()]);
            inserts = Some((case.bytes, [into_postgres, into_sqlite]));
        }
        if let Some((_, [into_postgres, into_sqlite])) = &inserts {
            let (postgres, sqlite) = (postgres.against(into_postgres), sqlite.against(into_sqlite));
            if *case == USUAL {
                table.goals.extend(goals(&postgres, &sqlite));
            }
            table.rows.extend([postgres, sqlite]);
        }
    }
    on_postgres.stop().await?;
    on_sqlite.stop().await?;
    Ok(table)
}

fn goals(postgres: &Row, sqlite: &Row) -> [Goal; 3] {
    [
        Goal::at_least(
            "accepted at door 4, Postgres",
            "/s",
            (6_000.0, Some(13_000.0)),
            postgres.per_second,
        )
        .beside(postgres),
        Goal::at_least(
            "accepted at door 4, SQLite",
            "/s",
            (5_000.0, Some(10_000.0)),
            sqlite.per_second,
        )
        .beside(sqlite),
        Goal::at_most(
            "the gateway's memory under full load",
            "MiB",
            (100.0, Some(50.0)),
            postgres.memory_mib("gateway"),
        ),
    ]
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            connections,
            bytes,
            has_keys,
        } = self;
        let plural = if *connections == 1 { "" } else { "s" };
        write!(formatter, "{connections} connection{plural}, {bytes} bytes")?;
        if !has_keys {
            write!(formatter, ", no keys")?;
        }
        Ok(())
    }
}
