//! Starting a server's process, waiting for it, and ending it: only ever processes that stand in the folder's list.

use crate::interrupt;
use anyhow::{Context as _, bail};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take to start: a cold RabbitMQ on a busy machine needs half a minute.
const START_DEADLINE: Duration = Duration::from_mins(2);

/// How long a server may take to end before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// One program to start.
pub(super) struct Server<'a> {
    /// What people call it.
    pub(super) name: &'a str,
    /// The pair's folder.
    pub(super) folder: &'a Path,
    /// What ends it at once: its data is thrown away.
    pub(super) signal: &'a str,
}

impl Server<'_> {
    /// Starts `command` in a process group of its own (Ctrl-C must not reach it) and lists it in the folder.
    pub(super) fn spawn(&self, command: &mut Command) -> anyhow::Result<Child> {
        let log = self.log()?;
        let child = command
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let list = self.folder.join("processes");
        let line = format!("{} {} {}\n", child.id(), self.signal, self.name);
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&list)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .with_context(|| format!("cannot write {}", list.display()))?;
        Ok(child)
    }

    /// Runs `command` to its end.
    pub(super) fn run(&self, command: &mut Command) -> anyhow::Result<()> {
        let log = self.log()?;
        let status = command
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        if !status.success() {
            bail!(
                "{} failed, {status}\n{}",
                command.get_program().display(),
                self.log_tail()
            );
        }
        Ok(())
    }

    /// Waits until `ready`, as long as `child` lives.
    pub(super) fn wait(&self, child: &mut Child, ready: impl Fn() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        while !ready() {
            if interrupt::arrived() {
                bail!("interrupted");
            }
            if let Some(status) = child.try_wait()? {
                bail!(
                    "{} ended while it started, {status}\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "{} is not ready after {START_DEADLINE:?}\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn log(&self) -> anyhow::Result<fs::File> {
        let path = self.folder.join(format!("{}.log", self.name));
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn log_tail(&self) -> String {
        let path = self.folder.join(format!("{}.log", self.name));
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default();
        format!("the end of {}:\n{}", path.display(), tail.join("\n"))
    }
}

/// Ports of 127.0.0.1 that nobody listens on just now.
pub(super) fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    // All are held until the last is found, so that they differ.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").context("no free port on 127.0.0.1")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// 128 bits from the system, in hexadecimal: every local user can reach the port.
pub(super) fn password() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Whether every process of the folder's list still runs; says which does not.
pub(super) fn all_alive(folder: &Path) -> bool {
    let listed = listed(folder);
    let mut alive = !listed.is_empty();
    for Listed { pid, name, .. } in &listed {
        if !is_ours(folder, pid) {
            eprintln!("{name} (process {pid}) has ended on its own");
            alive = false;
        }
    }
    alive
}

/// Ends every process of the folder's list and waits until they are gone.
pub(super) fn stop_all(folder: &Path) {
    let listed = listed(folder);
    for Listed { pid, signal, .. } in &listed {
        if is_ours(folder, pid) {
            send(signal, &format!("-{pid}"));
        }
    }
    let deadline = Instant::now() + STOP_DEADLINE;
    for Listed { pid, .. } in &listed {
        while is_ours(folder, pid) {
            if Instant::now() > deadline {
                send("KILL", &format!("-{pid}"));
                break;
            }
            sleep(Duration::from_millis(20));
        }
    }
}

/// Sends a signal to a process, or to a group by a negative id. The standard library has no call for it, every shell does.
pub(crate) fn send(signal: &str, pid: &str) {
    let sent = Command::new("/bin/sh")
        .args(["-c", "kill -s \"$0\" -- \"$1\"", signal, pid])
        .stderr(Stdio::null())
        .status();
    if let Err(error) = sent {
        eprintln!("warning: cannot signal process {pid}: {error}");
    }
}

/// A line of the folder's list: `4711 QUIT postgres`.
struct Listed {
    pid: String,
    signal: String,
    name: String,
}

fn listed(folder: &Path) -> Vec<Listed> {
    let text = fs::read_to_string(folder.join("processes")).unwrap_or_default();
    let parse = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some(Listed {
            pid: words.next()?,
            signal: words.next()?,
            name: words.next()?,
        })
    };
    text.lines().filter_map(parse).collect()
}

/// A process works where we started it; another one that got the same id later does not.
fn is_ours(folder: &Path, pid: &str) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    fs::read_link(Path::new("/proc").join(pid).join("cwd")).is_ok_and(|at| at.starts_with(folder))
}
