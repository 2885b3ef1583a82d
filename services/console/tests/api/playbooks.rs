//! Playbooks, what their runs are targeted at, and the runs that are started by hand.

use crate::on_both;
use crate::yard::{Yard, definition};
use serde_json::{Value, json};

/// The paths of what is wrong.
fn paths(details: &[String]) -> Vec<&str> {
    let mut paths: Vec<&str> = details
        .iter()
        .map(|detail| detail.split(": ").next().unwrap())
        .collect();
    paths.sort_unstable();
    paths
}

const GREET: &str = "
document: {dsl: 1.0.3, namespace: acme, name: greet, version: 1.0.0}
input: {schema: {document: {type: object, required: [email], properties: {email: {type: string}, tier: {enum: [gold]}}}}}
do: [{keep: {set: {seen: true}}}]
";

on_both! {
    async fn a_project_and_a_template_are_made_read_changed_and_removed(yard: &Yard) {
        for (list, prefix, body, change) in [
            ("projects", "prj_", json!({"slug": "one", "name": "One", "enabled": false}), json!({"name": null, "enabled": true})),
            ("templates", "tpl_", json!({"slug": "one", "name": "One", "inputs": {"a": [1]}}), json!({"name": null, "inputs": {}})),
        ] {
            let made = yard.post(list, &body).await.expect(201);
            assert!(made["id"].as_str().unwrap().starts_with(prefix));
            for (field, value) in body.as_object().unwrap() {
                assert_eq!(made[field], *value, "{field}");
            }
            assert_eq!(yard.get(list).await.expect(200), json!([made]));
            let (by_slug, by_id) = (format!("{list}/one"), format!("{list}/{}", made["id"].as_str().unwrap()));
            assert_eq!(yard.get(&by_slug).await.expect(200), made);
            assert_eq!(yard.get(&by_id).await.expect(200), made);
            let changed = yard.patch(&by_slug, &change).await.expect(200);
            for (field, value) in change.as_object().unwrap() {
                assert_eq!(changed[field], *value, "{field}");
            }
            assert_eq!(changed["slug"], "one");
            yard.post(list, &json!({"slug": "one"})).await.refused(409, "conflict");
            yard.post(list, &json!({"slug": "two", "id": made["id"]})).await.refused(409, "conflict");
            yard.patch(&by_slug, &json!({"slug": "two"})).await.expect(200);
            assert_eq!(yard.delete(&by_id).await.status.as_u16(), 204);
            for method in ["GET", "PATCH", "DELETE"] {
                yard.ask(method, &by_id, "{}").await.refused(404, "not_found");
            }
        }
    }

    async fn a_playbook_is_made_read_changed_and_removed(yard: &Yard) {
        targets(yard).await;
        let body = json!({
            "slug": "greet", "secret": "open-sesame", "enabled": true, "concurrency": 5, "concurrencyKey": ".email", "number": 42, "hook": {},
            "secrets": {"slack": {"token": "xoxb-1"}}, "target": {"project": "website", "template": "default"},
            "definition": GREET,
        });
        let made = yard.post("playbooks", &body).await.expect(201);
        let token = made["hook"]["token"].as_str().unwrap().to_owned();
        assert!(token.starts_with("hook_") && made.get("secret").is_none());
        let mut shown = made.clone();
        shown["hook"].as_object_mut().unwrap().remove("token");
        for (field, value) in [
            ("number", json!(42)), ("enabled", json!(true)), ("concurrency", json!(5)), ("concurrencyKey", json!(".email")), ("hook", json!({"enabled": true})),
            ("hasSecret", json!(true)), ("hasSecrets", json!(true)), ("definition", json!(GREET)),
            ("target", json!({"project": "website", "template": "default"})),
        ] {
            assert_eq!(shown[field], value, "{field}");
        }
        assert_eq!(shown["inputSchema"]["required"], json!(["email"]));
        assert_eq!(yard.get("playbooks").await.expect(200), json!([shown]));
        assert_eq!(yard.get("playbooks/greet").await.expect(200), shown);
        let row = yard.store.playbook_by_hook(&token).await.unwrap().unwrap().0;
        let (secret, hook) = (row.secret_hash, row.hook_hash);

        // What is not named stays, whichever way it is changed.
        for method in ["PATCH", "PUT"] {
            let body = json!({"definition": definition("greet"), "enabled": false, "hook": {"enabled": false}, "target": {"template": null}});
            let changed = yard.ask(method, "playbooks/greet", body.to_string()).await.expect(200);
            assert_eq!((&changed["inputSchema"], &changed["hook"]), (&Value::Null, &json!({"enabled": false})));
            assert_eq!(changed["target"], json!({"project": "website", "template": null}));
            assert_eq!((&changed["concurrency"], &changed["number"]), (&json!(5), &json!(42)));
            let row = yard.store.playbook(&crate::yard::workspace(), "greet").await.unwrap().unwrap();
            assert_eq!((row.secret_hash, row.hook_hash, row.secrets.is_some()), (secret, hook, true));
        }
        let closed = json!({"secret": null, "secrets": null, "hook": null, "concurrency": null, "concurrencyKey": null, "target": null, "slug": "hail", "definition": definition("hail")});
        let closed = yard.patch("playbooks/greet", &closed).await.expect(200);
        assert_eq!((&closed["hasSecret"], &closed["hasSecrets"], &closed["hook"]), (&json!(false), &json!(false), &Value::Null));
        assert_eq!((&closed["concurrency"], &closed["slug"]), (&Value::Null, &json!("hail")));
        assert!(yard.store.playbook_by_hook(&token).await.unwrap().is_none());

        let next = yard.post("playbooks", &json!({"slug": "next", "definition": {
            "document": {"dsl": "1.0.3", "namespace": "acme", "name": "next", "version": "1.0.0"}, "do": [{"keep": {"set": {"seen": true}}}],
        }})).await.expect(201);
        assert_eq!((&next["number"], &next["hook"], &next["hasSecret"]), (&json!(43), &Value::Null, &json!(false)));
        for body in [
            json!({"slug": "next", "definition": definition("next")}), json!({"slug": "a", "number": 42, "definition": definition("a")}),
            json!({"slug": "a", "id": next["id"], "definition": definition("a")}),
        ] {
            yard.post("playbooks", &body).await.refused(409, "conflict");
        }
        assert_eq!(yard.delete("playbooks/hail").await.status.as_u16(), 204);
        for method in ["GET", "PATCH", "PUT", "DELETE"] {
            yard.ask(method, "playbooks/hail", json!({"definition": definition("hail")}).to_string()).await.refused(404, "not_found");
        }
    }

    async fn a_rotated_secret_is_the_only_one_that_counts(yard: &Yard) {
        yard.post("playbooks", &json!({"slug": "greet", "definition": definition("greet")})).await.expect(201);
        yard.post("playbooks/greet/rotate-secret", &json!({"of": "hook"})).await.refused(409, "invalid_state");
        let rotated = yard.ask("POST", "playbooks/greet/rotate-secret", "").await.expect(200);
        assert!(rotated["secret"].as_str().unwrap().starts_with("pbs_") && rotated["hasSecret"] == true);
        let again = yard.post("playbooks/greet/rotate-secret", &json!({"of": "secret"})).await.expect(200);
        assert_ne!(rotated["secret"], again["secret"]);
        assert!(yard.get("playbooks/greet").await.expect(200).get("secret").is_none());
        let token = yard.patch("playbooks/greet", &json!({"hook": {}})).await.expect(200)["hook"]["token"].clone();
        let fresh = yard.post("playbooks/greet/rotate-secret", &json!({"of": "hook"})).await.expect(200)["secret"].clone();
        assert!(yard.store.playbook_by_hook(token.as_str().unwrap()).await.unwrap().is_none());
        assert!(yard.store.playbook_by_hook(fresh.as_str().unwrap()).await.unwrap().is_some());
        let details = yard.post("playbooks/greet/rotate-secret", &json!({"of": "all", "overlap": "1h"})).await;
        assert_eq!(paths(&details.refused(400, "invalid_request")), ["of", "overlap"]);
        yard.ask("POST", "playbooks/none/rotate-secret", "").await.refused(404, "not_found");
    }

    async fn a_run_is_started_by_hand_and_found_again(yard: &Yard) {
        targets(yard).await;
        let mut runs = yard.conveyor.consume(wire::Queue::Run, std::num::NonZeroU16::MIN);
        let body = json!({"slug": "greet", "definition": GREET, "target": {"project": "website", "template": "default"}});
        let playbook = yard.post("playbooks", &body).await.expect(201);
        yard.post("playbooks", &json!({"slug": "other", "definition": definition("other")})).await.expect(201);
        let run = yard.post("playbooks/greet/runs", &json!({"input": {"email": "a@b.example"}})).await.expect(201);
        for (field, value) in [
            ("playbook", json!("greet")), ("status", json!("pending")), ("trigger", json!("manual")),
            ("project", json!("website")), ("template", json!("default")),
            ("input", json!({"email": "a@b.example", "tier": "gold"})),
        ] {
            assert_eq!(run[field], value, "{field}");
        }
        let id = run["id"].as_str().unwrap();
        let told = tokio::time::timeout(testkit::DEADLINE, runs.next()).await.unwrap().unwrap();
        assert_eq!(told.message.refs, [wire::Reference::Run { id: id.parse().unwrap() }]);
        told.ack();
        assert_eq!(yard.get(&format!("runs/{id}")).await.expect(200), run);
        let event = yard.get(&format!("events/{}", run["eventId"].as_str().unwrap())).await.expect(200);
        assert_eq!((&event["status"], &event["runs"], &event["sourceId"]), (&json!("routed"), &json!(1), &Value::Null));
        let derived = wire::RunId::of(
            event["id"].as_str().unwrap().parse().unwrap(),
            &wire::PlaybookId::from_stored(playbook["id"].as_str().unwrap()),
            0,
        );
        assert_eq!(derived.to_string(), id);

        let second = yard.post("playbooks/greet/runs", &json!({"input": {"email": "", "tier": "gold"}})).await.expect(201);
        let list = yard.get("playbooks/greet/runs?limit=1").await.expect(200);
        assert_eq!(list["runs"], json!([second]));
        let rest = yard.get(&format!("playbooks/greet/runs?cursor={}", list["nextCursor"].as_str().unwrap())).await.expect(200);
        assert_eq!((&rest["runs"], &rest["nextCursor"]), (&json!([run]), &Value::Null));
        assert_eq!(yard.get("playbooks/other/runs").await.expect(200)["runs"], json!([]));
        // Without an input, it is the template's; without either, an empty object.
        let other = yard.ask("POST", "playbooks/other/runs", "").await.expect(201);
        assert_eq!((&other["input"], &other["project"]), (&json!({}), &Value::Null));
        let any = yard.post("playbooks/other/runs", &json!({"input": [1, null]})).await.expect(201);
        assert_eq!(any["input"], json!([1, null]));
    }

    async fn a_run_that_its_playbook_cannot_take_is_not_started(yard: &Yard) {
        targets(yard).await;
        let body = json!({"slug": "greet", "definition": GREET, "target": {"project": "website", "template": "default"}});
        yard.post("playbooks", &body).await.expect(201);
        let start = async |input: Value| yard.post("playbooks/greet/runs", &json!({"input": input})).await;
        let error = start(json!({"tier": "hunter2"})).await.expect(422)["error"].clone();
        assert_eq!(error["code"], "invalid_input");
        let mut issues: Vec<&str> = error["issues"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
        issues.sort_unstable();
        assert_eq!(issues, ["", "/tier"]);
        assert!(!error.to_string().contains("hunter2") && error.get("details").is_none(), "{error}");
        start(json!("text")).await.refused(422, "invalid_input");
        // With what the template fills in.
        let largest = (256 << 10) - r#"{"email":"","tier":"gold"}"#.len();
        let error = start(json!({"email": "x".repeat(largest + 1)})).await.expect(422)["error"].clone();
        let said = error["issues"][0]["message"].as_str().unwrap();
        assert!(error["code"] == "invalid_input" && said.contains("262145") && said.contains("262144"), "{error}");
        start(json!({"email": "x".repeat(largest)})).await.expect(201);

        let good = || start(json!({"email": "a"}));
        yard.patch("projects/website", &json!({"enabled": false})).await.expect(200);
        good().await.refused(422, "project_not_found");
        yard.delete("projects/website").await;
        good().await.refused(422, "project_not_found");
        yard.patch("playbooks/greet", &json!({"target": {"project": null}})).await.expect(200);
        good().await.expect(201);
        yard.delete("templates/default").await;
        good().await.refused(422, "template_not_found");
        yard.patch("playbooks/greet", &json!({"target": null, "enabled": false})).await.expect(200);
        good().await.refused(409, "invalid_state");
        yard.ask("POST", "playbooks/none/runs", "").await.refused(404, "not_found");
        yard.get("playbooks/none/runs").await.refused(404, "not_found");
        let details = yard.post("playbooks/greet/runs", &json!({"inputs": {}})).await.refused(400, "invalid_request");
        assert_eq!(details, ["inputs: is not a field here; did you mean `input`?"]);
        yard.get("playbooks/greet/runs?cursor=x").await.refused(400, "invalid_query");
        assert_eq!(yard.get("playbooks/greet/runs").await.expect(200)["runs"].as_array().unwrap().len(), 2);
    }
}

async fn targets(yard: &Yard) {
    yard.post("projects", &json!({"slug": "website"}))
        .await
        .expect(201);
    yard.post(
        "templates",
        &json!({"slug": "default", "inputs": {"tier": "gold"}}),
    )
    .await
    .expect(201);
}

/// What is wrong with a bad definition, all at once.
const ISSUES: [(&str, &str); 4] = [
    ("invalid_expression", "/do/1/b/set/x"),
    ("invalid_value", "/document/name"),
    ("invalid_value", "/input/schema/document"),
    ("unknown_property", "/do/0/a/sett"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_cannot_be_kept_is_refused_with_its_issues() {
    let yard = Yard::on_sqlite().await;
    let issues = async |definition: Value| {
        let body = json!({"slug": "greet", "definition": definition});
        let error = yard.post("playbooks", &body).await.expect(422)["error"].clone();
        assert_eq!(error["code"], "invalid_definition");
        assert!(!error["message"].as_str().unwrap().is_empty());
        error["issues"].clone()
    };
    let syntax = issues(json!("do:\n  - a: [")).await;
    assert_eq!(
        (&syntax[0]["code"], &syntax[0]["line"]),
        (&json!("yaml_syntax"), &json!(2))
    );
    let twice = issues(json!("do: []\ndo: []")).await;
    assert_eq!(
        (&twice[0]["code"], &twice[0]["line"], &twice[0]["column"]),
        (&json!("duplicate_key"), &json!(2), &json!(1))
    );
    assert_eq!(issues(json!("text")).await[0]["code"], "wrong_type");
    let bad = json!({
        "document": {"dsl": "1.0.3", "namespace": "acme", "name": "other", "version": "1.0.0"},
        "input": {"schema": {"document": {"$ref": "https://a.example/"}}},
        "do": [{"a": {"sett": {}}}, {"b": {"set": {"x": "${ .x + }"}}}],
    });
    let bad = issues(bad).await;
    let mut found: Vec<(&str, &str)> = bad
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| (issue["code"].as_str().unwrap(), issue["path"].as_str().unwrap()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, ISSUES, "{bad:#}");
    // A slug that the stored document contradicts.
    yard.post("playbooks", &json!({"slug": "greet", "definition": GREET}))
        .await
        .expect(201);
    let answer = yard.patch("playbooks/greet", &json!({"slug": "hail"})).await;
    answer.refused(422, "invalid_definition");
    yard.patch("playbooks/greet", &json!({"enabled": false}))
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_concurrency_is_checked_when_it_is_saved() {
    let yard = Yard::on_sqlite().await;
    let save = async |mut body: Value| {
        body["slug"] = json!("greet");
        body["definition"] = json!(definition("greet"));
        yard.post("playbooks", &body).await
    };
    for (body, expected) in [
        (
            json!({"concurrency": 1, "concurrencyKey": ".a | nothing"}),
            "concurrencyKey: line 1, column 6: ",
        ),
        (
            json!({"concurrency": 1, "concurrencyKey": ""}),
            "concurrencyKey: must be a jq expression",
        ),
        (
            json!({"concurrency": 1, "concurrencyKey": 7}),
            "concurrencyKey: must be a text",
        ),
        (
            json!({"concurrencyKey": ".a"}),
            "concurrencyKey: says what `concurrency` counts, and there is none",
        ),
    ] {
        let details = save(body.clone()).await.refused(400, "invalid_request");
        assert!(
            details.len() == 1 && details[0].starts_with(expected),
            "{body}: {details:?}"
        );
    }
    save(json!({"concurrency": 1, "concurrencyKey": ".a"}))
        .await
        .expect(201);
    let details = yard
        .patch("playbooks/greet", &json!({"concurrency": null}))
        .await
        .refused(400, "invalid_request");
    assert!(details[0].starts_with("concurrencyKey: "), "{details:?}");
    let none = json!({"concurrency": null, "concurrencyKey": null});
    let changed = yard.patch("playbooks/greet", &none).await.expect(200);
    assert_eq!(changed["concurrencyKey"], Value::Null);
    let file = format!(
        "workspace: {{slug: acme}}\nplaybooks:\n  - {{slug: greet, concurrency: 2, concurrency_key: .b, definition: {}}}\n",
        json!(definition("greet"))
    );
    yard.apply("", &file).await.expect(200);
    let applied = yard.get("playbooks/greet").await.expect(200);
    assert_eq!(applied["concurrencyKey"], json!(".b"));
    let problems = yard
        .apply("", &file.replace(".b,", "\"nothing(1)\","))
        .await
        .refused(400, "invalid_request");
    assert!(
        problems[0].starts_with("playbooks[0].concurrency_key: line 1"),
        "{problems:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_field_is_refused_by_its_path() {
    let yard = Yard::on_sqlite().await;
    yard.post(
        "playbooks",
        &json!({"slug": "greet", "definition": definition("greet")}),
    )
    .await
    .expect(201);
    for (method, path, body, expected) in [
        (
            "POST",
            "playbooks",
            json!({"id": "p", "slug": "pb_a", "number": 0, "enabled": "no", "concurrency": 10_001, "secret": "a b",
                "secrets": {"a": [1]}, "definition": 7, "hook": {"token": "h", "enabled": 1, "url": ""},
                "target": {"project": "none", "template": 7, "other": 1}}),
            &[
                "concurrency",
                "definition",
                "enabled",
                "hook.enabled",
                "hook.token",
                "hook.url",
                "id",
                "number",
                "secret",
                "secrets",
                "slug",
                "target.other",
                "target.project",
                "target.template",
            ][..],
        ),
        ("POST", "playbooks", json!({}), &["definition", "slug"]),
        (
            "PUT",
            "playbooks/greet",
            json!({"slug": null, "definition": "", "id": "pb_other", "secrets": "a", "hook": "on", "inputSchema": {}}),
            &["definition", "hook", "id", "inputSchema", "secrets", "slug"],
        ),
        (
            "POST",
            "projects",
            json!({"id": "tpl_a", "slug": "a b", "name": "", "enabled": 1, "inputs": {}}),
            &["enabled", "id", "inputs", "name", "slug"],
        ),
        (
            "POST",
            "templates",
            json!({"id": "prj_a", "name": 7, "inputs": [], "enabled": true}),
            &["enabled", "id", "inputs", "name", "slug"],
        ),
        (
            "POST",
            "templates",
            json!({"slug": "big", "inputs": {"a": "x".repeat(70_000)}}),
            &["inputs"],
        ),
    ] {
        let answer = yard.ask(method, path, body.to_string()).await;
        let details = answer.refused(400, "invalid_request");
        assert_eq!(paths(&details), expected, "{method} {path}: {details:#?}");
    }
}
