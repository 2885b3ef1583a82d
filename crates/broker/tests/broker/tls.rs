//! A broker behind TLS. The real one is behind a terminator of ours, so that a test has certificates of its own.

use crate::site::{event, message, prefetch, settings, take_all, within};
use hookyard_broker::{Conveyor, Error, State};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use testkit::until;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use wire::Queue;

/// Speaks TLS for `server`; answers where, and the certificate to trust.
async fn terminate(server: SocketAddr) -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(stream).await?;
                let mut server = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (address, cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_behind_tls_is_reached_when_its_certificate_is_trusted() {
    let broker = testkit::broker::rabbitmq();
    let (address, certificate) = terminate(broker.address()).await;
    let url = broker.url_through(address).replacen("amqp:", "amqps:", 1);
    let mut settings = settings(&broker, &url);
    settings.certificates = Some(certificate);
    let conveyor = Conveyor::rabbit(&settings).unwrap();
    assert!(within(conveyor.connected()).await);

    let sent = message();
    conveyor.publish(Queue::Route, &sent).await.unwrap();
    let mut consumer = conveyor.consume(Queue::Route, prefetch(1));
    take_all(&mut consumer, &BTreeSet::from([event(&sent)])).await;
    conveyor.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_whose_certificate_is_not_trusted_is_not_spoken_to() {
    let broker = testkit::broker::rabbitmq();
    let (address, _certificate) = terminate(broker.address()).await;
    let (_elsewhere, other_certificate) = terminate(broker.address()).await;
    let url = broker.url_through(address).replacen("amqp:", "amqps:", 1);
    let mut settings = settings(&broker, &url);
    settings.certificates = Some(other_certificate);
    let conveyor = Conveyor::rabbit(&settings).unwrap();
    let mut refusal = String::new();
    until("the certificate was refused", async || {
        let State::Connecting {
            error: Some(error), ..
        } = conveyor.state()
        else {
            return false;
        };
        if let Error::Connect { source, .. } = &*error {
            refusal = source.to_string();
        }
        !refusal.is_empty()
    })
    .await;
    assert!(refusal.contains("certificate"), "{refusal}");
}
