//! Headers that could smuggle a message or impersonate somebody, at every way in.

use crate::yard::{ACME, Answer, Yard};
use serde_json::{Map, Value, json};

/// Each is refused at each way in, with one problem at `headers` and what comes behind it.
async fn refused(yard: &Yard, headers: &Value, at: &str) {
    let body = json!({"url": "https://a.example/", "headers": headers});
    // YAML takes DEL only escaped, which JSON need not do.
    let written = headers.to_string().replace('\u{7f}', r"\u007f");
    let file = ACME.replace("hooks'}]", &format!("hooks', headers: {written}}}]"));
    let answers: [(Answer, &str); 4] = [
        (yard.post("endpoints", &body).await, "headers"),
        (
            yard.patch("endpoints/billing", &json!({"headers": headers}))
                .await,
            "headers",
        ),
        (
            yard.post("applications/app_one/endpoints", &body).await,
            "headers",
        ),
        (yard.apply("?dryRun=true", &file).await, "endpoints[0].headers"),
    ];
    for (answer, path) in answers {
        let details = answer.refused(400, "invalid_request");
        let [detail] = details.as_slice() else {
            panic!("{headers}: {details:?}")
        };
        assert!(
            detail.starts_with(&format!("{path}{at}: ")),
            "{headers}: {detail}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_could_smuggle_or_impersonate_are_refused_with_their_path() {
    let yard = Yard::on_sqlite().await;
    let application = json!({"id": "app_one", "name": "One"});
    yard.post("applications", &application).await.expect(201);
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "transfer_encoding",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "HTTP2-Settings",
        "Proxy-Authorization",
        "Proxy-Connection",
        "proxy-foo",
        "Webhook-Id",
        "webhook-signature",
        "WEBHOOK_TIMESTAMP",
        "X-Hookyard-Delivery",
        "x-hookyard-anything",
        "User-Agent",
        "traceparent",
        "Forwarded",
        "X-Forwarded-For",
        "X-Real-IP",
        "Via",
        "Metadata-Flavor",
        "X-aws-ec2-metadata-token",
    ] {
        refused(&yard, &json!({name: "1"}), &format!(".{name}")).await;
        let auth = json!({"url": "https://a.example/", "auth": {"header": {"name": name, "value": "1"}}});
        let details = yard
            .post("endpoints", &auth)
            .await
            .refused(400, "invalid_request");
        assert!(
            details[0].starts_with("auth.header.name: "),
            "{name}: {details:?}"
        );
    }
    for name in [
        "",
        " ",
        "X Team",
        "X-Team:",
        ":path",
        "X-Team\r\nHost",
        "X\u{0}",
        "Tëam",
    ] {
        refused(&yard, &json!({name: "1"}), &format!(".{name}")).await;
    }
    let long = "x".repeat(8 * 1024 + 1);
    for value in [
        "a\r\nHost: b",
        "a\nb",
        "a\rb",
        "a\u{0}b",
        "a\u{7f}b",
        "ünïcode",
        " a",
        "a\t",
        &long,
    ] {
        refused(&yard, &json!({"X-Team": value}), ".X-Team").await;
    }
    refused(&yard, &json!({"X-Team": 1}), ".X-Team").await;
    refused(&yard, &json!({"X-Team": "1", "x-team": "2"}), ".x-team").await;
    let many: Map<String, Value> = (0..65).map(|index| (format!("X-{index}"), json!("1"))).collect();
    refused(&yard, &many.into(), "").await;
    refused(&yard, &json!(["X-Team"]), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_headers_are_kept_as_they_are() {
    let yard = Yard::on_sqlite().await;
    let headers = json!({
        "X-Team": "pay", "Authorization": "Bearer a.b", "Cookie": "a=b", "Content-Type": "application/x-acme",
        "X-Empty": "", "Accept": "text/plain"
    });
    let body = json!({"url": "https://a.example/", "headers": headers});
    assert_eq!(
        yard.post("endpoints", &body).await.expect(201)["headers"],
        headers
    );
}
