//! The most likely way out of a refusal: with what the request would have been authentic, and whose it looks like.

use serde::Serialize;
use signature::{Credentials, NearMiss, Profile, Reason, Request, lookalikes};

/// The most providers that are named for their headers alone.
const NAMED: usize = 6;

/// What is likely wrong, and what to do about it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Hint {
    pub(super) found: String,
    pub(super) way_out: String,
}

impl Hint {
    fn new(found: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            way_out: way_out.into(),
        }
    }
}

/// What was asked, and why it was refused.
pub(super) struct Asked<'a> {
    pub(super) profile: &'a Profile,
    /// The built-in profile's name.
    pub(super) provider: Option<&'a str>,
    pub(super) request: &'a Request<'a>,
    /// All that stands in the file behind the headers, where that is more than Content-Length.
    pub(super) beyond: Option<&'a [u8]>,
    pub(super) credentials: &'a Credentials<'a>,
    pub(super) now: i64,
    /// Nothing for what was not refused.
    pub(super) reason: Option<Reason>,
}

/// Looks for the mistake; nothing for a request that is not refused.
pub(super) fn hints(asked: &Asked<'_>) -> Vec<Hint> {
    let Some(reason) = asked.reason else {
        return Vec::new();
    };
    if let Some(hint) = near_miss(asked) {
        return vec![hint];
    }
    let mut hints = other_providers(asked, reason);
    if asked.credentials.secrets.is_empty() {
        hints.push(Hint::new(
            "no secret was given",
            "give the source's with --secret",
        ));
    }
    if hints.is_empty() && reason == Reason::SignatureMismatch {
        hints.extend(unexplained(asked));
    }
    hints
}

fn near_miss(asked: &Asked<'_>) -> Option<Hint> {
    let Asked {
        profile,
        request,
        credentials,
        now,
        ..
    } = asked;
    if let Some(found) = profile.near_miss(request, credentials, *now) {
        return Some(hint_of(&found, None));
    }
    let whole = Request {
        body: asked.beyond?,
        ..**request
    };
    let found = if profile.verify(&whole, credentials, *now).is_valid() {
        NearMiss { changes: Vec::new() }
    } else {
        profile.near_miss(&whole, credentials, *now)?
    };
    Some(hint_of(
        &found,
        Some((
            "all that stands in the file behind its headers",
            "Content-Length is wrong: whatever saved this request, or changed its body on the way, left it as it was",
        )),
    ))
}

fn hint_of(found: &NearMiss, also: Option<(&'static str, &'static str)>) -> Hint {
    let changes = found.changes.iter();
    let changes = changes.map(|change| (change.what.as_str(), change.way_out));
    let (what, mut ways_out): (Vec<&str>, Vec<&str>) = also.into_iter().chain(changes).unzip();
    ways_out.dedup();
    Hint::new(
        format!("the signature matches with {}", what.join(", and ")),
        ways_out.join("; "),
    )
}

fn other_providers(asked: &Asked<'_>, reason: Reason) -> Vec<Hint> {
    let found = lookalikes(asked.request, asked.credentials, reason, asked.now);
    let names = |is_valid: bool| -> Vec<&str> {
        let found = found.iter().filter(|one| one.is_valid == is_valid);
        let names = found.map(|one| one.provider);
        names.filter(|name| Some(*name) != asked.provider).collect()
    };
    let (valid, alike) = (names(true), names(false));
    if !valid.is_empty() {
        return vec![Hint::new(
            format!("it is authentic as a request of {}", valid.join(", or ")),
            "the provider is the wrong one: --provider here, verify.provider in the source",
        )];
    }
    let missed = alike.iter().find_map(|name| {
        let profile = Profile::builtin(name)?;
        let found = profile.near_miss(asked.request, asked.credentials, asked.now)?;
        Some((*name, hint_of(&found, None)))
    });
    if let Some((name, Hint { found, way_out })) = missed {
        return vec![Hint::new(
            format!("as a request of {name}, {found}"),
            format!("the provider is the wrong one; {way_out}"),
        )];
    }
    if alike.is_empty() {
        return Vec::new();
    }
    let (first, others) = alike.split_at(alike.len().min(NAMED));
    let more = match others.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    vec![Hint::new(
        format!("it carries what requests of {}{more} carry", first.join(", ")),
        "is the provider the right one?",
    )]
}

/// What is left when nothing that can be tried matches.
fn unexplained(asked: &Asked<'_>) -> Vec<Hint> {
    let mut hints = Vec::new();
    let header = |name: &str| {
        asked
            .request
            .headers
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    if header("content-encoding") {
        hints.push(Hint::new(
            "the body is compressed (Content-Encoding)",
            "senders sign it before they compress it: save the request as it was before",
        ));
    }
    if asked.profile.signs_url() {
        hints.push(Hint::new(
            format!(
                "this sender signs the URL, and {} may not be the one it has",
                asked.request.url
            ),
            "give the sender's with --url; a source takes gateway.public_url, never the Host header",
        ));
    }
    hints.push(Hint::new(
        "the secret is another one: it, the body, the URL and the scheme were tried in other forms, and none matches",
        "compare it with the sender's, and mind test and live modes, and one secret for each endpoint",
    ));
    hints
}
