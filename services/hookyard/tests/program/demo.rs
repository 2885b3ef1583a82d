//! The first minutes of a newcomer.

use crate::running::{Running, hookyard, http, run, stderr, stdout};
use crate::senders::{PUSH, event_id, post_github, push};
use expression::Launch;
use hookyard::dev::{Dev, Options};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use testkit::until;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_signed_webhook_is_verified_routed_transformed_and_delivered_with_a_signature() {
    let folder = folder();
    let running = Running::start(&folder.path().join("data"));
    let ready = http()
        .get(format!("{}/readyz", running.url))
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), 200);

    let (status, answer) = push(&running, "d-1").await;
    assert_eq!(status, 202, "{answer}");
    let id = event_id(&answer);
    // A 2xx means recorded: it can be read at once.
    let event = running.get_demo(&format!("/events/{id}")).await;
    assert_eq!(
        (&event["verified"], &event["type"], &event["source"]),
        (&json!(true), &json!("push"), &json!("github"))
    );

    let delivery = running.delivery(&id, "delivered").await;
    assert_eq!(delivery["totalAttempts"], 1);
    let trace = running.get_demo(&format!("/events/{id}/trace")).await;
    assert_eq!(trace["routes"][0]["matched"], true, "{trace}");
    assert_eq!(trace["routes"][0]["deliveryId"], delivery["id"]);

    let received = running.received().await;
    assert_eq!(received.len(), 1);
    assert_eq!(
        (&received[0]["verified"], &received[0]["webhookId"]),
        (&json!(true), &json!(id))
    );
    let body: Value = serde_json::from_str(received[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        body,
        json!({"repository": "octo/hello", "by": "mona", "message": "Fix"})
    );
}

