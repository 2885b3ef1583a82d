//! What each section of the settings means. `config/default.toml` says what each key is for.

use super::values::{self, ByteSize, HttpUrl, Level, LogFormat};
use crate::Error;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;
use wire::resource::duration;

/// All settings of a process. Every service reads its own section; `hookyard dev` uses them all.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Log lines.
    pub log: Log,
    /// Traces and metrics.
    pub telemetry: Telemetry,
    /// The ledger.
    pub database: Database,
    /// The conveyor.
    pub broker: Broker,
    /// Keys for what is encrypted at rest.
    pub secrets: Secrets,
    /// The doors.
    pub gateway: Gateway,
    /// Routing.
    pub router: Router,
    /// Deliveries.
    pub delivery: Delivery,
    /// Playbooks.
    pub playbook: Playbook,
    /// The management API and the web console.
    pub console: Console,
    /// How long history is kept.
    pub retention: Retention,
    /// The health server.
    pub health: Health,
    /// Outbound HTTP.
    pub egress: Egress,
    /// The end of the process.
    pub shutdown: Shutdown,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Which lines are written.
    pub level: Level,
    /// How they look.
    #[serde(deserialize_with = "values::word")]
    pub format: LogFormat,
}

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// The collector, if there is one.
    #[serde(deserialize_with = "values::optional")]
    pub otlp_endpoint: Option<HttpUrl>,
    /// Whether metrics are pushed there too.
    pub otlp_metrics: bool,
    /// The share of traces that start here and are kept.
    #[serde(deserialize_with = "values::share")]
    pub sample_ratio: f64,
    /// `service.name`, if it is not the program's.
    #[serde(deserialize_with = "values::optional")]
    pub service_name: Option<String>,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Where the ledger is. See [`Database::required_url`].
    #[serde(deserialize_with = "values::optional_secret")]
    pub url: Option<SecretString>,
    /// The pool's size.
    pub max_connections: NonZeroU32,
    /// How long one waits for a connection of the pool.
    #[serde(with = "duration")]
    pub acquire_timeout: Duration,
    /// Whether the schema is migrated at start.
    pub migrate: bool,
}

impl Database {
    /// The ledger's URL, or an error that says how to set it.
    pub fn required_url(&self) -> Result<&SecretString, Error> {
        self.url.as_ref().ok_or(Error::Missing {
            key: "database.url",
            way_out: "set HOOKYARD__DATABASE__URL=postgres://user:password@host:5432/name (or …__URL_FILE), or try \
                      `hookyard dev`, which needs no database server",
        })
    }

    /// The ledger as logs may name it: host, port and database, never a user or a password.
    pub fn place(&self) -> String {
        let Some(url) = &self.url else {
            return "no database".to_owned();
        };
        let url = url.expose_secret();
        if let Some(path) = url.strip_prefix("sqlite:") {
            return format!("SQLite at {}", path.trim_start_matches("//"));
        }
        match url::Url::parse(url) {
            Ok(url) if url.has_host() => format!(
                "Postgres at {}:{}{}",
                url.host_str().unwrap_or_default(),
                url.port().unwrap_or(5432),
                url.path()
            ),
            _ => "the database".to_owned(),
        }
    }
}

/// `[broker]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// Which conveyor.
    pub url: BrokerUrl,
    /// Put before every queue's name.
    #[serde(deserialize_with = "broker_namespace")]
    pub namespace: String,
    /// A PEM file of certificates to trust, if not the system's.
    #[serde(deserialize_with = "values::optional")]
    pub ca_file: Option<PathBuf>,
    /// What the queues are.
    #[serde(deserialize_with = "values::word")]
    pub queues: Queues,
    /// When unused queues are deleted, if ever.
    #[serde(deserialize_with = "values::optional_duration")]
    pub queue_expiry: Option<Duration>,
}

impl Broker {
    /// The certificates to trust, in PEM, if they are not the system's.
    pub fn certificates(&self) -> Result<Option<String>, Error> {
        let read = |file: &PathBuf| {
            std::fs::read_to_string(file).map_err(|source| Error::ReadFile {
                what: "the broker's certificates (broker.ca_file)".to_owned(),
                path: file.clone(),
                source,
            })
        };
        self.ca_file.as_ref().map(read).transpose()
    }
}

/// `broker.queues`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queues {
    /// In the memory of one node.
    Classic,
    /// On the disks of most nodes.
    Quorum,
}

/// `broker.url`
#[derive(Debug, Clone)]
pub enum BrokerUrl {
    /// Channels inside this process.
    InProcess,
    /// RabbitMQ, at an `amqp://` or `amqps://` URL.
    Rabbit(SecretString),
}

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = SecretString::deserialize(deserializer)?;
        let text = secret.expose_secret();
        if text == "in-process" {
            return Ok(Self::InProcess);
        }
        let url = url::Url::parse(text).ok();
        if url.is_some_and(|url| matches!(url.scheme(), "amqp" | "amqps") && url.has_host()) {
            return Ok(Self::Rabbit(secret));
        }
        Err(D::Error::custom(
            "is neither `in-process` nor a URL such as amqp://user:password@host:5672/vhost",
        ))
    }
}

