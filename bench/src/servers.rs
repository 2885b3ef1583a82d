//! The Postgres and the RabbitMQ of the measurements: those of `cargo xtask servers start --durable`, or the caller's own.
//!
//! Never those of the tests: theirs do not wait for the disk, and every figure would be a lie.

use crate::cost::Part;
use crate::deployment;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_postgres::{Client, NoTls};
use url::Url;

/// Servers of the caller's own.
#[derive(Debug, clap::Args)]
pub(crate) struct Given {
    /// `postgres://…` of a user that may create databases; else a server is started for the measurements.
    #[arg(long, value_name = "URL", requires = "rabbitmq")]
    postgres: Option<Url>,
    /// `amqp://…`
    #[arg(long, value_name = "URL", requires = "postgres")]
    rabbitmq: Option<Url>,
}

/// A Postgres and a RabbitMQ.
#[derive(Debug)]
pub(crate) struct Servers {
    postgres: Url,
    pub(crate) rabbitmq: Url,
    client: Client,
    /// The processes of both, as far as they are on this machine.
    pub(crate) parts: Vec<Part>,
    databases: AtomicU32,
    were_started: bool,
}

impl Servers {
    pub(crate) async fn find_or_start(given: &Given) -> Result<Self> {
        let (postgres, rabbitmq, were_started) = match (&given.postgres, &given.rabbitmq) {
            (Some(postgres), Some(rabbitmq)) => (postgres.clone(), rabbitmq.clone(), false),
            _ => match chore("env") {
                Ok(lines) => named(&lines, false)?,
                Err(_none) => named(&chore("start")?, true)?,
            },
        };
        let client = connect(&postgres).await?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let value = show(&client, setting).await?;
            ensure!(
                value == "on",
                "{setting} is {value} on this Postgres: what it keeps would not survive a power cut"
            );
        }
        let mut parts = Vec::new();
        parts.extend(postgres_part(&client).await?);
        parts.extend(rabbitmq_part(&rabbitmq));
        let servers = Self {
            postgres,
            rabbitmq,
            client,
            parts,
            databases: AtomicU32::new(0),
            were_started,
        };
        let template = template();
        servers.create(&template, "template1").await?;
        deployment::migrate(&servers.url(&template))?;
        Ok(servers)
    }

    /// A new database with the yard's tables.
    pub(crate) async fn database(&self) -> Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{}_{number}", template());
        self.create(&name, &template()).await?;
        Ok(name)
    }

    pub(crate) fn url(&self, database: &str) -> Url {
        let mut url = self.postgres.clone();
        url.set_path(database);
        url
    }

    pub(crate) async fn connect(&self, database: &str) -> Result<Client> {
        connect(&self.url(database)).await
    }

    /// Writes out what earlier measurements left in memory, so that it is not written during the next.
    pub(crate) async fn settle(&self) -> Result<()> {
        Ok(self.client.batch_execute("CHECKPOINT").await?)
    }

    pub(crate) async fn remove(&self, database: &str) -> Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        Ok(self.client.batch_execute(&drop).await?)
    }

    /// Removes every database that is left, and stops the servers if they were started here.
    pub(crate) async fn close(self) {
        let last = self.databases.load(Ordering::Relaxed);
        let numbered = (1..=last).map(|number| format!("{}_{number}", template()));
        for database in numbered.chain([template()]) {
            // Those that are gone already, and those of a server that is gone itself.
            let _ = self.remove(&database).await;
        }
        if self.were_started {
            let _ = chore("stop");
        }
    }

    pub(crate) async fn postgres_version(&self) -> Result<String> {
        show(&self.client, "server_version").await
    }

    async fn create(&self, database: &str, template: &str) -> Result<()> {
        self.remove(database).await?;
        let create = format!("CREATE DATABASE {database} TEMPLATE {template}");
        Ok(self.client.batch_execute(&create).await?)
    }
}

/// The database that the others are copies of: migrating takes longer than many a measurement.
fn template() -> String {
    format!("hookyard_bench_{}", std::process::id())
}

async fn connect(url: &Url) -> Result<Client> {
    let place = (
        url.host_str().unwrap_or_default().to_owned(),
        url.port().unwrap_or(5_432),
    );
    let (client, connection) = tokio_postgres::connect(url.as_str(), NoTls)
        .await
        .with_context(|| format!("cannot connect to the Postgres at {place:?}"))?;
    // It ends when the client is dropped, and whoever uses the client learns of errors.
    tokio::spawn(async move { connection.await.ok() });
    Ok(client)
}

