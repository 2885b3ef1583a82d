//! The contract's example of configuration as code, whole, and the documented one.

use crate::configuration::lines;
use crate::on_both;
use crate::yard::Yard;
use hookyard_console::apply::{self, Outside};
use serde_json::json;
use std::collections::BTreeMap;

/// As the contract has it, with a text for each `…`.
const EXAMPLE: &str = r#"
workspace: {slug: acme, name: Acme Inc., accepting: true}     # id: ws_… may be pinned, as everywhere
environments: [{slug: production, default: true}, {slug: staging}]
api_keys:
  - {name: shop, token: nhk_us_shop_test_key_0001, environment: production, scopes: [ingest, trigger], enabled: true,
     rate_limit: {per_second: 200, burst: 400}}
management_tokens: [{name: ci, token: nhm_ci_test_token_0001}]
event_types: [{name: payment.succeeded, description: Money came in., schema: {type: object}}]
applications: [{id: app_one, name: First customer}]
projects: [{slug: website, name: Website}]
templates: [{slug: default, inputs: {tier: gold}}]
contacts: [{name: Ada, addresses: [{source: support, id: U024BE7LH}]}]
endpoints:
  - {slug: billing, id: ep_billing, url: "https://billing.internal/hooks", environment: production, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,
     headers: {X-Team: pay},
     timeout: 15s, retry: {schedule: [0s, 5s, 1m, 10m, 1h], jitter: 0.2}, rate_limit: {per_second: 50}, concurrency: 10, ordered: false,
     auth: {bearer: b-1}, enabled: true}
sources:
  - slug: stripe
    token: src_a1b2c3d4e5f6
    environment: production
    enabled: true
    verify: {provider: stripe, secrets: [whsec_stripe]}        # or {scheme: {…}}, see signatures.md; absent: no check
    event_type: {body: .type}                              # or {header: X-Kind}
    dedupe: {body: .id, window: 7d}                        # or {headers: [X-Id]}
    channel: {secret: open-sesame, direct_ingest: true}              # opens door 1 under this slug
    app: {id: app_support, adapter: slack, signing_secret: s-1, contacts: required, doorkeeper: triage}   # opens door 5
  - {slug: support, token: src_support}
routes:
  - {name: paid, from: [stripe], event_types: ["payment.*"], filter: ".data.amount > 100", transform: "{id: .id, amount: .data.amount}",
     delay: 0s, to: {endpoint: billing}}
  - {name: welcome, from: [stripe], event_types: [customer.created], to: {playbook: onboarding}}
playbooks:
  - {slug: onboarding, number: 42, secret: p-1, enabled: true, hook: {token: hook_1, enabled: true}, target: {project: website, template: default},
     concurrency: 50, secrets: {slack: {token: "${SLACK_TOKEN}"}}, definition: {file: onboarding.yaml}}
  - {slug: triage, definition: {document: {dsl: 1.0.3, namespace: acme, name: triage, version: 1.0.0}, do: [{keep: {set: {seen: true}}}]}}
"#;

const ONBOARDING: &str = "
document: {dsl: 1.0.3, namespace: acme, name: onboarding, version: 1.0.0}
input: {schema: {document: {type: object, properties: {email: {type: string}}}}}
do: [{hello: {set: {greeting: '${ \"Hi \" + .email }'}}}]
";

/// The example as the command line sends it.
async fn sent() -> String {
    filled(EXAMPLE, &[("SLACK_TOKEN", "xoxb-1")]).await
}

