//! A yard to measure: its ledger, its settings, and the processes of its roles.

use crate::cost::Part;
use crate::processes::{self, Program};
use crate::servers::Servers;
use crate::yard::Yard;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use store::{KeyRing, Store};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_postgres::Client;
use url::Url;

/// 32 bytes of `B`: nothing here is worth keeping.
const MASTER_KEY: &str = "bench:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

/// What runs in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Gateway,
    Router,
    Worker,
    Runner,
    /// All of them in one.
    Dev,
}

impl Role {
    /// Of the distributed yard, what an event passes through.
    pub(crate) const EVENT_PATH: [Self; 3] = [Self::Gateway, Self::Router, Self::Worker];

    fn program(self) -> &'static str {
        match self {
            Self::Gateway => "hookyard-gateway",
            Self::Router => "hookyard-router",
            Self::Worker => "hookyard-delivery-worker",
            Self::Runner => "hookyard-playbook-runner",
            Self::Dev => "hookyard",
        }
    }

    /// What reports call it.
    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Router => "router",
            Self::Worker => "worker",
            Self::Runner => "runner",
            Self::Dev => "all in one",
        }
    }
}

/// A yard whose roles are started one by one. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Deployment<'a> {
    /// Where the doors are.
    pub(crate) doors: SocketAddr,
    // In this order: the processes end before their files go.
    running: Vec<Running>,
    ledger: Ledger<'a>,
    settings: Vec<(&'static str, String)>,
    /// To its Postgres, once somebody asks.
    client: OnceCell<Client>,
    folder: TempDir,
}

#[derive(Debug)]
enum Ledger<'a> {
    Postgres { servers: &'a Servers, database: String },
    Sqlite,
}

#[derive(Debug)]
struct Running {
    part: Part,
    program: Program,
}

impl<'a> Deployment<'a> {
    /// On a Postgres and behind a RabbitMQ.
    pub(crate) async fn on_postgres(servers: &'a Servers, yard: &Yard) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let database = servers.database().await?;
        let url = servers.url(&database).to_string();
        let ledger = Ledger::Postgres { servers, database };
        let broker = [
            ("HOOKYARD__BROKER__URL", servers.rabbitmq.to_string()),
            (
                "HOOKYARD__BROKER__NAMESPACE",
                format!("bench.{}.{number}.", std::process::id()),
            ),
            ("HOOKYARD__BROKER__QUEUE_EXPIRY", "10m".to_owned()),
        ];
        Self::make(ledger, url, broker.into(), yard)
    }

