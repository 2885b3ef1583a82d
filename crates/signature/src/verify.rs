//! One request against one scheme: collect, cut, decode, check the clock, compare. The order is
//! part of the contract, since the first step that fails names the reason.

use std::borrow::Cow;

use ring::digest::{SHA256, digest};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, is_equal};
use crate::clock::Unit;
use crate::content::{Content, Resolved};
use crate::decode::Encoding;
use crate::field::SignatureField;
use crate::key::{KeyRule, Secret};
use crate::reason::Reason;
use crate::request::Request;
use crate::select::{HeaderName, Selector, header_value};
use crate::trail::{Trail, shown};
use crate::url::Variant;

/// What a source brings to a verification.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The secrets, any of which may match.
    pub secrets: &'a [Secret],
    /// The token that a handshake must show (Meta, Strava, eBay).
    pub verify_token: Option<&'a SecretString>,
    /// The document at [`Profile::key_url`](crate::Profile::key_url), fetched by the caller.
    pub fetched_key: Option<&'a str>,
}

/// Whether a request is authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Valid {
        /// The index of the secret that matched. `None` where a fetched key decided alone.
        secret: Option<usize>,
    },
    /// It is not.
    Invalid(Reason),
}

impl Verdict {
    /// True for a valid request.
    pub const fn is_valid(self) -> bool {
        matches!(self, Self::Valid { .. })
    }

    /// The reason of an invalid one.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Valid { .. } => None,
            Self::Invalid(reason) => Some(reason),
        }
    }
}

impl From<Result<Option<usize>, Reason>> for Verdict {
    fn from(result: Result<Option<usize>, Reason>) -> Self {
        match result {
            Ok(secret) => Self::Valid { secret },
            Err(reason) => Self::Invalid(reason),
        }
    }
}

/// One verification in progress.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) credentials: &'a Credentials<'a>,
    pub(crate) now_ms: i64,
    pub(crate) trail: Trail,
}

/// A compiled scheme.
#[derive(Debug, Clone)]
pub(crate) struct Scheme {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: KeyRule,
    pub(crate) content: Content,
    pub(crate) url_variants: Vec<Variant>,
    pub(crate) body_hash: Option<BodyHash>,
    pub(crate) signature: SignatureField,
    pub(crate) timestamp: Option<TimestampRule>,
    pub(crate) required: Vec<(Selector, String)>,
    /// Every header that the scheme reads; none may come twice.
    pub(crate) headers: Vec<HeaderName>,
}

/// A hash of the body that stands in a part of the request that is signed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyHash {
    pub(crate) from: Selector,
    #[serde(default, rename = "hash")]
    _hash: HashName,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HashName {
    #[default]
    Sha256,
}

/// The compiled `timestamp:` of a scheme.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimestampRule {
    pub(crate) from: Selector,
    #[serde(default)]
    unit: Unit,
    /// In seconds, both ways. Without it any time is in order, as long as it is one.
    tolerance: Option<u32>,
}

impl Scheme {
    /// The index of the secret that matched.
    pub(crate) fn verify(&self, check: &mut Check<'_>) -> Result<Option<usize>, Reason> {
        for name in &self.headers {
            header_value(check.request, name)?;
        }
        let written = self
            .signature
            .read(check.request)
            .inspect_err(|reason| self.note_field(check, Err(*reason)))?;
        let parsed = self
            .signature
            .cut(&written)
            .inspect_err(|reason| self.note_field(check, Err(*reason)))?;
        self.note_field(check, Ok(&parsed.candidates));
        let signatures = parsed
            .candidates
            .iter()
            .map(|text| self.algorithm.decode(text, self.signature.encoding));
        let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
        if let Some(timestamp) = &self.timestamp {
            timestamp.check(check, &parsed.keys)?;
        }
        self.check_required(check)?;
        let body_hash = self
            .body_hash
            .as_ref()
            .map(|rule| rule.matches(check.request))
            .transpose()?
            .flatten();
        let content = self
            .content
            .resolve(check.request, &parsed.keys, body_hash.is_none())?;
        if body_hash == Some(false) {
            check.trail.note("body", || {
                "its hash is not the one in the signed part of the request".to_owned()
            });
            return Err(Reason::SignatureMismatch);
        }
        self.compare(check, &content, signatures).map(Some)
    }

    fn note_field(&self, check: &mut Check<'_>, found: Result<&[&str], Reason>) {
        let is_secret = self.algorithm.reveals_the_secret();
        check.trail.note("signature", || {
            let places: Vec<_> = self.signature.from.iter().map(ToString::to_string).collect();
            let texts = found.map(|texts| {
                let shown = texts.iter().map(|text| {
                    if is_secret {
                        format!("{} characters", text.chars().count())
                    } else {
                        shown(text.as_bytes())
                    }
                });
                shown.collect::<Vec<_>>().join(" and ")
            });
            let texts = texts.unwrap_or_else(|reason| reason.to_string());
            format!("{}: {texts}", places.join(", "))
        });
    }

