//! Configuration as code of what opens the other doors: what is made, what is refused and what stays.

use crate::configuration::lines;
use crate::on_both;
use crate::yard::{ACME, Yard, in_place};
use serde_json::{Value, json};

/// What was made, as `kind name field`.
fn made(applied: &Value) -> Vec<String> {
    let list = applied["generated"].as_array().unwrap().iter();
    let word = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    list.map(|one| {
        format!(
            "{} {} {}",
            word(one, "kind"),
            word(one, "name"),
            word(one, "field")
        )
    })
    .collect()
}

fn value<'a>(applied: &'a Value, field: &str) -> &'a str {
    let list = applied["generated"].as_array().unwrap();
    let found = list.iter().find(|one| one["field"] == field).unwrap();
    found["value"].as_str().unwrap()
}

const BARE: &str = "
workspace: {slug: acme}
api_keys: [{name: shop}]
playbooks:
  - {slug: greet, hook: {}, definition: {document: {dsl: 1.0.3, namespace: acme, name: greet, version: 1.0.0}, do: [{keep: {set: {seen: true}}}]}}
  - {slug: quiet, definition: {document: {dsl: 1.0.3, namespace: acme, name: quiet, version: 1.0.0}, do: [{keep: {set: {seen: true}}}]}}
sources:
  - {slug: telegram, token: src_t, app: {adapter: telegram}}
  - {slug: whatsapp, token: src_w, app: {adapter: whatsapp, signing_secret: from-meta}}
  - {slug: own, token: src_o, app: {adapter: custom}}
  - {slug: far, token: src_f, app: {adapter: 'https://adapter.example/slack', contacts: optional}}
";

