//! What the handshakes of the sources' senders came to.

use secrecy::SecretString;
use wire::{Instant, SourceId};

/// What the handshakes of a source's sender came to.
#[derive(Debug, Clone)]
pub struct Handshakes {
    /// Whose.
    pub source_id: SourceId,
    /// How many were answered.
    pub answered: i64,
    /// When the last was.
    pub last_at: Instant,
    /// The secret that came with one and waits to be accepted.
    pub captured: Option<Captured>,
}

/// A secret that a sender handed over.
#[derive(Debug, Clone)]
pub struct Captured {
    /// The secret itself.
    pub secret: SecretString,
    /// When it came.
    pub at: Instant,
    /// Where it came from: anybody who knows the source's address can hand one over.
    pub remote_address: Option<String>,
}

/// Handshakes to be added to those of their source.
#[derive(Debug, Clone)]
pub struct NewHandshakes {
    /// Whose.
    pub source_id: SourceId,
    /// How many were answered.
    pub answered: i64,
    /// When the last was.
    pub last_at: Instant,
    /// The secret that came with one.
    pub captured: Option<Captured>,
}