/// A file with these variables, and with [`ONBOARDING`] beside it.
async fn filled(file: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("onboarding.yaml"), ONBOARDING).unwrap();
    let variables: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let outside = Outside {
        variables: Some(&variables),
        folder: Some(folder.path()),
    };
    let (inlined, missing) = apply::inline(file, outside).await.unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    inlined
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_file_applies_and_changes_nothing_the_second_time() {
    let yard = Yard::on_sqlite().await;
    let page = include_str!("../../../../docs/configuration.md");
    let file = page
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let variables = [
        ("CI_TOKEN", "nhm_ci_test_token_0001"),
        ("SHOP_KEY", "nhk_shop"),
        ("BILLING_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("BILLING_TOKEN", "b-1"),
        ("STRIPE_SECRET", "s-1"),
        ("CHANNEL_SECRET", "c-1"),
        ("SLACK_SECRET", "s-2"),
        ("ONBOARDING_SECRET", "o-1"),
        ("HOOK_TOKEN", "hook_1"),
        ("SLACK_TOKEN", "xoxb-1"),
    ];
    let file = filled(file, &variables).await;
    let applied = yard.apply("", &file).await.expect(200);
    // What nobody gives, nobody needs to know before.
    let generated = applied["generated"].as_array().unwrap();
    assert_eq!((generated.len(), &generated[0]["field"]), (1, &json!("token")));
    assert_eq!(
        yard.apply("?prune=true", &file).await.expect(200)["changes"],
        json!([])
    );
}

on_both! {
    async fn the_example_applies_and_changes_nothing_the_second_time(yard: &Yard) {
        let file = sent().await;
        let applied = yard.apply("", &file).await.expect(200);
        assert_eq!(applied["generated"], json!([]));
        let again = yard.apply("", &file).await.expect(200);
        assert_eq!((&again["changes"], &again["unchanged"]), (&json!([]), &json!(17)));
        assert_eq!(yard.apply("?prune=true", &file).await.expect(200)["changes"], json!([]));

        let key = &yard.get("api-keys/shop").await.expect(200);
        assert_eq!((&key["hint"], &key["scopes"]), (&json!("0001"), &json!(["ingest", "trigger"])));
        assert_eq!(key["rateLimit"], json!({"perSecond": 200.0, "burst": 400}));
        let playbook = yard.get("playbooks/onboarding").await.expect(200);
        assert_eq!(playbook["definition"], ONBOARDING);
        assert_eq!(playbook["inputSchema"]["properties"], json!({"email": {"type": "string"}}));
        assert_eq!(playbook["target"], json!({"project": "website", "template": "default"}));
        assert_eq!((&playbook["concurrency"], &playbook["hook"]), (&json!(50), &json!({"enabled": true})));
        assert_eq!((&playbook["hasSecret"], &playbook["hasSecrets"]), (&json!(true), &json!(true)));
        let app = &yard.get("sources/stripe").await.expect(200)["app"];
        assert_eq!((&app["id"], &app["adapter"]), (&json!("app_support"), &json!("slack")));
        assert_eq!((&app["contacts"], &app["doorkeeper"]), (&json!("required"), &json!("triage")));
        let contact = &yard.get("contacts/Ada").await.expect(200)["addresses"];
        assert_eq!(*contact, json!([{"source": "support", "id": "U024BE7LH"}]));
        assert_eq!(yard.get("templates/default").await.expect(200)["inputs"], json!({"tier": "gold"}));
        assert_eq!(yard.get("applications/app_one").await.expect(200)["name"], "First customer");
        assert_eq!(yard.get("event-types/payment.succeeded").await.expect(200)["schema"], json!({"type": "object"}));

        // The doors find what they need.
        let store = &yard.store;
        assert!(store.playbook_by_hook("hook_1").await.unwrap().is_some());
        let (playbook, is_open) = store.playbook_by_slugs("acme", "onboarding").await.unwrap().unwrap();
        assert!(is_open && playbook.secret_hash.is_some() && playbook.secrets.is_some());
        let (source, _) = store.source_by_app("app_support").await.unwrap().unwrap();
        assert_eq!(source.app_secrets.signing.len(), 1);
        let support = yard.get("sources/support").await.expect(200)["id"].as_str().unwrap().to_owned();
        let support = wire::SourceId::from_stored(support);
        assert!(store.contact_at(&support, "U024BE7LH").await.unwrap().is_some());
    }

    async fn every_field_that_differs_is_told_and_no_secret_is(yard: &Yard) {
        let file = sent().await;
        yard.apply("", &file).await.expect(200);
        let changed = [
            ("nhk_us_shop_test_key_0001", "nhk_us_shop_test_key_0002"), ("\"burst\":400", "\"burst\":401"),
            ("Money came in.", "Money."), ("First customer", "First"), ("\"Website\"", "\"Site\""), ("gold", "silver"),
            ("U024BE7LH", "U1"), ("\"s-1\"", "\"s-2\""), ("\"required\"", "\"optional\""), ("\"p-1\"", "\"p-2\""),
            ("hook_1", "hook_2"), ("\"concurrency\":50", "\"concurrency\":51"), ("xoxb-1", "xoxb-2"), ("b-1", "b-2"),
            ("\"project\":\"website\"", "\"project\":null"), ("\"dsl: 1.0.3", "\"dsl: 1.0.2"),
        ]
        .iter()
        .fold(file, |file, (before, after)| file.replace(before, after));
        let dry = yard.apply("?dryRun=true", &changed).await.expect(200);
        let lines = lines(&dry);
        for expected in [
            "~ api_key shop: rate_limit.burst 400 → 401, token (secret) → (secret)",
            "~ event_type payment.succeeded: description Money came in. → Money.",
            "~ application app_one: name First customer → First",
            "~ project website: name Website → Site",
            "~ template default: inputs.tier gold → silver",
            r#"~ contact Ada: addresses [{"id":"U024BE7LH","source":"support"}] → [{"id":"U1","source":"support"}]"#,
            "~ endpoint billing: auth (secret) → (secret)",
            "~ source stripe: app.contacts required → optional, app.signing_secret (secret) → (secret)",
            "~ playbook onboarding: concurrency 50 → 51, target.project website → null, secret (secret) → (secret), \
             hook.token (secret) → (secret), secrets (secret) → (secret)",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
        }
        assert_eq!(lines.len(), 9, "{lines:#?}");
        assert_eq!(yard.apply("", &changed).await.expect(200)["changes"], dry["changes"]);
        assert_eq!(yard.apply("", &changed).await.expect(200)["changes"], json!([]));
    }
}
