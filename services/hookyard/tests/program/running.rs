//! A `hookyard dev` in a process of its own, and the commands beside it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Instant;
use testkit::{DEADLINE, until};

/// The program.
pub(crate) fn hookyard() -> Command {
    untold(env!("CARGO_BIN_EXE_hookyard"))
}

/// A program, without whatever the tests' own environment would tell it.
pub(crate) fn untold(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOOKYARD") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// What a command printed.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command complained about.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The client of the tests.
#[expect(
    clippy::disallowed_methods,
    reason = "tests reach their own servers on loopback"
)]
pub(crate) fn http() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().timeout(DEADLINE).build().unwrap()
    })
}

/// A running `hookyard dev`; killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// What `--json` printed when it was ready.
    pub(crate) banner: Value,
    pub(crate) url: String,
    log: PathBuf,
}

impl Running {
    /// Starts on a free port, and waits until it says that it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, |_| {})
    }

    pub(crate) fn start_with(data: &Path, adjust: impl FnOnce(&mut Command)) -> Self {
        let log = data.with_extension("log");
        let mut command = hookyard();
        command
            .args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(data);
        adjust(&mut command);
        let child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn();
        let mut running = Self {
            child: child.unwrap(),
            banner: Value::Null,
            url: String::new(),
            log,
        };
        let out = running.child.stdout.take().unwrap();
        let (said, banner) = channel();
        std::thread::spawn(move || {
            let first = serde_json::Deserializer::from_reader(out)
                .into_iter::<Value>()
                .next();
            let _ = said.send(first);
        });
        match banner.recv_timeout(DEADLINE) {
            Ok(Some(Ok(banner))) => {
                banner["url"].as_str().unwrap().clone_into(&mut running.url);
                running.banner = banner;
            }
            other => panic!("hookyard dev did not become ready ({other:?}): {}", running.log()),
        }
        running
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn demo(&self, secret: &str) -> String {
        self.banner["demo"][secret]
            .as_str()
            .unwrap_or_else(|| panic!("no demo: {}", self.banner))
            .to_owned()
    }

    /// A command that talks to it.
    pub(crate) fn command(&self, workspace: &str, token: &str) -> Command {
        let mut command = hookyard();
        command
            .env("HOOKYARD_URL", &self.url)
            .env("HOOKYARD_WORKSPACE", workspace)
            .env("HOOKYARD_TOKEN", token);
        command
    }

    /// A command that talks to its demo workspace.
    pub(crate) fn demo_command(&self) -> Command {
        self.command("demo", &self.demo("managementToken"))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// As a crash or the kernel would: at once, with nothing finished.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9));
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < DEADLINE, "it does not end: {}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// `GET`s something of a workspace.
    pub(crate) async fn get(&self, workspace: &str, token: &str, path: &str) -> Value {
        let url = format!("{}/management/v1/workspaces/{workspace}{path}", self.url);
        let answer = http().get(url).bearer_auth(token).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// `GET`s something of the demo workspace.
    pub(crate) async fn get_demo(&self, path: &str) -> Value {
        self.get("demo", &self.demo("managementToken"), path).await
    }

    /// What the demo's receiver shows.
    pub(crate) async fn received(&self) -> Vec<Value> {
        let answer = http()
            .get(format!("{}/demo/receiver", self.url))
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    }

    /// Waits until a delivery of the event has this status, and returns the delivery.
    pub(crate) async fn delivery(&self, event: &str, status: &str) -> Value {
        let mut found = Value::Null;
        until(&format!("{event} is {status}"), async || {
            let page = self.get_demo(&format!("/events/{event}/deliveries")).await;
            found = page["deliveries"][0].clone();
            found["status"] == status
        })
        .await;
        found
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of {}:\n{}", self.url, self.log());
        }
    }
}
