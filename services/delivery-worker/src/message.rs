//! The request that an attempt makes: contract.md, *What a receiver gets*.

use crate::recipients::Recipient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use egress::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use signature::{ID_HEADER, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER};
use store::{Endpoint, Job};
use wire::Instant;
use wire::resource::AuthSpec;
use zeroize::Zeroizing;

/// Stands for a header's value that must not be kept.
const REDACTED: &str = "[redacted]";

/// Names of headers that carry credentials have one of these in them.
const CREDENTIALS: [&str; 9] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "pass",
    "secret",
    "session",
    "signature",
    "token",
];

/// What the receiver gets, and what is kept of it.
#[derive(Debug)]
pub(crate) struct Message {
    /// The headers that are ours.
    pub(crate) headers: HeaderMap,
    /// The headers that the endpoint's owner wants.
    pub(crate) custom_headers: Vec<(String, String)>,
    /// The exact bytes.
    pub(crate) body: Bytes,
    /// All headers as `[["name","value"],…]`, credentials redacted.
    pub(crate) recorded_headers: Bytes,
}

/// What the worker brings to a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Own<'a> {
    /// The attempt's place in the event's trace.
    pub(crate) traceparent: Option<&'a str>,
    /// Who we are.
    pub(crate) user_agent: &'a str,
    /// What was fetched for an endpoint that asks for such.
    pub(crate) token: Option<&'a SecretString>,
}

/// Writes the message of one attempt, made at `at`.
///
/// `keys` are the endpoint's live signing keys; `own` is what the worker brings.
pub(crate) fn compose(
    job: Job,
    recipient: &Recipient,
    keys: &[&SigningKey],
    at: Instant,
    own: Own<'_>,
) -> Message {
    let Own {
        traceparent,
        user_agent,
        token,
    } = own;
    let number = job.number();
    let (body, content_type) = match job.transformed {
        Some(transformed) => (Bytes::from(transformed), Some("application/json")),
        None => (job.body, job.content_type.as_deref()),
    };
    let id = job.event_id.to_string();
    let timestamp = at.unix_seconds();
    let signature = signature::sign(keys.iter().copied(), &id, timestamp, &body);
    let mut headers = HeaderMap::with_capacity(12);
    let mut add = |name: &'static str, value: &str| {
        // What a sender wrote may be no header (a type with a line break in it): the receiver then does without. Letters beyond
        // ASCII go as UTF-8 (RFC 9110 §5.5, obs-text).
        if let Ok(value) = HeaderValue::from_str(value)
            && !value.is_empty()
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    add("content-type", content_type.unwrap_or_default());
    add("user-agent", user_agent);
    add(ID_HEADER, &id);
    add(TIMESTAMP_HEADER, &timestamp.to_string());
    add(SIGNATURE_HEADER, &signature);
    add("x-hookyard-delivery", &job.delivery_id.to_string());
    add("x-hookyard-attempt", &number.to_string());
    add(
        "x-hookyard-event-type",
        job.event_type.as_deref().unwrap_or_default(),
    );
    add("traceparent", traceparent.unwrap_or_default());
    if let Some((name, value)) = credential(&recipient.endpoint, token) {
        headers.insert(name, value);
    }
    let custom = &recipient.endpoint.spec.headers;
    let custom_headers: Vec<(String, String)> = custom
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Message {
        recorded_headers: recorded(&headers, &custom_headers),
        headers,
        custom_headers,
        body,
    }
}

/// The header by which the endpoint's owner knows us, marked as a secret. The console lets in nothing that is no header.
fn credential(endpoint: &Endpoint, token: Option<&SecretString>) -> Option<(HeaderName, HeaderValue)> {
    let secret = endpoint.credential.as_ref()?.expose_secret();
    let (name, value) = match endpoint.spec.auth.as_ref()? {
        AuthSpec::Basic { username } => {
            let pair = Zeroizing::new(format!("{username}:{secret}"));
            let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
            ("authorization", Zeroizing::new(format!("Basic {}", *encoded)))
        }
        AuthSpec::Bearer => ("authorization", Zeroizing::new(format!("Bearer {secret}"))),
        AuthSpec::Header { name } => (name.as_str(), Zeroizing::new(secret.to_owned())),
        AuthSpec::Oauth2(_) => {
            let token = token?.expose_secret();
            ("authorization", Zeroizing::new(format!("Bearer {token}")))
        }
    };
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// The headers of an answer as they are kept.
pub(crate) fn recorded_answer(headers: &HeaderMap) -> Bytes {
    to_json(headers.iter().map(|(name, value)| (name.as_str(), text(value))))
}

/// A custom header replaces ours of the same name.
fn recorded(headers: &HeaderMap, custom: &[(String, String)]) -> Bytes {
    let replaced = |name: &str| custom.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let ours = headers
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)))
        .filter(|(name, _)| !replaced(name));
    let theirs = custom.iter().map(|(name, value)| (name.as_str(), value.clone()));
    to_json(ours.chain(theirs))
}