on_both! {
    async fn what_is_left_out_is_made_once_and_kept(yard: &Yard) {
        let dry = yard.apply("?dryRun=true", BARE).await.expect(200);
        let applied = yard.apply("", BARE).await.expect(200);
        assert_eq!(made(&dry), made(&applied));
        assert!(dry["generated"].as_array().unwrap().iter().all(|one| one["value"].is_null()));
        let mut all = made(&applied);
        all.sort();
        assert_eq!(
            all,
            [
                "api_key shop token", "playbook greet hook.token", "source own app.signing_secret",
                "source telegram app.signing_secret", "source whatsapp app.verify_token",
            ]
        );
        let (key, hook) = (value(&applied, "token"), value(&applied, "hook.token"));
        assert!(key.starts_with("nhk_") && hook.starts_with("hook_"));
        assert!(yard.store.api_key(sha256(key)).await.unwrap().is_some());
        let (greet, _) = yard.store.playbook_by_hook(hook).await.unwrap().unwrap();
        // Door 2 is closed until there is a secret for it.
        assert_eq!((greet.secret_hash, greet.spec.slug.as_str()), (None, "greet"));
        let far = yard.get("sources/far").await.expect(200);
        assert_eq!(far["app"]["adapter"], "https://adapter.example/slack");
        assert_eq!((&far["app"]["secrets"], &far["app"]["contacts"]), (&json!([]), &json!("optional")));

        let again = yard.apply("", BARE).await.expect(200);
        assert_eq!((&again["changes"], &again["generated"]), (&json!([]), &json!([])));
        // What the file does not say of a secret stays, and null takes it away.
        let opened = BARE.replace("slug: greet,", "slug: greet, secret: open-sesame, secrets: {a: b},");
        assert_eq!(lines(&yard.apply("", &opened).await.expect(200)),
            ["~ playbook greet: secret null → (secret), secrets null → (secret)"]);
        assert_eq!(yard.apply("", BARE).await.expect(200)["changes"], json!([]));
        let closed = BARE.replace("hook: {},", "secret: null, secrets: {},");
        assert_eq!(
            lines(&yard.apply("", &closed).await.expect(200)),
            [r#"~ playbook greet: hook {"enabled":true} → null, secret (secret) → null, hook.token (secret) → null, secrets (secret) → null"#]
        );
    }

    async fn an_address_goes_from_one_contact_to_another(yard: &Yard) {
        let file = |ada: &str, bob: &str| format!(
            "workspace: {{slug: acme}}\nsources: [{{slug: stripe, id: so_stripe, token: src_stripe}}]\ncontacts:\n  - {{name: Ada, addresses: [{{source: stripe, id: {ada}}}]}}\n  - {{name: Bob, addresses: [{{source: stripe, id: {bob}}}]}}\n"
        );
        yard.apply("", &file("U1", "U2")).await.expect(200);
        assert_eq!(lines(&yard.apply("", &file("U2", "U1")).await.expect(200)).len(), 2);
        let at = |address: &'static str| yard.store.contact_at(&SOURCE, address);
        let ada = yard.get("contacts/Ada").await.expect(200)["id"].clone();
        assert_eq!(json!(at("U2").await.unwrap()), ada);
        assert_eq!(yard.apply("", &file("U2", "U1")).await.expect(200)["changes"], json!([]));
        // Also when the other one is not in the file.
        let only = "workspace: {slug: acme}\nsources: [{slug: stripe}]\ncontacts: [{name: Cid, addresses: [{source: stripe, id: U1}]}]\n";
        let details = yard.apply("", only).await.refused(400, "invalid_request");
        assert_eq!(details, ["contacts[0].addresses[0].id: is the address of the contact `Bob`, too"]);
        let pruned = lines(&yard.apply("?prune=true", only).await.expect(200));
        assert_eq!(pruned, ["- endpoint billing", "- contact Ada", "- contact Bob", "+ contact Cid"]);
    }

    async fn what_customers_have_is_never_pruned(yard: &Yard) {
        let file = format!("{ACME}
api_keys: [{{name: shop}}]
event_types: [{{name: a.used}}, {{name: a.unused}}]
applications: [{{id: app_one, name: One}}, {{external_id: two, name: Two}}]
contacts: [{{name: Ada}}]
projects: [{{slug: website}}]
templates: [{{slug: default}}]
");
        yard.apply("", &file).await.expect(200);
        let theirs = json!({"slug": "theirs", "url": "https://theirs.example/"});
        yard.post("applications/app_one/endpoints", &theirs).await.expect(201);
        let used = yard.get("event-types/a.used").await.expect(200)["id"].clone();
        yard.post("endpoints/theirs/subscriptions", &json!({"eventTypeIds": [used]})).await.expect(201);

        // Without their sections, keys, types and applications stay.
        let small = "workspace: {slug: acme, name: Acme Inc.}\n";
        let pruned = lines(&yard.apply("?prune=true", small).await.expect(200));
        let kinds = ["- project website", "- template default", "- endpoint billing", "- source stripe", "- contact Ada"];
        assert_eq!(pruned, kinds);
        // With empty ones, what customers have stays.
        let empty = "workspace: {slug: acme, name: Acme Inc.}\napi_keys: []\nevent_types: []\napplications:\nroutes: [{name: all, to: {endpoint: theirs}}]\n";
        let pruned = lines(&yard.apply("?prune=true", empty).await.expect(200));
        assert_eq!(pruned, ["- event_type a.unused", "- application two", "+ route all", "- api_key shop"]);
        assert_eq!(yard.get("endpoints").await.expect(200)[0]["slug"], "theirs");
        assert_eq!(yard.get("applications").await.expect(200)[0]["id"], "app_one");
    }

    async fn an_endpoint_is_given_to_an_application_within_its_limit(yard: &Yard) {
        let file = |most: u32, owner: &str| format!("
workspace: {{slug: acme}}
applications: [{{id: app_one, external_id: one, name: One, max_endpoints: {most}, metadata: {{tier: gold}}, show_event_types: false}}]
endpoints:
  - {{slug: a, url: 'https://a.example/', application: {owner}}}
  - {{slug: b, url: 'https://b.example/', application: {owner}}}
");
        yard.apply("", &file(1, "one")).await.refused(403, "application_endpoint_limit_reached");
        assert_eq!(yard.get("applications").await.expect(200), json!([]));
        yard.apply("", &file(2, "one")).await.expect(200);
        assert_eq!(yard.apply("", &file(2, "app_one")).await.expect(200)["changes"], json!([]));
        let list = yard.get("applications/one/endpoints").await.expect(200);
        assert_eq!(list.as_array().unwrap().len(), 2);
        // A lower limit takes nothing away.
        yard.apply("", &file(1, "one")).await.expect(200);
        let details = yard.apply("", &file(1, "nobody")).await.refused(400, "invalid_request");
        assert_eq!(details[0], "endpoints[0].application: `nobody` is no application of this workspace");
    }
}

static SOURCE: std::sync::LazyLock<wire::SourceId> =
    std::sync::LazyLock::new(|| wire::SourceId::from_stored("so_stripe"));

fn sha256(text: &str) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).into()
}

/// Something wrong in every section.
const WRONG: &str = r#"
workspace: {slug: acme, rate_limit: {per_second: 0}}
environments: [{slug: production, default: true, name: ""}]
api_keys:
  - {name: a, token: nhk_same, scopes: [], environment: nowhere}
  - {name: a, token: nhk_same, scopes: [ingest, all], rate_limit: {}}
  - {token: nhm_wrong, enabled: 1}
management_tokens: [{name: a, token: nhm_same}, {name: b, token: nhm_same}]
event_types: [{name: "a..b"}, {name: a, schema: {type: text}}, {name: a}]
applications: [{name: nameless}, {id: app_a, external_id: x, name: A}, {id: app_b, external_id: x}]
projects: [{slug: p, enabled: no}, {slug: prj_p}]
templates: [{slug: t, inputs: []}, {name: T}]
contacts:
  - {name: Ada, addresses: [{source: stripe, id: U1}, {source: nowhere, id: U1}, {id: ""}]}
  - {name: Bob, addresses: [{source: so_stripe, id: U1}, stripe]}
endpoints: [{slug: e, url: "https://e.example/", application: app_none}]
sources:
  - {slug: a, app: {id: app_x, adapter: slak}}
  - {slug: b, app: {id: app_same, adapter: slack}}
  - {slug: c, app: {id: app_same, adapter: telegram, signing_secret: "a b", verify_token: t, doorkeeper: none}}
  - {slug: d, app: {id: so_x, adapter: custom, scheme: {algorithm: rot13}, contacts: all}}
  - {slug: e, app: {adapter: "http://127.0.0.1/", signing_secret: s, scheme: {}}}
playbooks:
  - {slug: a, definition: "[]", hook: {token: hook_same}, target: {project: none, template: none}, concurrency: 0}
  - {slug: b, definition: {document: {dsl: 1.0.3, namespace: acme, name: a, version: 1.0.0}, do: [{a: {set: {b: 1}}}]}, hook: {token: hook_same, on: true}, secrets: {a: {b: 7}}}
  - {slug: c, definition: {document: {dsl: 1.0.3, namespace: acme, name: c, version: 1.0.0}, input: {schema: {document: {type: text}}}, do: [{a: {set: {b: 1}}}]}, secret: "a b", secrets: []}
  - {slug: d, definition: "a: ["}
"#;

/// Where it is.
const WHERE: [&str; 51] = [
    "api_keys[0].environment",
    "api_keys[0].scopes",
    "api_keys[1].name",
    "api_keys[1].rate_limit.per_second",
    "api_keys[1].scopes[1]",
    "api_keys[1].token",
    "api_keys[2].enabled",
    "api_keys[2].name",
    "api_keys[2].token",
    "applications[0].external_id",
    "applications[2].external_id",
    "applications[2].name",
    "contacts[0].addresses[1].source",
    "contacts[0].addresses[2].id",
    "contacts[0].addresses[2].source",
    "contacts[1].addresses[0].id",
    "contacts[1].addresses[1]",
    "endpoints[0].application",
    "environments[0].name",
    "event_types[0].name",
    "event_types[1].schema",
    "event_types[2].name",
    "management_tokens[1].token",
    "playbooks[0].concurrency",
    "playbooks[0].definition",
    "playbooks[0].target.project",
    "playbooks[0].target.template",
    "playbooks[1].definition.document.name",
    "playbooks[1].hook.on",
    "playbooks[1].hook.token",
    "playbooks[1].secrets",
    "playbooks[2].definition.input.schema.document",
    "playbooks[2].secret",
    "playbooks[2].secrets",
    "playbooks[3].definition",
    "projects[0].enabled",
    "projects[1].slug",
    "sources[0].app.adapter",
    "sources[1].app.signing_secret",
    "sources[2].app.doorkeeper",
    "sources[2].app.id",
    "sources[2].app.signing_secret",
    "sources[2].app.verify_token",
    "sources[3].app.contacts",
    "sources[3].app.id",
    "sources[3].app.scheme.algorithm",
    "sources[4].app.adapter",
    "sources[4].app.scheme.signature",
    "templates[0].inputs",
    "templates[1].slug",
    "workspace.rate_limit.per_second",
];

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_told_by_its_path() {
    let yard = Yard::on_sqlite().await;
    let details = yard.apply("", WRONG).await.refused(400, "invalid_request");
    let mut paths: Vec<&str> = details
        .iter()
        .map(|detail| detail.split(": ").next().unwrap())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, WHERE, "{details:#?}");
    for expected in [
        "contacts[1].addresses[0].id: is the address of contacts[0].addresses[0], too",
        "api_keys[1].token: is the token of api_keys[0], too",
        "sources[2].app.id: is the app.id of sources[1], too",
        "playbooks[1].hook.token: is the hook.token of playbooks[0], too",
        "sources[0].app.adapter: `slak` is no built-in adapter, and no URL of one; did you mean `slack`?",
    ] {
        assert!(
            details.iter().any(|detail| detail == expected),
            "{expected}\n{details:#?}"
        );
    }
    assert_eq!(yard.get("playbooks").await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_last_number_there_is_none() {
    let yard = Yard::on_sqlite().await;
    let file = format!(
        "workspace: {{slug: acme}}
playbooks:
  - {{slug: last, number: 2147483647, definition: {}}}
  - {{slug: next, definition: {}}}
",
        in_place("last"),
        in_place("next")
    );
    let details = yard.apply("", &file).await.refused(400, "invalid_request");
    assert_eq!(
        details,
        ["playbooks[1].number: is the number of playbooks[0], too"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_keeps_what_it_was_by_its_pinned_id() {
    let yard = Yard::on_sqlite().await;
    let file = |name: &str, slug: &str| {
        format!(
            "workspace: {{slug: acme, rate_limit: {{per_second: 5}}}}
environments: [{{slug: production, name: {name}, default: true}}]
api_keys: [{{id: key_1, name: {name}}}]
projects: [{{id: prj_1, slug: {slug}}}]
playbooks: [{{id: pb_1, slug: {slug}, definition: {}, target: {{project: {slug}}}}}]
",
            in_place(slug)
        )
    };
    yard.apply("", &file("One", "one")).await.expect(200);
    let renamed = yard.apply("", &file("Two", "two")).await.expect(200);
    assert_eq!(renamed["generated"], json!([]));
    // A playbook's document bears its slug, so it changes with it.
    let mut changes = lines(&renamed);
    let playbook = changes.remove(2);
    assert!(
        playbook.starts_with("~ playbook two: definition ") && playbook.ends_with(", slug one → two"),
        "{playbook}"
    );
    assert_eq!(
        changes,
        [
            "~ environment production: name One → Two",
            "~ project two: slug one → two",
            "~ api_key Two: name One → Two",
        ]
    );
}
