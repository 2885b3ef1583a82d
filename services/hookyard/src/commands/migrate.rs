//! `hookyard migrate`: the schema of this release, once per deployment.
//!
//! Any number of these may run at once; on Postgres a lock lets one through at a time.

use crate::arguments::Migrate;
use crate::screen::Screen;
use anyhow::Context as _;
use boot::{Settings, Sources};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use store::{KeyRing, Store};
use tokio::time::{Instant, sleep};
use wire::resource::duration;

/// Between two tries of a database that does not answer yet.
const PAUSE: Duration = Duration::from_millis(500);

/// What the settings are when they cannot be understood.
pub(super) const REFUSED: &str = "the settings are refused";

/// What was done.
#[derive(Debug, Serialize)]
struct Done {
    database: String,
    migrations: Vec<String>,
}

pub(crate) async fn run(options: Migrate, screen: Screen) -> anyhow::Result<()> {
    let settings = settings(options.settings.config.as_deref())?;
    let database = settings.database.place();
    let spinner = screen.waiting(format!("migrating {database}"));
    let done = match connected(&settings, options.wait).await {
        Ok(store) => store
            .migrate()
            .await
            .with_context(|| format!("{database} was not migrated")),
        Err(error) => Err(error),
    };
    spinner.finish_and_clear();
    let done = Done {
        migrations: done?,
        database,
    };
    screen.show(&done, |Done { database, migrations }| {
        match migrations.as_slice() {
            [] => format!("{database} is up to date"),
            [one] => format!("{database}: 1 migration was run\n  {one}"),
            many => format!(
                "{database}: {} migrations were run\n  {}",
                many.len(),
                many.join("\n  ")
            ),
        }
    })?;
    Ok(())
}

/// The settings of a service, from `--config` and the environment.
pub(super) fn settings(config: Option<&Path>) -> anyhow::Result<Settings> {
    Sources::from_process(config).load().context(REFUSED)
}

/// The ledger, without its keys: the schema holds no secret.
async fn connected(settings: &Settings, patience: Duration) -> anyhow::Result<Store> {
    let url = settings.database.required_url()?;
    let deadline = Instant::now() + patience;
    loop {
        let opened = store::Settings {
            url: url.clone(),
            max_connections: 1,
            acquire_timeout: settings.database.acquire_timeout,
        };
        let none = KeyRing::parse(&[]).context("a ring of no keys")?;
        match Store::connect(opened, none).await {
            Ok(store) => return Ok(store),
            Err(error) if error.is_transient() && Instant::now() < deadline => sleep(PAUSE).await,
            Err(error) if error.is_transient() => {
                let place = settings.database.place();
                let waited = duration::show(patience);
                return Err(error)
                    .with_context(|| format!("{place} did not answer within {waited} (--wait)"));
            }
            Err(error) => return Err(error).context("the ledger (database.url) cannot be used"),
        }
    }
}
