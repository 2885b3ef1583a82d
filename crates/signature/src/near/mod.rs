//! Near misses: what would have to be different for a refused request to be authentic.
//!
//! # Motivation
//!
//! "The signature does not match" is true of a hundred mistakes. Most of them can be tried: a secret with a blank behind
//! it, a body that something formatted, a URL as the proxy sees it. If the signature matches then, that is the mistake.
//!
//! # Theory of operation
//!
//! There are lists of alternatives to the body, the URL, the headers, the secrets and the scheme. The request is verified
//! with each of them, then with each two of them together, by the same verifier and at the time that the request names;
//! the first that is authentic wins. A MAC cannot match by accident, so there are no false alarms.
//!
//! Only for people who look at a request that was refused: whoever could ask from outside would get a verifier that
//! accepts more than it should.

mod body;
mod scheme;
mod secret;
mod url;

use std::borrow::Cow;

use serde::Serialize;

use crate::catalogue;
use crate::handshake::Handshake;
use crate::key::Secret;
use crate::profile::{Profile, Verifier};
use crate::request::Request;
use crate::verdict::{Credentials, Verdict};
use crate::{Reason, builtin_names};

/// A clock that is wrong by more than this (a hundred years) is a timestamp in another unit.
const NO_CLOCK: i64 = 3_155_760_000;

/// What would have to be different, all of it at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// At most two, and the clock.
    pub changes: Vec<Change>,
}

/// One thing that would have to be different. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What matches instead: `the body without its final line break`.
    pub what: String,
    /// What to do about it.
    pub way_out: &'static str,
}

/// Another provider whose request this may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lookalike {
    /// Its built-in profile.
    pub provider: &'static str,
    /// Whether the request is authentic there, with the same secrets.
    pub is_valid: bool,
}

/// An alternative to a part of the verification; the first of each list is the part as it is.
struct Alternative<T> {
    change: Option<Change>,
    value: T,
}

impl<T> Alternative<T> {
    fn as_it_is(value: T) -> Self {
        Self { change: None, value }
    }

    fn new(value: T, what: impl Into<String>, way_out: &'static str) -> Self {
        let what = what.into();
        Self {
            change: Some(Change { what, way_out }),
            value,
        }
    }
}

type Headers<'a> = Vec<(Cow<'a, str>, &'a [u8])>;

/// All alternatives.
struct Field<'a> {
    profiles: Vec<Alternative<Cow<'a, Profile>>>,
    secrets: Vec<Alternative<Cow<'a, [Secret]>>>,
    urls: Vec<Alternative<Cow<'a, str>>>,
    headers: Vec<Alternative<Headers<'a>>>,
    bodies: Vec<Alternative<Cow<'a, [u8]>>>,
}

impl Profile {
    /// The smallest change with which a refused request would be authentic, if there is one; nothing for an authentic one.
    pub fn near_miss(
        &self,
        request: &Request<'_>,
        credentials: &Credentials<'_>,
        now_unix: i64,
    ) -> Option<NearMiss> {
        if self.verify(request, credentials, now_unix).is_valid() {
            return None;
        }
        let field = Field {
            profiles: scheme::alternatives(self),
            secrets: secret::alternatives(credentials.secrets),
            urls: url::alternatives(self, request),
            headers: headers(request),
            bodies: body::alternatives(request.body),
        };
        (0..=2).find_map(|changes| field.search(changes, request, credentials, now_unix))
    }

    /// When the request says that it was sent, in seconds since 1970.
    pub fn sent_at(&self, request: &Request<'_>) -> Option<i64> {
        let Verifier::Scheme(scheme) = &self.verifier else {
            return None;
        };
        let rule = scheme.timestamp.as_ref()?;
        let written = scheme.signature.read(request).ok()?;
        let parsed = scheme.signature.cut(&written).ok()?;
        let text = rule.from.find(request, &parsed.keys).ok()??;
        Some(rule.unit.parse(&text).ok()? / 1000)
    }
}

impl Field<'_> {
    /// The first combination of so many changes that is authentic.
    fn search(
        &self,
        changes: usize,
        request: &Request<'_>,
        credentials: &Credentials<'_>,
        now: i64,
    ) -> Option<NearMiss> {
        for profile in &self.profiles {
            for secrets in &self.secrets {
                for url in &self.urls {
                    for headers in &self.headers {
                        for body in &self.bodies {
                            let made = [
                                &profile.change,
                                &secrets.change,
                                &url.change,
                                &headers.change,
                                &body.change,
                            ];
                            if made.iter().filter(|change| change.is_some()).count() != changes {
                                continue;
                            }
                            let headers: Vec<(&str, &[u8])> = headers
                                .value
                                .iter()
                                .map(|(name, value)| (name.as_ref(), *value))
                                .collect();
                            let request = Request {
                                method: request.method,
                                url: &url.value,
                                headers: &headers,
                                body: &body.value,
                            };
                            let credentials = Credentials {
                                secrets: &secrets.value,
                                ..*credentials
                            };
                            if let Some(clock) = authentic(&profile.value, &request, &credentials, now) {
                                let made = made.into_iter().flatten().cloned();
                                return Some(NearMiss {
                                    changes: made.chain(clock).collect(),
                                });
                            }
                        }
                    }
                }
            }
        }
        None
    }
}