fn text(value: &HeaderValue) -> String {
    if value.is_sensitive() {
        return REDACTED.to_owned();
    }
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn to_json<'a>(headers: impl Iterator<Item = (&'a str, String)>) -> Bytes {
    let pairs: Vec<(&str, String)> = headers
        .map(|(name, value)| {
            if is_credential(name) {
                (name, REDACTED.to_owned())
            } else {
                (name, value)
            }
        })
        .collect();
    serde_json::to_vec(&pairs)
        .expect("pairs of texts serialise, because they have no keys and no numbers")
        .into()
}

/// An owner may call a credential anything, so this errs on the side of hiding.
fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use store::SigningSecret;
    use uuid::Uuid;
    use wire::resource::{DeliverySpec, EndpointSpec, Oauth2Client};
    use wire::{DeliveryId, EndpointId, EnvironmentId, EventId, WorkspaceId};

    const AT: Instant = Instant::from_unix_micros(1_800_000_000_123_456);
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn job() -> Job {
        Job {
            delivery_id: DeliveryId::new(AT, 1),
            lease: Some(Uuid::from_u128(1)),
            lease_until: None,
            attempts: 0,
            workspace_id: WorkspaceId::from_stored("ws_acme"),
            event_id: EventId::new(AT, 2),
            endpoint_id: EndpointId::from_stored("ep_one"),
            route_id: None,
            event_type: Some("payment.succeeded".to_owned()),
            due_at: Some(AT),
            transformed: None,
            body: Bytes::from_static(b"\x00not json\xff"),
            content_type: Some("text/plain; charset=latin1".to_owned()),
            traceparent: None,
            received_at: AT,
            order_key: None,
        }
    }

    fn recipient(headers: &[(&str, &str)]) -> Recipient {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let endpoint = Endpoint {
            application_id: None,
            credential: None,
            client_key: None,
            id: EndpointId::from_stored("ep_one"),
            workspace_id: WorkspaceId::from_stored("ws_one"),
            environment_id: EnvironmentId::from_stored("env_one"),
            spec: EndpointSpec {
                headers: headers.iter().map(owned).collect::<BTreeMap<_, _>>(),
                ..EndpointSpec::to("https://hooks.example.com/in")
            },
            secrets: vec![SigningSecret {
                id: "one".to_owned(),
                value: SECRET.into(),
                created_at: AT,
                expires_at: None,
            }],
            created_at: AT,
            updated_at: AT,
            deleted_at: None,
        };
        Recipient::of(endpoint, DeliverySpec::default(), AT)
    }

    fn composed(job: Job, recipient: &Recipient) -> Message {
        let keys = recipient.keys_at(AT).unwrap();
        compose(
            job,
            recipient,
            &keys,
            AT,
            Own {
                traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                user_agent: "hookyard/1.2.3",
                token: Some(&"fetched".into()),
            },
        )
    }

    fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
        message.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn a_receiver_gets_the_exact_bytes_with_every_header_of_the_contract() {
        let message = composed(job(), &recipient(&[]));
        assert_eq!(message.body, &b"\x00not json\xff"[..]);
        let event = EventId::new(AT, 2).to_string();
        let delivery = DeliveryId::new(AT, 1).to_string();
        for (name, expected) in [
            ("content-type", "text/plain; charset=latin1"),
            ("user-agent", "hookyard/1.2.3"),
            ("webhook-id", event.as_str()),
            ("webhook-timestamp", "1800000000"),
            ("x-hookyard-delivery", delivery.as_str()),
            ("x-hookyard-attempt", "1"),
            ("x-hookyard-event-type", "payment.succeeded"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ] {
            assert_eq!(header(&message, name), Some(expected), "{name}");
        }
        assert!(header(&message, "webhook-signature").unwrap().starts_with("v1,"));
        assert_eq!(message.headers.len(), 9);
    }

    #[test]
    fn a_transform_is_sent_as_json_instead_of_the_events_bytes() {
        let transformed = Job {
            transformed: Some(br#"{"id":7}"#.to_vec()),
            ..job()
        };
        let message = composed(transformed, &recipient(&[]));
        assert_eq!(message.body, &br#"{"id":7}"#[..]);
        assert_eq!(header(&message, "content-type"), Some("application/json"));
    }

    #[test]
    fn what_cannot_be_a_header_is_left_out() {
        let odd = Job {
            event_type: Some("a\r\nX-Evil: 1".to_owned()),
            content_type: None,
            ..job()
        };
        let message = composed(odd, &recipient(&[]));
        assert_eq!(header(&message, "x-hookyard-event-type"), None);
        assert_eq!(header(&message, "content-type"), None);
        let beyond_ascii = Job {
            event_type: Some("zahlung.überfällig".to_owned()),
            ..job()
        };
        let sent = composed(beyond_ascii, &recipient(&[]));
        assert_eq!(
            sent.headers["x-hookyard-event-type"].as_bytes(),
            "zahlung.überfällig".as_bytes()
        );
        let untyped = Job {
            event_type: None,
            ..job()
        };
        assert_eq!(
            header(&composed(untyped, &recipient(&[])), "x-hookyard-event-type"),
            None
        );
    }

    #[test]
    fn the_attempts_number_is_the_ledgers_count() {
        let third = Job { attempts: 3, ..job() };
        assert_eq!(
            header(&composed(third, &recipient(&[])), "x-hookyard-attempt"),
            Some("3")
        );
    }

    #[test]
    fn recorded_headers_show_what_was_sent_but_no_credentials() {
        let recipient = recipient(&[
            ("X-Team", "pay"),
            ("Authorization", "Bearer hunter2"),
            ("X-Api-Key", "hunter2"),
            ("x-session", "hunter2"),
            ("content-type", "application/vnd.acme+json"),
        ]);
        let message = composed(job(), &recipient);
        let text = String::from_utf8(message.recorded_headers.to_vec()).unwrap();
        let pairs: Vec<(String, String)> = serde_json::from_str(&text).unwrap();
        let value = |name: &str| {
            let found: Vec<&str> = pairs
                .iter()
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!(found.len(), 1, "{name} in {text}");
            found[0]
        };
        assert_eq!(value("x-team"), "pay");
        assert_eq!(value("content-type"), "application/vnd.acme+json");
        assert_eq!(value("webhook-id"), EventId::new(AT, 2).to_string());
        for secret in ["authorization", "x-api-key", "x-session", "webhook-signature"] {
            assert_eq!(value(secret), REDACTED, "{secret}");
        }
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn a_receiver_gets_the_endpoints_credential_and_the_record_does_not() {
        for (auth, secret, name, value) in [
            (
                AuthSpec::Basic {
                    username: "Aladdin".to_owned(),
                },
                "open sesame",
                "authorization",
                // RFC 7617 §2
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            (
                AuthSpec::Basic {
                    username: "ünï".to_owned(),
                },
                "",
                "authorization",
                "Basic w7xuw686",
            ),
            (AuthSpec::Bearer, "hunter2", "authorization", "Bearer hunter2"),
            (
                AuthSpec::Oauth2(Oauth2Client {
                    token_url: "https://auth.example/token".to_owned(),
                    client_id: "shop".to_owned(),
                    scope: None,
                    audience: None,
                }),
                "hunter2",
                "authorization",
                "Bearer fetched",
            ),
            (
                AuthSpec::Header {
                    name: "X-Acme".to_owned(),
                },
                "hunter2",
                "x-acme",
                "hunter2",
            ),
        ] {
            let mut recipient = recipient(&[("X-Team", "pay")]);
            recipient.endpoint.spec.auth = Some(auth);
            recipient.endpoint.credential = Some(secret.into());
            let message = composed(job(), &recipient);
            assert_eq!(header(&message, name), Some(value));
            let recorded: Vec<(String, String)> = serde_json::from_slice(&message.recorded_headers).unwrap();
            assert!(
                recorded.contains(&(name.to_owned(), REDACTED.to_owned())),
                "{recorded:?}"
            );
            assert!(
                recorded.iter().all(|(_, recorded)| recorded != value),
                "{recorded:?}"
            );
        }
    }

    #[test]
    fn an_answers_headers_are_kept_as_they_came_without_cookies() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_bytes(b"\xff").unwrap());
        headers.append("set-cookie", HeaderValue::from_static("session=1"));
        assert_eq!(
            recorded_answer(&headers),
            "[[\"x-a\",\"1\"],[\"x-a\",\"\u{fffd}\"],[\"set-cookie\",\"[redacted]\"]]"
        );
    }
}
