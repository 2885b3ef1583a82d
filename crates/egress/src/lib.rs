//! The only way out: HTTP to addresses that strangers chose.
//!
//! Everything that leaves for a URL out of the ledger (deliveries, calls of playbooks, adapters) goes through one
//! [`Client`]. It sits at the end of the path, between a service and the open internet.
//!
//! # Motivation
//!
//! Whoever may write down a URL can make us call it, from inside our network. Without a guard that is a way to the
//! databases, to the metadata service that hands out the cloud's credentials, and to everything else that trusts
//! its neighbours (server-side request forgery). And receivers hang, trickle, stream for ever and break off; none of
//! them may hold up more than their own deliveries.
//!
//! # Theory of operation
//!
//! 1. [`Policy::check_url`] parses the text once into a [`CheckedUrl`]; scheme, credentials, port, the name and
//!    addresses in any notation are checked there, when a URL is saved and again for each request.
//! 2. The name is resolved once. If *any* address is not public ([`is_public`]) and not opened by the operator, the
//!    request is refused.
//! 3. The connection goes to one of these very addresses, or was kept from an earlier request to the same host
//!    and address. Between check and connection no name is looked up, so there is no gap for DNS rebinding.
//! 4. Connecting, the head of the answer, and the whole have deadlines. A body that is too long or too slow is cut;
//!    the status decides.
//!
//! It is built on hyper's connections rather than on a ready-made client because of what it must never do: there is
//! no code here that follows a redirect, reads a proxy from the environment, keeps a cookie, unpacks an answer or
//! resolves a name behind the guard's back, so no setting can turn it on.
//!
//! # What it must never do
//!
//! Decide whether a status is a success, retry, sign, or know what a delivery is. Log or show a URL beyond its host,
//! or the address behind a name.
//!
//! ```
//! use hookyard_egress::{Error, Policy, check_header};
//!
//! let policy = Policy::default();
//! assert!(policy.check_url("https://hooks.example.com/in").is_ok());
//! assert!(matches!(policy.check_url("http://0x7f000001/"), Err(Error::Address { .. })));
//! assert!(matches!(check_header("Webhook-Id", "msg_1"), Err(Error::HeaderReserved { .. })));
//! ```

mod address;
mod certificate;
mod client;
mod dial;
mod error;
mod failure;
mod header;
mod link;
mod names;
mod policy;
mod pool;
mod request;
mod security;
mod trip;
mod url;

pub use self::url::{CheckedUrl, MAX_URL_BYTES};
pub use address::is_public;
pub use certificate::{Certificate, Certificates, MAX_CERTIFICATES, MAX_PEM_BYTES};
pub use client::{Client, Settings};
pub use error::Error;
pub use failure::{DnsFailure, Kind, Phase, SendError, Source};
pub use header::{MAX_CUSTOM_HEADERS, check_header};
pub use policy::Policy;
pub use request::{Answer, Deadlines, Request};
pub use security::{Security, SecurityParts, check_authorities, check_key};

// The vocabulary of the API, so that callers need no dependency of their own.
pub use bytes::Bytes;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
pub use ipnet::IpNet;
pub use rustls::pki_types::CertificateDer;
