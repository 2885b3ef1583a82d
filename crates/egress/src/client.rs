//! The client that the services hold.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::pki_types::CertificateDer;

use crate::request::{Answer, Deadlines, Request};
use crate::trip::{Equipment, Trip};
use crate::{CheckedUrl, Error, Policy, Security, SecurityParts, SendError};

/// How long a look-up may take while somebody waits for a URL to be saved.
const PATIENCE_OF_SAVING: Duration = Duration::from_secs(3);

/// What an operator decides about outbound requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where requests may go.
    pub policy: Policy,
    /// The `User-Agent` of requests that bring none, `hookyard/1.2.3`. One that cannot be a header is sent empty.
    pub user_agent: String,
    /// The name servers to ask; none for the system's (`/etc/resolv.conf` and `/etc/hosts`).
    pub nameservers: Vec<SocketAddr>,
    /// Certificate authorities to trust besides the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            user_agent: concat!("hookyard/", env!("CARGO_PKG_VERSION")).to_owned(),
            nameservers: Vec::new(),
            extra_roots: Vec::new(),
        }
    }
}

/// The guarded HTTP client. Clones share its connections; all requests of a process should go through one.
#[derive(Clone)]
pub struct Client {
    equipment: Arc<Equipment>,
}

impl Client {
    /// Prepares to send. Reads the machine's certificate authorities and DNS settings; when they are missing the
    /// log says so, and what needs them fails when it is tried.
    pub fn new(settings: Settings) -> Self {
        let Settings {
            policy,
            user_agent,
            nameservers,
            extra_roots,
        } = settings;
        let user_agent = HeaderValue::from_str(&user_agent).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self {
            equipment: Arc::new(Equipment::new(policy, user_agent, &nameservers, &extra_roots)),
        }
    }

    /// The policy that everything here is checked against.
    pub fn policy(&self) -> &Policy {
        self.equipment.policy()
    }

    /// Checks a URL that is about to be saved: its text, and the addresses behind its name as they are now. A name
    /// that cannot be resolved yet passes, since every request is checked again.
    pub async fn check_url(&self, url: &str) -> Result<CheckedUrl, Error> {
        let trip = Trip::start(&self.equipment, url, Deadlines::within(PATIENCE_OF_SAVING))?;
        match trip.addresses().await {
            Err(SendError::Refused(error)) => Err(error),
            Ok(_) | Err(_) => Ok(trip.into_target()),
        }
    }

    /// Prepares what is special about the secure connections to one receiver. Worth keeping: it takes a millisecond,
    /// and remembers the receiver's sessions.
    pub fn security(&self, parts: SecurityParts<'_>) -> Result<Security, Error> {
        Security::new(parts, self.equipment.authorities())
    }

    /// Sends a request and reads its answer.
    ///
    /// The name is resolved once, every address is checked, and the connection goes to one of these very
    /// addresses, new or kept from before. A message is sent again by itself only when nothing of it had been sent,
    /// on a kept connection that turned out to be closed.
    ///
    /// When the future is dropped the request is broken off; the receiver may or may not have got it.
    pub async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let trip =
            Trip::start(&self.equipment, &request.url, request.deadlines)?.secured(request.security.clone());
        let max_answer_bytes = request.max_answer_bytes;
        let message = request.into_message(self.equipment.user_agent())?;
        trip.make(message, max_answer_bytes).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("policy", self.policy())
            .finish_non_exhaustive()
    }
}
