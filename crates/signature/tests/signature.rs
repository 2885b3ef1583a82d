//! The crate from outside: the providers' vectors, properties, handshakes, custom schemes,
//! explanations and outbound signatures.

#[path = "signature/catalogue.rs"]
mod catalogue;
#[path = "signature/custom.rs"]
mod custom;
#[path = "signature/explanation.rs"]
mod explanation;
#[path = "signature/handshakes.rs"]
mod handshakes;
#[path = "signature/identity.rs"]
mod identity;
#[path = "signature/near.rs"]
mod near;
#[path = "signature/outbound.rs"]
mod outbound;
#[path = "signature/properties.rs"]
mod properties;
#[path = "signature/senders.rs"]
mod senders;
#[path = "signature/vectors.rs"]
mod vectors;

use hookyard_signature::{Profile, Request, Secret};

/// The clock of all tests.
const NOW: i64 = 1_790_000_000;

fn builtin(name: &str) -> &'static Profile {
    Profile::builtin(name).expect(name)
}

fn post<'a>(headers: &'a [(&'a str, &'a [u8])], body: &'a [u8]) -> Request<'a> {
    Request {
        method: "POST",
        url: "https://hooks.example.com/ingest/src_1",
        headers,
        body,
    }
}

fn secrets(values: &[&str]) -> Vec<Secret> {
    values
        .iter()
        .enumerate()
        .map(|(index, value)| Secret::new(format!("s{index}"), *value))
        .collect()
}

/// HMAC-SHA256 in hexadecimal, by hand.
fn hex_hmac(key: &str, content: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    hex::encode(ring::hmac::sign(&key, content))
}
