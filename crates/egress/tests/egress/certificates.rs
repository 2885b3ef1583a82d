//! Receivers that want a certificate of ours, and those that only their owner's authority knows.

use std::sync::atomic::Ordering;

use hookyard_egress::{Answer, Client, Error, Kind, Request, Security, SecurityParts, SendError};
use testkit::certificate::{Certified, pem};

use crate::post;
use crate::secure::{HOST, Offer, SecureReceiver, client};
use testkit::name_server::NameServer;

/// A receiver that takes what `clients` issued, and a client that trusts the receiver.
async fn guarded(clients: &Certified, protocol: &'static str) -> (SecureReceiver, Client, NameServer) {
    let servers = Certified::authority("servers");
    let receiver = SecureReceiver::start(Offer {
        protocols: vec![protocol],
        clients: Some(clients.der().to_vec().into()),
        issued: Some(servers.issue(HOST)),
        ..Offer::default()
    })
    .await;
    let (client, names) = client(vec![servers.der().to_vec().into()]).await;
    (receiver, client, names)
}

fn shown<'a>(owner: &'a str, certificate: &'a str, key: &'a str) -> SecurityParts<'a> {
    SecurityParts {
        owner,
        client_certificate: Some((certificate, key)),
        authorities: None,
    }
}

async fn send(
    client: &Client,
    receiver: &SecureReceiver,
    security: Option<Security>,
) -> Result<Answer, SendError> {
    let request = Request {
        security,
        ..post(receiver.url())
    };
    client.send(request).await
}

#[tokio::test]
async fn the_right_certificate_opens_and_a_missing_or_wrong_one_says_so() {
    let clients = Certified::authority("clients");
    let (right, wrong) = (
        clients.issue("shop"),
        Certified::authority("others").issue("shop"),
    );
    let expired = clients.issue_between("shop", 2020, 2021);
    for protocol in ["http/1.1", "h2"] {
        let (receiver, client, _names) = guarded(&clients, protocol).await;
        let with = |made: &Certified| {
            let (certificate, key) = (made.certificate(), made.key());
            Some(client.security(shown("ws_a", &certificate, &key)).unwrap())
        };
        for _ in 0..2 {
            let answer = send(&client, &receiver, with(&right)).await.unwrap();
            assert_eq!(&*answer.body, b"{\"a\":1}", "{protocol}");
        }
        for (case, security) in [
            ("missing", None),
            ("wrong", with(&wrong)),
            ("expired", with(&expired)),
        ] {
            let error = send(&client, &receiver, security).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Tls, "{protocol}, {case}: {error:?}");
            assert!(
                error.to_string().contains("client certificate"),
                "{protocol}, {case}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_connection_is_its_certificates_and_its_owners_alone() {
    let clients = Certified::authority("clients");
    let (one, two) = (clients.issue("one"), clients.issue("two"));
    for protocol in ["http/1.1", "h2"] {
        let (receiver, client, _names) = guarded(&clients, protocol).await;
        let (first, first_key) = (one.certificate(), one.key());
        let (second, second_key) = (two.certificate(), two.key());
        let connections = || receiver.connections.load(Ordering::SeqCst);
        for (parts, expected) in [
            (shown("ws_a", &first, &first_key), 1),
            // Made anew of the same: it is the same connection.
            (shown("ws_a", &first, &first_key), 1),
            (shown("ws_a", &second, &second_key), 2),
            (shown("ws_b", &first, &first_key), 3),
            (shown("ws_a", &first, &first_key), 3),
        ] {
            let security = client.security(parts).unwrap();
            send(&client, &receiver, Some(security)).await.unwrap();
            assert_eq!(connections(), expected, "{protocol}");
        }
        assert!(send(&client, &receiver, None).await.is_err(), "{protocol}");
        assert_eq!(
            connections(),
            4,
            "without a certificate none of them is used: {protocol}"
        );
    }
}

#[tokio::test]
async fn authorities_of_its_own_are_the_only_ones() {
    let (private, public) = (Certified::authority("private"), Certified::authority("public"));
    let issued_by = async |authority: &Certified| {
        SecureReceiver::start(Offer {
            issued: Some(authority.issue(HOST)),
            ..Offer::default()
        })
        .await
    };
    let (at_home, outside) = (issued_by(&private).await, issued_by(&public).await);
    let (client, _names) = client(vec![public.der().to_vec().into()]).await;
    let ca = private.certificate();
    let own = || {
        let parts = SecurityParts {
            owner: "ws_a",
            authorities: Some(&ca),
            ..SecurityParts::default()
        };
        Some(client.security(parts).unwrap())
    };
    for (receiver, security, is_trusted) in [
        (&at_home, own(), true),
        (&at_home, None, false),
        (&outside, None, true),
        (&outside, own(), false),
    ] {
        match send(&client, receiver, security).await {
            Ok(answer) => assert!(is_trusted && answer.status.is_success()),
            Err(error) => {
                assert!(!is_trusted, "{error}");
                assert_eq!(error.kind(), Kind::Tls);
                assert!(error.to_string().contains("not trusted here"), "{error}");
            }
        }
    }
    let many = [private.certificate(), public.certificate()].concat();
    let parts = SecurityParts {
        authorities: Some(&many),
        ..SecurityParts::default()
    };
    let both = client.security(parts).unwrap();
    for receiver in [&at_home, &outside] {
        send(&client, receiver, Some(both.clone())).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_before_anything_is_sent() {
    let clients = Certified::authority("clients");
    let (one, two) = (clients.issue("one"), clients.issue("two"));
    let (client, _names) = client(Vec::new()).await;
    let unusable = pem("PRIVATE KEY", b"not a key");
    for (certificate, key, expected) in [
        (one.certificate(), two.key(), Error::KeyMismatch),
        (one.certificate(), String::new(), Error::KeyPem),
        (one.certificate(), unusable, Error::KeyUnusable),
        (String::new(), one.key(), Error::CertificatePem),
        (one.key(), one.key(), Error::CertificateHasKey),
        (
            [clients.certificate(), one.certificate()].concat(),
            one.key(),
            Error::KeyMismatch,
        ),
    ] {
        let refused = client.security(shown("ws_a", &certificate, &key)).unwrap_err();
        assert_eq!(refused, expected);
    }
    let chain = [one.certificate(), clients.certificate()].concat();
    assert!(client.security(shown("ws_a", &chain, &one.key())).is_ok());
}
