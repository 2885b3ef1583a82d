//! One request from the check of its URL to the end of its answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::dial::dial;
use crate::failure::Phase;
use crate::link::{Link, Message};
use crate::names::Names;
use crate::pool::{Key, Pool};
use crate::request::{Answer, Deadlines};
use crate::security::{machines_authorities, ordinary};
use crate::{CheckedUrl, Error, Policy, Security, SendError};

/// What all requests share.
pub(crate) struct Equipment {
    policy: Policy,
    user_agent: HeaderValue,
    names: Names,
    authorities: Arc<RootCertStore>,
    tls: TlsConnector,
    pool: Arc<Pool>,
}

impl Equipment {
    pub(crate) fn new(
        policy: Policy,
        user_agent: HeaderValue,
        nameservers: &[SocketAddr],
        extra_roots: &[CertificateDer<'static>],
    ) -> Self {
        let names = Names::new(nameservers);
        let authorities = Arc::new(machines_authorities(extra_roots));
        let tls = ordinary(Arc::clone(&authorities));
        Self {
            policy,
            user_agent,
            names,
            authorities,
            tls,
            pool: Arc::default(),
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) const fn authorities(&self) -> &Arc<RootCertStore> {
        &self.authorities
    }

    pub(crate) fn user_agent(&self) -> &HeaderValue {
        &self.user_agent
    }
}

/// A request under way: where it goes, and by when it must be where.
pub(crate) struct Trip<'a> {
    equipment: &'a Equipment,
    target: CheckedUrl,
    security: Option<Security>,
    deadlines: Deadlines,
    started: Instant,
}

impl<'a> Trip<'a> {
    pub(crate) fn start(equipment: &'a Equipment, url: &str, deadlines: Deadlines) -> Result<Self, Error> {
        let target = equipment.policy.check_url(url)?;
        Ok(Self {
            equipment,
            target,
            security: None,
            deadlines,
            started: Instant::now(),
        })
    }

    /// The same trip with what is special about the receiver's secure connections.
    pub(crate) fn secured(self, security: Option<Security>) -> Self {
        Self { security, ..self }
    }

    pub(crate) fn into_target(self) -> CheckedUrl {
        self.target
    }

    /// The whole way.
    pub(crate) async fn make(self, message: Message, max_answer_bytes: usize) -> Result<Answer, SendError> {
        let addresses = self.addresses().await?;
        let (key, link, response) = self.exchange(&addresses, message).await?;
        let (head, body) = response.into_parts();
        let (body, whole) = read(body, max_answer_bytes, self.deadline()).await;
        if whole {
            self.equipment.pool.give_back(key, link);
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            body_truncated: !whole,
            elapsed: self.started.elapsed(),
        })
    }

    /// All addresses of the target. Refuses it if any of them is forbidden: whoever puts a private address beside a
    /// public one is trying something.
    pub(crate) async fn addresses(&self) -> Result<Vec<IpAddr>, SendError> {
        if let Some(address) = self.target.address() {
            return Ok(vec![address]); // checked with the text
        }
        let host = self.target.shared_host();
        let look_up = self.equipment.names.look_up(&host);
        let addresses = self
            .within(Phase::LookUp, self.deadlines.connect, look_up)
            .await??;
        match addresses
            .iter()
            .find_map(|address| self.equipment.policy.forbidden_range(*address))
        {
            Some(range) => Err(Error::Address {
                host: host.to_string(),
                range,
            }
            .into()),
            None => Ok(addresses),
        }
    }

    /// Sends the message on a kept connection or a new one, and waits for the head of the answer.
    async fn exchange(
        &self,
        addresses: &[IpAddr],
        mut message: Message,
    ) -> Result<(Key, Link, Response<Incoming>), SendError> {
        let Equipment { pool, tls, .. } = self.equipment;
        let security = self.security.as_ref();
        if let Some((key, link)) = pool.take(&self.target, addresses, security) {
            match self.send(&key, link, message).await? {
                Sent::Whole(link, response) => return Ok((key, link, response)),
                Sent::Nothing(unsent, _) => message = unsent,
            }
        }
        // Boxed because it is large and rare: most requests find a kept connection.
        let tls = security.map_or(tls, Security::connector);
        let dialling = Box::pin(dial(&self.target, addresses, tls));
        let (address, link) = self
            .within(Phase::Connect, self.deadlines.connect, dialling)
            .await??;
        let key = Key::new(&self.target, address, security);
        pool.share(&key, &link);
        match self.send(&key, link, message).await? {
            Sent::Whole(link, response) => Ok((key, link, response)),
            Sent::Nothing(_, error) => Err(SendError::exchange(self.target.shared_host(), error)),
        }
    }

    async fn send(&self, key: &Key, mut link: Link, message: Message) -> Result<Sent, SendError> {
        let sending = link.send(message, &self.target);
        match self
            .within(Phase::FirstByte, self.deadlines.first_byte, sending)
            .await
        {
            Ok(Ok(response)) => Ok(Sent::Whole(link, response)),
            Ok(Err(mut failure)) => match failure.take_message() {
                Some(message) => Ok(Sent::Nothing(message, failure.into_error())),
                None => Err(SendError::exchange(
                    self.target.shared_host(),
                    failure.into_error(),
                )),
            },
            Err(timeout) => {
                // The other end may have vanished without a word; nobody else should be sent after it.
                if let Link::H2(_) = link {
                    self.equipment.pool.forget(key);
                }
                Err(timeout)
            }
        }
    }

    fn deadline(&self) -> Instant {
        self.started + self.deadlines.total
    }

    /// Waits for one part of the trip: until its own deadline, or that of the whole if it is sooner.
    async fn within<T>(
        &self,
        phase: Phase,
        limit: Duration,
        part: impl Future<Output = T>,
    ) -> Result<T, SendError> {
        let now = Instant::now();
        let until = self.deadline().min(now + limit);
        timeout_at(until, part)
            .await
            .map_err(|_elapsed| SendError::Timeout {
                host: self.target.shared_host(),
                phase,
                after: until.saturating_duration_since(now),
            })
    }
}

/// What became of a message on one connection.
enum Sent {
    /// It was sent, and answered.
    Whole(Link, Response<Incoming>),
    /// The connection was closed before anything was sent; here is the message back.
    Nothing(Message, hyper::Error),
}

/// Reads at most `max` bytes until the deadline, and says whether that was all.
async fn read(mut body: Incoming, max: usize, deadline: Instant) -> (Bytes, bool) {
    let mut kept = BytesMut::new();
    let to_the_end = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            if let Ok(chunk) = frame.into_data() {
                let fits = chunk.len().min(max - kept.len());
                kept.extend_from_slice(&chunk.slice(..fits));
                if fits < chunk.len() {
                    return false;
                }
            }
        }
        true
    };
    let whole = timeout_at(deadline, to_the_end).await.unwrap_or(false);
    (kept.freeze(), whole)
}
