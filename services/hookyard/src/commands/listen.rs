//! `hookyard listen`: new events on this machine, each posted to a local server as it came.
//!
//! For whoever writes a receiver: no tunnel and no endpoint is needed, since the events are asked for. They are posted one
//! after the other, in the order in which they came, and whatever the local server makes of one, the next one follows. The
//! platform's own deliveries go their way besides.

use super::watch::{BREATH, Reach, Seen};
use crate::api::{self, Api, Event};
use crate::arguments::Listen;
use crate::screen::{BAD, DIM, GOOD, Screen, WARN, plain, styled};
use crate::story;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Instant;

/// What the request to the local server has of its own (RFC 9110 §7.6.1), and what was undone when the event was recorded.
const NOT_KEPT: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What the event is called, to the local server as to every receiver.
const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");

pub(crate) async fn run(listen: Listen, screen: Screen) -> anyhow::Result<()> {
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
        failed = follow(listen, screen) => failed,
    }
}

async fn follow(listen: Listen, screen: Screen) -> anyhow::Result<()> {
    let api = Api::new(&listen.connection)?;
    let every = listen.every.max(BREATH);
    let mut listener = Listener {
        seen: Seen::of(listen.source.clone()),
        local: api::client()?,
        waiting: VecDeque::new(),
        listen,
    };
    // What came before is nobody's wish.
    listener.seen.look(&api).await?;
    let whereto = match &listener.listen.forward_to {
        Some(url) => format!("posting new events of {} to {url}", api.origin()),
        None => format!("waiting for events at {}", api.origin()),
    };
    screen.note(format_args!("{whereto} (stop with Ctrl-C)"));
    let mut reach = Reach::default();
    loop {
        tokio::time::sleep(every).await;
        reach.bear(listener.once(&api, screen).await, screen)?;
    }
}

struct Listener {
    listen: Listen,
    seen: Seen,
    local: reqwest::Client,
    /// Seen and not told yet: their turn is kept while the server is away.
    waiting: VecDeque<Event>,
}

impl Listener {
    async fn once(&mut self, api: &Api, screen: Screen) -> anyhow::Result<()> {
        let fresh = self.seen.look(api).await?;
        let pattern = self.listen.event_type.as_ref();
        let is_meant =
            |event: &Event| pattern.is_none_or(|pattern| pattern.matches(event.event_type.as_deref()));
        self.waiting.extend(fresh.into_iter().filter(is_meant));
        while let Some(event) = self.waiting.front() {
            match api.get::<Event>(&["events", &event.id], &[]).await {
                Ok(whole) => self.tell(whole, screen).await?,
                // It expired meanwhile.
                Err(api::Error::Refused { status, .. }) if status == reqwest::StatusCode::NOT_FOUND => {
                    screen.note(styled(WARN, format_args!("{} is gone", plain(&event.id))));
                }
                Err(error) => return Err(error.into()),
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    async fn tell(&self, event: Event, screen: Screen) -> anyhow::Result<()> {
        let Some(url) = &self.listen.forward_to else {
            let text = |line: &Line<'_>| story::headline(line.event) + &story::contents(line.event);
            let line = Line {
                event: &event,
                forwarded: None,
            };
            return Ok(screen.stream(&line, text)?);
        };
        let forwarded = forward(&self.local, url, &event).await?;
        // What was sent is the local server's to show.
        let event = Event {
            headers: None,
            body: None,
            body_encoding: None,
            ..event
        };
        let line = Line {
            event: &event,
            forwarded: Some(forwarded),
        };
        Ok(screen.stream(&line, Line::text)?)
    }
}

/// Posts an event as it came; whatever becomes of that is told and no error.
async fn forward(local: &reqwest::Client, url: &Url, event: &Event) -> anyhow::Result<Forwarded> {
    let body = body_of(event)?;
    let began = Instant::now();
    let answer = local
        .post(url.clone())
        .headers(headers_of(event))
        .body(body)
        .send()
        .await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, error) = match answer {
        Ok(answer) => (Some(answer.status().as_u16()), None),
        Err(error) => {
            let error = anyhow::Error::from(error.without_url());
            (None, Some(format!("{error:#}")))
        }
    };
    Ok(Forwarded {
        status,
        took_ms,
        error,
    })
}

fn body_of(event: &Event) -> anyhow::Result<Vec<u8>> {
    let body = event.body.as_deref().unwrap_or_default();
    if event.body_encoding.as_deref() == Some("base64") {
        return STANDARD
            .decode(body)
            .with_context(|| format!("the body of {} is no base64", plain(&event.id)));
    }
    Ok(body.as_bytes().to_vec())
}

/// The sender's headers, each as often as it came.
fn headers_of(event: &Event) -> HeaderMap {
    let mut headers: HeaderMap = event
        .headers
        .iter()
        .flatten()
        .filter(|(name, _)| !NOT_KEPT.iter().any(|gone| name.eq_ignore_ascii_case(gone)))
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
        .collect();
    if let Ok(id) = HeaderValue::from_str(&event.id) {
        // In the place of the sender's own, if it sent one.
        headers.insert(ID_HEADER, id);
    }
    headers
}

/// One event, and what the local server made of it.
#[derive(Serialize)]
struct Line<'a> {
    event: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<Forwarded>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Forwarded {
    /// None where there was no answer.
    status: Option<u16>,
    took_ms: u64,
    error: Option<String>,
}

impl Line<'_> {
    fn text(&self) -> String {
        let mut text = story::headline(self.event);
        if let Some(forwarded) = &self.forwarded {
            text.push_str(&forwarded.text());
        }
        text
    }
}

impl Forwarded {
    fn text(&self) -> String {
        let took = styled(DIM, format_args!("in {} ms", self.took_ms));
        match (self.status, &self.error) {
            (Some(status), _) => {
                let style = if (200..300).contains(&status) { GOOD } else { BAD };
                format!(" → {} {took}", styled(style, status))
            }
            (None, error) => {
                let error = plain(error.as_deref().unwrap_or("no answer"));
                format!(" → {} {took}", styled(BAD, error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(body: &str, encoding: Option<&str>) -> Event {
        let headers = [
            ("Host", "yard"),
            ("Content-Length", "3"),
            ("Content-Encoding", "gzip"),
            ("Content-Type", "application/x-special"),
            ("Webhook-Id", "the sender's"),
            ("X-A", "1"),
            ("x-a", "2"),
            ("bad name", "x"),
        ];
        let event = json!({
            "id": "msg_1", "source": "shop", "type": null, "status": "routed", "verified": null, "receivedAt": "",
            "headers": headers, "body": body, "bodyEncoding": encoding,
        });
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn a_request_has_the_senders_headers_but_for_those_of_the_connection() {
        let headers = headers_of(&event("{}", None));
        let shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(
            shown,
            [
                "content-type: application/x-special",
                "webhook-id: msg_1",
                "x-a: 1",
                "x-a: 2"
            ]
        );
    }

    #[test]
    fn a_body_that_is_no_text_is_posted_as_it_came() {
        assert_eq!(body_of(&event("{\"a\":1.00}", None)).unwrap(), b"{\"a\":1.00}");
        assert_eq!(body_of(&event("//4A", Some("base64"))).unwrap(), b"\xff\xfe\0");
        assert!(body_of(&event("!", Some("base64"))).is_err());
    }
}
