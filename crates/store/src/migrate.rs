//! Bringing the schema up to date. Forward only; see `migrations/README.md`.

use crate::connect::Ledger;
use crate::partitions::ADVISORY_LOCK;
use crate::{Error, Store};
use diesel::connection::SimpleConnection;
use diesel::migration::{MigrationConnection, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use wire::Instant;

const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Partitions made ahead, in days.
const DAYS_AHEAD: u32 = 7;

impl Store {
    /// Runs the pending migrations and makes the partitions; returns the names of the migrations.
    ///
    /// Several processes may call this at once: an advisory lock on Postgres, and a transaction around all of it on
    /// SQLite, let one through at a time.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        let done = match &*self.ledger {
            Ledger::Postgres(ledger) => {
                ledger
                    .alone(|conn| {
                        // The lock ends with the connection, so also when a migration fails. A change of a table waits
                        // shortly only: whoever waits for a table holds up everybody who comes after.
                        conn.batch_execute(&format!(
                            "SET lock_timeout = '10min'; SELECT pg_advisory_lock({ADVISORY_LOCK}); \
                             SET lock_timeout = '10s'"
                        ))?;
                        run(conn, POSTGRES)
                    })
                    .await?
            }
            Ledger::Sqlite(ledger) => ledger.alone(|conn| run(conn, SQLITE)).await?,
        };
        self.make_partitions(Instant::now(), DAYS_AHEAD).await?;
        Ok(done)
    }

    /// The names of the migrations that [`Store::migrate`] would run.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        match &*self.ledger {
            Ledger::Postgres(ledger) => ledger.read(|conn| pending(conn, POSTGRES)).await,
            Ledger::Sqlite(ledger) => ledger.exclusive(|conn| pending(conn, SQLITE)).await,
        }
    }
}

fn run<DB, C>(conn: &mut C, source: EmbeddedMigrations) -> Result<Vec<String>, Error>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + MigrationConnection + diesel::Connection<Backend = DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let pending = conn.pending_migrations(source).map_err(Error::Migration)?;
    let mut done = Vec::with_capacity(pending.len());
    for migration in &pending {
        conn.run_migration(migration).map_err(Error::Migration)?;
        done.push(migration.name().to_string());
    }
    Ok(done)
}

fn pending<DB, C>(conn: &mut C, source: EmbeddedMigrations) -> Result<Vec<String>, Error>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + MigrationConnection + diesel::Connection<Backend = DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let pending = conn.pending_migrations(source).map_err(Error::Migration)?;
    Ok(pending
        .iter()
        .map(|migration| migration.name().to_string())
        .collect())
}
