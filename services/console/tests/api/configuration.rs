//! Configuration as code, over HTTP and directly.

use crate::on_both;
use crate::yard::{ACME, OPERATOR, TOKEN, Yard, in_place};
use hookyard_console::apply::{self, Inputs, Outside, Scope};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The contract's example, cut to what this release has.
const EXAMPLE: &str = r#"
workspace: {slug: acme, id: ws_acme, name: Acme Inc., accepting: true}
environments: [{slug: production, default: true}, {slug: staging}]
api_keys:
  - {name: shop, token: nhk_us_shop_test_key_0001, environment: production, scopes: [ingest, trigger], enabled: true,
     rate_limit: {per_second: 200, burst: 400}}
management_tokens: [{name: ci, token: nhm_ci_test_token_0001}]
projects: [{slug: website, name: Website}]
templates: [{slug: default, inputs: {tier: gold}}]
contacts: [{name: Ada, addresses: [{source: support, id: U024BE7LH}]}]
endpoints:
  - {slug: billing, id: ep_billing, url: "https://billing.internal/hooks", environment: production,
     secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, headers: {X-Team: pay},
     timeout: 15s, retry: {schedule: [0s, 5s, 1m, 10m, 1h], jitter: 0.2}, rate_limit: {per_second: 50}, concurrency: 10,
     ordered: false, enabled: true}
sources:
  - slug: stripe
    token: src_a1b2c3d4e5f6
    environment: production
    enabled: true
    verify: {provider: stripe, secrets: [whsec_stripe]}
    event_type: {body: .type}
    dedupe: {body: .id, window: 7d}
    channel: {secret: open-sesame, direct_ingest: true}
  - {slug: support, token: src_support, app: {id: app_support, adapter: slack, signing_secret: slack-secret, contacts: required, doorkeeper: onboarding}}
routes:
  - {name: paid, from: [stripe], event_types: ["payment.*"], filter: ".data.amount > 100",
     transform: "{id: .id, amount: .data.amount}", delay: 0s, to: {endpoint: billing}}
  - {name: welcome, from: [stripe], event_types: [customer.created], to: {playbook: onboarding}}
playbooks:
  - {slug: onboarding, number: 42, secret: open-sesame, enabled: true, hook: {token: hook_onboarding, enabled: true},
     target: {project: website, template: default}, concurrency: 50, secrets: {slack: {token: xoxb-1}},
     definition: {document: {dsl: 1.0.3, namespace: acme, name: onboarding, version: 1.0.0}, do: [{keep: {set: {seen: true}}}]}}
"#;

/// The changes as the command line shows them.
pub(crate) fn lines(applied: &Value) -> Vec<String> {
    let applied: apply::Applied = serde_json::from_value(applied.clone()).unwrap();
    applied.changes.iter().map(ToString::to_string).collect()
}

