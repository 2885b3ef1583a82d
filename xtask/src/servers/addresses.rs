//! Where the servers listen: two URLs, in the environment, in a file and as lines for a shell.

use anyhow::{Context as _, bail};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const POSTGRES: &str = "HOOKYARD_TEST_POSTGRES";
const RABBITMQ: &str = "HOOKYARD_TEST_RABBITMQ";

/// The two URLs that the tests read, passwords included.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    /// `postgres://…` of a user that may create databases.
    pub(crate) postgres: String,
    /// `amqp://…` of a user with all permissions.
    pub(crate) rabbitmq: String,
}

impl Addresses {
    /// What the caller's environment names: both, or none.
    #[expect(
        clippy::disallowed_methods,
        reason = "chores have no settings; these two variables are their interface"
    )]
    pub(crate) fn from_environment() -> anyhow::Result<Option<Self>> {
        match (std::env::var(POSTGRES), std::env::var(RABBITMQ)) {
            (Ok(postgres), Ok(rabbitmq)) => Ok(Some(Self { postgres, rabbitmq })),
            (Err(_), Err(_)) => Ok(None),
            _ => bail!("set both {POSTGRES} and {RABBITMQ} to use servers of your own, or neither"),
        }
    }

    /// For [`std::process::Command::envs`].
    pub(crate) fn variables(&self) -> [(&'static str, &str); 2] {
        [(POSTGRES, &self.postgres), (RABBITMQ, &self.rabbitmq)]
    }

    /// For `eval` in a shell: `export HOOKYARD_TEST_POSTGRES='postgres://…'`. The passwords are hexadecimal.
    pub(crate) fn export_lines(&self) -> String {
        self.variables()
            .map(|(name, url)| format!("export {name}='{url}'"))
            .join("\n")
    }

    pub(super) fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join("addresses");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&path)
            .and_then(|mut file| writeln!(file, "{}\n{}", self.postgres, self.rabbitmq))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    pub(super) fn load(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join("addresses")).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        Some(Self {
            postgres: lines.next()?,
            rabbitmq: lines.next()?,
        })
    }
}
