//! The programs that are measured, as processes of their own.

use crate::http;
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Those that must be there.
const PROGRAMS: [&str; 5] = [
    "hookyard",
    "hookyard-gateway",
    "hookyard-router",
    "hookyard-delivery-worker",
    "hookyard-playbook-runner",
];

/// How long a service may take to be ready on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A child that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts a program, its output in `log`.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Result<Self> {
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/readyz` says so.
    pub(crate) async fn ready(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once, {status}: {}", self.log_end());
            }
            if http::get(address, "/readyz")
                .await
                .is_ok_and(|status| status == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("it is not ready within {PATIENCE:?}: {}", self.log_end())
    }

    fn log_end(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines
            .get(lines.len().saturating_sub(8)..)
            .unwrap_or_default()
            .join("\n")
    }
}

/// Fails, and says what to do, when a program is not there.
pub(crate) fn all_are_built() -> Result<()> {
    let folder = folder()?;
    let missing: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|name| !folder.join(name).exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let release = if cfg!(debug_assertions) { "" } else { " --release" };
    bail!(
        "{} not in {}: `cargo build{release}` makes what is measured",
        missing.join(", "),
        folder.display()
    )
}

/// A program beside this one, that is told `settings` and nothing of the caller's own.
pub(crate) fn command(name: &str, settings: &[(&str, String)]) -> Result<Command> {
    let mut command = Command::new(folder()?.join(name));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("HOOKYARD") {
            command.env_remove(variable);
        }
    }
    command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
    Ok(command)
}

/// Runs a program to its end.
pub(crate) fn run(mut command: Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Starts this very program as something else, which prints where it listens.
pub(crate) fn start_own(arguments: &[&str], folder: &Path) -> Result<(Program, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("a child without its output")?;
    let program = Program {
        child,
        log: folder.join("own.log"),
    };
    let line = BufReader::new(output)
        .lines()
        .next()
        .context("it ended at once")??;
    Ok((program, line.parse()?))
}

/// An address that nobody listens on now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The folder of this program, where cargo puts all of them.
fn folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    Ok(own.parent().context("a program without a folder")?.to_owned())
}
