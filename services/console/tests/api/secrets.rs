//! No secret leaves but in the one answer that shows it, and none lies anywhere in the clear.

use crate::configuration::lines;
use crate::given;
use crate::on_both;
use crate::yard::{Yard, definition};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

/// Everything that is secret in a workspace, and recognisable.
const CANARIES: &str = "
workspace: {slug: acme, id: ws_acme}
management_tokens: [{name: ci, token: nhm_ci_test_token_0001}, {name: bird, token: nhm_canary}]
api_keys: [{name: shop, token: nhk_canary_key_of_the_shop}]
endpoints:
  - slug: billing
    id: ep_billing
    url: 'https://billing.example/hooks'
    secret: whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5
    auth: {basic: {username: ada, password: password-canary}}
sources:
  - slug: stripe
    id: so_stripe
    token: src_canary
    verify: {provider: github, secrets: [verify-canary-1, verify-canary-2]}
    channel: {secret: channel-canary}
    app: {id: app_support, adapter: whatsapp, signing_secret: app-canary, verify_token: token-canary}
  - {slug: meta, token: src_meta, verify: {provider: meta, secrets: [verify-canary-3], verify_token: handshake-canary}}
routes: [{name: all, to: {endpoint: billing}}]
playbooks:
  - slug: greet
    secret: playbook-canary
    hook: {token: hook_canary}
    secrets: {slack: {token: xoxb-canary}, plain: plain-canary}
    definition: {document: {dsl: 1.0.3, namespace: acme, name: greet, version: 1.0.0}, do: [{keep: {set: {seen: true}}}]}
";

/// What no answer but the one that made it has, in lower case.
const TELLTALES: [&str; 3] = ["canary", "y2fuyxj5", "nhm_ci_test"];

#[track_caller]
fn assert_silent(what: &str, text: &str) {
    let lower = text.to_lowercase();
    for secret in TELLTALES {
        assert!(!lower.contains(secret), "{what} has {secret}: {text}");
    }
}

on_both! {
    async fn no_answer_but_the_sources_own_has_a_secret_in_it(yard: &Yard) {
        let mut answers = vec![
            yard.apply("?dryRun=true", CANARIES).await.text,
            yard.apply("", CANARIES).await.text,
            yard.apply("", CANARIES).await.text,
            yard.apply("", &CANARIES.replace("canary-1", "canary-3").replace("src_", "src_2")).await.text,
            yard.apply("", &CANARIES.replace("hook_canary", "hook_canary2").replace("xoxb-", "xoxb-2")).await.text,
            yard.apply("", &CANARIES.replace("playbook-canary", "playbook-canary-2").replace("app-canary", "app-canary-2")).await.text,
            yard.apply("", CANARIES).await.text,
        ];
        answers.extend(refused_files(yard).await);
        let (event, delivery) = given::delivered_event(yard, b"{}").await;
        given::attempted(yard, 500).await;
        given::rejected(yard, wire::Instant::now()).await;
        let run = yard.post("playbooks/greet/runs", &json!({})).await;
        answers.push(run.text);
        for path in [
            "endpoints", "endpoints/billing", "endpoints/billing/deliveries", "routes", "routes/all", "environments",
            "playbooks", "playbooks/greet", "playbooks/greet/runs", "events", "deliveries", "runs", "rejections",
            "claims/so_stripe/k", "management-tokens", "management-tokens/ci", "api-keys", "api-keys/shop", "contacts", "projects", "templates",
            "event-types", "applications", "",
        ] {
            answers.push(yard.get(path).await.text);
        }
        for path in [
            format!("events/{event}"), format!("events/{event}/trace"), format!("events/{event}/deliveries"),
            format!("deliveries/{delivery}?include=payload"), format!("deliveries/{delivery}/attempts"),
        ] {
            answers.push(yard.get(&path).await.text);
        }
        answers.extend(changed(yard).await);
        for (index, answer) in answers.iter().enumerate() {
            assert_silent(&format!("answer {index}"), answer);
        }

        // The sources API shows the token, and that alone.
        for path in ["sources", "sources/stripe"] {
            let answer = yard.get(path).await.text;
            assert!(answer.contains("src_canary"));
            assert_silent(path, &answer.replace("src_canary", ""));
        }
    }

    async fn what_a_header_holds_is_not_told_by_what_applies_it(yard: &Yard) {
        yard.apply("", CANARIES).await.expect(200);
        for (headers, change) in [
            ("{X-Api-Key: header-canary}", "null → (secret)"),
            ("{X-Api-Key: header-canary-2}", "(secret) → (secret)"),
            ("{}", "(secret) → null"),
        ] {
            let file = CANARIES.replace("    auth: {basic", &format!("    headers: {headers}\n    auth: {{basic"));
            for query in ["?dryRun=true", ""] {
                let applied = yard.apply(query, &file).await;
                assert_silent(headers, &applied.text);
                let expected = format!("~ endpoint billing: headers.X-Api-Key {change}");
                assert_eq!(lines(&applied.expect(200)), [expected]);
            }
        }
        assert_silent("the audit", &yard.get("audit").await.text);
    }

    async fn no_secret_lies_in_the_ledger_or_in_a_log_in_the_clear(yard: &Yard) {
        let logged = logged();
        yard.apply("", CANARIES).await.expect(200);
        refused_files(yard).await;
        changed(yard).await;
        let mut shown = vec![];
        for (path, body, field) in [
            ("api-keys", json!({"name": "made"}), "/token"),
            ("management-tokens", json!({"name": "made"}), "/token"),
            ("playbooks", json!({"slug": "made", "hook": {}, "definition": definition("made")}), "/hook/token"),
            ("endpoints", json!({"url": "https://made.example/"}), "/secret"),
            ("sources", json!({"slug": "made", "verify": {"provider": "github"}, "channel": {}}), "/secret"),
            ("sources", json!({"slug": "app", "app": {"adapter": "telegram"}}), "/appSecret"),
        ] {
            let made = yard.post(path, &body).await.expect(201);
            shown.push(made.pointer(field).and_then(Value::as_str).unwrap().to_owned());
        }
        for path in ["playbooks/greet/rotate-secret", "sources/stripe/rotate-secret", "endpoints/billing/rotate-secret"] {
            let rotated = yard.ask("POST", path, "").await.expect(200);
            shown.push(rotated["secret"].as_str().unwrap().to_owned());
        }
        let key = yard.ask("POST", "api-keys/shop/rotate", "").await.expect(200);
        shown.push(key["token"].as_str().unwrap().to_owned());

        let raw = yard.database.raw();
        // That something is found at all.
        assert!(holds(&raw, "billing.example") && holds(&raw, "src_canary"));
        for secret in shown.iter().map(String::as_str).chain(GIVEN) {
            assert!(!holds(&raw, secret), "the ledger has {secret} in the clear");
            assert!(!holds(&logged.lock().unwrap(), secret), "a log has {secret}");
        }
        assert!(holds(&logged.lock().unwrap(), "http.request"), "nothing was logged");
    }
}

