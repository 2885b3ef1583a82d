//! No secret leaves but in the one answer that shows it.

use crate::given;
use crate::yard::Yard;
use serde_json::json;

/// Everything that is secret in a workspace, and recognisable.
const CANARIES: &str = "
workspace: {slug: acme, id: ws_acme}
management_tokens: [{name: ci, token: nhm_ci_test_token_0001}, {name: bird, token: nhm_canary}]
endpoints:
  - {slug: billing, id: ep_billing, url: 'https://billing.example/hooks', secret: whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5}
sources:
  - slug: stripe
    id: so_stripe
    token: src_canary
    verify: {provider: github, secrets: [verify-canary-1, verify-canary-2]}
    channel: {secret: channel-canary}
  - {slug: meta, token: src_meta, verify: {provider: meta, secrets: [verify-canary-3], verify_token: token-canary}}
routes: [{name: all, to: {endpoint: billing}}]
";

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_but_the_sources_own_has_a_secret_in_it() {
    let yard = Yard::on_sqlite().await;
    let mut answers = vec![
        yard.apply("?dryRun=true", CANARIES).await.text,
        yard.apply("", CANARIES).await.text,
        yard.apply("", CANARIES).await.text,
        yard.apply(
            "",
            &CANARIES.replace("canary-1", "canary-3").replace("src_", "src_2"),
        )
        .await
        .text,
        yard.apply("", CANARIES).await.text,
        yard.apply("", &format!("{CANARIES}\nroutes: [")).await.text,
        yard.apply("", &CANARIES.replace("{name: all", "{name: ["))
            .await
            .text,
        yard.apply("", &CANARIES.replace("secret: whsec_", "secret: whsec-"))
            .await
            .text,
        yard.apply("", &CANARIES.replace("src_canary", "'src canary'"))
            .await
            .text,
        yard.apply("", &CANARIES.replace("whsec_", "${whsec_")).await.text,
    ];
    let (event, delivery) = given::delivered_event(&yard, b"{}").await;
    given::attempted(&yard, 500).await;
    given::rejected(&yard, wire::Instant::now()).await;
    for path in [
        "endpoints",
        "endpoints/billing",
        "endpoints/billing/deliveries",
        "routes",
        "routes/all",
        "environments",
        "playbooks",
        "events",
        "deliveries",
        "runs",
        "rejections",
        "claims/so_stripe/k",
        "management-tokens",
    ] {
        answers.push(yard.get(path).await.text);
    }
    for path in [
        format!("events/{event}"),
        format!("events/{event}/trace"),
        format!("events/{event}/deliveries"),
        format!("deliveries/{delivery}?include=payload"),
        format!("deliveries/{delivery}/attempts"),
    ] {
        answers.push(yard.get(&path).await.text);
    }
    answers.push(
        yard.patch("endpoints/billing", &json!({"description": "a"}))
            .await
            .text,
    );
    let bad = json!({"url": "x", "secret": "whsec_canary", "slug": {"canary": 1}});
    answers.push(yard.post("endpoints", &bad).await.text);
    answers.push(
        yard.post("routes", &json!({"name": "all", "to": {"endpoint": "billing"}}))
            .await
            .text,
    );
    for (index, answer) in answers.iter().enumerate() {
        let lower = answer.to_lowercase();
        for secret in ["canary", "y2fuyxj5", "nhm_ci_test"] {
            assert!(!lower.contains(secret), "answer {index} has {secret}: {answer}");
        }
    }

    // The sources API shows the token, and that alone.
    for path in ["sources", "sources/stripe"] {
        let answer = yard.get(path).await.text;
        assert!(answer.contains("src_canary"));
        assert!(!answer.contains("-canary"), "{answer}");
    }
}
