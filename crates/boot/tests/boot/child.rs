//! A process of our own to send signals to: this test binary, started again as one service.

use crate::wire::DEADLINE;
use actix_web::web;
use hookyard_boot::http::{self, Listen};
use hookyard_boot::{Platform, Process, Sources, health, run};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

/// Which service to be; absent in the parent.
const ROLE: &str = "BOOT_TEST_ROLE";

/// Not a test: the service. It returns at once unless it was started by [`Service::start`].
#[test]
fn service() {
    let Some(role) = std::env::var_os(ROLE) else {
        return;
    };
    let settings = Sources::from_process(None).load().unwrap();
    let code = run("boot-child", settings, async move |process: Process| {
        match role.to_str() {
            Some("http") => {
                let pages = health::pages(&process.health);
                let listen = Listen {
                    address: process.settings.gateway.listen,
                    workers: 1,
                    server: "the child",
                    setting: "gateway.listen",
                };
                http::serve(listen, &process.tasks, move |config| {
                    config.route("/traced", web::get().to(async || "traced"));
                    pages(config);
                })?;
            }
            Some("hangs") => process.tasks.spawn("child.hangs", std::future::pending::<()>()),
            Some("fails") => process
                .tasks
                .spawn("child.fails", async { Err::<(), _>("out of rows") }),
            Some("panics") => process.tasks.spawn("child.panics", async {
                assert!(std::env::args().count() == 0, "on purpose");
            }),
            Some("platform") => drop(Platform::connect(process).await?),
            Some("no-start") => return Err("nothing to start with".into()),
            other => panic!("no such role: {other:?}"),
        }
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    });
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", ExitCode::SUCCESS),
        "the exit code becomes the harness's"
    );
}

/// The running service and its log.
pub(crate) struct Service {
    child: Child,
    lines: Receiver<String>,
}

impl Service {
    pub(crate) fn start(role: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::service", "--nocapture"])
            .env(ROLE, role)
            .env("HOOKYARD__GATEWAY__LISTEN", "127.0.0.1:0")
            .env("HOOKYARD__HEALTH__LISTEN", "127.0.0.1:0")
            .env("HOOKYARD__LOG__FORMAT", "json")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for a log line with these words, and returns it.
    pub(crate) fn line(&self, words: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with `{words}` among {seen:#?}"),
            }
        }
    }

    /// Waits for the server of this name, and returns its address.
    pub(crate) fn address(&self, server: &str) -> SocketAddr {
        let line: serde_json::Value = serde_json::from_str(&self.line(server)).unwrap();
        line["server.address"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end, and returns how it ended and the log lines that are left.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + DEADLINE;
        let lines = self.lines.iter().collect();
        let status = self.child.wait().unwrap();
        assert!(Instant::now() < deadline);
        (status, lines)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
