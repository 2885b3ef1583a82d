//! What is sent.

use crate::clock::Clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::io::Write as _;
use std::time::Instant;

/// The door that it is sent to.
#[derive(Debug)]
pub(crate) enum Door {
    /// Door 4, signed as GitHub signs.
    Token { path: String, secret: String },
    /// Door 3: each of the endpoints in turn.
    Send { endpoints: Vec<String>, key: String },
    /// Door 6.
    Hook { path: String },
}

/// A request like which all are.
#[derive(Debug)]
pub(crate) struct Shot {
    door: Door,
    /// Whether each has an idempotency key of its own.
    has_keys: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// The same each time, so that the load need not sign it each time.
    Fixed { text: String, signature: String },
    /// Says when it was due, for the receiver's clock.
    Stamped { clock: Clock, bytes: usize },
}

impl Shot {
    /// Bodies of so many bytes, all the same.
    pub(crate) fn fixed(door: Door, bytes: usize, has_keys: bool) -> Self {
        // An object, because some doors take nothing else.
        let text = padded(String::from("{"), bytes);
        let signature = door.signature(&text);
        Self {
            door,
            has_keys,
            body: Body::Fixed { text, signature },
        }
    }

    /// Bodies of so many bytes, each with the time it was due at.
    pub(crate) fn stamped(door: Door, bytes: usize, clock: Clock) -> Self {
        Self {
            door,
            has_keys: true,
            body: Body::Stamped { clock, bytes },
        }
    }

    /// Writes one request, in place of what was there. `key` is of the load, and of the request in it.
    pub(super) fn write(&self, key: (u64, u64), due: Instant, into: &mut Vec<u8>) {
        into.clear();
        match &self.body {
            Body::Fixed { text, signature } => self.frame(key, text, signature, into),
            Body::Stamped { clock, bytes } => {
                let text = padded(format!("{{\"at\":{},", clock.stamp(due)), *bytes);
                self.frame(key, &text, &self.door.signature(&text), into);
            }
        }
    }

    fn frame(&self, (load, number): (u64, u64), body: &str, signature: &str, into: &mut Vec<u8>) {
        let key = format!("{load}-{number}");
        let written = match &self.door {
            Door::Token { path, .. } => {
                let key = if self.has_keys {
                    format!("X-GitHub-Delivery: {key}\r\n")
                } else {
                    String::new()
                };
                write!(
                    into,
                    "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                     X-GitHub-Event: push\r\n{key}X-Hub-Signature-256: sha256={signature}\r\n\r\n{body}",
                    body.len(),
                )
            }
            Door::Send {
                endpoints,
                key: token,
            } => {
                let at = usize::try_from(number).unwrap_or(0) % endpoints.len().max(1);
                let endpoint = endpoints.get(at).map_or("", String::as_str);
                let body = format!("{{\"idempotencyKey\":\"{key}\",\"payload\":{body}}}");
                write!(
                    into,
                    "POST /api/ingest/{endpoint} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
                     Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len(),
                )
            }
            Door::Hook { path } => write!(
                into,
                "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len(),
            ),
        };
        written.expect("a vector can be written to, because it grows");
    }
}

impl Door {
    fn signature(&self, body: &str) -> String {
        match self {
            Self::Token { secret, .. } => sign(secret, body.as_bytes()),
            Self::Send { .. } | Self::Hook { .. } => String::new(),
        }
    }
}

/// HMAC-SHA256 in hexadecimal.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .expect("any key is taken, because HMAC hashes long ones");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// An object of so many bytes that begins so; more when that alone is longer.
fn padded(mut text: String, bytes: usize) -> String {
    text.push_str("\"pad\":\"");
    let rest = bytes.saturating_sub(text.len() + 2);
    text.extend(std::iter::repeat_n('x', rest));
    text.push_str("\"}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn written(shot: &Shot, number: u64, due: Instant) -> (String, serde_json::Value) {
        let mut bytes = Vec::new();
        shot.write((0, number), due, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{head}"
        );
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn bodies_are_as_long_as_asked() {
        assert_eq!(padded(String::from("{"), 500).len(), 500);
        assert_eq!(padded(String::from("{\"at\":12345,"), 4_096).len(), 4_096);
        assert_eq!(padded(String::from("{"), 1), "{\"pad\":\"\"}");
    }

    #[test]
    fn a_stamp_says_when_it_was_due() {
        let clock = Clock::start();
        let due = Instant::now() + Duration::from_secs(5);
        let path = "/api/v1/hooks/x".to_owned();
        let (head, body) = written(&Shot::stamped(Door::Hook { path }, 200, clock), 1, due);
        assert_eq!(u128::from(body["at"].as_u64().unwrap()), clock.stamp(due));
        assert!(head.contains("Idempotency-Key: "), "{head}");
    }

    #[test]
    fn only_with_keys_there_are_keys_and_each_is_another() {
        let door = || Door::Token {
            path: "/ingest/x".to_owned(),
            secret: "s".to_owned(),
        };
        let now = Instant::now();
        let (with, without) = (Shot::fixed(door(), 100, true), Shot::fixed(door(), 100, false));
        assert!(!written(&without, 1, now).0.contains("Delivery"));
        assert!(written(&with, 1, now).0.contains("X-GitHub-Delivery"));
        assert_ne!(written(&with, 1, now).0, written(&with, 2, now).0);
    }

    #[test]
    fn endpoints_take_turns() {
        let door = Door::Send {
            endpoints: vec!["ep_a".to_owned(), "ep_b".to_owned()],
            key: "nhk_x".to_owned(),
        };
        let shot = Shot::stamped(door, 100, Clock::start());
        for (number, endpoint) in [(0, "/ep_a "), (1, "/ep_b "), (2, "/ep_a ")] {
            let (head, body) = written(&shot, number, Instant::now());
            assert!(head.contains(endpoint), "{head}");
            assert!(body["payload"]["at"].is_u64(), "{body}");
        }
    }
}
