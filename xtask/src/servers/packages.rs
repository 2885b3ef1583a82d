//! The servers' programs: found on the machine, else (as root) installed from Debian's packages.

use crate::debian;
use anyhow::bail;
use std::fs;
use std::path::{Path, PathBuf};

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
        Err(missing) if !debian::can_install()? => {
            let packages = missing.join(" ");
            bail!(
                "the tests need Postgres and RabbitMQ, and this machine lacks: {packages}\n\
                 On Debian or Ubuntu: `sudo apt-get update && sudo apt-get install {packages}` (run as root, this command does it).\n\
                 Elsewhere: install PostgreSQL 14 or later and RabbitMQ 3.10 or later, with `postgres`, `rabbitmq-server` and `epmd` in PATH.\n\
                 Or set HOOKYARD_TEST_POSTGRES and HOOKYARD_TEST_RABBITMQ to servers that tests may use."
            );
        }
        Err(missing) => debian::install(&missing)?,
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
