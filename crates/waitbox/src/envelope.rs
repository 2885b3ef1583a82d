//! An event of the ledger as a CloudEvent: what correlations look at, and what a run is told.
//!
//! An event that a playbook emitted is kept as HTTP's binary mode has it (CloudEvents 1.0, *HTTP protocol binding*): its
//! data is the body, its attributes are headers `ce-…`. So receivers get its data, and nothing of it is lost.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use wire::{EventId, Instant};

/// The method of events that a playbook emitted: no request has it.
pub const EMITTED: &str = "EMIT";

/// An event that was emitted by a run, which was started by an emitted event, and so on, this often, is quarantined: a
/// playbook must not go on for ever by its own events.
pub const LAST_GENERATION: i32 = 16;

/// The extension that counts how many runs an event descends from.
const GENERATION: &str = "hookyardgeneration";

const PREFIX: &str = "ce-";

/// Attributes that the ledger has columns for.
const KEPT_ELSEWHERE: [&str; 4] = ["specversion", "type", "datacontenttype", "data"];

/// An event, as far as the waitbox must know it.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'e> {
    /// `msg_…`.
    pub id: EventId,
    /// The slug of its source.
    pub source: Option<&'e str>,
    /// Its type.
    pub event_type: Option<&'e str>,
    /// When it was recorded.
    pub received_at: Instant,
    /// The request's method, or [`EMITTED`].
    pub method: &'e str,
    /// `[["name","value"],…]` as JSON.
    pub headers: &'e [u8],
    /// What the body is.
    pub content_type: Option<&'e str>,
    /// The exact bytes.
    pub body: &'e Bytes,
}

impl Incoming<'_> {
    /// What `source` is in its envelope: the slug of the source, what the emitting playbook says, or `/` of an event that
    /// came in by no source.
    pub fn source(&self) -> String {
        match (self.source, self.method == EMITTED) {
            (Some(slug), _) => slug.to_owned(),
            (None, true) => self
                .attributes()
                .find_map(|(name, value)| (name == "source").then_some(value))
                .unwrap_or_else(|| "/".to_owned()),
            (None, false) => "/".to_owned(),
        }
    }

    /// Its data as JSON: the body, or that as a text, or its base64 where it is neither.
    pub fn data(&self) -> Bytes {
        if is_json(self.body) {
            return self.body.clone();
        }
        Bytes::from(self.text().to_string())
    }

    /// The envelope as JSON, with the data as it stands in the body.
    pub fn envelope_text(&self) -> Bytes {
        let mut text = Value::Object(self.head()).to_string();
        // An object that is not empty ends with its brace.
        text.pop();
        text.push_str(",\"data\":");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.data());
        bytes.push(b'}');
        bytes.into()
    }

    /// The envelope for a run. Data that is nested deeper than a run can hold is a text.
    pub fn envelope(&self) -> Value {
        let data = serde_json::from_slice(self.body).unwrap_or_else(|_| self.text());
        let mut envelope = self.head();
        envelope.insert("data".to_owned(), data);
        Value::Object(envelope)
    }

    /// All but the data.
    fn head(&self) -> Map<String, Value> {
        let mut head = Map::new();
        if self.method == EMITTED {
            let own = self
                .attributes()
                .map(|(name, value)| (name, Value::String(value)));
            head.extend(own);
        }
        head.insert("specversion".to_owned(), json!("1.0"));
        head.insert("id".to_owned(), json!(self.id.to_string()));
        head.insert("source".to_owned(), json!(self.source()));
        if let Some(event_type) = self.event_type {
            head.insert("type".to_owned(), json!(event_type));
        }
        head.entry("time").or_insert_with(|| json!(self.received_at));
        if let Some(content_type) = self.content_type {
            head.insert("datacontenttype".to_owned(), json!(content_type));
        }
        head
    }

    fn text(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        match std::str::from_utf8(self.body) {
            Ok(text) => text.into(),
            Err(_) => STANDARD.encode(self.body).into(),
        }
    }

    fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        let headers: Vec<(String, String)> = serde_json::from_slice(self.headers).unwrap_or_default();
        headers.into_iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX)?;
            (!KEPT_ELSEWHERE.contains(&name)).then(|| (name.to_owned(), value))
        })
    }
}

