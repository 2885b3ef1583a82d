//! Endpoints whose connections are special: with a client certificate of ours, or with authorities of their own.
//!
//! Preparing that means to read a private key, so it is done once for each version of an endpoint and kept, with the
//! sessions that its receiver resumes.

use egress::{Client, Error, Security, SecurityParts};
use moka::future::Cache;
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;
use store::Endpoint;
use wire::EndpointId;

/// Endpoints whose certificates are kept ready.
const CAPACITY: u64 = 20_000;
/// How long that is worth its memory without an attempt.
const IDLE: Duration = Duration::from_mins(10);

/// One entry a version of an endpoint: what was made for another certificate is not found.
type Key = (EndpointId, i64);

/// Prepares certificates, and keeps them. Clones share what they keep.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    egress: Client,
    cache: Cache<Key, Security>,
}

impl Certificates {
    pub(crate) fn new(egress: Client) -> Self {
        Self {
            egress,
            cache: Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).build(),
        }
    }

    /// What is special about the connections to an endpoint; none for most. An error where what was saved cannot be used
    /// any more.
    pub(crate) async fn of(&self, endpoint: &Endpoint) -> Result<Option<Security>, Arc<Error>> {
        let spec = &endpoint.spec;
        if spec.client_certificate.is_none() && spec.ca.is_none() {
            return Ok(None);
        }
        let key = (endpoint.id.clone(), endpoint.updated_at.unix_micros());
        let prepare = async { self.prepare(endpoint) };
        Ok(Some(self.cache.try_get_with(key, prepare).await?))
    }

    fn prepare(&self, endpoint: &Endpoint) -> Result<Security, Error> {
        let key = endpoint.client_key.as_ref();
        // Without its key, the certificate is refused as one whose key is no key.
        let key = key.map(ExposeSecret::expose_secret).unwrap_or_default();
        let certificate = endpoint.spec.client_certificate.as_deref();
        self.egress.security(SecurityParts {
            owner: endpoint.workspace_id.as_str(),
            client_certificate: certificate.map(|certificate| (certificate, key)),
            authorities: endpoint.spec.ca.as_deref(),
        })
    }
}
