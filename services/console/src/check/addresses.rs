//! Looking up where things send to, as they are saved: whose name leads to a forbidden address is told so now, and not by
//! the first delivery that is not made.

use super::{Checks, Report, Style};
use crate::{Error, Problem};
use futures_util::{StreamExt as _, stream};
use std::time::Duration;
use store::{Endpoint, Source};
use wire::resource::{Adapter, AuthSpec};

/// Names that are looked up at the same time.
const AT_ONCE: usize = 16;
/// How long a whole file's may take. What is not known by then passes, since every request is checked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// A URL, and the field in which it stands, in `snake_case`.
type Address<'a> = (&'static str, &'a str);

/// Those of an endpoint that are new or changed.
pub(crate) fn of_endpoint<'a>(row: &'a Endpoint, before: Option<&Endpoint>) -> Vec<Address<'a>> {
    let token_url = |row: &'a Endpoint| match &row.spec.auth {
        Some(AuthSpec::Oauth2(client)) => Some(client.token_url.as_str()),
        _ => None,
    };
    let known_token_url = before.and_then(|before| match &before.spec.auth {
        Some(AuthSpec::Oauth2(client)) => Some(client.token_url.as_str()),
        _ => None,
    });
    // An empty one could not be read, which is a problem of its own.
    let is_new = |url: &&str| !url.is_empty() && before.is_none_or(|before| before.spec.url != **url);
    let url = Some(row.spec.url.as_str()).filter(is_new);
    let token_url = token_url(row).filter(|url| known_token_url != Some(*url));
    let url = url.map(|url| ("url", url));
    let token_url = token_url.map(|url| ("auth.oauth2.token_url", url));
    url.into_iter().chain(token_url).collect()
}

/// Those of a source that are new or changed.
pub(crate) fn of_source<'a>(row: &'a Source, before: Option<&Source>) -> Vec<Address<'a>> {
    let Some(url) = adapter(row) else {
        return Vec::new();
    };
    if before.and_then(adapter) == Some(url) {
        return Vec::new();
    }
    vec![("app.adapter", url)]
}

fn adapter(row: &Source) -> Option<&str> {
    match &row.spec.app.as_ref()?.adapter {
        Adapter::External(url) => Some(url),
        Adapter::Slack | Adapter::Whatsapp | Adapter::Telegram | Adapter::Custom => None,
    }
}

/// The same addresses with the path of the thing before their fields.
pub(crate) fn below(path: &str, addresses: Vec<Address<'_>>) -> impl Iterator<Item = (String, String)> {
    let whole = move |(field, url): Address<'_>| (format!("{path}.{field}"), url.to_owned());
    addresses.into_iter().map(whole)
}

/// Looks up the URLs of a thing that is about to be saved through the management API.
pub(crate) async fn check(checks: &Checks, addresses: &[Address<'_>]) -> Result<(), Error> {
    let mut problems = Vec::new();
    for (field, url) in addresses {
        if let Err(error) = checks.look_up(url).await {
            problems.push(Problem::new(Style::Camel.written(field), error.to_string()));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(problems))
    }
}

/// Looks up the URLs of a file, each with its path.
pub(crate) async fn check_all(checks: &Checks, report: &mut Report, addresses: Vec<(String, String)>) {
    let mut refusals = stream::iter(addresses)
        .map(|(path, url)| async move { (path, checks.look_up(&url).await) })
        .buffered(AT_ONCE);
    let until = tokio::time::Instant::now() + PATIENCE;
    while let Ok(Some((path, looked_up))) = tokio::time::timeout_at(until, refusals.next()).await {
        if let Err(error) = looked_up {
            report.refuse(path, error.to_string());
        }
    }
}
