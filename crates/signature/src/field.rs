//! The signature field: where the signatures are written, and how the text is cut into them.

use std::borrow::Cow;

use crate::decode::Encoding;
use crate::reason::Reason;
use crate::request::Request;
use crate::select::{Place, Selector, begins_with};

/// More candidates than any honest rotation has; each costs one hash.
const MAX_CANDIDATES: usize = 8;

/// The compiled `signature:` of a scheme.
#[derive(Debug, Clone)]
pub(crate) struct SignatureField {
    pub(crate) from: Vec<Selector>,
    pub(crate) shape: Shape,
    pub(crate) encoding: Encoding,
}

/// How the text of the field is cut into signatures.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// One signature after a fixed prefix: `sha256=…`.
    Plain { prefix: String },
    /// Keys and values: `t=1,v1=…,v1=…`. All but the signature's key occur at most once.
    KeyValue { separator: String, key: String },
    /// Items that begin alike: `v1,… v1,…`. Others are of versions that we do not know.
    List { separator: String, item: String },
}

/// The texts of the field, before they are cut.
#[derive(Debug)]
pub(crate) struct Written<'a>(Vec<Cow<'a, str>>);

/// The field, cut.
#[derive(Debug, Default)]
pub(crate) struct Parsed<'w> {
    /// The signatures, still as text.
    pub(crate) candidates: Vec<&'w str>,
    /// The other keys, for `sig:` selectors.
    pub(crate) keys: Vec<(&'w str, &'w str)>,
}

impl SignatureField {
    /// True if one selector stands for many values, all of which must match.
    pub(crate) fn wants_every(&self) -> bool {
        self.from
            .iter()
            .any(|selector| matches!(&selector.place, Place::Json(pointer) if pointer.is_many()))
    }

    /// Collects the texts of the field.
    pub(crate) fn read<'a>(&self, request: &Request<'a>) -> Result<Written<'a>, Reason> {
        let mut texts = Vec::new();
        for selector in &self.from {
            match &selector.place {
                Place::Headers(prefix) => texts.extend(numbered_headers(request, prefix)?),
                Place::Json(pointer) if pointer.is_many() => {
                    let values = pointer.find(request.body).into_iter();
                    let every = values.map(|value| value.filter(|text| !text.is_empty()));
                    let mut values = every
                        .collect::<Option<Vec<_>>>()
                        .ok_or(Reason::SignatureMissing)?;
                    values.sort_unstable();
                    values.dedup();
                    texts.extend(values.into_iter().map(|value| Cow::Owned(value.into_bytes())));
                }
                _ => texts.extend(selector.find(request, &[])?),
            }
        }
        texts.retain(|text| !text.is_empty());
        if texts.is_empty() {
            return Err(Reason::SignatureMissing);
        }
        let texts = texts.into_iter().map(|text| match text {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
        });
        texts
            .collect::<Option<Vec<_>>>()
            .map(Written)
            .ok_or(Reason::SignatureMalformed)
    }

    /// Cuts the texts into signatures and keys.
    pub(crate) fn cut<'w>(&self, written: &'w Written<'_>) -> Result<Parsed<'w>, Reason> {
        let mut parsed = Parsed::default();
        for text in &written.0 {
            match &self.shape {
                Shape::Plain { prefix } => {
                    let signature = text
                        .strip_prefix(prefix.as_str())
                        .ok_or(Reason::SignatureMalformed)?;
                    parsed.candidates.push(signature);
                }
                Shape::KeyValue { separator, key } => parsed.add_keys(text, separator, key)?,
                Shape::List { separator, item } => {
                    let items = text.split(separator.as_str()).map(str::trim_ascii);
                    parsed
                        .candidates
                        .extend(items.filter_map(|text| text.strip_prefix(item.as_str())));
                }
            }
        }
        parsed.candidates.retain(|candidate| !candidate.is_empty());
        match parsed.candidates.len() {
            0 => Err(Reason::SignatureMissing),
            1..=MAX_CANDIDATES => Ok(parsed),
            _ => Err(Reason::HeaderDuplicated),
        }
    }
}

impl<'w> Parsed<'w> {
    fn add_keys(&mut self, text: &'w str, separator: &str, signature_key: &str) -> Result<(), Reason> {
        for item in text.split(separator) {
            let Some((key, value)) = item.trim_ascii().split_once('=') else {
                continue;
            };
            if key == signature_key {
                self.candidates.push(value);
            } else if self.keys.iter().any(|(known, _)| *known == key) {
                return Err(Reason::HeaderDuplicated);
            } else {
                self.keys.push((key, value));
            }
        }
        Ok(())
    }
}

/// The values of all headers that begin with `prefix`, each full name once.
fn numbered_headers<'a>(request: &Request<'a>, prefix: &str) -> Result<Vec<Cow<'a, [u8]>>, Reason> {
    let mut names: Vec<&str> = Vec::new();
    let mut values = Vec::new();
    for (name, value) in request.headers_where(|name| begins_with(name, prefix)) {
        if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Reason::HeaderDuplicated);
        }
        names.push(name);
        values.push(Cow::Borrowed(value));
    }
    Ok(values)
}