/// The secrets of [`CANARIES`]; the source's token is kept as it is.
const GIVEN: [&str; 13] = [
    "nhm_canary",
    "nhk_canary",
    "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
    "password-canary",
    "verify-canary",
    "channel-canary",
    "app-canary",
    "token-canary",
    "handshake-canary",
    "playbook-canary",
    "hook_canary",
    "xoxb-canary",
    "plain-canary",
];

/// Whether a text stands in the bytes, as it is or in hexadecimal.
fn holds(bytes: &[u8], text: &str) -> bool {
    let hexadecimal = text
        .bytes()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let has = |needle: &str| {
        let needle = needle.as_bytes();
        bytes.windows(needle.len()).any(|window| window == needle)
    };
    has(text) || has(&hexadecimal)
}

/// What is said of files in which something is wrong with a secret.
async fn refused_files(yard: &Yard) -> Vec<String> {
    let mut answers = vec![yard.apply("", &format!("{CANARIES}\nroutes: [")).await.text];
    for (right, wrong) in [
        ("{name: all", "{name: ["),
        ("secret: whsec_", "secret: whsec-"),
        ("src_canary", "'src canary'"),
        ("whsec_", "${whsec_"),
        ("nhk_canary", "'nhk canary"),
        ("hook_canary", "'hook canary'"),
        ("playbook-canary", "playbook canary"),
        ("xoxb-canary", "[xoxb-canary]"),
        ("adapter: whatsapp", "adapter: slack"),
        ("password: password-canary", "password: [password-canary]"),
        ("token: token-canary", "token: {token-canary: 1}"),
    ] {
        let answer = yard.apply("", &CANARIES.replace(right, wrong)).await;
        assert_eq!(answer.status.as_u16(), 400, "{wrong}: {}", answer.text);
        answers.push(answer.text);
    }
    answers
}

/// What is answered to changes that bring secrets, good and bad.
async fn changed(yard: &Yard) -> Vec<String> {
    let mut answers = vec![
        yard.patch("endpoints/billing", &json!({"description": "a"}))
            .await
            .text,
        yard.patch(
            "playbooks/greet",
            &json!({"secrets": {"a": "xoxb-canary"}, "secret": "playbook-canary"}),
        )
        .await
        .text,
        yard.patch("playbooks/greet", &json!({"hook": {"token": "hook_canary"}}))
            .await
            .text,
    ];
    for (path, body) in [
        (
            "endpoints",
            json!({"url": "x", "secret": "whsec_canary", "slug": {"canary": 1}}),
        ),
        ("routes", json!({"name": "all", "to": {"endpoint": "billing"}})),
        (
            "api-keys",
            json!({"name": "two", "token": "nhk_canary_key_of_the_shop"}),
        ),
        ("api-keys", json!({"name": "three", "token": "nhk canary"})),
        ("management-tokens", json!({"name": "two", "token": "nhm_canary"})),
        (
            "playbooks",
            json!({"slug": "two", "hook": {"token": "hook_canary"}, "definition": definition("two")}),
        ),
        (
            "playbooks",
            json!({"slug": "two", "secrets": {"a": ["xoxb-canary"]}, "definition": definition("two")}),
        ),
        ("playbooks", json!({"slug": "two", "definition": "do: [\"canary"})),
        (
            "sources",
            json!({"slug": "two", "app": {"adapter": "telegram", "signingSecret": "app canary"}}),
        ),
        (
            "sources",
            json!({"slug": "two", "app": {"adapter": "slack", "verifyToken": "token-canary"}}),
        ),
        (
            "playbooks/greet/runs",
            json!({"input": {"canary": 1}, "canary2": "x"}),
        ),
    ] {
        let answer = yard.post(path, &body).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.text);
        // The names of fields are told.
        answers.push(answer.text.replace("canary2", ""));
    }
    answers
}

/// All that this process logs from now on; its tests share it.
fn logged() -> Arc<Mutex<Vec<u8>>> {
    static LOGGED: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let writer = Kept(Arc::clone(&kept));
        // The test's own client may say what it sends.
        let filter = "trace,hyper=off,hyper_util=off,h2=off,hookyard_egress=off";
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(move || writer.clone())
            .init();
        kept
    });
    Arc::clone(&LOGGED)
}

#[derive(Clone)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