on_both! {
    async fn a_file_that_asks_for_a_key_pair_rotates_to_one_and_never_shows_it(yard: &Yard) {
        let file = ACME.replace("{slug: billing,", "{slug: billing, signing: v1a,");
        let applied = yard.apply("", &file).await.expect(200);
        assert_eq!(lines(&applied), ["~ endpoint billing: signing v1 → v1a, secret (secret) → (secret)"]);
        assert_eq!(applied["generated"], json!([]));
        let shown = yard.get("endpoints/billing").await.expect(200);
        assert!(shown["publicKey"].as_str().unwrap().starts_with("whpk_"), "{shown}");
        assert_eq!(yard.apply("", &file).await.expect(200)["changes"], json!([]));
        assert_eq!(yard.get("endpoints/billing").await.expect(200), shown);

        let back = yard.apply("", &file.replace("v1a", "v1")).await.expect(200);
        assert!(back["generated"][0]["value"].as_str().unwrap().starts_with("whsec_"), "{back}");
    }

    async fn a_file_is_applied_once_and_changes_nothing_the_second_time(yard: &Yard) {
        let applied = yard.apply("", EXAMPLE).await.expect(200);
        assert_eq!((&applied["workspace"], &applied["workspaceId"]), (&json!("acme"), &json!("ws_acme")));
        assert_eq!((&applied["dryRun"], &applied["generated"]), (&json!(false), &json!([])));
        let changes = lines(&applied);
        assert!(changes.contains(&"+ playbook onboarding".to_owned()), "{changes:#?}");
        assert!(changes.contains(&"+ route paid".to_owned()) && changes.contains(&"+ route welcome".to_owned()));
        let endpoint = changes.iter().find(|line| line.starts_with("~ endpoint billing: ")).unwrap();
        assert!(endpoint.contains("url https://billing.example/hooks → https://billing.internal/hooks"), "{endpoint}");
        assert!(endpoint.contains("headers.X-Team null → (secret)") && endpoint.contains("secret (secret) → (secret)"));

        let again = yard.apply("", EXAMPLE).await.expect(200);
        assert_eq!((&again["changes"], &again["unchanged"]), (&json!([]), &json!(14)));

        let source = yard.get("sources/stripe").await.expect(200);
        assert_eq!((&source["token"], &source["dedupe"]["window"]), (&json!("src_a1b2c3d4e5f6"), &json!("7d")));
        let routes = yard.get("routes").await.expect(200);
        assert_eq!((&routes[0]["name"], &routes[1]["to"]), (&json!("paid"), &json!({"playbook": "onboarding"})));
        // Lists by age are in the order of the file.
        let slugs = yard.get("environments").await.expect(200);
        assert_eq!((&slugs[0]["slug"], &slugs[1]["slug"]), (&json!("production"), &json!("staging")));
        let found = yard.store.source_by_slugs("acme", "stripe").await.unwrap().unwrap();
        assert!(found.0.channel_secret_hash.is_some() && found.1);
    }

    async fn a_dry_run_tells_the_difference_and_does_nothing(yard: &Yard) {
        let before = everything(yard).await;
        let file = ACME.replace("https://billing.example/hooks", "https://other.example/hooks")
            + "routes: [{name: all, to: {endpoint: fresh}}]\n"
            + &format!("playbooks: [{{slug: fresh, definition: {}}}]", in_place("fresh"));
        let file = file.replace("endpoints: [", "endpoints: [{slug: fresh, url: 'https://fresh.example/'}, ");
        let dry = yard.apply("?dryRun=true", &file).await.expect(200);
        assert_eq!(dry["dryRun"], true);
        assert_eq!(
            lines(&dry),
            [
                "+ endpoint fresh",
                "~ endpoint billing: url https://billing.example/hooks → https://other.example/hooks",
                "+ playbook fresh",
                "+ route all",
            ]
        );
        let made = json!([{"kind": "endpoint", "name": "fresh", "field": "secret", "value": null}]);
        assert_eq!(dry["generated"], made);
        assert_eq!(everything(yard).await, before);

        let wet = yard.apply("", &file).await.expect(200);
        assert_eq!(lines(&wet), lines(&dry));
        assert!(wet["generated"][0]["value"].as_str().unwrap().starts_with("whsec_"));
        assert_eq!(yard.apply("", &file).await.expect(200)["generated"], json!([]));
    }

    async fn what_the_file_does_not_name_stays_unless_it_is_pruned(yard: &Yard) {
        yard.apply("", EXAMPLE).await.expect(200);
        let small = "
workspace: {slug: acme}
endpoints: [{slug: other, url: 'https://other.example/'}]
routes: [{name: new, from: [stripe], to: {endpoint: billing}}]
";
        // What stays can be referred to.
        yard.apply("", small).await.expect(200);
        assert_eq!(yard.get("endpoints").await.expect(200).as_array().unwrap().len(), 2);
        assert_eq!(yard.get("routes").await.expect(200).as_array().unwrap().len(), 3);
        // What goes cannot.
        let details = yard.apply("?prune=true", small).await.refused(400, "invalid_request");
        assert_eq!(
            details,
            [
                "routes[0].from[0]: `stripe` is no source of this workspace",
                "routes[0].to.endpoint: `billing` is no endpoint of this workspace",
            ]
        );
        let pruned = small.replace("from: [stripe], to: {endpoint: billing}", "to: {endpoint: other}");
        let dry = yard.apply("?prune=true&dryRun=true", &pruned).await.expect(200);
        let pruned = yard.apply("?prune=true", &pruned).await.expect(200);
        assert_eq!(lines(&pruned), lines(&dry));
        let mut removed: Vec<String> = lines(&pruned).into_iter().filter(|line| line.starts_with('-')).collect();
        removed.sort();
        assert_eq!(
            removed,
            [
                "- contact Ada", "- endpoint billing", "- playbook onboarding", "- project website", "- route paid",
                "- route welcome", "- source stripe", "- source support", "- template default",
            ]
        );
        // Sections that would lock everybody out are pruned only when the file has them.
        yard.get("environments").await.expect(200);
        assert_eq!(yard.get("environments").await.expect(200).as_array().unwrap().len(), 2);
        let pruned = "workspace: {slug: acme}\nenvironments: [{slug: production}]\nendpoints: []\nroutes:\n";
        let pruned = yard.apply("?prune=true", pruned).await.expect(200);
        assert!(lines(&pruned).contains(&"- environment staging".to_owned()), "{pruned}");
        assert_eq!(yard.get("endpoints").await.expect(200), json!([]));
    }

    async fn a_deleted_endpoint_comes_back_under_its_pinned_id(yard: &Yard) {
        assert_eq!(yard.delete("endpoints/ep_billing").await.status.as_u16(), 204);
        let applied = yard.apply("", ACME).await.expect(200);
        assert_eq!(lines(&applied), ["+ endpoint billing"]);
        assert_eq!(applied["generated"][0]["name"], "billing");
        assert_eq!(yard.get("endpoints/billing").await.expect(200)["id"], "ep_billing");
    }

    async fn the_default_environment_moves_in_one_step(yard: &Yard) {
        let moved = ACME.replace(", default: true", "").replace("id: env_staging", "id: env_staging, default: true");
        let applied = yard.apply("", &moved).await.expect(200);
        assert_eq!(
            lines(&applied)[..2],
            ["~ environment production: is_default true → false", "~ environment staging: is_default false → true"]
        );
        // What said nothing of its environment is in the default one.
        assert_eq!(yard.get("endpoints/billing").await.expect(200)["environmentId"], "env_staging");
        assert_eq!(yard.apply("", &moved).await.expect(200)["changes"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_problems_are_told_at_once_and_nothing_is_applied() {
    let yard = Yard::on_sqlite().await;
    let before = everything(&yard).await;
    let file = r#"
workspace: {slug: acme, nmae: x}
environments: [{slug: production, default: true}, {slug: production}, {slug: b, default: true}]
colour: red
management_tokens: [{name: ci, token: short}, {token: nhm_x}]
endpoints:
  - {slug: new, url: "https://new.example/"}
  - {slug: new, url: "ftp://a.example/", timeout: 15, retry: {schedule: [1y], jiter: 1}}
  - {id: so_wrong, url: "https://a.example/"}
  - just text
  - {slug: billing, id: ep_other, url: "${NOT_SET}", headers: {Webhook-Id: a}}
sources:
  - {slug: stripe, verify: {provider: strip, secrets: [a]}, app: {id: app_1}, event_type: {body: ".a["}}
  - {slug: two, token: src_same}
  - {slug: three, token: src_same, environment: nowhere}
routes:
  - {name: a, from: [nobody], event_types: ["a..b"], filter: "(", to: {endpoint: nowhere}}
  - {name: a, to: {}}
  - {name: b, to: {endpoint: new}, transform: {file: x.jq}}
playbooks: [{slug: p, number: 0, definition: 7, hook: {token: hook_a}}, {slug: q, number: 5, definition: {document: {dsl: 1.0.3, namespace: acme, name: q, version: 1.0.0}, do: [{a: {set: {b: 1}}}]}}, {slug: r, number: 5, definition: a}]
"#;
    let details = yard.apply("", file).await.refused(400, "invalid_request");
    let paths: Vec<&str> = details
        .iter()
        .map(|detail| detail.split(": ").next().unwrap())
        .collect();
    let mut sorted = paths.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "colour",
            "endpoints[1].retry.jiter",
            "endpoints[1].retry.schedule[0]",
            "endpoints[1].slug",
            "endpoints[1].timeout",
            "endpoints[1].url",
            "endpoints[2].id",
            "endpoints[3]",
            "endpoints[4].headers.Webhook-Id",
            "endpoints[4].id",
            "endpoints[4].url",
            "environments[1].slug",
            "environments[2].default",
            "management_tokens[0].token",
            "management_tokens[1].name",
            "playbooks[0].definition",
            "playbooks[0].number",
            "playbooks[2].definition",
            "playbooks[2].number",
            "routes[0].event_types[0]",
            "routes[0].filter",
            "routes[0].from[0]",
            "routes[0].to.endpoint",
            "routes[1].name",
            "routes[1].to.endpoint",
            "routes[2].transform.file",
            "sources[0].app.adapter",
            "sources[0].event_type.body",
            "sources[0].verify.provider",
            "sources[2].environment",
            "workspace.nmae",
        ],
        "{details:#?}"
    );
    assert_eq!(everything(&yard).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_yaml_is_refused_with_its_place() {
    let yard = Yard::on_sqlite().await;
    let details = yard
        .apply("", "workspace: {slug: acme}\nworkspace: {slug: acme}\n")
        .await;
    let details = details.refused(400, "invalid_request");
    assert!(details[0].starts_with("line 2, column 1: "), "{details:?}");
    for (bad, detail) in [
        ("", ": must be an object, not null"),
        ("[]", ": must be an object, not a list"),
        ("{}", "workspace: is missing; write {slug: …}"),
        ("workspace: acme", "workspace: must be an object, not a text"),
        ("workspace: {}", "workspace.slug: is missing"),
        (
            "workspace: {slug: acme}\nsources: {a: 1}",
            "sources: must be a list",
        ),
    ] {
        let details = yard.apply("", bad).await.refused(400, "invalid_request");
        assert_eq!(details, [detail], "{bad}");
    }
    let bearer = format!("Bearer {OPERATOR}");
    let path = "/management/v1/workspaces/acme/configuration";
    let answer = yard
        .send("PUT", path, &[("Authorization", &bearer)], &b"\xff"[..])
        .await;
    answer.refused(400, "invalid_request");
    for query in [
        "?dryRun=yes",
        "?prune=1",
        "?dryrun=true",
        "?dryRun=true&dryRun=true",
    ] {
        yard.apply(query, ACME).await.refused(400, "invalid_query");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_and_files_are_filled_in_by_the_sender() {
    let yard = Yard::on_sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("big.jq"), ".amount > 100 # ${X}\n").unwrap();
    let file = r#"
workspace: {slug: acme, name: "${NAME} $${NAME}"}
routes: [{name: big, filter: {file: big.jq}, to: {endpoint: billing}}]
playbooks:
  - {slug: p, definition: {document: {dsl: 1.0.3, namespace: acme, name: p, version: 1.0.0, summary: "${ .x } ${NAME}"}, do: [{a: {set: {x: "${ .x }"}}}]}}
"#;
    let details = yard.apply("", file).await.refused(400, "invalid_request");
    assert_eq!(
        details,
        [
            "workspace.name: `${NAME}` is filled in by `hookyard apply`, not by the server",
            "routes[0].filter.file: files are read by `hookyard apply`, not by the server; write the text in place",
        ]
    );
    let variables = BTreeMap::from([("NAME".to_owned(), "Acme: {x}".to_owned())]);
    let outside = Outside {
        variables: Some(&variables),
        folder: Some(folder.path()),
    };
    let (inlined, missing) = apply::inline(file, outside).await.unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    yard.apply("", &inlined).await.expect(200);
    let workspace = yard.store.workspace("acme").await.unwrap().unwrap();
    assert_eq!(workspace.name, "Acme: {x} ${NAME}");
    assert_eq!(
        yard.get("routes/big").await.expect(200)["filter"],
        ".amount > 100 # ${X}\n"
    );
    assert_eq!(
        yard.get("playbooks/p").await.expect(200)["definition"],
        r#"{"do":[{"a":{"set":{"x":"${ .x }"}}}],"document":{"dsl":"1.0.3","name":"p","namespace":"acme","summary":"${ .x } ${NAME}","version":"1.0.0"}}"#
    );

    // Directly, the same file is the same configuration.
    let inputs = Inputs {
        scope: Scope::Any,
        outside,
        prune: false,
    };
    let plan = apply::plan(&yard.store, &yard.checks, file, inputs)
        .await
        .unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    let empty = BTreeMap::new();
    let unset = Outside {
        variables: Some(&empty),
        folder: None,
    };
    let (_, problems) = apply::inline(file, unset).await.unwrap();
    assert_eq!(
        problems[0].to_string(),
        "workspace.name: the environment variable NAME is not set"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_about_the_workspace_of_the_request() {
    let yard = Yard::on_sqlite().await;
    let put = async |workspace: &str, token: &str, file: &str| {
        let path = format!("/management/v1/workspaces/{workspace}/configuration");
        let bearer = format!("Bearer {token}");
        yard.send("PUT", &path, &[("Authorization", &bearer)], file.to_owned())
            .await
    };
    let other = "workspace: {slug: other}\nendpoints: [{slug: billing, url: 'https://a.example/'}]";
    put("other", TOKEN, other).await.refused(401, "unauthorized");
    put("other", OPERATOR, other).await.expect(200);
    let wrong = ["workspace.slug: is not the workspace that the request is about"];
    for (workspace, token, file) in [
        ("acme", TOKEN, other),
        ("acme", OPERATOR, other),
        ("acme", TOKEN, "workspace: {slug: third}"),
        ("acme", TOKEN, "workspace: {slug: acme, id: ws_third}"),
        ("third", OPERATOR, "workspace: {slug: fourth}"),
        ("third", OPERATOR, "workspace: {slug: third, id: ws_acme}"),
        ("ws_fifth", OPERATOR, "workspace: {slug: acme, id: ws_fifth}"),
        ("ws_fifth", OPERATOR, "workspace: {slug: fifth, id: ws_sixth}"),
    ] {
        let details = put(workspace, token, file).await.refused(400, "invalid_request");
        let is_known = details == wrong || details == ["workspace.id: is not this workspace's"];
        assert!(is_known, "{workspace} {file}: {details:?}");
    }
    // One that is not there yet can be asked for by the id that its file pins, and by the operator alone.
    let fifth = "workspace: {slug: fifth, id: ws_fifth}";
    put("ws_fifth", TOKEN, fifth).await.refused(401, "unauthorized");
    put("ws_fifth", OPERATOR, fifth).await.expect(200);
    // A workspace that is not there yet gets an environment; a renamed one stays the same.
    put("third", OPERATOR, "workspace: {slug: third, id: ws_third}")
        .await
        .expect(200);
    let renamed = put("ws_third", OPERATOR, "workspace: {slug: fourth, id: ws_third}")
        .await
        .expect(200);
    assert_eq!(
        lines(&renamed),
        ["~ workspace fourth: name third → fourth, slug third → fourth"]
    );
    let names = yard
        .store
        .names(&wire::WorkspaceId::from_stored("ws_third"))
        .await
        .unwrap();
    assert_eq!(
        (names.environments[0].1.as_str(), names.environments[0].2),
        ("production", true)
    );
    // The kill switch.
    yard.apply("", "workspace: {slug: acme, accepting: false}")
        .await
        .expect(200);
    assert!(!yard.store.workspace("acme").await.unwrap().unwrap().accepting);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_the_file_leaves_out_are_made_once_and_kept() {
    let yard = Yard::on_sqlite().await;
    let file = "
workspace: {slug: acme}
management_tokens: [{name: fresh}]
endpoints: [{slug: fresh, url: 'https://a.example/'}]
sources: [{slug: fresh, verify: {provider: github}, channel: {}}]
";
    let applied = yard.apply("", file).await.expect(200);
    let made: Vec<String> = applied["generated"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one["kind"].as_str().unwrap(),
                one["name"].as_str().unwrap(),
                one["field"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        made,
        [
            "endpoint fresh secret",
            "source fresh token",
            "source fresh channel.secret",
            "source fresh verify.secrets",
            "management_token fresh token",
        ]
    );
    let values: Vec<&str> = applied["generated"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["value"].as_str().unwrap())
        .collect();
    let token = values[4];
    let bearer = format!("Bearer {token}");
    let path = "/management/v1/workspaces/acme/events";
    yard.send("GET", path, &[("Authorization", &bearer)], "")
        .await
        .expect(200);
    assert!(yard.store.source_by_token(values[1]).await.unwrap().is_some());

    let again = yard.apply("", file).await.expect(200);
    assert_eq!((&again["changes"], &again["generated"]), (&json!([]), &json!([])));
    // A rotation by hand is not undone by a file that says nothing of the secret.
    yard.ask("POST", "endpoints/fresh/rotate-secret", "")
        .await
        .expect(200);
    assert_eq!(yard.apply("", file).await.expect(200)["changes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_no_longer_fits_its_secrets_is_refused() {
    let yard = Yard::on_sqlite().await;
    let file =
        |verify: &str| format!("workspace: {{slug: acme}}\nsources: [{{slug: stripe, verify: {verify}}}]");
    yard.apply("", &file("{provider: github}")).await.expect(200);
    let details = yard
        .apply("", &file("{provider: discord}"))
        .await
        .refused(400, "invalid_request");
    assert!(
        details[0]
            .starts_with("sources[0].verify.secrets: is missing, and a secret that is there cannot be a key"),
        "{details:?}"
    );
    let kept = yard
        .apply("", &file("{provider: github, mode: off}"))
        .await
        .expect(200);
    assert_eq!(lines(&kept), ["~ source stripe: verify.mode enforce → off"]);
    yard.apply("", "workspace: {slug: acme}\nsources: [{slug: stripe}]")
        .await
        .expect(200);
    assert_eq!(
        yard.get("sources/stripe").await.expect(200)["verify"],
        Value::Null
    );
}

/// All that is configured, as it is shown.
async fn everything(yard: &Yard) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["endpoints", "sources", "routes", "environments", "playbooks"] {
        all.push(yard.get(path).await.expect(200));
    }
    all
}
