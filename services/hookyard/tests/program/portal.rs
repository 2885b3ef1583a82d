//! A customer's way into the portal, over the one port that `dev` has.

use crate::running::{Running, http};
use serde_json::{Value, json};

#[tokio::test]
async fn a_link_opens_the_portal_and_no_log_has_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.env("HOOKYARD__LOG__LEVEL", "debug");
    });
    let workspace = format!("{}/management/v1/workspaces/demo", running.url);
    let make = async |path: &str, body: &Value| -> Value {
        let request = http().post(format!("{workspace}/{path}")).json(body);
        let request = request.bearer_auth(running.demo("managementToken"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    };
    make(
        "applications",
        &json!({"id": "app_one", "name": "First customer"}),
    )
    .await;
    let link = make("applications/app_one/portal", &json!({})).await;
    let (url, code) = (link["url"].as_str().unwrap(), link["code"].as_str().unwrap());
    assert_eq!(url, format!("{}/portal/{code}", running.url));
    let door = http().get(url).send().await.unwrap();
    assert_eq!(door.status(), 200);
    // The client keeps no cookies, so it is led to a page that knows nobody.
    let opened = http().post(url).send().await.unwrap();
    assert_eq!(
        (opened.status(), opened.url().path()),
        (401.try_into().unwrap(), "/portal")
    );
    let again = http().post(url).send().await.unwrap();
    assert_eq!(again.status(), 410);
    let log = running.log();
    assert!(log.contains("a customer opened the portal"), "{log}");
    assert!(!log.contains(code), "{log}");
}
