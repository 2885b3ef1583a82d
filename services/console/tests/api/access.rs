//! Who may do what, and what everybody else is told.

use crate::on_both;
use crate::yard::{ACME, OPERATOR, TOKEN, Yard};

async fn with_token(yard: &Yard, workspace: &str, authorization: &str) -> crate::yard::Answer {
    let path = format!("/management/v1/workspaces/{workspace}/events");
    yard.send("GET", &path, &[("Authorization", authorization)], "")
        .await
}

const OTHER: &str = "
workspace: {slug: other, id: ws_other}
management_tokens: [{name: ci, token: nhm_other_token}]
";

on_both! {
    async fn a_token_opens_its_own_workspace_and_no_other(yard: &Yard) {
        let operator = format!("Bearer {OPERATOR}");
        let path = "/management/v1/workspaces/other/configuration";
        yard.send("PUT", path, &[("Authorization", &operator)], OTHER).await.expect(200);

        let own = format!("Bearer {TOKEN}");
        with_token(yard, "acme", &own).await.expect(200);
        with_token(yard, "ws_acme", &own).await.expect(200);
        with_token(yard, "other", "Bearer nhm_other_token").await.expect(200);

        let mut answers = Vec::new();
        for (workspace, authorization) in [
            ("other", own.as_str()),
            ("ws_other", &own),
            ("nobodys", &own),
            ("a%00b", &own),
            ("acme", "Bearer nhm_other_token"),
            ("acme", "Bearer nhm_ci_test_token_0002"),
            ("acme", "Bearer"),
            ("acme", "nhm_ci_test_token_0001"),
            ("acme", "Basic bmhtOm5obQ=="),
            ("nobodys", "Bearer nhm_nobodys"),
        ] {
            let answer = with_token(yard, workspace, authorization).await;
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            answers.push(answer.text.clone());
            answer.refused(401, "unauthorized");
        }
        // A stranger cannot tell one from the other.
        answers.dedup();
        assert_eq!(answers.len(), 1);
        yard.send("GET", "/management/v1/workspaces/acme/events", &[], "").await.refused(401, "unauthorized");
        yard.send("GET", "/management/v1/workspaces/acme/nothing", &[], "").await.refused(401, "unauthorized");
    }

    async fn a_token_need_not_say_which_workspace_is_its_own(yard: &Yard) {
        let operator = format!("Bearer {OPERATOR}");
        let path = "/management/v1/workspaces/other/configuration";
        yard.send("PUT", path, &[("Authorization", &operator)], OTHER).await.expect(200);
        let own = async |authorization: &str, address: &str| {
            let path = format!("/management/v1/workspaces/-{address}");
            yard.send("GET", &path, &[("Authorization", authorization)], "").await
        };
        let acme = format!("Bearer {TOKEN}");
        assert_eq!(own(&acme, "").await.expect(200)["slug"], "acme");
        assert_eq!(own("Bearer nhm_other_token", "").await.expect(200)["slug"], "other");
        own(&acme, "/sources/stripe").await.expect(200);
        own("Bearer nhm_other_token", "/sources/stripe").await.refused(404, "not_found");

        // Who has none of their own gets at nobody's.
        own("Bearer nhm_nobodys", "").await.refused(401, "unauthorized");
        own(&operator, "").await.refused(404, "not_found");
        let path = "/management/v1/workspaces/-/configuration";
        let file = "workspace: {slug: '-'}";
        yard.send("PUT", path, &[("Authorization", &operator)], file).await.refused(400, "invalid_request");
    }

    async fn the_operators_token_opens_every_workspace(yard: &Yard) {
        let operator = format!("Bearer {OPERATOR}");
        with_token(yard, "acme", &operator).await.expect(200);
        with_token(yard, "ws_acme", &operator).await.expect(200);
        for workspace in ["nobodys", "a%00b", "%FF", "a%2Fb"] {
            with_token(yard, workspace, &operator).await.refused(404, "not_found");
        }
    }

    async fn a_revoked_token_opens_nothing_at_once(yard: &Yard) {
        yard.get("events").await.expect(200);
        let without = ACME.replace("nhm_ci_test_token_0001", "nhm_another_token");
        yard.apply("", &without).await.expect(200);
        yard.get("events").await.refused(401, "unauthorized");
        with_token(yard, "acme", "Bearer nhm_another_token").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_addresses_and_wrong_methods_are_refused_in_the_same_shape() {
    let yard = Yard::on_sqlite().await;
    for path in ["nothing", "events/msg_1/nothing", "endpoints/ep_1/deliveries/x"] {
        yard.get(path).await.refused(404, "not_found");
    }
    let bearer = [("Authorization", "Bearer nhm_ci_test_token_0001")];
    let slashed = yard
        .send("GET", "/management/v1/workspaces/acme/", &bearer, "")
        .await;
    slashed.refused(404, "not_found");
    for path in ["/management", "/management/v2/workspaces/acme", "/nothing"] {
        yard.send("GET", path, &[], "").await.refused(404, "not_found");
    }
    for (method, path, allow) in [
        ("POST", "events", "GET, HEAD"),
        ("PUT", "endpoints", "GET, HEAD, POST"),
        ("GET", "configuration", "PUT"),
        ("GET", "deliveries/del_1/retry", "POST"),
        ("DELETE", "claims/so_stripe/k", "GET, HEAD"),
        ("DELETE", "api-keys", "GET, HEAD, POST"),
        ("PUT", "api-keys/a", "GET, HEAD, PATCH, DELETE"),
        ("GET", "api-keys/a/rotate", "POST"),
        ("PATCH", "management-tokens", "GET, HEAD, POST"),
        ("PUT", "management-tokens/a", "GET, HEAD, DELETE"),
        ("PUT", "contacts/a", "GET, HEAD, PATCH, DELETE"),
        ("PUT", "projects/a", "GET, HEAD, PATCH, DELETE"),
        ("PUT", "templates/a", "GET, HEAD, PATCH, DELETE"),
        ("POST", "playbooks/a", "GET, HEAD, PUT, PATCH, DELETE"),
        ("GET", "playbooks/a/rotate-secret", "POST"),
        ("PUT", "playbooks/a/runs", "GET, HEAD, POST"),
        ("GET", "playbooks/validate", "POST"),
        ("POST", "playbooks/a/versions/1", "GET, HEAD"),
        ("GET", "runs/a/retry", "POST"),
    ] {
        let answer = yard.ask(method, path, "").await;
        assert_eq!(answer.headers["allow"], allow);
        answer.refused(405, "method_not_allowed");
    }
    let answer = yard.send("POST", "/", &[], "").await;
    answer.refused(405, "method_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_request_id_and_is_kept_by_no_cache() {
    let yard = Yard::on_sqlite().await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str()), ("X-Request-Id", "mine-1")];
    let path = "/management/v1/workspaces/acme/events";
    let answer = yard.send("GET", path, &headers, "").await;
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert!(!answer.headers.contains_key("server"));
    for answer in [
        yard.get("nothing").await,
        yard.send("GET", path, &[], "").await,
        yard.send("GET", "/management", &[], "").await,
    ] {
        assert!(!answer.headers["x-request-id"].is_empty());
        assert_eq!(answer.headers["cache-control"], "no-store", "{}", answer.text);
    }
    let head = yard.ask("HEAD", "events", "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_landing_page_says_what_this_is_and_loads_nothing() {
    let yard = Yard::on_sqlite().await;
    let answer = yard.send("GET", "/", &[], "").await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert!(
        answer.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    for text in [
        "<html lang=\"en\">",
        "<h1>Hookyard</h1>",
        "/management/v1/workspaces/",
        "later release",
    ] {
        assert!(answer.text.contains(text), "{text}");
    }
    for loaded in ["<script", "src=", "url(", "@import", "<link"] {
        assert!(!answer.text.contains(loaded), "{loaded}");
    }
}
