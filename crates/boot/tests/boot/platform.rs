//! A ledger and a conveyor that are there, late, or missing.

use crate::child::Service;
use crate::wire::get;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::time::Duration;
use store::{KeyRing, Store};
use testkit::proxy::Proxy;
use testkit::{database, until};

const KEYS: (&str, &str) = (
    "HOOKYARD__SECRETS__MASTER_KEYS",
    "test:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
);
/// Nothing listens on port 1: the connection is refused.
const NO_BROKER: (&str, &str) = ("HOOKYARD__BROKER__URL", "amqp://yard:hunter2@127.0.0.1:1/%2f");

async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = get(address, path, &[]).await;
    (answer.status, answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_waited_for_and_its_password_is_nowhere() {
    let url = "postgres://yard:hunter2@127.0.0.1:1/yard";
    let service = Service::start("platform", &[("HOOKYARD__DATABASE__URL", url), NO_BROKER, KEYS]);
    let inside = service.address("health pages");
    let line = service.line("trying again in 1 s");
    assert!(
        line.contains("Postgres at 127.0.0.1:1/yard does not answer"),
        "{line}"
    );
    assert!(!line.contains("hunter2"), "{line}");
    service.line("trying again in 2 s");
    assert_eq!(page(inside, "/livez").await.0, 200);
    assert_eq!(page(inside, "/startupz").await.0, 503);
    assert_eq!(page(inside, "/readyz").await, (503, "starting\n".to_owned()));

    service.signal("TERM");
    let (status, lines) = service.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(!lines.concat().contains("hunter2"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_behind_is_waited_for() {
    let database = database::postgres();
    let environment = [("HOOKYARD__DATABASE__URL", database.url()), NO_BROKER, KEYS];
    let service = Service::start("platform", &environment);
    let inside = service.address("health pages");
    let line = service.line("run `hookyard migrate`");
    assert!(line.contains("migrations of this release"), "{line}");
    assert_eq!(page(inside, "/readyz").await.0, 503);

    let settings = store::Settings {
        url: SecretString::from(database.url()),
        max_connections: 2,
        acquire_timeout: Duration::from_secs(5),
    };
    let store = Store::connect(settings, KeyRing::parse(&[KEYS.1.into()]).unwrap())
        .await
        .unwrap();
    store.migrate().await.unwrap();
    service.line("\"ready\"");
    assert_eq!(page(inside, "/readyz").await, (200, "ready\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conveyor_that_is_down_degrades_and_a_ledger_that_goes_down_takes_readiness_away() {
    let database = database::postgres();
    let migrate = ("HOOKYARD__DATABASE__MIGRATE", "true");
    let mut url = url::Url::parse(database.url()).unwrap();
    let proxy = Proxy::start(url.socket_addrs(|| Some(5432)).unwrap()[0]);
    url.set_ip_host(proxy.address().ip()).unwrap();
    url.set_port(Some(proxy.address().port())).unwrap();
    let url = url.to_string();
    let service = Service::start(
        "platform",
        &[("HOOKYARD__DATABASE__URL", &url), migrate, NO_BROKER, KEYS],
    );
    let inside = service.address("health pages");
    service.line("\"ready\"");
    let (status, verbose) = page(inside, "/readyz?verbose").await;
    assert_eq!(status, 200);
    let verbose: serde_json::Value = serde_json::from_str(&verbose).unwrap();
    assert_eq!(verbose["checks"][0]["name"], "database");
    assert_eq!(verbose["checks"][0]["ok"], true);
    assert_eq!(verbose["checks"][1]["name"], "conveyor");
    assert_eq!(verbose["checks"][1]["ok"], false);
    assert!(!verbose.to_string().contains("hunter2"), "{verbose}");

    proxy.cut();
    until("the ledger is missed", async || {
        page(inside, "/readyz").await == (503, "failing: database\n".to_owned())
    })
    .await;
    proxy.restore();
    until("the ledger is back", async || {
        page(inside, "/readyz").await.0 == 200
    })
    .await;
}

#[test]
fn an_embedded_ledger_is_migrated_and_ready() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("yard.db").display());
    let in_process = ("HOOKYARD__BROKER__URL", "in-process");
    let service = Service::start("platform", &[("HOOKYARD__DATABASE__URL", &url), in_process, KEYS]);
    service.line("migrated SQLite at");
    service.line("\"ready\"");
    service.signal("TERM");
    let (status, lines) = service.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

#[test]
fn what_waiting_cannot_mend_ends_the_start_with_a_way_out() {
    let url = ("HOOKYARD__DATABASE__URL", "sqlite::memory:");
    let bad_key = ("HOOKYARD__SECRETS__MASTER_KEYS", "one:change-me");
    for (environment, words) in [
        (vec![KEYS], "HOOKYARD__DATABASE__URL"),
        (vec![url], "hookyard keys generate"),
        (vec![url, bad_key], "hookyard keys generate"),
        (
            vec![("HOOKYARD__DATABASE__URL", "mysql://x/y"), KEYS],
            "postgres://user:password@host",
        ),
    ] {
        let (status, lines) = Service::start("platform", &environment).end();
        assert_ne!(status.code(), Some(0));
        assert!(
            lines
                .iter()
                .any(|line| line.contains("the start failed") && line.contains(words)),
            "{lines:#?}"
        );
    }
}
