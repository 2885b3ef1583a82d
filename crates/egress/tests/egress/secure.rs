//! TLS: whom to believe, and both versions of HTTP on it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hookyard_egress::{Bytes, CertificateDer, Client, Kind, Settings};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use testkit::certificate::Certified;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::receiver::{OK, Receiver};
use crate::{policy, post};
use testkit::name_server::{NameServer, Says};

pub(crate) const HOST: &str = "secure.example.com";

/// A receiver with a certificate that it made itself.
pub(crate) struct SecureReceiver {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    pub(crate) connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// What a secure receiver offers and wants.
pub(crate) struct Offer {
    pub(crate) names: Vec<String>,
    pub(crate) expired: bool,
    pub(crate) protocols: Vec<&'static str>,
    /// The authority of the certificates that it wants of its clients.
    pub(crate) clients: Option<CertificateDer<'static>>,
    /// A certificate that an authority has issued, instead of its own.
    pub(crate) issued: Option<Certified>,
}

impl Default for Offer {
    fn default() -> Self {
        let names = vec![HOST.to_owned()];
        Self {
            names,
            expired: false,
            protocols: vec!["http/1.1"],
            clients: None,
            issued: None,
        }
    }
}

impl SecureReceiver {
    pub(crate) async fn start(offer: Offer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(offer.names.clone()).unwrap();
        // Each is an authority of its own, not one of several with the same name.
        parameters
            .distinguished_name
            .push(DnType::CommonName, format!("the receiver on {address}"));
        if offer.expired {
            parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let (certificate, key) = match &offer.issued {
            Some(issued) => (issued.der().to_vec().into(), issued.key_der()),
            None => {
                let own = parameters.self_signed(&key).unwrap().der().clone();
                (own, key.serialize_der())
            }
        };
        let acceptor = acceptor(&offer, certificate.clone(), key);

        let connections = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(serve(acceptor.clone(), stream));
                }
            }
        });
        Self {
            address,
            certificate,
            connections,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{HOST}:{}/hooks", self.address.port())
    }
}

impl Drop for SecureReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(offer: &Offer, certificate: CertificateDer<'static>, key: Vec<u8>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if let Some(authority) = &offer.clients {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = offer
        .protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(acceptor: TlsAcceptor, stream: tokio::net::TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    // Whatever ends the connection is the client's to judge.
    if is_h2 {
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service_fn(echo))
            .await;
    } else {
        let _ = http1::Builder::new()
            .serve_connection(stream, service_fn(echo))
            .await;
    }
}

/// Answers with the version and the authority of the request, and its body.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let version = match request.version() {
        Version::HTTP_2 => "2",
        _ => "1.1",
    };
    let host = request
        .headers()
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned());
    let authority = host
        .or_else(|| request.uri().authority().map(ToString::to_string))
        .unwrap();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::builder()
        .header("x-version", version)
        .header("x-authority", authority)
        .body(Full::new(body))
        .unwrap())
}

/// A client that finds the receiver by its name and trusts the given authorities, with what it needs to live.
pub(crate) async fn client(trusted: Vec<CertificateDer<'static>>) -> (Client, NameServer) {
    let names = NameServer::saying(HOST, Says::parse("127.0.0.1"));
    let client = Client::new(Settings {
        policy: policy(&["127.0.0.0/8"]),
        nameservers: vec![names.address()],
        extra_roots: trusted,
        ..Settings::default()
    });
    (client, names)
}

#[tokio::test]
async fn a_trusted_certificate_for_the_name_is_believed() {
    let receiver = SecureReceiver::start(Offer::default()).await;
    let (client, _names) = client(vec![receiver.certificate.clone()]).await;
    for _ in 0..3 {
        let answer = client.send(post(receiver.url())).await.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"{\"a\":1}"[..]));
        assert_eq!(answer.headers.get("x-version").unwrap(), "1.1");
        assert_eq!(
            answer.headers.get("x-authority").unwrap(),
            &format!("{HOST}:{}", receiver.address.port())
        );
    }
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn http_2_is_spoken_with_who_offers_it_and_shared() {
    let receiver = SecureReceiver::start(Offer {
        protocols: vec!["h2", "http/1.1"],
        ..Offer::default()
    })
    .await;
    let (client, _names) = client(vec![receiver.certificate.clone()]).await;
    let answer = client.send(post(receiver.url())).await.unwrap();
    assert_eq!(answer.headers.get("x-version").unwrap(), "2");
    assert_eq!(
        answer.headers.get("x-authority").unwrap(),
        &format!("{HOST}:{}", receiver.address.port())
    );

    let at_once = (0..50).map(|_| client.send(post(receiver.url())));
    for answer in futures_util::future::join_all(at_once).await {
        assert_eq!(&*answer.unwrap().body, b"{\"a\":1}");
    }
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_believed_says_why() {
    let stranger = SecureReceiver::start(Offer::default()).await;
    let misnamed = SecureReceiver::start(Offer {
        names: vec!["other.example.com".to_owned()],
        ..Offer::default()
    })
    .await;
    let expired = SecureReceiver::start(Offer {
        expired: true,
        ..Offer::default()
    })
    .await;
    let (client, _names) = client(vec![misnamed.certificate.clone(), expired.certificate.clone()]).await;
    for (receiver, words) in [
        (stranger, "not trusted here"),
        (misnamed, "another name"),
        (expired, "has expired"),
    ] {
        let error = client.send(post(receiver.url())).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_receiver_that_wants_a_certificate_of_ours_is_a_tls_failure() {
    let authority = Certified::authority("clients");
    for protocol in ["http/1.1", "h2"] {
        let receiver = SecureReceiver::start(Offer {
            clients: Some(authority.der().to_vec().into()),
            protocols: vec![protocol],
            ..Offer::default()
        })
        .await;
        let (client, _names) = client(vec![receiver.certificate.clone()]).await;
        let error = client.send(post(receiver.url())).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{protocol}: {error:?}");
        assert!(
            error.to_string().contains("client certificate"),
            "{protocol}: {error}"
        );
    }
}

#[tokio::test]
async fn plain_http_on_a_secure_url_is_a_tls_failure() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.send(OK).await;
        connection.wait_for_close().await;
    })
    .await;
    let error = crate::client()
        .send(post(receiver.url().replace("http:", "https:")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error:?}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}
