//! The roles as processes of their own, on a Postgres and behind a RabbitMQ.

use crate::running::{hookyard, run, stderr, stdout, untold};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tempfile::TempDir;
use testkit::broker::TestBroker;
use testkit::database::TestDatabase;
use testkit::{DEADLINE, until};

/// Every role.
pub(crate) const ROLES: [&str; 5] = [
    "hookyard-gateway",
    "hookyard-router",
    "hookyard-delivery-worker",
    "hookyard-playbook-runner",
    "hookyard-console",
];

/// What every service of one deployment is told, and where it leaves its logs.
pub(crate) struct Deployment {
    database: TestDatabase,
    pub(crate) broker: TestBroker,
    broker_url: String,
    master_key: String,
    folder: TempDir,
    started: AtomicUsize,
}

impl Deployment {
    /// A migrated database and a namespace at the broker, reached at `broker_url`.
    pub(crate) fn new(broker: TestBroker, broker_url: String) -> Self {
        let key = stdout(&run(hookyard().args(["keys", "generate"])));
        let deployment = Self {
            database: testkit::database::postgres(),
            broker,
            broker_url,
            master_key: key.trim().to_owned(),
            folder: tempfile::tempdir().unwrap(),
            started: AtomicUsize::new(0),
        };
        let migrated = run(deployment.told(&mut hookyard()).arg("migrate"));
        assert!(migrated.status.success(), "{}", stderr(&migrated));
        deployment
    }

    /// Gives a command the deployment's settings.
    pub(crate) fn told<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("HOOKYARD__DATABASE__URL", self.database.url())
            .env("HOOKYARD__BROKER__URL", &self.broker_url)
            .env("HOOKYARD__BROKER__NAMESPACE", self.broker.namespace())
            .env("HOOKYARD__BROKER__QUEUE_EXPIRY", "10m")
            .env("HOOKYARD__SECRETS__MASTER_KEYS", &self.master_key)
            .env("HOOKYARD__GATEWAY__LISTEN", "127.0.0.1:0")
            .env("HOOKYARD__CONSOLE__LISTEN", "127.0.0.1:0")
            // What a gateway knows of a change, it was told.
            .env("HOOKYARD__GATEWAY__CACHE_TTL", "1h")
            .env("HOOKYARD__HEALTH__LISTEN", "127.0.0.1:0")
            .env("HOOKYARD__EGRESS__ALLOW", "127.0.0.0/8")
    }

    /// Makes a workspace, straight in the ledger.
    pub(crate) fn apply(&self, yard: &Path) {
        let applied = run(self.told(&mut hookyard()).args(["apply", "-f"]).arg(yard));
        assert!(applied.status.success(), "{}", stderr(&applied));
    }

    /// Starts one process of a role.
    pub(crate) fn start(&self, role: &str) -> Service {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.folder.path().join(format!("{number}-{role}.log"));
        let mut service = untold(program(role));
        self.told(&mut service)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        Service {
            child: service.spawn().unwrap(),
            role: role.to_owned(),
            log,
        }
    }

    /// Starts every role, `each` times, and waits until all are ready.
    pub(crate) async fn start_all(&self, each: usize) -> Vec<Service> {
        let mut services: Vec<Service> = ROLES
            .iter()
            .flat_map(|role| (0..each).map(|_| self.start(role)))
            .collect();
        for service in &mut services {
            service.ready().await;
        }
        services
    }
}

/// Where a service's program lies: beside this one. `cargo test --workspace` builds them all; whoever tests this package
/// alone gets those that are there.
fn program(role: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_hookyard"))
            .parent()
            .unwrap()
            .to_owned();
        if !ROLES.iter().all(|role| folder.join(role).exists()) {
            build(&folder);
        }
        folder
    });
    folder.join(role)
}

fn build(folder: &Path) {
    eprintln!("building {ROLES:?}, which are not all there");
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--bins", "--profile", profile]);
    let built = run(cargo.current_dir(env!("CARGO_MANIFEST_DIR")));
    assert!(built.status.success(), "{}", stderr(&built));
}

/// One process of a role; killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) role: String,
    log: PathBuf,
}

impl Service {
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log says that it is ready.
    pub(crate) async fn ready(&mut self) {
        until(&format!("{} is ready", self.role), async || {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "{} ended: {}", self.role, self.log());
            self.lines().any(|line| line["message"] == "ready")
        })
        .await;
    }

    /// `http://127.0.0.1:…`, where it serves what it is there for.
    pub(crate) fn url(&self) -> String {
        self.address("listening for")
    }

    /// Where its health pages are.
    pub(crate) fn health(&self) -> String {
        self.address("health pages")
    }

    fn address(&self, said: &str) -> String {
        let line = self.lines().find(|line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.starts_with(said))
        });
        let line = line.unwrap_or_else(|| panic!("{} does not listen: {}", self.role, self.log()));
        format!("http://{}", line["server.address"].as_str().unwrap())
    }

    fn lines(&self) -> impl Iterator<Item = Value> {
        let lines: Vec<Value> = self
            .log()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        lines.into_iter()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                began.elapsed() < DEADLINE,
                "{} does not end: {}",
                self.role,
                self.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of {}:\n{}", self.role, self.log());
        }
    }
}
