//! Endpoints whose connections are special: a client certificate is shown, a private authority is believed.

use crate::yard::{EAGER, Yard, settings};
use store::Attempt;
use testkit::certificate::Certified;
use testkit::secure::Terminator;
use wire::{DeliveryState, EndpointId};

/// A receiver with a certificate of `servers`, that takes clients of `clients`.
struct Guarded {
    terminator: Terminator,
    servers: Certified,
    clients: Certified,
}

impl Guarded {
    fn start(yard: &Yard) -> Self {
        let (servers, clients) = (Certified::authority("servers"), Certified::authority("clients"));
        let own = servers.issue("127.0.0.1");
        Self {
            terminator: Terminator::start(&own, Some(&clients), yard.receiver.address()),
            servers,
            clients,
        }
    }

    /// An endpoint there, with this certificate and key.
    async fn endpoint(&self, yard: &Yard, name: &str, shown: Option<(&Certified, &Certified)>) -> EndpointId {
        yard.with_endpoint(name, |endpoint| {
            let spec = &mut endpoint.spec;
            spec.url = format!("https://{}/{name}", self.terminator.address());
            spec.ca = Some(self.servers.certificate());
            spec.client_certificate = shown.map(|(certificate, _)| certificate.certificate());
            endpoint.client_key = shown.map(|(_, key)| key.key().into());
        })
        .await
    }
}

/// The first attempt of a delivery that fails.
async fn failed(yard: &Yard, to: &EndpointId) -> Attempt {
    let id = yard.told(to).await;
    yard.attempted(id, 1).await.remove(0)
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_certificate_gets_the_endpoints() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let guarded = Guarded::start(&yard);
    let shop = guarded.clients.issue("shop");
    let to = guarded.endpoint(&yard, "in", Some((&shop, &shop))).await;
    yard.start_worker();
    let id = yard.told(&to).await;
    yard.comes_to(id, DeliveryState::Delivered).await;
    assert_eq!(yard.requests_at("in"), 1);
    assert_eq!(guarded.terminator.shown(), [Some(shop.der().to_vec())]);
}

#[tokio::test]
async fn without_the_right_certificate_the_attempt_says_what_is_missing() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let guarded = Guarded::start(&yard);
    let stranger = Certified::authority("others").issue("shop");
    let missing = guarded.endpoint(&yard, "missing", None).await;
    let wrong = guarded
        .endpoint(&yard, "wrong", Some((&stranger, &stranger)))
        .await;
    yard.start_worker();
    for to in [missing, wrong] {
        let attempt = failed(&yard, &to).await;
        assert_eq!(attempt.error_kind.as_deref(), Some("tls"), "{attempt:?}");
        let message = attempt.error_message.unwrap();
        assert!(message.contains("auth.clientCertificate"), "{message}");
    }
    assert!(yard.receiver.requests().is_empty());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_fails_the_attempt_before_anything_is_sent() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let guarded = Guarded::start(&yard);
    let (shop, other) = (guarded.clients.issue("shop"), guarded.clients.issue("other"));
    let to = guarded.endpoint(&yard, "in", Some((&shop, &other))).await;
    yard.start_worker();
    let attempt = failed(&yard, &to).await;
    assert_eq!(attempt.error_kind.as_deref(), Some("blocked"));
    let message = attempt.error_message.unwrap();
    assert!(
        message.contains("does not belong to the certificate"),
        "{message}"
    );
    assert!(guarded.terminator.shown().is_empty());
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_the_next_attempt_on() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let guarded = Guarded::start(&yard);
    let (one, two) = (guarded.clients.issue("one"), guarded.clients.issue("two"));
    yard.start_worker();
    let mut shown = Vec::new();
    for certificate in [&one, &two] {
        // A renewed certificate is an endpoint that has changed.
        let to = yard
            .with_endpoint("in", |endpoint| {
                let spec = &mut endpoint.spec;
                spec.url = format!("https://{}/in", guarded.terminator.address());
                spec.ca = Some(guarded.servers.certificate());
                spec.client_certificate = Some(certificate.certificate());
                endpoint.client_key = Some(certificate.key().into());
                endpoint.updated_at = wire::Instant::now();
            })
            .await;
        let id = yard.told(&to).await;
        yard.comes_to(id, DeliveryState::Delivered).await;
        shown.push(Some(certificate.der().to_vec()));
    }
    assert_eq!(guarded.terminator.shown(), shown);
}