fn broker_namespace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if text.len() <= 64 && text.bytes().all(plain) {
        Ok(text)
    } else {
        Err(D::Error::custom(
            "a namespace is at most 64 letters, digits, dots, dashes and underscores",
        ))
    }
}

/// `[secrets]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Keys, the first of which encrypts. See [`Secrets::required_master_keys`].
    #[serde(deserialize_with = "values::secrets")]
    pub master_keys: Vec<SecretString>,
}

impl Secrets {
    /// The master keys, or an error that says how to make one.
    pub fn required_master_keys(&self) -> Result<&[SecretString], Error> {
        if self.master_keys.is_empty() {
            return Err(Error::Missing {
                key: "secrets.master_keys",
                way_out: "make one with `hookyard keys generate` and give it to every service as \
                          HOOKYARD__SECRETS__MASTER_KEYS (or …__MASTER_KEYS_FILE)",
            });
        }
        Ok(&self.master_keys)
    }
}

/// `[gateway]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Where the doors are.
    #[serde(deserialize_with = "values::address")]
    pub listen: SocketAddr,
    /// How the outside reaches them.
    pub public_url: HttpUrl,
    /// HTTP worker threads; 0 is one a core.
    pub workers: usize,
    /// From the last byte of a request to its answer, and before it for finding whom it is for.
    #[serde(with = "duration")]
    pub accept_timeout: Duration,
    /// For a body to arrive.
    #[serde(with = "duration")]
    pub body_timeout: Duration,
    /// The limit of doors 1, 2, 5, 6, 7 and of an item at door 3.
    pub body_limit: ByteSize,
    /// The limit of door 4.
    pub token_body_limit: ByteSize,
    /// The most that a source may ask for.
    pub max_body_limit: ByteSize,
    /// What is held of large bodies at once.
    pub bodies_at_once: ByteSize,
    /// Requests that wait for the ledger at once.
    pub accept_queue: NonZeroUsize,
    /// How long configuration is remembered.
    #[serde(with = "duration")]
    pub cache_ttl: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "values::networks")]
    pub trusted_proxies: Vec<IpNet>,
}

/// `[router]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// Events in one transaction.
    pub batch: NonZeroUsize,
    /// When an unrouted event counts as lost by the conveyor.
    #[serde(with = "duration")]
    pub sweep_after: Duration,
    /// How often sweeps look.
    #[serde(with = "duration")]
    pub sweep_every: Duration,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Requests in flight at once.
    pub slots: NonZeroUsize,
    /// How long a worker owns a delivery.
    #[serde(with = "duration")]
    pub lease: Duration,
    /// How often due work is looked for.
    #[serde(with = "duration")]
    pub sweep_every: Duration,
    /// The `User-Agent` of deliveries.
    #[serde(deserialize_with = "values::user_agent")]
    pub user_agent: String,
    /// How much of an answer is kept.
    pub response_limit: ByteSize,
}

/// `[playbook]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// Runs advanced at once.
    pub slots: NonZeroUsize,
    /// How often due work is looked for.
    #[serde(with = "duration")]
    pub sweep_every: Duration,
}

/// `[console]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// Where the management API is.
    #[serde(deserialize_with = "values::address")]
    pub listen: SocketAddr,
    /// How the outside reaches it.
    pub public_url: HttpUrl,
    /// How the console reaches the doors.
    pub gateway_url: HttpUrl,
    /// HTTP worker threads; 0 is one a core.
    pub workers: usize,
    /// A token for every workspace, if there is one.
    #[serde(deserialize_with = "values::optional_secret")]
    pub operator_token: Option<SecretString>,
}

/// `[retention]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// For how long events, deliveries and attempts are kept; none: for ever.
    #[serde(deserialize_with = "values::optional_duration")]
    pub history: Option<Duration>,
    /// For how long rejections are kept; none: for ever.
    #[serde(deserialize_with = "values::optional_duration")]
    pub rejections: Option<Duration>,
    /// For how long it is kept who did what; none: for ever.
    #[serde(deserialize_with = "values::optional_duration")]
    pub audit: Option<Duration>,
    /// How often what is older is looked for.
    #[serde(with = "duration")]
    pub sweep_every: Duration,
}

/// `[health]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Where the health server is.
    pub listen: HealthListen,
}

/// `health.listen`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthListen {
    /// The first free port from 9090 to 9099.
    Auto,
    /// No health server: another server of this process carries its pages.
    Off,
    /// Here, or not at all.
    At(SocketAddr),
}

impl<'de> Deserialize<'de> for HealthListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            address => values::parse_address(address)
                .map(Self::At)
                .map_err(|reason| D::Error::custom(format!("{reason}, nor `auto` or `off`"))),
        }
    }
}

/// `[egress]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// Networks that are open besides the public ones.
    #[serde(deserialize_with = "values::networks")]
    pub allow: Vec<IpNet>,
    /// For a connection, TLS included.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
}

/// `[shutdown]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// From the signal to closed doors.
    #[serde(with = "duration")]
    pub notice: Duration,
    /// From closed doors to the end.
    #[serde(with = "duration")]
    pub drain_timeout: Duration,
}
