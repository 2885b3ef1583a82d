//! Signing a test event as a provider would.
//!
//! Written from the providers' own documents, beside and not on top of what verifies: a sender that shared its code could
//! not find its mistakes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::SignatureError;
use crate::sign::{ID_HEADER, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER, sign};

/// What is sent, before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// What the provider calls the event.
    pub id: &'a str,
    /// What the provider says happened.
    pub event_type: &'a str,
    /// Seconds since 1970.
    pub at_unix: i64,
    /// The exact bytes.
    pub body: &'a [u8],
}

/// A request's further headers.
pub type Headers = Vec<(&'static str, String)>;

/// A sender of test events that signs as a provider does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// `X-Hub-Signature-256` over the body.
    Github,
    /// `Stripe-Signature` over the time and the body.
    Stripe,
    /// `X-Slack-Signature` over the time and the body.
    Slack,
    /// `X-Shopify-Hmac-Sha256` over the body, in base64.
    Shopify,
    /// `webhook-signature` over id, time and body.
    StandardWebhooks,
}

impl Sender {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::Github,
        Self::Stripe,
        Self::Slack,
        Self::Shopify,
        Self::StandardWebhooks,
    ];

    /// The name of the built-in profile that verifies what this sender signs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::Shopify => "shopify",
            Self::StandardWebhooks => "standard-webhooks",
        }
    }

    /// The sender for a built-in profile, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sender| sender.name() == name)
    }

    /// The headers of a sender that signs nothing.
    pub fn unsigned(event: Unsigned<'_>) -> Headers {
        vec![
            ("Idempotency-Key", event.id.to_owned()),
            ("X-Event-Type", event.event_type.to_owned()),
        ]
    }

    /// A small body that has the id and the type where this sender's bodies have them; without one, any body.
    pub fn example(sender: Option<Self>, id: &str, event_type: &str) -> Vec<u8> {
        let body = match sender {
            Some(Self::Stripe) => {
                json!({"id": id, "object": "event", "type": event_type, "data": {"object": {}}})
            }
            Some(Self::Slack) => {
                json!({"type": "event_callback", "event_id": id, "event": {"type": event_type}})
            }
            Some(Self::StandardWebhooks) => json!({"type": event_type, "data": {"hello": "yard"}}),
            Some(Self::Github) => {
                json!({"ref": "refs/heads/main", "repository": {"full_name": "octo/hello"}, "zen": "Keep it logically awesome."})
            }
            Some(Self::Shopify) | None => json!({"hello": "yard"}),
        };
        body.to_string().into_bytes()
    }

    /// The headers that this sender puts on a request, its signature among them.
    ///
    /// # Errors
    ///
    /// [`SignatureError::SigningSecret`] where the secret can be no key of Standard Webhooks.
    pub fn headers(self, event: Unsigned<'_>, secret: &SecretString) -> Result<Headers, SignatureError> {
        let Unsigned {
            id,
            event_type,
            at_unix,
            body,
        } = event;
        Ok(match self {
            Self::Github => vec![
                ("X-GitHub-Event", event_type.to_owned()),
                ("X-GitHub-Delivery", id.to_owned()),
                ("X-Hub-Signature-256", format!("sha256={}", hex(secret, &[body]))),
            ],
            Self::Stripe => {
                let signed = hex(secret, &[format!("{at_unix}.").as_bytes(), body]);
                vec![("Stripe-Signature", format!("t={at_unix},v1={signed}"))]
            }
            Self::Slack => {
                let signed = hex(secret, &[format!("v0:{at_unix}:").as_bytes(), body]);
                vec![
                    ("X-Slack-Request-Timestamp", at_unix.to_string()),
                    ("X-Slack-Signature", format!("v0={signed}")),
                ]
            }
            Self::Shopify => vec![
                ("X-Shopify-Topic", event_type.to_owned()),
                ("X-Shopify-Webhook-Id", id.to_owned()),
                (
                    "X-Shopify-Hmac-Sha256",
                    STANDARD.encode(hmac_sha256(secret, &[body])),
                ),
            ],
            Self::StandardWebhooks => {
                let key = SigningKey::parse(secret)?;
                vec![
                    (ID_HEADER, id.to_owned()),
                    (TIMESTAMP_HEADER, at_unix.to_string()),
                    (SIGNATURE_HEADER, sign(&[key], id, at_unix, body)),
                ]
            }
        })
    }
}

fn hmac_sha256(secret: &SecretString, parts: &[&[u8]]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

fn hex(secret: &SecretString, parts: &[&[u8]]) -> String {
    hex::encode(hmac_sha256(secret, parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credentials, Profile, Request, Secret, Verdict};

    #[test]
    fn what_each_provider_signs_verifies_under_its_profile() {
        for sender in Sender::ALL {
            let name = sender.name();
            assert_eq!(Sender::named(name), Some(sender));
            let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
            let body = Sender::example(Some(sender), "id_1", "made.up");
            let event = Unsigned {
                id: "id_1",
                event_type: "made.up",
                at_unix: 1_770_000_000,
                body: &body,
            };
            let headers = sender.headers(event, &secret).unwrap();
            let mut headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes()))
                .collect();
            headers.push(("content-type", b"application/json"));
            let request = Request {
                method: "POST",
                url: "http://yard/ingest/src_1",
                headers: &headers,
                body: &body,
            };
            let secrets = [Secret::new("only", secret.clone())];
            let credentials = Credentials {
                secrets: &secrets,
                ..Credentials::default()
            };
            let profile = Profile::builtin(name).unwrap_or_else(|| panic!("no profile {name}"));
            let verdict = profile.verify(&request, &credentials, event.at_unix);
            assert_eq!(verdict, Verdict::Valid { secret: Some(0) }, "{name}");
            if sender != Sender::Github && sender != Sender::Shopify {
                assert_eq!(profile.event_type(&request).as_deref(), Some("made.up"), "{name}");
            }
            assert_eq!(profile.event_id(&request).as_deref(), Some("id_1"), "{name}");
        }
    }

    #[test]
    fn the_published_example_of_github_is_reproduced() {
        // https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
        let event = Unsigned {
            id: "1",
            event_type: "ping",
            at_unix: 0,
            body: b"Hello, World!",
        };
        let headers = Sender::Github
            .headers(event, &"It's a Secret to Everybody".into())
            .unwrap();
        let (_, signature) = headers.last().unwrap();
        assert_eq!(
            signature,
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