    /// On an SQLite file and without a broker.
    pub(crate) fn on_sqlite(yard: &Yard) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
        migrate_at(&url)?;
        let broker = vec![("HOOKYARD__BROKER__URL", "in-process".to_owned())];
        Self::make_in(folder, Ledger::Sqlite, url, broker, yard)
    }

    fn make(
        ledger: Ledger<'a>,
        url: String,
        broker: Vec<(&'static str, String)>,
        yard: &Yard,
    ) -> Result<Self> {
        Self::make_in(tempfile::tempdir()?, ledger, url, broker, yard)
    }

    fn make_in(
        folder: TempDir,
        ledger: Ledger<'a>,
        url: String,
        broker: Vec<(&'static str, String)>,
        yard: &Yard,
    ) -> Result<Self> {
        let doors = processes::free_address()?;
        let mut settings = ledger_settings(url);
        settings.extend(broker);
        settings.extend([
            ("HOOKYARD__GATEWAY__LISTEN", doors.to_string()),
            ("HOOKYARD__EGRESS__ALLOW", "127.0.0.0/8".to_owned()),
            ("HOOKYARD__LOG__LEVEL", "warn".to_owned()),
        ]);
        let file = folder.path().join("yard.yaml");
        fs::write(&file, yard.text())?;
        let mut apply = processes::command("hookyard", &settings)?;
        apply.args(["apply", "-f"]).arg(&file);
        processes::run(apply)?;
        Ok(Self {
            doors,
            running: Vec::new(),
            ledger,
            settings,
            client: OnceCell::new(),
            folder,
        })
    }

    /// Starts roles, all at once, and waits until they are ready.
    pub(crate) async fn start(&mut self, roles: &[Role]) -> Result<()> {
        let mut starting = Vec::new();
        for role in roles {
            let health = processes::free_address()?;
            let mut settings = self.settings.clone();
            settings.push(("HOOKYARD__HEALTH__LISTEN", health.to_string()));
            let mut command = processes::command(role.program(), &settings)?;
            if *role == Role::Dev {
                command.args(["dev", "--quiet", "--data"]).arg(self.folder.path());
            }
            let number = self.running.len() + starting.len();
            let log = self.folder.path().join(format!("{number}.log"));
            starting.push((*role, Program::start(command, log)?, health));
        }
        for (role, mut program, health) in starting {
            let ready = program.ready(health).await;
            ready.with_context(|| format!("{} did not start", role.program()))?;
            let part = Part {
                name: role.name().to_owned(),
                pid: program.pid(),
                shares_memory: false,
            };
            self.running.push(Running { part, program });
        }
        Ok(())
    }

    /// `kill -9` of the process that was started last.
    pub(crate) fn kill_last(&mut self) {
        // Dropping is killing.
        drop(self.running.pop().map(|running| running.program));
    }

    /// `kill -9` of all its processes. What it kept stays.
    pub(crate) fn kill_all(&mut self) {
        self.running.clear();
    }

    /// Its Postgres as the services have it, over one connection.
    pub(crate) async fn store(&self) -> Result<Store> {
        let Ledger::Postgres { servers, database } = &self.ledger else {
            bail!("this yard has no Postgres");
        };
        let settings = store::Settings {
            url: servers.url(database).to_string().into(),
            max_connections: 1,
            acquire_timeout: Duration::from_secs(5),
        };
        let keyring = KeyRing::parse(&[MASTER_KEY.into()])?;
        Ok(Store::connect(settings, keyring).await?)
    }

    /// The processes whose cost counts: the yard's own, and the servers' if it uses them.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let own = self.running.iter().map(|running| running.part.clone());
        match &self.ledger {
            Ledger::Postgres { servers, .. } => own.chain(servers.parts.iter().cloned()).collect(),
            Ledger::Sqlite => own.collect(),
        }
    }

    /// A connection to its Postgres.
    pub(crate) async fn sql(&self) -> Result<&Client> {
        let connect = async || match &self.ledger {
            Ledger::Postgres { servers, database } => servers.connect(database).await,
            Ledger::Sqlite => bail!("this yard has no Postgres"),
        };
        self.client.get_or_try_init(connect).await
    }

    /// The number that a query yields, on either ledger.
    pub(crate) async fn count(&self, query: &str) -> Result<u64> {
        let count: i64 = match &self.ledger {
            Ledger::Postgres { .. } => self.sql().await?.query_one(query, &[]).await?.get(0),
            Ledger::Sqlite => {
                let file = self.folder.path().join("ledger.db");
                let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
                let connection = rusqlite::Connection::open_with_flags(file, flags)?;
                connection.busy_timeout(Duration::from_secs(5))?;
                connection.query_row(query, (), |row| row.get(0))?
            }
        };
        Ok(u64::try_from(count)?)
    }

    /// Waits until a query yields a number.
    pub(crate) async fn until(&self, query: &str, number: u64, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let count = self.count(query).await?;
            if count == number {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("`{query}` is {count} after {patience:?}, and not {number}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills it and removes what it kept.
    pub(crate) async fn stop(self) -> Result<()> {
        drop(self.running);
        match &self.ledger {
            Ledger::Postgres { servers, database } => servers.remove(database).await,
            Ledger::Sqlite => Ok(()),
        }
    }
}

/// Makes the tables of a Postgres.
pub(crate) fn migrate(url: &Url) -> Result<()> {
    migrate_at(url.as_str())
}

fn migrate_at(url: &str) -> Result<()> {
    let mut migrate = processes::command("hookyard", &ledger_settings(url.to_owned()))?;
    migrate.arg("migrate");
    processes::run(migrate).map(drop)
}

fn ledger_settings(url: String) -> Vec<(&'static str, String)> {
    vec![
        ("HOOKYARD__DATABASE__URL", url),
        ("HOOKYARD__SECRETS__MASTER_KEYS", MASTER_KEY.to_owned()),
    ]
}
