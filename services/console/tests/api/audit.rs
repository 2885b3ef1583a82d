//! Who did what.

use crate::given;
use crate::on_both;
use crate::yard::{ACME, OPERATOR, Yard, definition};
use serde_json::{Value, json};

/// What was told since as many entries were there, oldest first.
async fn told(yard: &Yard, since: usize) -> Vec<Value> {
    let list = yard.get("audit?limit=100").await.expect(200);
    let entries = list["audit"].as_array().unwrap();
    assert!(entries.len() < 100);
    entries.iter().rev().skip(since).cloned().collect()
}

/// `endpoint.create ep_crm`
fn lines(entries: &[Value]) -> Vec<String> {
    let line = |entry: &Value| {
        let (action, target) = (entry["action"].as_str().unwrap(), &entry["target"]);
        assert_eq!(target["kind"], action.split('.').next().unwrap());
        format!("{action} {}", target["id"].as_str().unwrap())
    };
    entries.iter().map(line).collect()
}

/// Whatever an answer calls a secret.
fn secrets_of(answer: &Value) -> Vec<String> {
    let named = ["secret", "token", "channelSecret", "code", "url"].map(|name| &answer[name]);
    named
        .into_iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Everything that can be done to what is configured: the request, its body, and what is told of it.
const CHANGES: &str = r#"
PATCH | {"name": "Acme & Co."} | workspace.update ws_acme
POST environments | {"id": "env_test", "slug": "test"} | environment.create env_test
PATCH environments/test | {"name": "Test"} | environment.update env_test
DELETE environments/test | | environment.delete env_test
POST endpoints | {"id": "ep_crm", "slug": "crm", "url": "https://crm.example/hooks?key=canary_url", "headers": {"X-Key": "canary_header"}, "auth": {"bearer": "canary_bearer"}} | endpoint.create ep_crm
PATCH endpoints/crm | {"timeout": "20s", "auth": {"bearer": "canary_2"}} | endpoint.update ep_crm
POST endpoints/crm/rotate-secret | {} | endpoint.rotate_secret ep_crm
POST endpoints/crm/hold | | endpoint.hold ep_crm
POST endpoints/crm/drain | | endpoint.drain ep_crm
POST event-types | {"id": "evt_paid", "name": "paid"} | event_type.create evt_paid
PATCH event-types/paid | {"description": "Paid."} | event_type.update evt_paid
PUT environments/production/event-types/paid/visibility | {"published": true} | event_type.publish evt_paid
POST endpoints/crm/subscriptions | {"eventTypeIds": ["paid"]} | endpoint.subscribe ep_crm
DELETE endpoints/crm/subscriptions/paid | | endpoint.unsubscribe ep_crm
DELETE event-types/paid | | event_type.delete evt_paid
DELETE endpoints/crm | | endpoint.delete ep_crm
POST sources | {"id": "so_shop", "slug": "shop", "token": "src_canary", "verify": {"provider": "github", "secrets": ["canary_signing"]}} | source.create so_shop
PATCH sources/shop | {"enabled": false} | source.update so_shop
POST sources/shop/rotate-secret | {"secret": "canary_rotated"} | source.rotate_secret so_shop
DELETE sources/shop | | source.delete so_shop
POST applications | {"id": "app_one", "name": "One"} | application.create app_one
PATCH applications/app_one | {"name": "First"} | application.update app_one
POST applications/app_one/portal | {} | application.open_portal app_one
DELETE applications/app_one | | application.delete app_one
POST playbooks | {"id": "pb_greet", "slug": "greet", "secret": "canary_door", "definition": {"document": {"dsl": "1.0.3", "namespace": "acme", "name": "greet", "version": "1.0.0"}, "do": [{"keep": {"set": {"seen": true}}}]}} | playbook.create pb_greet
PATCH playbooks/greet | {"concurrency": 5} | playbook.update pb_greet
POST playbooks/greet/rotate-secret | {} | playbook.rotate_secret pb_greet
POST playbooks/greet/versions/1/activate | | playbook.activate_version pb_greet
POST routes | {"id": "rt_greet", "name": "greet", "to": {"playbook": "greet"}} | route.create rt_greet
PATCH routes/greet | {"enabled": false} | route.update rt_greet
DELETE routes/greet | | route.delete rt_greet
DELETE playbooks/greet | | playbook.delete pb_greet
POST api-keys | {"id": "key_shop", "name": "shop", "token": "nhk_us_canary_0000000000000000", "scopes": ["ingest"]} | api_key.create key_shop
PATCH api-keys/shop | {"enabled": false} | api_key.update key_shop
POST api-keys/shop/rotate | | api_key.rotate key_shop
DELETE api-keys/shop | | api_key.delete key_shop
POST management-tokens | {"id": "mt_two", "name": "two"} | management_token.create mt_two
DELETE management-tokens/two | | management_token.delete mt_two
POST contacts | {"id": "con_ada", "name": "Ada", "addresses": []} | contact.create con_ada
PATCH contacts/Ada | {"name": "Ada L."} | contact.update con_ada
DELETE contacts/con_ada | | contact.delete con_ada
POST projects | {"id": "prj_web", "slug": "web"} | project.create prj_web
PATCH projects/web | {"name": "Web"} | project.update prj_web
DELETE projects/web | | project.delete prj_web
POST templates | {"id": "tpl_usual", "slug": "usual"} | template.create tpl_usual
PATCH templates/usual | {"inputs": {"tier": "canary_input"}} | template.update tpl_usual
DELETE templates/usual | | template.delete tpl_usual
"#;

on_both! {
    async fn every_change_of_what_is_configured_is_told_once_and_without_a_secret(yard: &Yard) {
        let before = told(yard, 0).await.len();
        let (mut expected, mut secrets) = (Vec::new(), vec!["canary".to_owned()]);
        for change in CHANGES.trim().lines() {
            let [request, body, line] = change.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
            let (method, path) = request.split_once(' ').unwrap_or((request, ""));
            let answer = yard.ask(method, path, body.to_owned()).await;
            assert!(answer.status.is_success(), "{request}: {}", answer.text);
            secrets.extend(secrets_of(&answer.json));
            expected.push(line.to_owned());
        }
        // What is refused was not done.
        yard.patch("endpoints/billing", &json!({"timeout": "nonsense"})).await.refused(400, "invalid_request");
        yard.post("projects", &json!({"slug": "web", "id": "so_wrong"})).await.refused(400, "invalid_request");
        yard.delete("endpoints/nobody").await.refused(404, "not_found");

        let entries = told(yard, before).await;
        assert_eq!(lines(&entries), expected);
        let tokens = yard.get("management-tokens").await.expect(200);
        for entry in &entries {
            let actor = json!({"kind": "management_token", "id": tokens[0]["id"], "name": "ci"});
            assert_eq!(entry["actor"], actor);
        }
        let of = |line: &str| &entries[expected.iter().position(|one| one == line).unwrap()]["detail"];
        assert_eq!(of("endpoint.update ep_crm"), &json!({"name": "crm", "fields": ["auth", "timeout"]}));
        assert_eq!(of("endpoint.subscribe ep_crm"), &json!({"name": "crm", "eventTypes": ["paid"]}));
        assert_eq!(of("source.rotate_secret so_shop"), &json!({"name": "shop", "of": "verify"}));
        let text = Value::from(entries.clone()).to_string();
        for secret in secrets {
            assert!(!text.contains(&secret), "{secret} stands in {text}");
        }
    }

    async fn a_file_is_told_as_what_it_changed(yard: &Yard) {
        let entries = told(yard, 0).await;
        let of = |entries: &[Value]| {
            let actions = entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned());
            actions.collect::<Vec<_>>()
        };
        let first = [
            "workspace.create", "environment.create", "environment.create", "endpoint.create", "source.create",
            "management_token.create",
        ];
        assert_eq!(of(&entries), first);
        for entry in &entries {
            assert_eq!(entry["actor"], json!({"kind": "operator", "id": null, "name": null}));
        }
        let changed = ACME.replace("slug: billing,", "slug: billing, timeout: 20s, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,");
        yard.apply("?dryRun=true", &changed).await.expect(200);
        yard.apply("", &changed).await.expect(200);
        yard.apply("", &changed).await.expect(200);
        let entries = told(yard, first.len()).await;
        assert_eq!(lines(&entries), ["endpoint.update ep_billing"]);
        let detail = json!({"name": "billing", "apply": true, "fields": ["timeout", "secret"]});
        assert_eq!(entries[0]["detail"], detail);
        assert!(yard.apply("", &changed.replace("20s", "nonsense")).await.status.is_client_error());
        assert_eq!(told(yard, first.len()).await.len(), 1);
    }

    async fn what_is_done_to_what_was_recorded_is_told_too(yard: &Yard) {
        let (event, delivery) = given::delivered_event(yard, b"{}").await;
        let playbook = json!({"id": "pb_greet", "slug": "greet", "definition": definition("greet")});
        yard.post("playbooks", &playbook).await.expect(201);
        let before = told(yard, 0).await.len();
        let ask = async |path: String| yard.ask("POST", &path, "").await;
        let mut expected = Vec::new();
        ask(format!("deliveries/{delivery}/cancel")).await.expect(200);
        expected.push(format!("delivery.cancel {delivery}"));
        ask(format!("deliveries/{delivery}/cancel")).await.refused(409, "invalid_state");
        ask(format!("deliveries/{delivery}/retry")).await.expect(200);
        expected.push(format!("delivery.retry {delivery}"));
        let replayed = ask(format!("events/{event}/replay")).await.expect(202);
        expected.push(format!("event.replay {event}"));
        ask(format!("deliveries/{delivery}/replay")).await.expect(202);
        expected.push(format!("delivery.replay {delivery}"));
        // A look changes nothing.
        yard.post(&format!("events/{event}/replay"), &json!({"mode": "diff"})).await.expect(200);
        let run = yard.post("playbooks/greet/runs", &json!({})).await.expect(201);
        let run = run["id"].as_str().unwrap();
        expected.push(format!("run.start {run}"));
        for (what, status) in [("pause", 202), ("resume", 202), ("cancel", 202), ("retry", 409)] {
            ask(format!("runs/{run}/{what}")).await.expect(status);
            expected.extend((status == 202).then(|| format!("run.{what} {run}")));
        }
        let recovery = yard.post("recoveries", &json!({"start": true})).await.expect(201);
        let recovery = recovery["id"].as_str().unwrap();
        expected.extend(["create", "start"].map(|what| format!("recovery.{what} {recovery}")));
        for what in ["pause", "resume", "cancel"] {
            ask(format!("recoveries/{recovery}/{what}")).await.expect(200);
            expected.push(format!("recovery.{what} {recovery}"));
        }
        ask(format!("recoveries/{recovery}/cancel")).await.refused(409, "invalid_state");
        let entries = told(yard, before).await;
        assert_eq!(lines(&entries), expected);
        let detail = json!({"mode": "as_delivered", "deliveries": [replayed["deliveries"][0]["id"]]});
        assert_eq!(entries[2]["detail"], detail);
    }

    async fn the_audit_is_a_list_that_grows_and_shows_its_own_workspace_alone(yard: &Yard) {
        for slug in ["one", "two", "three"] {
            yard.post("projects", &json!({"slug": slug})).await.expect(201);
        }
        let page = yard.get("audit?limit=2").await.expect(200);
        let names = |page: &Value| {
            let entries = page["audit"].as_array().unwrap().iter();
            entries.map(|entry| entry["detail"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&page), ["three", "two"]);
        let next = format!("audit?limit=1&cursor={}", page["nextCursor"].as_str().unwrap());
        assert_eq!(names(&yard.get(&next).await.expect(200)), ["one"]);
        assert_eq!(yard.get("audit?limit=100").await.expect(200)["nextCursor"], Value::Null);
        yard.get("audit?limit=101").await.refused(400, "invalid_query");
        yard.get("audit?actor=x").await.refused(400, "invalid_query");
        let foreign = format!("recoveries?cursor={}", page["nextCursor"].as_str().unwrap());
        yard.get(&foreign).await.refused(400, "invalid_query");

        let operator = format!("Bearer {OPERATOR}");
        let file = "workspace: {slug: other, id: ws_other}\nmanagement_tokens: [{name: ci, token: nhm_other_token}]";
        let path = "/management/v1/workspaces/other/configuration";
        yard.send("PUT", path, &[("Authorization", &operator)], file).await.expect(200);
        let path = "/management/v1/workspaces/-/audit";
        let others = yard.send("GET", path, &[("Authorization", "Bearer nhm_other_token")], "").await.expect(200);
        assert_eq!(names(&others), ["ci", "production", "other"]);
    }
}
