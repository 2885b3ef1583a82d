//! Keeping: batches of rows, each committed, over one connection. As many rows in a batch as the gateway takes.

use crate::latencies::Latencies;
use crate::load::Outcome;
use anyhow::Result;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use uuid::Uuid;

/// Rows in a batch.
const BATCH: u32 = 128;

/// The least that an event needs: a key, and its bytes.
const TABLE: &str = "CREATE TABLE bare_rows (id {id} PRIMARY KEY, body {bytes} NOT NULL)";

/// Inserts into Postgres for `time`.
pub(crate) async fn postgres(client: &Client, bytes: usize, time: Duration) -> Result<Outcome> {
    let table = TABLE.replace("{id}", "UUID").replace("{bytes}", "BYTEA");
    client.batch_execute(&table).await?;
    let insert = client
        .prepare("INSERT INTO bare_rows SELECT * FROM unnest($1::uuid[], $2::bytea[])")
        .await?;
    let bodies = vec![vec![b'x'; bytes]; BATCH as usize];
    let mut counted = Counted::begin();
    while counted.started.elapsed() < time {
        let ids = ids();
        let began = Instant::now();
        client.execute(&insert, &[&ids, &bodies]).await?;
        counted.committed(began);
    }
    client.batch_execute("DROP TABLE bare_rows").await?;
    Ok(counted.end())
}

/// Inserts into a new SQLite file for `time`. Blocks.
pub(crate) fn sqlite(file: &Path, bytes: usize, time: Duration) -> Result<Outcome> {
    let mut connection = rusqlite::Connection::open(file)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    let table = TABLE.replace("{id}", "BLOB").replace("{bytes}", "BLOB");
    connection.execute_batch(&format!("{table} WITHOUT ROWID"))?;
    let body = vec![b'x'; bytes];
    let mut counted = Counted::begin();
    while counted.started.elapsed() < time {
        let ids = ids();
        let began = Instant::now();
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare("INSERT INTO bare_rows VALUES (?1, ?2)")?;
            for id in ids {
                insert.execute((id.as_bytes().as_slice(), body.as_slice()))?;
            }
        }
        transaction.commit()?;
        counted.committed(began);
    }
    Ok(counted.end())
}

fn ids() -> Vec<Uuid> {
    (0..BATCH).map(|_| Uuid::now_v7()).collect()
}

/// Batches so far.
struct Counted {
    started: Instant,
    rows: u64,
    latencies: Latencies,
}

impl Counted {
    fn begin() -> Self {
        Self {
            started: Instant::now(),
            rows: 0,
            latencies: Latencies::new(),
        }
    }

    fn committed(&mut self, began: Instant) {
        self.rows += u64::from(BATCH);
        self.latencies.record(began.elapsed());
    }

    fn end(self) -> Outcome {
        Outcome {
            accepted: self.rows,
            refused: 0,
            took: self.started.elapsed(),
            latencies: self.latencies,
        }
    }
}
