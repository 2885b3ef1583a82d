//! Endpoints that want a token which is fetched.

use crate::yard::{EAGER, NEVER, Yard, settings};
use std::time::Duration;
use testkit::receiver::Reply;
use wire::resource::{AuthSpec, Oauth2Client};
use wire::{DeliveryState, EndpointId};

/// The endpoint `in`, whose tokens come from `token` at the same receiver.
async fn guarded(yard: &Yard) -> EndpointId {
    guarded_for(yard, Duration::from_secs(30)).await
}

async fn guarded_for(yard: &Yard, timeout: Duration) -> EndpointId {
    let token_url = format!("{}/token", yard.receiver.url());
    yard.with_endpoint("in", |endpoint| {
        endpoint.spec.timeout = timeout;
        endpoint.spec.auth = Some(AuthSpec::Oauth2(Oauth2Client {
            token_url,
            client_id: "shop".to_owned(),
            scope: Some("hooks write".to_owned()),
            audience: None,
        }));
        endpoint.credential = Some("hunter2".into());
    })
    .await
}

fn granted(token: &str) -> Reply {
    Reply::status(200).body(format!(
        r#"{{"access_token": "{token}", "token_type": "bearer", "expires_in": 3600}}"#
    ))
}

#[tokio::test]
async fn one_token_is_fetched_for_many_deliveries_and_kept_out_of_every_record() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = guarded(&yard).await;
    yard.receiver.answer_all_at("/token", granted("t-1"));
    yard.start_worker();
    let mut references = Vec::new();
    for _ in 0..8 {
        references.push(yard.leased(&to).await);
    }
    let ids: Vec<_> = references.iter().map(crate::yard::id_of).collect();
    yard.tell(references).await;
    for id in ids {
        yard.comes_to(id, DeliveryState::Delivered).await;
        let attempt = yard.attempts(id).await.remove(0);
        let kept = String::from_utf8(attempt.request_headers).unwrap();
        assert!(kept.contains(r#"["authorization","[redacted]"]"#), "{kept}");
        assert!(!kept.contains("t-1") && !kept.contains("hunter2"), "{kept}");
    }
    assert_eq!((yard.requests_at("token"), yard.requests_at("in")), (1, 8));
    for request in yard.receiver.requests() {
        if request.target == "/token" {
            // shop:hunter2
            assert_eq!(request.header("authorization"), Some("Basic c2hvcDpodW50ZXIy"));
            assert_eq!(
                request.body,
                &b"grant_type=client_credentials&scope=hooks+write"[..]
            );
        } else {
            assert_eq!(request.header("authorization"), Some("Bearer t-1"));
        }
    }
}

#[tokio::test]
async fn a_token_that_the_receiver_refuses_is_fetched_anew_for_the_next_attempt() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = guarded(&yard).await;
    yard.receiver.answer_all_at("/token", granted("t-1"));
    yard.receiver.answer_all_at("/in", Reply::status(401));
    yard.start_worker();
    let id = yard.told(&to).await;
    let attempts = yard.attempted(id, 2).await;
    assert_eq!(attempts[0].response_status, Some(401));
    assert!(yard.requests_at("token") >= 2);
}

#[tokio::test]
async fn a_token_endpoint_that_refuses_fails_the_attempt_and_says_so() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = guarded(&yard).await;
    yard.receiver.answer_all_at(
        "/token",
        Reply::status(401).body(r#"{"error": "invalid_client"}"#),
    );
    yard.start_worker();
    let id = yard.told(&to).await;
    yard.comes_to(id, DeliveryState::DeadLetter).await;
    let attempt = yard.attempts(id).await.remove(0);
    assert_eq!(attempt.error_kind.as_deref(), Some("http_status"));
    let message = attempt.error_message.unwrap();
    assert!(
        message.contains("token endpoint answered 401") && message.contains("invalid_client"),
        "{message}"
    );
    assert_eq!((attempt.response_status, yard.requests_at("in")), (None, 0));
}

#[tokio::test]
async fn a_token_and_its_request_have_one_timeout_together() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = guarded_for(&yard, Duration::from_secs(3)).await;
    let slow = |reply: Reply| reply.after(Duration::from_secs(2));
    yard.receiver.answer_all_at("/token", slow(granted("t-1")));
    yard.receiver.answer_all_at("/in", slow(Reply::status(200)));
    yard.start_worker();
    let id = yard.told(&to).await;
    let attempt = yard.attempted(id, 1).await.remove(0);
    assert_eq!((attempt.response_status, yard.requests_at("in")), (None, 1));
    assert!(attempt.error_kind.unwrap().contains("timeout"));
}

#[tokio::test]
async fn a_late_refusal_of_an_old_token_does_not_forget_the_new_one() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = guarded(&yard).await;
    yard.receiver
        .answer_next_at("/token", [granted("t-1"), granted("t-2"), granted("t-3")]);
    // The first is refused late, after the second, which was refused at once, has had a new one fetched.
    let late = Reply::status(401).after(Duration::from_secs(2));
    yard.receiver.answer_all_at("/in", Reply::status(200));
    yard.receiver.answer_next_at("/in", [late, Reply::status(401)]);
    yard.start_worker();
    let first = yard.told(&to).await;
    testkit::until("the first is there", async || yard.requests_at("in") == 1).await;
    let second = yard.told(&to).await;
    yard.attempted(second, 1).await;
    let third = yard.told(&to).await;
    yard.comes_to(third, DeliveryState::Delivered).await;
    yard.attempted(first, 1).await;
    let fourth = yard.told(&to).await;
    yard.comes_to(fourth, DeliveryState::Delivered).await;
    assert_eq!(yard.requests_at("token"), 2);
}
