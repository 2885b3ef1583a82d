//! A private Postgres and a private RabbitMQ for the tests of this checkout.
//!
//! *Theory of operation.* A pair lives in a folder of its own below `target/test-servers`: `kept` for
//! `servers start`, `durable` for `servers start --durable`, `run-<pid>` for one `test`. The folder holds the data, the logs, the list of the processes
//! (written as they start, so that whatever a killed run left behind is found and stopped by the next), and at last
//! the addresses. Ports are free ones, passwords are random, everything listens on 127.0.0.1 alone. As root the
//! servers run as the users of their packages: Postgres refuses root.

mod addresses;
mod packages;
mod postgres;
mod process;
mod rabbitmq;
mod user;

pub(crate) use addresses::Addresses;
pub(crate) use process::send as signal;
pub(crate) use user::caller_is_root;

use crate::interrupt;
use anyhow::{Context as _, ensure};
use packages::Programs;
use std::fs;
use std::path::{Path, PathBuf};

/// What a kept pair is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Tests: as fast as can be, and nothing survives a power cut.
    Tests,
    /// Measurements: Postgres waits for the disk, as it does where it is used.
    Measurements,
}

impl Purpose {
    fn folder(self) -> &'static str {
        match self {
            Self::Tests => "kept",
            Self::Measurements => "durable",
        }
    }
}

/// Starts the kept pair, or finds it running.
pub(crate) fn start_kept(purpose: Purpose) -> anyhow::Result<Addresses> {
    let base = base_folder()?;
    let _lock = lock(&base)?;
    let servers = Servers::kept(&base, purpose);
    if let Some(addresses) = servers.find() {
        eprintln!("the test servers run already");
        return Ok(addresses);
    }
    servers.stop();
    servers.start().inspect_err(|_| servers.stop())
}

/// The kept pair's addresses, when both servers answer.
pub(crate) fn find_kept(purpose: Purpose) -> anyhow::Result<Option<Addresses>> {
    Ok(Servers::kept(&base_folder()?, purpose).find())
}

/// Stops the kept pair, and whatever killed runs left behind.
pub(crate) fn stop_kept(purpose: Purpose) -> anyhow::Result<()> {
    let base = base_folder()?;
    let _lock = lock(&base)?;
    Servers::kept(&base, purpose).stop();
    clear_killed_runs(&base)
}

/// One pair of servers in one folder.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    folder: PathBuf,
    purpose: Purpose,
}

impl Servers {
    fn in_folder(folder: PathBuf, purpose: Purpose) -> Self {
        Self { folder, purpose }
    }

    fn kept(base: &Path, purpose: Purpose) -> Self {
        Self::in_folder(base.join(purpose.folder()), purpose)
    }

    /// The pair that belongs to this process; not started yet.
    pub(crate) fn for_this_run() -> anyhow::Result<Self> {
        let base = base_folder()?;
        let _lock = lock(&base)?;
        clear_killed_runs(&base)?;
        let servers = Self::in_folder(base.join(format!("run-{}", std::process::id())), Purpose::Tests);
        servers.stop();
        Ok(servers)
    }

    /// Starts both and waits until they accept connections.
    pub(crate) fn start(&self) -> anyhow::Result<Addresses> {
        let programs = packages::find_or_install()?;
        self.start_once(&programs).or_else(|error| {
            if interrupt::arrived() {
                return Err(error);
            }
            // Another program may have taken a port between our finding it free and the server's using it.
            eprintln!("trying once more: {error:#}");
            self.stop();
            self.start_once(&programs)
        })
    }

    fn start_once(&self, programs: &Programs) -> anyhow::Result<Addresses> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot create {}", self.folder.display()))?;
        // Both at once: each takes seconds.
        let (postgres, rabbitmq) = std::thread::scope(|scope| {
            let rabbitmq = scope.spawn(|| rabbitmq::start(&self.folder, programs));
            let postgres = postgres::start(&self.folder, self.purpose, programs);
            let rabbitmq = rabbitmq
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that starts it panicked")));
            (postgres, rabbitmq)
        });
        let addresses = Addresses {
            postgres: postgres.context("cannot start a private Postgres")?,
            rabbitmq: rabbitmq.context("cannot start a private RabbitMQ")?,
        };
        addresses.save(&self.folder)?;
        eprintln!("Postgres and RabbitMQ are ready in {}", self.folder.display());
        Ok(addresses)
    }

    fn find(&self) -> Option<Addresses> {
        let addresses = Addresses::load(&self.folder)?;
        process::all_alive(&self.folder).then_some(addresses)
    }

    /// Stops what runs and removes the folder. Says on standard error what it could not do.
    pub(crate) fn stop(&self) {
        if !self.folder.exists() {
            return;
        }
        eprintln!("stopping the servers in {}", self.folder.display());
        process::stop_all(&self.folder);
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("warning: cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// Cargo's `target`, in which this program stands.
pub(crate) fn target_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find this program's own path")?;
    let target = program
        .ancestors()
        .nth(2)
        .context("this program is not in cargo's target folder")?;
    Ok(target.to_owned())
}

/// `target/test-servers`; when the servers' users cannot enter it or its path is too long for a Unix socket
/// (108 bytes), a folder of this checkout in the system's temporary one.
fn base_folder() -> anyhow::Result<PathBuf> {
    let base = target_folder()?.join("test-servers");
    fs::create_dir_all(&base).with_context(|| format!("cannot create {}", base.display()))?;
    if base.as_os_str().len() <= 60 && user::all_can_enter(&base)? {
        return Ok(base);
    }
    let checkout = base.to_string_lossy().replace('/', "-");
    let tail = checkout
        .get(checkout.len().saturating_sub(24)..)
        .unwrap_or("-checkout");
    let base = std::env::temp_dir().join(format!("hookyard-test-servers{tail}"));
    fs::create_dir_all(&base).with_context(|| format!("cannot create {}", base.display()))?;
    // Its name can be guessed, and anybody may create folders there.
    ensure!(
        user::is_callers(&base)?,
        "{} belongs to another user: remove it",
        base.display()
    );
    Ok(base)
}

/// Held while a pair is started or stopped: two shells of one checkout must not do both at once.
fn lock(base: &Path) -> anyhow::Result<fs::File> {
    let path = base.join("lock");
    let file = fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Stops the servers of `test` runs that were killed before they could.
fn clear_killed_runs(base: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(base).with_context(|| format!("cannot list {}", base.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let run = name.to_str().and_then(|name| name.strip_prefix("run-"));
        if run.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            Servers::in_folder(entry.path(), Purpose::Tests).stop();
        }
    }
    Ok(())
}
