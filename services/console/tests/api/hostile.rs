//! Whatever is sent, the fault is the sender's and is said to be.

use crate::given;
use crate::yard::{TOKEN, Yard, definition};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

/// Every address that takes a body.
fn addresses(event: &str, delivery: &str) -> Vec<(&'static str, String)> {
    let mut addresses = vec![
        ("POST", format!("events/{event}/replay")),
        ("POST", format!("deliveries/{delivery}/replay")),
        ("POST", format!("deliveries/{delivery}/retry")),
        ("POST", format!("deliveries/{delivery}/cancel")),
        ("PUT", "configuration?dryRun=true".to_owned()),
        ("PUT", "configuration?dryRun=true&prune=true".to_owned()),
    ];
    for path in [
        "endpoints",
        "sources",
        "routes",
        "environments",
        "event-types",
        "applications",
        "applications/app_one/endpoints",
        "applications/app_one/portal",
        "endpoints/billing/subscriptions",
        "api-keys",
        "management-tokens",
        "contacts",
        "projects",
        "templates",
        "playbooks",
        "playbooks/greet/runs",
        "playbooks/validate",
        "playbooks/greet/versions/1/activate",
    ] {
        addresses.push(("POST", path.to_owned()));
    }
    for path in [
        "endpoints/billing",
        "sources/stripe",
        "routes/all",
        "environments/staging",
        "event-types/evt_one",
        "applications/app_one",
        "api-keys/shop",
        "contacts/Ada",
        "projects/website",
        "templates/default",
        "playbooks/greet",
    ] {
        addresses.push(("PATCH", path.to_owned()));
    }
    addresses.push((
        "PUT",
        "environments/staging/event-types/evt_one/visibility".to_owned(),
    ));
    for path in [
        "endpoints/billing/rotate-secret",
        "sources/stripe/rotate-secret",
        "playbooks/greet/rotate-secret",
    ] {
        addresses.push(("POST", path.to_owned()));
    }
    addresses
}

/// The names that readers look for.
const NAMES: &[&str] = &[
    "id",
    "slug",
    "name",
    "url",
    "description",
    "enabled",
    "isActive",
    "headers",
    "timeout",
    "retry",
    "schedule",
    "jitter",
    "rateLimit",
    "perSecond",
    "burst",
    "concurrency",
    "secret",
    "secrets",
    "token",
    "verify",
    "provider",
    "scheme",
    "signature",
    "from",
    "mode",
    "eventType",
    "eventTypes",
    "body",
    "header",
    "dedupe",
    "window",
    "requestId",
    "sameBody",
    "channel",
    "directIngest",
    "maxBodyBytes",
    "filter",
    "transform",
    "delay",
    "to",
    "endpoint",
    "playbook",
    "endpoints",
    "overlap",
    "environment",
    "environmentId",
    "isDefault",
    "workspace",
    "environments",
    "sources",
    "routes",
    "playbooks",
    "management_tokens",
    "definition",
    "number",
    "file",
    "default",
    "accepting",
    "eventTypeIds",
    "schema",
    "externalId",
    "metadata",
    "maxEndpoints",
    "showEventTypes",
    "role",
    "expiresInMinutes",
    "published",
    "auth",
    "basic",
    "bearer",
    "username",
    "password",
    "value",
    "clientCertificate",
    "certificate",
    "key",
    "ca",
    "authUsername",
    "authPassword",
    "application",
    "applicationId",
    "config",
    "type",
    "scopes",
    "addresses",
    "source",
    "inputs",
    "input",
    "app",
    "adapter",
    "signingSecret",
    "verifyToken",
    "contacts",
    "doorkeeper",
    "hook",
    "target",
    "project",
    "template",
    "document",
    "of",
    "api_keys",
    "event_types",
    "applications",
    "projects",
    "templates",
];

/// The names that readers look for, and others.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => proptest::sample::select(NAMES).prop_map(str::to_owned), 1 => ".{0,12}"]
}