#[tokio::test]
async fn a_wrong_signature_is_refused_and_kept_as_a_rejection() {
    let folder = folder();
    let running = Running::start(&folder.path().join("data"));
    let url = format!("{}/ingest/{}", running.url, running.demo("sourceToken"));
    let (status, answer) = post_github(&url, "not the secret", "d-1", "{}").await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_signature")));
    let mut rejections = Value::Null;
    until("the rejection is listed", async || {
        rejections = running.get_demo("/rejections").await;
        rejections["rejections"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
    })
    .await;
    assert_eq!(rejections["rejections"][0]["cause"], "signature_mismatch");
    assert_eq!(running.get_demo("/events").await["events"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_twins_at_once_are_one_event_and_one_delivery() {
    let folder = folder();
    let running = Running::start(&folder.path().join("data"));
    let twins = (0..64).map(|_| push(&running, "the-same"));
    let answers = futures_util::future::join_all(twins).await;
    let ids: HashSet<String> = answers.iter().map(|(_, answer)| event_id(answer)).collect();
    assert!(answers.iter().all(|(status, _)| *status == 202), "{answers:?}");
    assert_eq!(ids.len(), 1, "{ids:?}");
    let first = answers
        .iter()
        .filter(|(_, answer)| answer["data"]["note"].is_null())
        .count();
    assert_eq!(
        first, 1,
        "one came first, the others are told that they are duplicates"
    );

    let id = ids.into_iter().next().unwrap();
    running.delivery(&id, "delivered").await;
    assert_eq!(
        running.get_demo("/events").await["events"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        running.get_demo("/deliveries").await["deliveries"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(running.received().await.len(), 1);
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_with_the_same_webhook_id() {
    let folder = folder();
    let running = Running::start(&folder.path().join("data"));
    let fail = http()
        .post(format!("{}/demo/receiver/fail", running.url))
        .json(&json!({"times": 2}));
    assert_eq!(fail.send().await.unwrap().status(), 200);
    let (_, answer) = push(&running, "d-1").await;
    let id = event_id(&answer);
    let delivery = running.delivery(&id, "delivered").await;
    assert_eq!(delivery["totalAttempts"], 3);
    let attempts = running
        .get_demo(&format!(
            "/deliveries/{}/attempts",
            delivery["id"].as_str().unwrap()
        ))
        .await;
    let codes: Vec<_> = attempts
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["responseStatusCode"].clone())
        .collect();
    assert_eq!(codes, [500, 500, 200]);
    let received = running.received().await;
    assert!(
        received
            .iter()
            .all(|got| got["webhookId"] == json!(id) && got["verified"] == true)
    );
    let numbers: Vec<_> = received.iter().rev().map(|got| got["attempt"].clone()).collect();
    assert_eq!(numbers, ["1", "2", "3"]);
}

#[tokio::test]
async fn the_demos_secrets_outlive_a_restart_and_its_receiver_follows_the_port() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut first = Running::start(&data);
    let (demo, port) = (first.banner["demo"].clone(), first.url.clone());
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().code(), Some(0), "{}", first.log());
    assert!(
        http().get(format!("{port}/readyz")).send().await.is_err(),
        "the port is closed"
    );

    let second = Running::start(&data);
    assert_eq!(second.banner["demo"], demo);
    let (status, answer) = push(&second, "d-2").await;
    assert_eq!(status, 202);
    second.delivery(&event_id(&answer), "delivered").await;
    assert_eq!(
        second.received().await.len(),
        1,
        "at the new port ({port} before, {} now)",
        second.url
    );
}

#[tokio::test]
async fn a_second_one_is_told_what_is_in_its_way() {
    let folder = folder();
    let data = folder.path().join("data");
    let running = Running::start(&data);

    let same_folder = run(hookyard()
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data));
    assert_eq!(same_folder.status.code(), Some(1));
    let message = stderr(&same_folder);
    assert!(
        message.contains("another `hookyard dev`") && message.contains("--data"),
        "{message}"
    );

    let address = running.url.trim_start_matches("http://");
    let elsewhere = folder.path().join("other");
    let same_port = run(hookyard()
        .args(["dev", "--listen", address, "--data"])
        .arg(&elsewhere));
    assert_eq!(same_port.status.code(), Some(1));
    let message = stderr(&same_port);
    assert!(
        message.contains(address) && message.contains("in use") && message.contains("--listen"),
        "{message}"
    );
}

#[test]
fn loopback_is_open_unless_the_environment_closes_it() {
    let folder = folder();
    let open = Running::start(&folder.path().join("open"));
    assert_eq!(open.banner["egressAllow"], json!(["127.0.0.0/8", "::1/128"]));
    let closed = Running::start_with(&folder.path().join("closed"), |command| {
        command.env("HOOKYARD__EGRESS__ALLOW", "");
    });
    assert_eq!(closed.banner["egressAllow"], json!([]));
    assert_eq!(
        closed.banner["demo"],
        Value::Null,
        "its receiver could not be reached"
    );
}

#[test]
fn secrets_that_a_file_leaves_out_are_made_and_shown_once() {
    let folder = folder();
    let (data, yard) = (folder.path().join("data"), folder.path().join("yard.yaml"));
    let text = "workspace: {slug: acme}\nenvironments: [{slug: production, default: true}]\n\
                endpoints: [{slug: billing, url: \"https://billing.example.com/\"}]\n";
    std::fs::write(&yard, text).unwrap();
    let apply = |command: &mut Command| {
        command.arg("--apply").arg(&yard);
    };
    let first = Running::start_with(&data, apply);
    let made = first.banner["applied"]["generated"][0]["value"].as_str().unwrap();
    assert!(made.starts_with("whsec_"), "{made}");
    assert_eq!(first.banner["demo"], Value::Null, "nobody asked for one");
    drop(first);
    assert_eq!(
        Running::start_with(&data, apply).banner["applied"]["generated"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_also_runs_inside_of_another_program() {
    let folder = folder();
    let options = Options {
        listen: Some(([127, 0, 0, 1], 0).into()),
        data: folder.path().join("data"),
        apply: None,
        config: None,
        jail: expression::Options {
            launch: Launch::Program(env!("CARGO_BIN_EXE_hookyard").into()),
            ..expression::Options::default()
        },
    };
    let dev = Dev::start(&options).await.unwrap();
    let demo = dev.demo.clone().unwrap();
    let door = format!("{}/ingest/{}", dev.url, demo.source_token);
    let (status, answer) = post_github(&door, &demo.source_secret, "d-1", PUSH).await;
    assert_eq!(status, 202, "{answer}");
    until("it is delivered", async || {
        let received = http()
            .get(format!("{}/demo/receiver", dev.url))
            .send()
            .await
            .unwrap();
        received.text().await.unwrap().contains("\"verified\":true")
    })
    .await;
    assert!(
        matches!(Dev::start(&options).await, Err(hookyard::dev::Error::Data(_))),
        "the folder is taken"
    );
    dev.stop().await;
    Dev::start(&options).await.unwrap().stop().await;
}

#[test]
fn a_port_is_all_that_is_printed_when_asked_to_be_quiet() {
    let folder = folder();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let mut command = hookyard();
    command
        .args(["dev", "--quiet", "--listen", &free, "--data"])
        .arg(folder.path().join("data"));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, format!("http://{free}\n"));
    child.kill().unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    assert_eq!(rest, "");
    child.wait().unwrap();
}

/// The printed lines, run by a shell as they are, but for those that need this program on the path.
#[tokio::test]
async fn the_lines_that_are_printed_work_when_they_are_pasted() {
    for tool in ["curl", "openssl", "sed"] {
        if Command::new(tool)
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            eprintln!("NOT TESTED: the printed lines need {tool}, which is not on this machine");
            return;
        }
    }
    let folder = folder();
    let data = folder.path().join("data");
    // The first start makes the demo; the second prints text.
    drop(Running::start(&data));
    let printed = folder.path().join("printed");
    let mut command = hookyard();
    command
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data);
    let out = std::fs::File::create(&printed).unwrap();
    let mut child = command.stdout(out).stderr(Stdio::null()).spawn().unwrap();
    let mut text = String::new();
    until("the banner is printed", async || {
        text = std::fs::read_to_string(&printed).unwrap();
        text.contains("Ctrl-C")
    })
    .await;
    assert!(!text.contains('\u{1b}'), "no colours in a file");
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("# Try it"))
        .take_while(|line| !line.contains("command line"));
    let script: String = lines
        // A person needs longer than the router to read the answer and go on.
        .flat_map(|line| {
            line.starts_with("# 2.")
                .then_some("until curl -s $HOOKYARD_URL/demo/receiver | grep -q verified; do :; done")
                .into_iter()
                .chain([line])
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let output = run(Command::new("sh").args(["-e", "-c", &script]));
    child.kill().unwrap();
    child.wait().unwrap();
    let said = stdout(&output);
    assert!(output.status.success(), "{script}\n{said}\n{}", stderr(&output));
    for expected in [
        "HTTP/1.1 202",
        "\"matched\":true",
        "\"responseStatusCode\":200",
        "\"verified\":true",
        "{\"failing\":2}",
    ] {
        assert!(said.contains(expected), "no {expected} in {said}");
    }
}
