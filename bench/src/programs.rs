//! The programs that are measured, as processes of their own.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    /// CPU seconds that it used so far: its own and the system's for it (proc(5), `stat`, fields 14 and 15).
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).ok()?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(ticks / 100.0)
    }

    /// Its resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
    }
}

/// Starts the bare handler, which is this very program.
pub(crate) fn bare(secret: &str) -> Result<(Program, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["bare", secret])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("the bare handler has no output")?;
    let program = Program(child);
    let line = BufReader::new(output)
        .lines()
        .next()
        .context("the bare handler ended")??;
    Ok((program, line.parse()?))
}

/// Runs a program beside this one to its end.
pub(crate) fn run(name: &str, arguments: &[&str], settings: &[(&str, String)]) -> Result<()> {
    let output = command(name, settings)?
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!(
            "{name} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Starts a service beside this program and waits until it is ready.
pub(crate) async fn start(name: &str, settings: &[(&str, String)], ready: SocketAddr) -> Result<Program> {
    let mut program = Program(
        command(name, settings)?
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(status) = program.0.try_wait()? {
            bail!("{name} ended at once: {status}");
        }
        if tokio::net::TcpStream::connect(ready).await.is_ok() {
            return Ok(program);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("{name} does not listen on {ready}");
}

fn command(name: &str, settings: &[(&str, String)]) -> Result<Command> {
    let beside: PathBuf = std::env::current_exe()?.with_file_name(name);
    if !beside.exists() {
        bail!(
            "{} is missing: `cargo build --release` makes it",
            beside.display()
        );
    }
    let mut command = Command::new(beside);
    command.envs(settings.iter().map(|(key, value)| (*key, value.as_str())));
    Ok(command)
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
