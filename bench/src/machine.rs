//! Where and when it was measured, and what.

use crate::servers::{self, Servers};
use anyhow::Result;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What figures mean nothing without.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// With ` and changes` when something was not committed.
    pub(crate) commit: String,
    pub(crate) at: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) postgres: String,
    pub(crate) rabbitmq: String,
    /// The load before it began, over one minute: what else was going on.
    pub(crate) load_before: String,
    /// Whether the programs were built for speed.
    pub(crate) is_release: bool,
}

pub(crate) async fn look(servers: &Servers) -> Result<Machine> {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let load = file("/proc/loadavg");
    Ok(Machine {
        commit: commit(),
        at: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        processor: processor(&file("/proc/cpuinfo")),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gib: memory_gib(&file("/proc/meminfo")),
        kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
        postgres: servers.postgres_version().await?,
        rabbitmq: servers::rabbitmq_version(&servers.rabbitmq)?,
        load_before: load.split(' ').next().unwrap_or_default().to_owned(),
        is_release: !cfg!(debug_assertions),
    })
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        None => "unknown".to_owned(),
        Some(commit) if git(&["status", "--porcelain"]).is_some_and(|text| text.is_empty()) => commit,
        Some(commit) => format!("{commit} and changes"),
    }
}

fn processor(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn memory_gib(meminfo: &str) -> f64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or_default() / 1_024.0 / 1_024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_and_the_memory_are_read_from_proc() {
        assert_eq!(
            processor("processor : 0\nmodel name\t: A CPU @ 2 GHz\n"),
            "A CPU @ 2 GHz"
        );
        assert_eq!(processor(""), "unknown");
        assert!((memory_gib("MemTotal:    2097152 kB\n") - 2.0).abs() < 1e-9);
    }
}