/// Whether a request is authentic at the time that it names, and the change to the clock that this takes.
#[expect(clippy::option_option, reason = "authentic, and then perhaps late")]
fn authentic(
    profile: &Profile,
    request: &Request<'_>,
    credentials: &Credentials<'_>,
    now: i64,
) -> Option<Option<Change>> {
    let sent = profile.sent_at(request);
    let at = sent
        .filter(|sent| now.abs_diff(*sent) < NO_CLOCK.unsigned_abs())
        .unwrap_or(now);
    if !profile.verify(request, credentials, at).is_valid() {
        return None;
    }
    if profile.verify(request, credentials, now).is_valid() {
        return Some(None);
    }
    let age = now.saturating_sub(at);
    let side = if age < 0 { "ahead" } else { "behind" };
    Some(Some(Change {
        what: format!("a clock that is {} s {side}", age.unsigned_abs()),
        way_out: "set the clocks right; or this is an old request, and --at takes the time when it came",
    }))
}

/// The other built-in profiles that this request fits: those for which it is authentic first, then those whose headers it
/// carries, where `reason` says that it does not carry this profile's.
pub fn lookalikes(
    request: &Request<'_>,
    credentials: &Credentials<'_>,
    reason: Reason,
    now_unix: i64,
) -> Vec<Lookalike> {
    let is_elsewhere = matches!(
        reason,
        Reason::SignatureMissing
            | Reason::SignatureMalformed
            | Reason::TimestampMissing
            | Reason::TimestampMalformed
            | Reason::FieldMissing
    );
    let found = builtin_names().filter_map(|provider| {
        let profile = catalogue::profile(provider)?;
        let at = profile.sent_at(request).unwrap_or(now_unix);
        let is_valid = match profile.verify(request, credentials, at) {
            Verdict::Valid { .. } => true,
            Verdict::Invalid(Reason::SignatureMismatch) if is_elsewhere => false,
            Verdict::Invalid(_) if is_elsewhere => {
                let shaken = profile.unsigned_handshake(request, credentials);
                return matches!(shaken, Some(Handshake::Answer(_))).then_some(Lookalike {
                    provider,
                    is_valid: false,
                });
            }
            Verdict::Invalid(_) => return None,
        };
        Some(Lookalike { provider, is_valid })
    });
    let mut found: Vec<Lookalike> = found.collect();
    found.sort_by_key(|lookalike| !lookalike.is_valid);
    found
}

/// The headers as they are, each once where some came twice, and with the names that logs and CGI make of them:
/// `HTTP_X_HUB_SIGNATURE` for `X-Hub-Signature`.
fn headers<'a>(request: &Request<'a>) -> Vec<Alternative<Headers<'a>>> {
    let as_they_are: Headers<'a> = request
        .headers
        .iter()
        .map(|(name, value)| (Cow::Borrowed(*name), *value))
        .collect();
    let first = |kept: &Headers<'a>, (name, value): &(Cow<'a, str>, &'a [u8])| {
        let is_new = kept.iter().all(|(known, _)| !known.eq_ignore_ascii_case(name));
        is_new.then(|| (name.clone(), *value))
    };
    let once = |headers: &mut dyn Iterator<Item = &(Cow<'a, str>, &'a [u8])>| {
        headers.fold(Vec::new(), |mut kept, header| {
            kept.extend(first(&kept, header));
            kept
        })
    };
    let (firsts, lasts) = (once(&mut as_they_are.iter()), once(&mut as_they_are.iter().rev()));
    let is_repeated = firsts.len() < as_they_are.len();
    let mut all = vec![Alternative::as_it_is(as_they_are)];
    if is_repeated {
        let way_out = "a proxy adds headers that are there already: each must reach the source exactly once";
        all.push(Alternative::new(
            firsts,
            "only the first of each repeated header",
            way_out,
        ));
        all.push(Alternative::new(
            lasts,
            "only the last of each repeated header",
            way_out,
        ));
    }
    if request.headers.iter().any(|(name, _)| name.contains('_')) {
        let named = request.headers.iter().map(|(name, value)| {
            let name = name.strip_prefix("HTTP_").unwrap_or(name).replace('_', "-");
            (Cow::Owned(name), *value)
        });
        all.push(Alternative::new(
            named.collect(),
            "the headers with `-` for `_` in their names",
            "the request was copied from a log or a CGI environment; a proxy that renames headers so breaks them",
        ));
    }
    all
}