    fn check_required(&self, check: &mut Check<'_>) -> Result<(), Reason> {
        for (selector, wanted) in &self.required {
            let found = selector.find(check.request, &[])?;
            if found.as_deref() != Some(wanted.as_bytes()) {
                check.trail.note("required", || match &found {
                    Some(other) => format!("{selector} is `{}` and should be `{wanted}`", shown(other)),
                    None => format!("{selector} is absent and should be `{wanted}`"),
                });
                return Err(Reason::FieldMissing);
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        check: &mut Check<'_>,
        content: &Resolved<'_>,
        signatures: Vec<Vec<u8>>,
    ) -> Result<usize, Reason> {
        let wants_every = self.signature.wants_every();
        let urls = self.urls(check.request.url);
        let mut open = signatures;
        if !self.algorithm.reveals_the_secret() {
            let url = check.request.url;
            check
                .trail
                .note("content", || shown(&content.joined(url, b"<secret>")));
        }
        for (index, secret) in check.credentials.secrets.iter().enumerate() {
            let key = match self.key.material(secret) {
                Ok(key) => key,
                Err(cause) => {
                    check.trail.note("compare", || {
                        format!("secret `{}` cannot be a key: {cause}", secret.id)
                    });
                    continue;
                }
            };
            for (variant, url) in &urls {
                let expected = self.algorithm.expected(content, url, &key);
                let is_match = if wants_every {
                    open.retain(|signature| !expected.matches(signature, &key));
                    open.is_empty()
                } else {
                    open.iter().any(|signature| expected.matches(signature, &key))
                };
                check.trail.note("compare", || {
                    let url = if self.content.has_url() {
                        format!(", URL {variant} ({url})")
                    } else {
                        String::new()
                    };
                    let outcome = if is_match { "match" } else { "no match" };
                    let hint = expected.preview(self.signature.encoding).filter(|_| !is_match);
                    let hint = hint
                        .map(|digest| format!(", expected {digest}…"))
                        .unwrap_or_default();
                    format!("secret `{}`{url}: {outcome}{hint}", secret.id)
                });
                if is_match {
                    return Ok(index);
                }
            }
        }
        if check.credentials.secrets.is_empty() {
            check
                .trail
                .note("compare", || "the source has no secret".to_owned());
        }
        Err(Reason::SignatureMismatch)
    }

    /// The URLs to try, each once.
    fn urls<'a>(&self, url: &'a str) -> Vec<(Variant, Cow<'a, str>)> {
        if !self.content.has_url() || self.url_variants.is_empty() {
            return vec![(Variant::AsIs, Cow::Borrowed(url))];
        }
        let mut urls: Vec<(Variant, Cow<'a, str>)> = Vec::with_capacity(self.url_variants.len());
        for variant in &self.url_variants {
            let varied = variant.of(url);
            if urls.iter().all(|(_, known)| *known != varied) {
                urls.push((*variant, varied));
            }
        }
        urls
    }
}

impl BodyHash {
    /// Whether the body has the hash that the request names, if it names one.
    fn matches(&self, request: &Request<'_>) -> Result<Option<bool>, Reason> {
        let Some(text) = self.from.find(request, &[])? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&text).ok();
        let named = text
            .and_then(|text| self.encoding.decode(text))
            .ok_or(Reason::SignatureMalformed)?;
        Ok(Some(is_equal(digest(&SHA256, request.body).as_ref(), &named)))
    }
}

impl TimestampRule {
    /// Milliseconds since 1970, in order.
    pub(crate) fn check(&self, check: &mut Check<'_>, keys: &[(&str, &str)]) -> Result<i64, Reason> {
        let text = self
            .from
            .find(check.request, keys)?
            .ok_or(Reason::TimestampMissing)?;
        let sent_ms = self.unit.parse(&text).inspect_err(|_| {
            check.trail.note("timestamp", || {
                format!("{}: `{}` is not a time", self.from, shown(&text))
            });
        })?;
        let age_ms = check.now_ms.saturating_sub(sent_ms);
        check.trail.note("timestamp", || {
            let size_ms = age_ms.unsigned_abs();
            let age = format!("{}.{:03} s", size_ms / 1000, size_ms % 1000);
            let side = if age_ms < 0 { "ahead of this clock" } else { "old" };
            let limit = self.tolerance.map_or_else(
                || "any age is allowed".to_owned(),
                |limit| format!("at most {limit} s"),
            );
            format!("{}: {}, {age} {side}, {limit}", self.from, shown(&text))
        });
        match self.tolerance {
            Some(limit) if age_ms.unsigned_abs() > u64::from(limit).saturating_mul(1000) => {
                Err(Reason::TimestampOutOfTolerance)
            }
            _ => Ok(sent_ms),
        }
    }
}
