//! The servers' programs: found on the machine, else (as root) installed from Debian's packages.

use super::user::caller_is_root;
use anyhow::{Context as _, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the servers run from.
pub(super) struct Programs {
    postgres_folder: PathBuf,
    /// RabbitMQ's own start script, not Debian's wrapper of it, which insists on the machine's folders.
    pub(super) rabbitmq_server: PathBuf,
    /// Erlang's port mapper.
    pub(super) epmd: PathBuf,
}

impl Programs {
    /// One of Postgres's programs.
    pub(super) fn postgres(&self, name: &str) -> PathBuf {
        self.postgres_folder.join(name)
    }
}

/// Finds all programs; what is missing is installed when the caller may.
pub(super) fn find_or_install() -> anyhow::Result<Programs> {
    match find() {
        Ok(programs) => return Ok(programs),
        Err(missing) if !caller_is_root()? || !Path::new("/usr/bin/apt-get").exists() => {
            let packages = missing.join(" ");
            bail!(
                "the tests need Postgres and RabbitMQ, and this machine lacks: {packages}\n\
                 On Debian or Ubuntu: `sudo apt-get update && sudo apt-get install {packages}` (run as root, this command does it).\n\
                 Elsewhere: install PostgreSQL 14 or later and RabbitMQ 3.10 or later, with `postgres`, `rabbitmq-server` and `epmd` in PATH.\n\
                 Or set HOOKYARD_TEST_POSTGRES and HOOKYARD_TEST_RABBITMQ to servers that tests may use."
            );
        }
        Err(missing) => install(&missing)?,
    }
    find().map_err(|missing| anyhow::anyhow!("still missing after the installation: {}", missing.join(" ")))
}

/// The programs, or the Debian packages that lack.
fn find() -> Result<Programs, Vec<&'static str>> {
    let postgres = newest_postgres().or_else(|| in_path("postgres")?.parent().map(Path::to_owned));
    let rabbitmq_server =
        existing("/usr/lib/rabbitmq/bin/rabbitmq-server").or_else(|| in_path("rabbitmq-server"));
    let epmd = in_path("epmd");
    match (postgres, rabbitmq_server, epmd) {
        (Some(postgres_folder), Some(rabbitmq_server), Some(epmd)) => Ok(Programs {
            postgres_folder,
            rabbitmq_server,
            epmd,
        }),
        (postgres, rabbitmq_server, epmd) => {
            let mut missing = Vec::new();
            if postgres.is_none() {
                missing.push("postgresql");
            }
            if rabbitmq_server.is_none() || epmd.is_none() {
                missing.push("rabbitmq-server");
            }
            Err(missing)
        }
    }
}

/// Debian keeps each major version's programs apart, and out of PATH.
fn newest_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(version)?;
    Some(newest.join("bin"))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

fn existing(path: &str) -> Option<PathBuf> {
    Some(PathBuf::from(path)).filter(|path| path.is_file())
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    eprintln!("installing {} with apt-get", packages.join(" "));
    let _guard = StartNothing::new()?;
    apt_get(&["update"])?;
    let options = ["install", "--yes", "--no-install-recommends"];
    apt_get(&[options.as_slice(), packages].concat())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .args(["--quiet", "--option", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Standard output is for what a shell should read.
        .stdout(std::io::stderr())
        .status()
        .context("cannot run apt-get")?;
    if !status.success() {
        bail!("`apt-get {}` failed, {status}", arguments.join(" "));
    }
    Ok(())
}

/// Debian starts a package's service when it is installed; a test run must not leave servers on this machine's ports.
/// While this lives, `policy-rc.d` (see invoke-rc.d(8)) says so; one that is there already is left as it is.
struct StartNothing {
    written: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl StartNothing {
    fn new() -> anyhow::Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { written: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot write {POLICY}"))?;
        Ok(Self { written: true })
    }
}

impl Drop for StartNothing {
    fn drop(&mut self) {
        if self.written
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("warning: remove {POLICY} by hand, it keeps services from starting: {error}");
        }
    }
}
