//! A test event to a source, through its real door.

use super::body::Document;
use super::{directory, ok, sources};
use crate::access::Opened;
use crate::check::Fields;
use crate::check::value::{self, Refused};
use crate::show::bytes;
use crate::{Console, Error, Problem};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use egress::{Answer, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use signature::{Sender, Unsigned};
use store::{SigningSecret, Source};
use wire::Instant;
use wire::resource::Adapter;

/// What a test event is called unless somebody says otherwise.
const EVENT_TYPE: &str = "test.event";

/// A test event as it is asked for.
#[derive(Debug, Default)]
struct Order {
    headers: Map<String, Value>,
    body: Option<Value>,
    event_type: Option<String>,
    key: Option<String>,
}

/// The door's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relayed {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    /// `base64` where the body is no text.
    body_encoding: Option<&'static str>,
}

/// Sends one and relays what the door answers.
///
/// It is signed with the source's own secret where its provider is one that test events can be signed as; else the door
/// says what is missing.
pub(super) async fn send(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let directory = directory(&console, opened.id()).await?;
    let source = sources::find(&console, &directory, &path.1).await?;
    let read = |fields: &mut Fields<'_>| {
        Some(Order {
            headers: fields.optional("headers", value::object).unwrap_or_default(),
            body: fields.get("body").cloned(),
            event_type: fields.optional("event_type", value::text),
            key: fields.optional("key", value::text),
        })
    };
    let order = body.read_optional(console.checks(), read).await?;
    let test = Test::of(&source, order)?;
    let answer = console.doors().post(&test.path, test.headers, test.body).await?;
    let entry = opened.did("source.test", &source.id).named(&source.spec.slug);
    console.keep(entry.with("status", answer.status.as_u16())).await;
    Ok(ok(Relayed::of(&answer)))
}

/// A request to a source's door.
struct Test {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Test {
    fn of(source: &Source, order: Order) -> Result<Self, Error> {
        let id = order
            .key
            .unwrap_or_else(|| format!("test_{:032x}", rand::random::<u128>()));
        let event_type = order.event_type.as_deref().unwrap_or(EVENT_TYPE);
        let signer = Signer::of(source);
        let body = match order.body {
            None | Some(Value::Null) => signer.example(&id, event_type),
            Some(Value::String(text)) => text.into_bytes(),
            Some(json) => json.to_string().into_bytes(),
        };
        let event = Unsigned {
            id: &id,
            event_type,
            at_unix: Instant::now().unix_seconds(),
            body: &body,
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in signer.headers(event)? {
            insert(&mut headers, name, &value)?;
        }
        for (name, value) in &order.headers {
            let text = value.as_str().ok_or_else(|| bad(name, "must be a text"))?;
            insert(&mut headers, name, text)?;
        }
        let path = match &source.spec.app {
            Some(app) if signer.is_at_app => format!("/api/v1/webhooks/{}", app.id),
            _ => format!("/ingest/{}", source.token.expose_secret()),
        };
        Ok(Self { path, headers, body })
    }
}

/// Who signs a test event for a source, and for which of its doors: the app's where it has nothing but an app.
struct Signer<'a> {
    is_at_app: bool,
    adapter: Option<&'a Adapter>,
    signs: Option<(Sender, &'a SecretString)>,
}

impl<'a> Signer<'a> {
    fn of(source: &'a Source) -> Self {
        let spec = &source.spec;
        let app = spec.app.as_ref().filter(|_| spec.verify.is_none());
        let adapter = app.map(|app| &app.adapter);
        let (sender, secrets) = match adapter {
            None => (
                spec.verify
                    .as_ref()
                    .and_then(|verify| Sender::named(verify.provider.as_deref()?)),
                &source.secrets,
            ),
            Some(Adapter::Slack) => (Some(Sender::Slack), &source.app_secrets.signing),
            // Meta signs as GitHub does.
            Some(Adapter::Whatsapp) => (Some(Sender::Github), &source.app_secrets.signing),
            Some(_) => (None, &source.app_secrets.signing),
        };
        Self {
            is_at_app: app.is_some(),
            adapter,
            signs: sender.zip(newest(secrets)),
        }
    }

    fn example(&self, id: &str, event_type: &str) -> Vec<u8> {
        if self.is_at_app && !matches!(self.adapter, Some(Adapter::Slack)) {
            let message =
                serde_json::json!({"id": id, "sender": {"id": "test"}, "text": "hello", "type": event_type});
            return message.to_string().into_bytes();
        }
        Sender::example(self.signs.map(|(sender, _)| sender), id, event_type)
    }

    fn headers(&self, event: Unsigned<'_>) -> Result<signature::Headers, Error> {
        let Some((sender, secret)) = self.signs else {
            return Ok(Sender::unsigned(event));
        };
        sender
            .headers(event, secret)
            .map_err(|_unfit| Error::State("the source's secret cannot sign a test event"))
    }
}

/// The one that goes on counting longest.
fn newest(secrets: &[SigningSecret]) -> Option<&SecretString> {
    let now = Instant::now();
    let live = secrets.iter().filter(|secret| secret.is_live(now));
    live.max_by_key(|secret| (secret.expires_at.is_none(), secret.created_at))
        .map(|secret| &secret.value)
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Error> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
    let parsed = parsed.zip(HeaderValue::from_str(value).ok());
    let (parsed, value) = parsed.ok_or_else(|| bad(name, "is no header"))?;
    let is_framing = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "expect",
        "upgrade",
        "te",
    ]
    .contains(&parsed.as_str());
    if is_framing {
        return Err(bad(name, "is set by the connection"));
    }
    headers.insert(parsed, value);
    Ok(())
}

fn bad(name: &str, message: &str) -> Error {
    let path = format!("headers.{}", name.chars().take(100).collect::<String>());
    Error::Invalid(vec![Problem::new(path, Refused::new(message).0)])
}

impl Relayed {
    fn of(answer: &Answer) -> Self {
        let (body, body_encoding) = bytes::text(&answer.body);
        let headers = answer.headers.iter();
        Self {
            status: answer.status.as_u16(),
            headers: headers
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    (name.as_str().to_owned(), value.into_owned())
                })
                .collect(),
            body,
            body_encoding,
        }
    }
}
