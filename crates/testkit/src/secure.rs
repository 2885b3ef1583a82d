//! TLS in front of a receiver, for clients that show a certificate.

use crate::certificate::Certified;
use crate::thread::Thread;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Listens on a free port of 127.0.0.1, ends TLS, and forwards what is inside to a plain receiver.
#[derive(Debug)]
pub struct Terminator {
    address: SocketAddr,
    shown: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
    _thread: Thread,
}

impl Terminator {
    /// Starts one with this certificate. With `clients`, it takes connections of those alone whose certificate comes from
    /// that authority.
    pub fn start(own: &Certified, clients: Option<&Certified>, receiver: SocketAddr) -> Self {
        let listener =
            StdListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port, because a test uses few");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address, because the system gave it one");
        let acceptor = TlsAcceptor::from(Arc::new(config(own, clients)));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&shown);
        let thread = Thread::start("test-terminator", move || {
            serve(listener, acceptor, receiver, noted)
        });
        Self {
            address,
            shown,
            _thread: thread,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate (DER) that was shown on each connection that it took, in their order.
    pub fn shown(&self) -> Vec<Option<Vec<u8>>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn config(own: &Certified, clients: Option<&Certified>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for both versions, because it is built with both");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from(authority.der().to_vec()))
                .expect("an authority of a test is one, because it was just made");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .expect("one authority is enough, because none would be too few");
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key_der()));
    builder
        .with_single_cert(vec![CertificateDer::from(own.der().to_vec())], key)
        .expect("a certificate and its key belong together, because they were made together")
}

async fn serve(
    listener: StdListener,
    acceptor: TlsAcceptor,
    receiver: SocketAddr,
    shown: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
) {
    listener
        .set_nonblocking(true)
        .expect("a fresh listener can be non-blocking, because every one can");
    let listener =
        TcpListener::from_std(listener).expect("the runtime takes the listener, because it has I/O");
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(forward(client, acceptor.clone(), receiver, Arc::clone(&shown)));
    }
}

async fn forward(
    client: TcpStream,
    acceptor: TlsAcceptor,
    receiver: SocketAddr,
    shown: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
) {
    let Ok(mut client) = acceptor.accept(client).await else {
        return;
    };
    let certificates = client.get_ref().1.peer_certificates();
    let certificate = certificates
        .and_then(|chain| chain.first())
        .map(|one| one.to_vec());
    shown
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(certificate);
    let Ok(mut receiver) = TcpStream::connect(receiver).await else {
        return;
    };
    // Whatever ends it is for the two ends to judge.
    let _ended = copy_bidirectional(&mut client, &mut receiver).await;
}
