//! `hookyard send`: a test event through the real door, as a provider would send it.

use crate::api::{self, Api, Source};
use crate::arguments::Send;
use crate::screen::{BAD, GOOD, Screen, plain, styled};
use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde::Serialize;
use signature::Unsigned;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wire::Instant;

/// From this many requests on, a bar shows how far they are.
const MANY: u32 = 20;

pub(crate) async fn run(send: Send, screen: Screen) -> anyhow::Result<ExitCode> {
    let count = send.count;
    let parallel = usize::from(send.parallel);
    let sender = Arc::new(Sender::of(send).await?);
    if count == 1 {
        let answer = sender.send(0).await?;
        screen.show(&answer, Answer::text)?;
        return Ok(exit_code(answer.is_success()));
    }
    let bar = if screen.json || count < MANY {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(count.into())
    };
    let summary = many(&sender, count, parallel, &bar).await;
    bar.finish_and_clear();
    screen.show(&summary, Summary::text)?;
    Ok(exit_code(summary.failed == 0))
}

fn exit_code(is_good: bool) -> ExitCode {
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn many(sender: &Arc<Sender>, count: u32, parallel: usize, bar: &ProgressBar) -> Summary {
    let slots = Arc::new(Semaphore::new(parallel));
    let mut sending = JoinSet::new();
    let mut summary = Summary::default();
    for number in 0..count {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        while let Some(done) = sending.try_join_next() {
            summary.add(done);
            bar.inc(1);
        }
        let sender = Arc::clone(sender);
        sending.spawn(async move {
            let answer = sender.send(number).await;
            drop(slot);
            answer
        });
    }
    while let Some(done) = sending.join_next().await {
        summary.add(done);
        bar.inc(1);
    }
    summary
}

/// Everything that the requests have in common.
struct Sender {
    http: reqwest::Client,
    url: String,
    provider: Option<(signature::Sender, SecretString)>,
    event_type: String,
    id: Option<String>,
    body: Option<Vec<u8>>,
    headers: HeaderMap,
    /// Keeps the ids of one call apart from those of all others.
    call: String,
}

impl Sender {
    async fn of(send: Send) -> anyhow::Result<Self> {
        let Send {
            to,
            provider,
            secret,
            event_type,
            id,
            data,
            headers,
            gateway,
            connection,
            ..
        } = send;
        let provider = match (provider, secret) {
            (Some(provider), Some(secret)) => Some((provider.sender(), SecretString::from(secret))),
            (Some(_), None) => bail!(
                "a signature needs the secret that the source was given: use --secret or set HOOKYARD_SEND_SECRET"
            ),
            (None, Some(_)) => bail!("a secret signs nothing without a provider: say who signs with --as"),
            (None, None) => None,
        };
        let url = if to.starts_with("http://") || to.starts_with("https://") {
            to
        } else {
            let api = Api::new(&connection).with_context(|| {
                format!(
                    "`{}` is no URL, so it must be a source of a workspace",
                    plain(&to)
                )
            })?;
            let source: Source = api.get(&["sources", &to], &[]).await?;
            let gateway = gateway.unwrap_or_else(|| api.origin());
            format!("{}/ingest/{}", gateway.trim_end_matches('/'), source.token)
        };
        Ok(Self {
            http: api::client()?,
            url,
            provider,
            event_type,
            id,
            body: data.map(|data| read(&data)).transpose()?,
            headers: headers
                .iter()
                .map(|header| parse(header))
                .collect::<anyhow::Result<_>>()?,
            call: format!("{:032x}", rand::random::<u128>()),
        })
    }

    async fn send(&self, number: u32) -> anyhow::Result<Answer> {
        let id = self
            .id
            .clone()
            .unwrap_or_else(|| format!("{}-{number}", self.call));
        let provider = self.provider.as_ref().map(|(provider, _)| *provider);
        let body = match &self.body {
            Some(body) => body.clone(),
            None => signature::Sender::example(provider, &id, &self.event_type),
        };
        let event = Unsigned {
            id: &id,
            event_type: &self.event_type,
            at_unix: Instant::now().unix_micros().div_euclid(1_000_000),
            body: &body,
        };
        let signed = match &self.provider {
            Some((provider, secret)) => provider.headers(event, secret)?,
            None => signature::Sender::unsigned(event),
        };
        let mut request = self.http.post(&self.url).header(CONTENT_TYPE, "application/json");
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let answer = request.headers(self.headers.clone()).body(body).send().await;
        // A door's URL holds its token.
        let answer = answer
            .map_err(reqwest::Error::without_url)
            .context("the door did not answer")?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(reqwest::Error::without_url)?;
        Ok(Answer { status, id, body })
    }
}

/// The body itself, or the file's after an `@`.
pub(super) fn read(data: &str) -> anyhow::Result<Vec<u8>> {
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => {
            let mut body = Vec::new();
            std::io::stdin()
                .read_to_end(&mut body)
                .context("standard input cannot be read")?;
            Ok(body)
        }
        Some(file) => std::fs::read(file).with_context(|| format!("{file} cannot be read")),
    }
}

fn parse(header: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let refused = || format!("`{}` is not a header such as `X-Event-Type: push`", plain(header));
    let (name, value) = header.split_once(':').with_context(refused)?;
    let name = name.trim().parse().with_context(refused)?;
    Ok((name, value.trim().parse().with_context(refused)?))
}

/// What the door said.
#[derive(Debug, Serialize)]
struct Answer {
    status: u16,
    /// What the request called its event.
    id: String,
    body: String,
}

impl Answer {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn text(&self) -> String {
        let style = if self.is_success() { GOOD } else { BAD };
        format!("{} {}", styled(style, self.status), plain(&self.body))
    }
}

/// What the door said to many.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// How many of each status.
    statuses: BTreeMap<u16, u32>,
    /// Without an answer, or with one that is not 2xx.
    failed: u32,
    /// The first thing that went wrong.
    first_error: Option<String>,
}

impl Summary {
    fn add(&mut self, done: Result<anyhow::Result<Answer>, tokio::task::JoinError>) {
        let wrong = match done.map_err(anyhow::Error::from).flatten() {
            Ok(answer) => {
                *self.statuses.entry(answer.status).or_default() += 1;
                if answer.is_success() {
                    return;
                }
                answer.text()
            }
            Err(error) => format!("{error:#}"),
        };
        self.failed += 1;
        self.first_error.get_or_insert(wrong);
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .statuses
            .iter()
            .map(|(status, count)| format!("{count} × {status}"))
            .collect();
        if let Some(error) = &self.first_error {
            lines.push(format!("{} failed, the first: {error}", styled(BAD, self.failed)));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let (name, value) = parse("X-Event-Type:  push ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-event-type", "push"));
        for bad in ["", "no colon", ": nameless", "two words: x", "X: a\nb"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