/// How many runs an event descends from: none, unless a playbook emitted it.
pub fn generation(method: &str, headers: &[u8]) -> i32 {
    if method != EMITTED {
        return 0;
    }
    let headers: Vec<(String, String)> = serde_json::from_slice(headers).unwrap_or_default();
    let counted = headers
        .iter()
        .find(|(name, _)| name.strip_prefix(PREFIX) == Some(GENERATION));
    counted.and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
}

/// The headers of an event that a run of this generation emits.
pub fn attributes(envelope: &Value, generation: i32) -> Bytes {
    let fields = envelope.as_object().into_iter().flatten();
    let mut headers: Vec<(String, String)> = fields
        .filter(|(name, _)| !KEPT_ELSEWHERE.contains(&name.as_str()) && name.as_str() != GENERATION)
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned);
            (format!("{PREFIX}{name}"), text)
        })
        .collect();
    headers.push((
        format!("{PREFIX}{GENERATION}"),
        generation.saturating_add(1).to_string(),
    ));
    Bytes::from(json!(headers).to_string())
}

/// Looks only at the grammar, without recursion and without keeping anything.
fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

    fn id() -> EventId {
        EventId::new(AT, 7)
    }

    fn incoming<'e>(
        source: Option<&'e str>,
        method: &'e str,
        headers: &'e [u8],
        body: &'e Bytes,
    ) -> Incoming<'e> {
        Incoming {
            id: id(),
            source,
            event_type: Some("order.paid"),
            received_at: AT,
            method,
            headers,
            content_type: Some("application/json"),
            body,
        }
    }

    #[test]
    fn an_event_of_a_source_is_a_cloudevent_with_its_body_as_data() {
        let body = Bytes::from_static(br#"{"order": 7.0}"#);
        let headers = br#"[["ce-source","forged"],["ce-id","forged"],["ce-hookyardgeneration","9"]]"#;
        let event = incoming(Some("shop"), "POST", headers, &body);
        let expected = json!({
            "specversion": "1.0", "id": id().to_string(), "source": "shop", "type": "order.paid",
            "time": "2026-09-21T14:13:20.000Z", "datacontenttype": "application/json", "data": {"order": 7.0},
        });
        assert_eq!(event.envelope(), expected);
        let text: Value = serde_json::from_slice(&event.envelope_text()).unwrap();
        assert_eq!(text, expected);
        assert_eq!(
            generation(event.method, event.headers),
            0,
            "a sender may write what he likes"
        );
        assert_eq!(incoming(None, "POST", headers, &body).source(), "/");
    }

    #[test]
    fn an_emitted_event_comes_back_as_it_was_emitted_one_generation_on() {
        let emitted = json!({
            "specversion": "1.0", "id": "abc", "source": "/playbooks/orders", "type": "order.paid", "subject": "é\"7",
            "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json", "data": {"a": 1}, "tenant": "x",
            "hookyardgeneration": "0",
        });
        let headers = attributes(&emitted, 3);
        let body = Bytes::from_static(br#"{"a": 1}"#);
        let event = incoming(None, EMITTED, &headers, &body);
        let mut expected = emitted;
        expected["id"] = json!(id().to_string());
        expected["hookyardgeneration"] = json!("4");
        assert_eq!(event.envelope(), expected);
        assert_eq!(generation(event.method, event.headers), 4);
        assert_eq!(event.source(), "/playbooks/orders");
    }

    #[test]
    fn a_body_that_is_no_json_is_a_text_and_one_that_is_no_text_is_base64() {
        let data = |body: &'static [u8]| {
            let body = Bytes::from_static(body);
            let event = incoming(None, "POST", b"[]", &body);
            let text: Value = serde_json::from_slice(&event.data()).unwrap();
            assert_eq!(text, event.envelope()["data"]);
            text
        };
        assert_eq!(data(b"a=1&b=2"), json!("a=1&b=2"));
        assert_eq!(data(b""), Value::Null);
        assert_eq!(data(b"\xff\xfe"), json!("//4="));
        assert_eq!(data(b" [1] "), json!([1]));
    }

    #[test]
    fn data_that_is_too_deep_for_a_run_is_told_as_a_text() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let body = Bytes::from(deep.clone());
        assert_eq!(
            incoming(None, "POST", b"[]", &body).envelope()["data"],
            json!(deep)
        );
    }
}