/// Values that readers know, and others.
fn leaf() -> impl Strategy<Value = Value> {
    const TEXTS: &[&str] = &[
        "",
        "acme",
        "stripe",
        "billing",
        "ep_billing",
        "so_stripe",
        "env_staging",
        "github",
        "off",
        "as_delivered",
        "https://a.example/",
        "http://[::1]/",
        "15s",
        "1ns",
        "99999999999999999d",
        ".a",
        "${X}",
        "{",
        "*",
        "a.*",
        "header:X",
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "src_a",
        "nhm_a",
        "app_one",
        "evt_one",
        "a.one",
        "viewer",
        "ingest",
        "slack",
        "telegram",
        "required",
        "website",
        "default",
        "greet",
        "hook_a",
        "nhk_a",
        "do: []",
        "document: {dsl: 1.0.3, namespace: a, name: greet, version: 1.0.0}\ndo: [{a: {set: {b: 1}}}]",
        "input: {schema: {document: {$ref: '#'}}}",
        "\u{0}",
        "a\u{0}b",
        "\u{202e}",
        "ä",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0_i64..10).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        proptest::sample::select(TEXTS).prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    let value = leaf().prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((name(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    });
    proptest::collection::vec((name(), value), 0..8)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_makes_the_server_fail() {
    let yard = Yard::on_sqlite().await;
    yard.post("routes", &json!({"name": "all", "to": {"endpoint": "billing"}}))
        .await
        .expect(201);
    yard.post("applications", &json!({"id": "app_one", "name": "a"}))
        .await
        .expect(201);
    yard.post("event-types", &json!({"id": "evt_one", "name": "a.one"}))
        .await
        .expect(201);
    for (path, body) in [
        ("api-keys", json!({"name": "shop"})),
        ("contacts", json!({"name": "Ada"})),
        ("projects", json!({"slug": "website"})),
        ("templates", json!({"slug": "default"})),
        (
            "playbooks",
            json!({"slug": "greet", "definition": definition("greet")}),
        ),
    ] {
        yard.post(path, &body).await.expect(201);
    }
    let (event, delivery) = given::delivered_event(&yard, b"{}").await;
    let addresses = addresses(&event.to_string(), &delivery.to_string());
    let mut runner = TestRunner::default();
    for _ in 0..60 {
        for (method, path) in &addresses {
            let mut body = document().new_tree(&mut runner).unwrap().current();
            if let (true, Some(fields)) = (path.starts_with("configuration"), body.as_object_mut()) {
                fields.insert("workspace".to_owned(), json!({"slug": "acme"}));
            }
            let answer = yard.ask(method, path, body.to_string()).await;
            let status = answer.status.as_u16();
            assert!(
                status < 500,
                "{method} {path} with {body}: {} {}",
                answer.status,
                answer.text
            );
            assert!(
                answer.json.is_object(),
                "{method} {path} with {body}: {}",
                answer.text
            );
        }
    }
    // The workspace's token still opens it.
    yard.get("events").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_and_no_query_makes_the_server_fail() {
    let yard = Yard::on_postgres().await;
    let segments = [
        "%00",
        "%FF",
        "%2F",
        "..",
        "%2e%2e",
        ".",
        "a%20b",
        "%F0%9F%92%A9",
        "msg_%00",
        "ep_%00",
        "'%20OR%201=1",
        "%25",
        "%",
        "%zz",
        "+",
        "\u{30}",
        "del_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "msg_00000000000000000000000000",
    ];
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str())];
    for segment in segments {
        for path in [
            format!("events/{segment}"),
            format!("events/{segment}/trace"),
            format!("deliveries/{segment}/attempts"),
            format!("endpoints/{segment}"),
            format!("sources/{segment}"),
            format!("routes/{segment}"),
            format!("environments/{segment}"),
            format!("playbooks/{segment}"),
            format!("playbooks/{segment}/runs"),
            format!("api-keys/{segment}"),
            format!("contacts/{segment}"),
            format!("projects/{segment}"),
            format!("templates/{segment}"),
            format!("claims/pb_{segment}/{segment}"),
            format!("event-types/{segment}"),
            format!("applications/{segment}"),
            format!("applications/{segment}/endpoints"),
            format!("applications?limit={segment}"),
            format!("endpoints/{segment}/subscriptions"),
            format!("environments/{segment}/event-types"),
            format!("runs/{segment}"),
            format!("claims/{segment}/{segment}"),
            format!("claims/so_stripe/{segment}"),
            format!("events?source={segment}"),
            format!("events?type={segment}"),
            format!("events?cursor={segment}"),
            format!("events?{segment}={segment}"),
            format!("deliveries?endpointId={segment}"),
            format!("deliveries?eventId={segment}"),
            segment.to_owned(),
        ] {
            let answer = yard
                .send(
                    "GET",
                    &format!("/management/v1/workspaces/acme/{path}"),
                    &headers,
                    "",
                )
                .await;
            assert!(
                answer.status.as_u16() < 500,
                "{path}: {} {}",
                answer.status,
                answer.text
            );
        }
        let path = format!("/management/v1/workspaces/{segment}/events");
        let answer = yard.send("GET", &path, &headers, "").await;
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text);
    }
}