async fn show(client: &Client, setting: &str) -> Result<String> {
    Ok(client.query_one(&format!("SHOW {setting}"), &[]).await?.get(0))
}

/// `cargo xtask servers … --durable`; returns what it printed.
fn chore(verb: &str) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "run",
            "--quiet",
            "-p",
            "xtask",
            "--",
            "servers",
            verb,
            "--durable",
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo xtask servers {verb} --durable: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// What the chore printed: `export HOOKYARD_TEST_POSTGRES='postgres://…'`, and the same for RabbitMQ.
fn named(lines: &str, were_started: bool) -> Result<(Url, Url, bool)> {
    let find = |name: &str| {
        let value = lines.lines().find_map(|line| {
            line.strip_prefix("export ")?
                .strip_prefix(name)?
                .strip_prefix("='")
        });
        let value = value.with_context(|| format!("cargo xtask servers named no {name}"))?;
        Ok::<_, anyhow::Error>(Url::parse(value.trim_end_matches('\''))?)
    };
    Ok((
        find("HOOKYARD_TEST_POSTGRES")?,
        find("HOOKYARD_TEST_RABBITMQ")?,
        were_started,
    ))
}

/// The server's main process is the parent of the one that serves a connection.
async fn postgres_part(client: &Client) -> Result<Option<Part>> {
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    let status = fs::read_to_string(format!("/proc/{backend}/status")).unwrap_or_default();
    // Of a server on another machine the number means nothing here, or something else.
    let is_here = status
        .lines()
        .next()
        .is_some_and(|name| name.contains("postgres"));
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Ok(parent
        .filter(|_| is_here)
        .and_then(|parent| parent.trim().parse().ok())
        .map(|pid| Part {
            name: "Postgres".to_owned(),
            pid,
            shares_memory: true,
        }))
}

/// The process that listens on the URL's port.
fn rabbitmq_part(url: &Url) -> Option<Part> {
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| listening(&table, url.port().unwrap_or(5_672)))
        .filter(|_| is_here)?;
    let socket = Path::new(&format!("socket:[{socket}]")).to_owned();
    let has_it = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd"));
        files
            .into_iter()
            .flatten()
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|link| link == socket))
    };
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pid = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(has_it)?;
    Some(Part {
        name: "RabbitMQ".to_owned(),
        pid,
        shares_memory: false,
    })
}

/// The inode of the socket that listens on a port, in a table of `proc_net(5)`: `0: 0100007F:B505 … 0A … inode`.
fn listening(table: &str, port: u16) -> Option<u64> {
    let port = format!(":{port:04X}");
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(1)?.ends_with(&port) && *fields.get(3)? == "0A";
        is_it.then(|| fields.get(9)?.parse().ok())?
    })
}

/// The version in the broker's greeting (AMQP 0-9-1 §4.2.2, `connection.start`).
pub(crate) fn rabbitmq_version(url: &Url) -> Result<String> {
    let host = url.host_str().unwrap_or("127.0.0.1");
    let mut stream = TcpStream::connect((host, url.port().unwrap_or(5_672)))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    let mut greeting = vec![0; 4_096];
    let length = stream.read(&mut greeting)?;
    version_in(greeting.get(..length).unwrap_or_default()).context("the broker did not say its version")
}

/// A field of a table: its name, `S`, four bytes of length, its value.
fn version_in(greeting: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\x07versionS";
    let at = greeting.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let (length, rest) = greeting.get(at..)?.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    String::from_utf8(rest.get(..length)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_are_those_that_the_chore_names() {
        let lines = "export HOOKYARD_TEST_POSTGRES='postgres://a:b@127.0.0.1:1/postgres'\n\
                     export HOOKYARD_TEST_RABBITMQ='amqp://a:b@127.0.0.1:2/%2f'\n";
        let (postgres, rabbitmq, were_started) = named(lines, true).unwrap();
        assert_eq!((postgres.port(), rabbitmq.port()), (Some(1), Some(2)));
        assert!(were_started);
        assert!(named("", true).is_err());
    }

    #[test]
    fn a_listening_socket_is_found_by_its_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000 0 0 11 1 0 100 0 0 10 0\n\
                     1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 22 1 0 100 0 0 10 0\n";
        assert_eq!(listening(table, 8_080), Some(22));
        assert_eq!(listening(table, 80), None);
    }

    #[test]
    fn the_version_is_read_from_the_greeting() {
        assert_eq!(
            version_in(b"..\x07versionS\x00\x00\x00\x063.10.8\x08platformS"),
            Some("3.10.8".to_owned())
        );
        assert_eq!(version_in(b"\x07versionS\x00\x00\x00\xff1"), None);
    }
}
