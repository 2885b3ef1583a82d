//! The phases of a process, from outside.

use crate::child::Service;
use crate::wire::{Connection, get};
use std::os::unix::process::ExitStatusExt as _;

fn parsed(lines: &[String]) -> Vec<serde_json::Value> {
    // The harness around the child writes lines of its own.
    lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_takes_readiness_first_then_closes_the_doors_and_exits_with_0() {
    let service = Service::start("http", &[("HOOKYARD__SHUTDOWN__NOTICE", "3s")]);
    let inside = service.address("health pages");
    let doors = service.address("the child");
    service.line("\"ready\"");
    assert_eq!(get(inside, "/readyz", &[]).await.status, 200);
    assert_eq!(get(doors, "/readyz", &[]).await.status, 200);

    service.signal("TERM");
    service.line("ending, because of SIGTERM");
    let noticed = get(doors, "/readyz", &[]).await;
    assert_eq!(
        (noticed.status, noticed.body.as_str()),
        (503, "stopping\n"),
        "not ready, but still open"
    );

    let (status, lines) = service.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

#[test]
fn an_interrupt_ends_a_process_like_sigterm() {
    let service = Service::start("http", &[]);
    service.line("\"ready\"");
    service.signal("INT");
    let (status, lines) = service.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

#[test]
fn a_task_that_fails_or_panics_ends_the_process_with_a_failure() {
    for (role, words) in [
        ("fails", "out of rows"),
        ("panics", "on purpose"),
        ("no-start", "nothing to start with"),
    ] {
        let (status, lines) = Service::start(role, &[]).end();
        assert_ne!(status.code(), Some(0), "{role}");
        let lines = parsed(&lines);
        let error = lines
            .iter()
            .find(|line| line["level"] == "ERROR")
            .unwrap_or_else(|| panic!("{role}: {lines:#?}"));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn what_does_not_finish_in_time_is_named_and_left() {
    let service = Service::start("hangs", &[("HOOKYARD__SHUTDOWN__DRAIN_TIMEOUT", "100ms")]);
    service.line("\"ready\"");
    service.signal("TERM");
    let line = service.line("not everything finished");
    assert!(line.contains("child.hangs"), "{line}");
    let (status, _) = service.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_second_signal_exits_at_once() {
    let service = Service::start("hangs", &[]);
    service.line("\"ready\"");
    service.signal("TERM");
    service.line("ending, because of SIGTERM");
    service.signal("TERM");
    let (status, _) = service.end();
    assert_eq!((status.code(), status.signal()), (Some(143), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_share_a_host_take_the_next_health_port() {
    let auto = [("HOOKYARD__HEALTH__LISTEN", "auto")];
    let (one, other) = (Service::start("http", &auto), Service::start("http", &auto));
    let (here, there) = (one.address("health pages"), other.address("health pages"));
    assert_ne!(here, there);
    for address in [here, there] {
        assert!((9090..=9099).contains(&address.port()));
        let mut connection = Connection::open(([127, 0, 0, 1], address.port()).into()).await;
        connection.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert_eq!(connection.answer().await.status, 200);
    }
}

#[test]
fn logs_are_json_lines_with_level_message_and_target() {
    let service = Service::start("http", &[]);
    let line: serde_json::Value = serde_json::from_str(&service.line("\"ready\"")).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "ready");
    assert_eq!(line["target"], "hookyard_boot::process");
    assert_eq!(line["service.version"], "0.1.0");
}
