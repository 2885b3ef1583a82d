//! Every URL of the corpora at every way in: what must not be called is not even saved.

use crate::yard::{ACME, Answer, Yard};
use serde_json::{Value, json};
use testkit::name_server::NameServer;
use testkit::ssrf::{self, Case, Expected};

/// A URL in a way in: the answer, the status of a success, and where a refusal says that it stands.
type Tried = (Answer, u16, &'static str);

const WAYS: usize = 6;

/// Tries one of the ways in.
async fn try_way(yard: &Yard, way: usize, url: &str) -> Tried {
    let endpoint = json!({"url": url});
    match way {
        0 => (yard.post("endpoints", &endpoint).await, 201, "url"),
        1 => (yard.patch("endpoints/billing", &endpoint).await, 200, "url"),
        2 => (
            yard.post("applications/app_one/endpoints", &endpoint).await,
            201,
            "url",
        ),
        3 => {
            let client = json!({"tokenUrl": url, "clientId": "a", "clientSecret": "b"});
            let body = json!({"url": "https://192.88.98.1/", "auth": {"oauth2": client}});
            (yard.post("endpoints", &body).await, 201, "auth.oauth2.tokenUrl")
        }
        4 => {
            // JSON is YAML, and quotes every character.
            let written = format!("url: {}}}]", Value::from(url));
            let file = ACME.replace("url: 'https://billing.example/hooks'}]", &written);
            (yard.apply("?dryRun=true", &file).await, 200, "endpoints[0].url")
        }
        _ => {
            let file = ACME.replace(
                "token: src_stripe}]",
                &format!(
                    "token: src_stripe, app: {{id: app_a, adapter: {}}}}}]",
                    Value::from(url)
                ),
            );
            (
                yard.apply("?dryRun=true", &file).await,
                200,
                "sources[0].app.adapter",
            )
        }
    }
}

async fn check(yard: &Yard, names: &NameServer, case: &Case) {
    for way in 0..WAYS {
        if let Some((host, says)) = case.says() {
            names.say(&host, says);
        }
        let (answer, success, path) = try_way(yard, way, &case.url).await;
        let line = format!("{} at way {way}", case.line);
        if case.expected == Expected::Allowed {
            // What an adapter's name may be is stricter: it must be told from a built-in one's.
            // And a client's secret goes over https alone.
            let is_plain = !case.url.to_ascii_lowercase().starts_with("https:");
            if way == 3 && is_plain {
                assert_eq!(answer.status.as_u16(), 400, "{line}: {}", answer.text);
            } else if way < 5 {
                assert_eq!(answer.status.as_u16(), success, "{line}: {}", answer.text);
            }
            if let Some(id) = answer.json["id"].as_str().filter(|_| success == 201) {
                yard.delete(&format!("endpoints/{id}")).await.expect(204);
            }
            continue;
        }
        assert_eq!(answer.status.as_u16(), 400, "{line}: {}", answer.text);
        let details = answer.refused(400, "invalid_request");
        let [detail] = details.as_slice() else {
            panic!("{line}: {details:?}")
        };
        assert!(detail.starts_with(&format!("{path}: ")), "{line}: {detail}");
    }
}

async fn check_all(cases: Vec<Case>) {
    let names = NameServer::start([]);
    let yard = Yard::guarded(names.address()).await;
    let application = json!({"id": "app_one", "name": "One"});
    yard.post("applications", &application).await.expect(201);
    for case in &cases {
        check(&yard, &names, case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_corpus_is_refused_at_every_way_in() {
    check_all(ssrf::own()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shared_corpus_is_refused_at_every_way_in() {
    check_all(ssrf::shared()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_adapter_is_looked_up_when_it_is_saved() {
    let names = NameServer::start([]);
    let yard = Yard::guarded(names.address()).await;
    names.say(
        "adapter.example.com",
        testkit::name_server::Says::parse("10.0.0.1"),
    );
    let app = json!({"id": "app_a", "adapter": "https://adapter.example.com/"});
    for answer in [
        yard.post("sources", &json!({"slug": "new", "app": app})).await,
        yard.patch("sources/stripe", &json!({"app": app})).await,
    ] {
        let details = answer.refused(400, "invalid_request");
        assert!(details[0].starts_with("app.adapter: "), "{details:?}");
    }
}
