//! `hookyard listen`: new events on the developer's own machine.

use crate::running::{Running, hookyard, http, run, stderr};
use crate::senders::{PUSH, event_id, github_signature, push};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver as Lines, channel};
use testkit::DEADLINE;
use testkit::receiver::{Receiver, Reply};

/// A `hookyard listen` that has begun to watch; killed when dropped.
struct Listening {
    child: Child,
    lines: Lines<String>,
}

impl Listening {
    fn to(running: &Running, arguments: &[&str]) -> Self {
        let mut command = running.demo_command();
        command
            .args(["listen", "--every", "100ms"])
            .args(arguments)
            .env_remove("HOOKYARD_WORKSPACE")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (said, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        // What came before the first look is not told.
        let mut notes = BufReader::new(child.stderr.take().unwrap());
        let mut note = String::new();
        notes.read_line(&mut note).unwrap();
        assert!(note.contains("Ctrl-C"), "{note}");
        std::thread::spawn(move || notes.read_to_end(&mut Vec::new()));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).unwrap()
    }

    fn interrupted(mut self) -> Option<i32> {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn each_new_event_is_posted_to_the_local_server_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    push(&running, "before").await;
    let local = Receiver::start();
    local.answer_next([Reply::status(204), Reply::status(500), Reply::reset()]);
    let to = format!("{}/hook?a=1", local.url());
    let listening = Listening::to(
        &running,
        &["--forward-to", &to, "--source", "github", "--type", "push"],
    );
    let mut ids = Vec::new();
    for (number, outcome) in [(1, "204"), (2, "500"), (3, "error sending"), (4, "200")] {
        let (_, answer) = push(&running, &format!("d-{number}")).await;
        let id = event_id(&answer);
        let line = listening.line();
        assert!(line.contains(&id) && line.contains("push"), "{line}");
        assert!(line.contains(outcome) && line.contains(" ms"), "{line}");
        ids.push(id);
    }
    let posted = local.received(4).await;
    assert_eq!(posted.len(), 4, "and nothing from before");
    for (request, id) in posted.iter().zip(&ids) {
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/hook?a=1")
        );
        assert_eq!(request.body, PUSH.as_bytes());
        assert_eq!(request.header("webhook-id"), Some(id.as_str()));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("x-github-event"), Some("push"));
        assert_eq!(
            request.header("host").unwrap(),
            local.address().to_string(),
            "not the door's"
        );
    }
    assert_eq!(listening.interrupted(), Some(0));
}

#[tokio::test]
async fn events_of_other_types_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    let local = Receiver::start();
    let url = local.url();
    let payments = Listening::to(&running, &["--forward-to", &url, "--type", "payment.*"]);
    push(&running, "d-1").await;
    let door = format!("{}/ingest/{}", running.url, running.demo("sourceToken"));
    let paid = http()
        .post(door)
        .header("X-GitHub-Event", "payment.card.failed")
        .header("X-GitHub-Delivery", "d-2")
        .header(
            "X-Hub-Signature-256",
            github_signature(&running.demo("sourceSecret"), "{}"),
        )
        .body("{}");
    assert_eq!(paid.send().await.unwrap().status(), 202);
    let line = payments.line();
    assert!(line.contains("payment.card.failed"), "{line}");
    let posted = local.requests();
    assert_eq!((posted.len(), posted[0].body.as_slice()), (1, &b"{}"[..]));
}

#[tokio::test]
async fn without_a_local_server_events_are_shown_whole() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    let listening = Listening::to(&running, &[]);
    let (_, answer) = push(&running, "d-1").await;
    let (headline, id) = (listening.line(), event_id(&answer));
    assert!(headline.contains(&id), "{headline}");
    // Headers, and behind an empty line the body.
    let rest: Vec<String> = std::iter::repeat_with(|| listening.line())
        .take_while(|line| line != PUSH)
        .collect();
    assert!(rest.iter().any(|line| line == "x-github-event: push"), "{rest:?}");
    assert_eq!(rest.last().map(String::as_str), Some(""));
    assert_eq!(listening.interrupted(), Some(0));
}

#[tokio::test]
async fn programs_get_a_line_of_json_for_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    let local = Receiver::start();
    local.answer_all(Reply::status(202));
    let mut command = running.demo_command();
    let child = command
        .args([
            "listen",
            "--json",
            "--every",
            "100ms",
            "--forward-to",
            &local.url(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It says nothing before the first event, so it is sent until something is said.
    let reader = std::thread::spawn(move || lines.next());
    let mut number = 0;
    testkit::until("an event is told", async || {
        number += 1;
        push(&running, &format!("d-{number}")).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        reader.is_finished()
    })
    .await;
    let line: Value = serde_json::from_str(&reader.join().unwrap().unwrap().unwrap()).unwrap();
    assert!(
        line["event"]["id"].as_str().unwrap().starts_with("msg_"),
        "{line}"
    );
    assert_eq!(line["event"]["body"], Value::Null);
    assert_eq!(
        (&line["forwarded"]["status"], &line["forwarded"]["error"]),
        (&202.into(), &Value::Null)
    );
    assert!(line["forwarded"]["tookMs"].is_u64());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn where_events_are_posted_must_be_a_url() {
    for (url, code) in [
        ("ftp://localhost/", 2),
        ("http://", 2),
        ("localhost:3000/hook", 1),
    ] {
        let output = run(hookyard().args(["listen", "--forward-to", url]));
        assert_eq!(output.status.code(), Some(code), "{url}: {}", stderr(&output));
    }
}
