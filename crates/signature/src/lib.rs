//! Signatures of webhooks: verifying what comes in, signing what goes out.
//!
//! A *profile* says how one kind of sender signs, which handshakes it makes and how it names its
//! events. Nearly all are data in one small language (`profiles.yaml`; operators write their own in
//! it), run by one interpreter; the few providers whose signatures need code have a file each under
//! `code/`.
//!
//! Where it sits on the path: the gateway asks for a verdict after it has read the body and before
//! anything is parsed; the delivery worker signs each attempt. Both happen for every event, so the
//! body is hashed where it lies and never copied.
//!
//! What it must never do: I/O (a key that has to be fetched is named by [`Profile::key_url`] and
//! handed in by the caller), read a clock, trust `Host`, compare secrets in variable time, repair
//! what a sender got wrong, or let a secret into an error, a step of an explanation or a log.

mod algorithm;
mod body_hash;
mod catalogue;
mod clock;
mod code;
mod content;
mod decode;
mod der;
mod field;
mod form;
mod handshake;
mod identity;
mod json;
mod key;
mod near;
mod profile;
mod reason;
mod request;
mod scheme;
mod select;
mod sender;
mod sign;
mod template;
mod trail;
mod url;
pub mod vectors;
mod verdict;
mod verify;
mod wanted;

pub use catalogue::builtin_names;
pub use handshake::{Answer, Handshake};
pub use key::Secret;
pub use near::{Change, Lookalike, NearMiss, lookalikes};
pub use profile::Profile;
pub use reason::Reason;
pub use request::Request;
pub use sender::{Headers, Sender, Unsigned};
pub use sign::{
    ID_HEADER, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER, generate_secret, generate_signing_key, sign,
};
pub use trail::{Explanation, Step};
pub use verdict::{Credentials, Verdict};

/// What can be wrong with what an operator configured. Requests never cause errors, only verdicts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    /// A scheme that makes no sense.
    #[error("{path}: {message}")]
    Scheme {
        /// Where, such as `signature.encoding`.
        path: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A secret that no signature can match.
    #[error("secret `{id}` cannot be a key: {cause}")]
    Secret {
        /// Which one; not its value.
        id: String,
        /// Why.
        cause: &'static str,
    },
    /// A secret that cannot sign deliveries.
    #[error(
        "not a signing secret: {0}; write whsec_ and the base64 of 24 to 64 bytes, or whsk_ and that of an Ed25519 key"
    )]
    SigningSecret(&'static str),
}
