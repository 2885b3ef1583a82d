//! One request against one scheme: collect, cut, decode, check the clock, compare. The order is
//! part of the contract, since the first step that fails names the reason.

use std::borrow::Cow;

use crate::algorithm::Algorithm;
use crate::body_hash::BodyHash;
use crate::clock::TimestampRule;
use crate::content::{Content, Resolved};
use crate::field::SignatureField;
use crate::key::{KeyRule, Secret};
use crate::reason::Reason;
use crate::select::{HeaderName, Selector, header_value};
use crate::trail::shown;
use crate::url::Variant;
use crate::verdict::Check;

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

impl Scheme {
    /// The index of the secret that matched.
    pub(crate) fn verify(&self, check: &mut Check<'_>) -> Result<Option<usize>, Reason> {
        for name in &self.headers {
            header_value(check.request, name).inspect_err(|_| {
                check
                    .trail
                    .note("headers", || format!("{name} came more than once"));
            })?;
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
            .resolve(check.request, &parsed.keys, body_hash.is_none())
            .inspect_err(|_| self.note_absent(check, &parsed.keys))?;
        if body_hash == Some(false) {
            check.trail.note("body", || {
                "its hash is not the one in the signed part of the request".to_owned()
            });
            return Err(Reason::SignatureMismatch);
        }
        self.compare(check, &content, signatures).map(Some)
    }

    /// Refuses a secret that could never match.
    pub(crate) fn check_secret(&self, secret: &Secret) -> Result<(), &'static str> {
        let key = self.key.material(secret)?;
        self.algorithm.check_key(&key)
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

    fn note_absent(&self, check: &mut Check<'_>, keys: &[(&str, &str)]) {
        for selector in self.content.selectors() {
            if let Ok(None) = selector.find(check.request, keys) {
                check
                    .trail
                    .note("content", || format!("{selector} was signed and is absent"));
            }
        }
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
