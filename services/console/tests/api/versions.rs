//! The versions of playbooks, what is checked before one is made, and what it calls.

use crate::on_both;
use crate::yard::{Yard, definition};
use serde_json::{Value, json};
use testkit::receiver::{Receiver, Reply};

fn saying(slug: &str, word: &str) -> String {
    format!(
        "document: {{dsl: 1.0.3, namespace: acme, name: {slug}, version: 1.0.0}}\ndo: [{{say: {{set: {{word: {word}}}}}}}]\n"
    )
}

/// The numbers of a page of versions.
fn numbers(list: &Value) -> Vec<i64> {
    let versions = list["versions"].as_array().unwrap().iter();
    versions
        .map(|version| version["version"].as_i64().unwrap())
        .collect()
}

on_both! {
    async fn a_changed_definition_is_a_version_and_an_old_one_can_be_activated_again(yard: &Yard) {
        let made = yard.post("playbooks", &json!({"slug": "greet", "definition": saying("greet", "one")})).await.expect(201);
        assert_eq!((&made["version"], &made["warnings"]), (&json!(1), &json!([])));
        let save = async |word: &str| {
            let body = json!({"definition": saying("greet", word)}).to_string();
            yard.ask("PUT", "playbooks/greet", body).await.expect(200)["version"].clone()
        };
        assert_eq!((save("one").await, save("two").await, save("two").await, save("three").await), (json!(1), json!(2), json!(2), json!(3)));
        assert_eq!(yard.patch("playbooks/greet", &json!({"enabled": false})).await.expect(200)["version"], 3);

        let list = yard.get("playbooks/greet/versions?limit=2").await.expect(200);
        assert_eq!(numbers(&list), [3, 2]);
        assert_eq!((&list["versions"][0]["active"], &list["versions"][1]["active"]), (&json!(true), &json!(false)));
        assert!(list["versions"][0].get("definition").is_none());
        let rest = yard.get(&format!("playbooks/greet/versions?cursor={}", list["nextCursor"].as_str().unwrap())).await.expect(200);
        assert_eq!((numbers(&rest), &rest["nextCursor"]), (vec![1], &Value::Null));

        let first = yard.get("playbooks/greet/versions/1").await.expect(200);
        assert_eq!((&first["definition"], &first["active"]), (&json!(saying("greet", "one")), &json!(false)));
        let active = yard.ask("POST", "playbooks/greet/versions/1/activate", "").await.expect(200);
        assert_eq!((&active["version"], &active["definition"]), (&json!(1), &json!(saying("greet", "one"))));
        assert_eq!(yard.get("playbooks/greet").await.expect(200), active);
        assert_eq!(numbers(&yard.get("playbooks/greet/versions").await.expect(200)), [3, 2, 1]);
        // What is saved next is the next number, whatever was activated.
        assert_eq!(save("four").await, 4);

        for missing in ["greet/versions/9", "greet/versions/0", "greet/versions/-1", "greet/versions/x", "greet/versions/99999999999", "none/versions/1"] {
            yard.get(&format!("playbooks/{missing}")).await.refused(404, "not_found");
            yard.ask("POST", &format!("playbooks/{missing}/activate"), "").await.refused(404, "not_found");
        }
        yard.get("playbooks/none/versions").await.refused(404, "not_found");
        yard.get("playbooks/greet/versions?cursor=x").await.refused(400, "invalid_query");
        yard.get("playbooks/greet/versions?before=2").await.refused(400, "invalid_query");
    }

    async fn a_file_makes_a_version_of_what_it_changes(yard: &Yard) {
        let file = |word: &str| format!("workspace: {{slug: acme}}\nplaybooks:\n  - slug: greet\n    definition: |\n      {}", saying("greet", word).replace('\n', "\n      "));
        for (word, version) in [("one", 1), ("one", 1), ("two", 2)] {
            yard.apply("", &file(word)).await.expect(200);
            assert_eq!(yard.get("playbooks/greet").await.expect(200)["version"], version);
        }
        let dry = yard.apply("?dryRun=true", &file("three")).await.expect(200);
        assert_eq!(dry["changes"][0]["fields"].as_array().unwrap().len(), 1);
        assert_eq!(yard.get("playbooks/greet").await.expect(200)["version"], 2);
    }

    async fn a_list_refuses_the_cursor_of_another_list(yard: &Yard) {
        yard.post("playbooks", &json!({"slug": "greet", "definition": saying("greet", "one")})).await.expect(201);
        yard.patch("playbooks/greet", &json!({"definition": saying("greet", "two")})).await.expect(200);
        for _ in 0..2 {
            yard.post("recoveries", &json!({"start": true})).await.expect(201);
        }
        let (versions, recoveries) = ("playbooks/greet/versions", "recoveries");
        for (list, other) in [(versions, recoveries), (recoveries, versions)] {
            let page = yard.get(&format!("{other}?limit=1")).await.expect(200);
            let cursor = page["nextCursor"].as_str().unwrap();
            yard.get(&format!("{other}?cursor={cursor}")).await.expect(200);
            yard.get(&format!("{list}?cursor={cursor}")).await.refused(400, "invalid_query");
        }
    }

    async fn a_version_of_another_name_is_not_activated(yard: &Yard) {
        yard.post("playbooks", &json!({"slug": "greet", "definition": definition("greet")})).await.expect(201);
        yard.patch("playbooks/greet", &json!({"slug": "hail", "definition": definition("hail")})).await.expect(200);
        yard.ask("POST", "playbooks/hail/versions/1/activate", "").await.refused(409, "invalid_state");
        assert_eq!(yard.get("playbooks/hail").await.expect(200)["version"], 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_validated_and_not_kept() {
    let yard = Yard::on_sqlite().await;
    let text = "document: {dsl: 1.0.3, namespace: acme, name: ask, version: 2.1.0}
input: {schema: {document: {type: object}}}
use: {secrets: [slack]}
do:
  - wait: {listen: {to: {one: {with: {type: chat.answered}}}}}
  - tell: {call: http, with: {method: post, endpoint: 'https://a.example/', headers: {authorization: '${ $secrets.slack.token }'}}}
";
    let valid = yard
        .post("playbooks/validate", &json!({"definition": text}))
        .await
        .expect(200);
    assert_eq!(
        valid,
        json!({"valid": true, "name": "ask", "version": "2.1.0", "tasks": 2, "inputSchema": {"type": "object"},
            "secrets": ["slack"], "listensTo": ["chat.answered"]})
    );
    let other = json!({"definition": text, "slug": "other"});
    let error = yard.post("playbooks/validate", &other).await.expect(422)["error"].clone();
    assert_eq!(
        error["issues"],
        json!([{"code": "invalid_value", "path": "/document/name", "message": "must be the playbook's slug, `other`",
            "line": 1, "column": 47}])
    );
    assert_eq!(yard.get("playbooks").await.expect(200), json!([]));

    // What is named and not given is a warning, as long as it is so.
    let body = json!({"slug": "ask", "definition": text, "secrets": {"other": "x"}});
    let made = yard.post("playbooks", &body).await.expect(201);
    assert_eq!(made["warnings"][0]["code"], "secret_not_set");
    assert!(
        made["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("`slack`")
    );
    let given = json!({"secrets": {"slack": {"token": "x"}}});
    assert_eq!(
        yard.patch("playbooks/ask", &given).await.expect(200)["warnings"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_and_documents_are_refused_by_what_is_wrong_with_them() {
    let yard = Yard::on_sqlite().await;
    for (body, expected) in [
        (json!({}), "definition: is missing"),
        (json!({"definition": 7}), "definition: must be"),
        (json!({"definition": "a\u{0}b"}), "definition: must be"),
        (
            json!({"definition": "x".repeat((1 << 20) + 1)}),
            "definition: must be",
        ),
        (
            json!({"definitions": "", "definition": "a"}),
            "definitions: is not a field here",
        ),
        (json!({"definition": "a", "slug": "no slug"}), "slug: "),
    ] {
        let details = yard
            .post("playbooks/validate", &body)
            .await
            .refused(400, "invalid_request");
        assert!(
            details.iter().any(|detail| detail.starts_with(expected)),
            "{details:?}"
        );
    }
    let long = format!("{}# {}", definition("long"), "x".repeat(257 << 10));
    let error = yard
        .post("playbooks", &json!({"slug": "long", "definition": long}))
        .await
        .expect(422)["error"]
        .clone();
    assert_eq!(error["issues"][0]["code"], "limit_exceeded");
    let details = yard
        .post(
            "playbooks",
            &json!({"slug": "validate", "definition": definition("validate")}),
        )
        .await
        .refused(400, "invalid_request");
    assert!(
        details[0].starts_with("slug: `validate` is a word"),
        "{details:?}"
    );
    // One whose check would not end.
    let evil = "document: {dsl: 1.0.3, namespace: acme, name: evil, version: 1.0.0}\ndo: [{a: {set: {x: '${ (((' }}}]";
    let body = json!({"slug": "evil", "definition": evil});
    yard.post("playbooks", &body)
        .await
        .refused(422, "invalid_definition");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_definition_calls_is_fetched_and_pinned() {
    let yard = Yard::near().await;
    let openapi = r#"{"openapi": "3.1.0", "servers": [{"url": "/v1"}], "paths": {"/pets/{id}": {"get":
        {"operationId": "getPet", "parameters": [{"name": "id", "in": "path", "required": true}]}}}}"#;
    let server = Receiver::start();
    let at = |path: &str| format!("{}{path}", server.url().trim_end_matches('/'));
    for (path, reply) in [
        ("/openapi.json", Reply::status(200).body(openapi)),
        ("/gone", Reply::status(404)),
        ("/moved", Reply::status(302).header("location", "/openapi.json")),
        ("/large", Reply::status(200).body("x".repeat((4 << 20) + 1))),
        ("/broken", Reply::status(200).body("{")),
    ] {
        server.answer_all_at(path, reply);
    }
    let calling = |uri: &str, operation: &str| {
        format!(
            "document: {{dsl: 1.0.3, namespace: acme, name: pet, version: 1.0.0}}\ndo:\n  - pet:\n      call: openapi\n      \
             with: {{document: {{endpoint: '{uri}'}}, operationId: {operation}, parameters: {{id: '${{ .id }}'}}}}\n"
        )
    };
    let body = json!({"slug": "pet", "definition": calling(&at("/openapi.json"), "getPet")});
    let made = yard.post("playbooks", &body).await.expect(201);
    let id = wire::PlaybookId::from_stored(made["id"].as_str().unwrap());
    let kept = yard.store.playbook_version(&id, 1).await.unwrap().unwrap();
    assert!(kept.operations.contains("/v1/pets/{id}"), "{}", kept.operations);
    // It is there already, and needs its server no more.
    let asked = server.requests().len();
    yard.patch("playbooks/pet", &json!({"enabled": false}))
        .await
        .expect(200);
    yard.ask("POST", "playbooks/pet/versions/1/activate", "")
        .await
        .expect(200);
    assert_eq!(server.requests().len(), asked);

    for (uri, operation, expected) in [
        (at("/openapi.json"), "getPets", "no operation `getPets`"),
        (at("/gone"), "getPet", "its server answered 404"),
        (at("/moved"), "getPet", "302, which is not followed"),
        (at("/large"), "getPet", "more than 4194304 bytes"),
        (at("/broken"), "getPet", "neither JSON nor YAML"),
        ("http://10.0.0.1/".to_owned(), "getPet", "cannot be fetched"),
    ] {
        let body = json!({"definition": calling(&uri, operation)});
        let error = yard
            .ask("PUT", "playbooks/pet", body.to_string())
            .await
            .expect(422)["error"]
            .clone();
        let issue = &error["issues"][0];
        assert!(issue["message"].as_str().unwrap().contains(expected), "{error}");
        assert_eq!(issue["line"], 5, "{error}");
        assert!(
            issue["path"].as_str().unwrap().starts_with("/do/0/pet/with/"),
            "{error}"
        );
    }
}
