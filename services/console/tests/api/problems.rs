//! Bodies that are not what they must be.

use crate::yard::{TOKEN, Yard};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_body_is_told_at_once_with_its_path() {
    let yard = Yard::on_sqlite().await;
    let body = json!({
        "id": "so_x", "slug": "so_a", "url": "http://127.0.0.1/", "enabled": "yes", "headers": {"Host": "a", "X-A": 1},
        "timeout": "2m", "retry": {"schedule": ["0s", "soon"], "jitter": 2}, "rateLimit": {"per_second": 1},
        "concurrency": 0, "environment": "nowhere", "secret": "whsec_short", "descripton": "", "auth": {"bearer": ""},
        "ordered": "yes", "metadata": {"a": 1}, "application": "nobody",
    });
    let mut details = yard
        .post("endpoints", &body)
        .await
        .refused(400, "invalid_request");
    details.sort();
    let paths: Vec<&str> = details
        .iter()
        .map(|detail| detail.split(':').next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "application",
            "auth.bearer",
            "concurrency",
            "descripton",
            "enabled",
            "environment",
            "headers.Host",
            "headers.X-A",
            "id",
            "metadata.a",
            "ordered",
            "rateLimit.perSecond",
            "rateLimit.per_second",
            "retry.jitter",
            "retry.schedule[1]",
            "secret",
            "slug",
            "timeout",
            "url",
        ],
        "{details:#?}"
    );
    assert!(details.contains(&"descripton: is not a field here; did you mean `description`?".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_told_what_does_not_exist_and_what_does_not_compile() {
    let yard = Yard::on_sqlite().await;
    let body = json!({
        "name": "a\nb", "from": ["strip", "so_nobody", 7], "eventTypes": ["a..b"], "filter": ".a |", "transform": "nope",
        "delay": "-1s", "to": {"endpoint": "billing", "playbook": "none"},
    });
    let mut details = yard.post("routes", &body).await.refused(400, "invalid_request");
    details.sort();
    let paths: Vec<&str> = details
        .iter()
        .map(|detail| detail.split(':').next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "delay",
            "eventTypes[0]",
            "filter",
            "from[0]",
            "from[1]",
            "from[2]",
            "name",
            "to.playbook",
            "to.playbook",
            "transform",
        ],
        "{details:#?}"
    );
    let from = details
        .iter()
        .find(|detail| detail.starts_with("from[0]"))
        .unwrap();
    assert_eq!(
        from,
        "from[0]: `strip` is no source of this workspace; did you mean `stripe`?"
    );
    let filter = details
        .iter()
        .find(|detail| detail.starts_with("filter"))
        .unwrap();
    assert!(filter.starts_with("filter: line 1, column "), "{filter}");
    yard.patch("routes/none", &json!({}))
        .await
        .refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_checked_like_the_whole() {
    let yard = Yard::on_sqlite().await;
    for (path, body, detail) in [
        (
            "endpoints/billing",
            json!({"url": null}),
            "url: must be a text, not null",
        ),
        (
            "endpoints/billing",
            json!({"id": "ep_other"}),
            "id: cannot be changed",
        ),
        (
            "endpoints/billing",
            json!({"retry": {"schedule": []}}),
            "retry: a retry schedule has 1 to 50 entries, this one has 0",
        ),
        (
            "sources/stripe",
            json!({"slug": ""}),
            "slug: must be 1 to 100 letters",
        ),
        ("sources/stripe", json!({"app": {}}), "app.adapter: is missing"),
        (
            "sources/stripe",
            json!({"eventType": {}}),
            "eventType.header: is missing",
        ),
        (
            "sources/stripe",
            json!({"eventType": {"body": "$$"}}),
            "eventType.body: line 1",
        ),
        (
            "environments/staging",
            json!({"name": ""}),
            "name: must be 1 to 100 characters",
        ),
    ] {
        let details = yard.patch(path, &body).await.refused(400, "invalid_request");
        assert!(
            details.len() == 1 && details[0].starts_with(detail),
            "{body}: {details:?}"
        );
    }
    yard.patch("endpoints/billing", &json!({"id": "ep_billing"}))
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_is_refused() {
    let yard = Yard::on_sqlite().await;
    for body in [
        "{",
        "nope",
        "{\"url\": 1, \"url\": 2}",
        "{} {}",
        "\u{1}",
        "[1,]",
        "{\"a\": \"\\ud800\"}",
    ] {
        yard.ask("POST", "endpoints", body)
            .await
            .refused(400, "invalid_body");
    }
    yard.ask("POST", "endpoints", &b"{\"url\": \"\xff\"}"[..])
        .await
        .refused(400, "invalid_body");
    yard.ask("POST", "endpoints", "[".repeat(100_000))
        .await
        .refused(400, "invalid_body");
    for body in ["", "null", "[]", "7", "\"text\""] {
        yard.ask("POST", "endpoints", body)
            .await
            .refused(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_or_compressed_is_refused() {
    let yard = Yard::on_sqlite().await;
    let large = "x".repeat((2 << 20) + 1);
    yard.ask("POST", "endpoints", large)
        .await
        .refused(413, "payload_too_large");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Encoding", "gzip")];
    for (method, path) in [("POST", "endpoints"), ("PUT", "configuration")] {
        let path = format!("/management/v1/workspaces/acme/{path}");
        let answer = yard.send(method, &path, &headers, "{}").await;
        answer.refused(415, "unsupported_encoding");
    }
}
