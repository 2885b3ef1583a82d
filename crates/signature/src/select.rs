//! Selectors: the whole language in which a scheme points at a part of a request.
//!
//! `header:Name`, `header:Prefix-*`, `query:name`, `form:name`, `json:/pointer`,
//! `json:first_key_not:name`, `sig:key` (a key inside the parsed signature) and `const:text`.
//! A trailing `?` makes one optional where a missing value would otherwise be refused.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::json::{self, Pointer};
use crate::request::{Repeated, Request, only};

/// A place in a request. Two selectors are the same if they are written the same.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Selector {
    pub(crate) place: Place,
    pub(crate) is_optional: bool,
    written: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Header(HeaderName),
    /// Every header whose name begins so: `DocuSign` sends one per key.
    Headers(String),
    Query(String),
    Form(String),
    Json(Pointer),
    FirstKeyNot(String),
    Signature(String),
    Constant(String),
}

/// A header name and its aliases, in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderName {
    name: String,
    aliases: Vec<String>,
}

impl HeaderName {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Selector {
    /// Reads one selector; the error says what was wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (body, is_optional) = text.strip_suffix('?').map_or((text, false), |body| (body, true));
        let Some((kind, rest)) = body.split_once(':') else {
            return Err(unknown(text));
        };
        if rest.is_empty() && kind != "const" {
            return Err(format!("`{text}` names nothing after the colon"));
        }
        let place = match kind {
            "header" => header(rest)?,
            "query" => Place::Query(rest.to_owned()),
            "form" => Place::Form(rest.to_owned()),
            "json" => match rest.strip_prefix("first_key_not:") {
                Some(key) => Place::FirstKeyNot(key.to_owned()),
                None => Place::Json(
                    Pointer::parse(rest)
                        .ok_or_else(|| format!("the pointer in `{text}` must begin with `/`"))?,
                ),
            },
            "sig" => Place::Signature(rest.to_owned()),
            "const" => Place::Constant(rest.to_owned()),
            _ => return Err(unknown(text)),
        };
        Ok(Self {
            place,
            is_optional,
            written: text.to_owned(),
        })
    }

    /// Lets `alias` stand for `name` wherever this selector names that header.
    pub(crate) fn also_known_as(&mut self, alias: &str, name: &str) {
        if let Place::Header(header) = &mut self.place
            && header.name.eq_ignore_ascii_case(name)
        {
            header.aliases.push(alias.to_owned());
        }
    }

    /// Whether this is the header of that name, or a header that begins so.
    pub(crate) fn is_header(&self, name: &str) -> bool {
        match &self.place {
            Place::Header(header) => header.is(name),
            Place::Headers(prefix) => begins_with(name, prefix),
            _ => false,
        }
    }

    /// The one value here, if it is not empty. `signature` holds the keys of the parsed signature.
    pub(crate) fn find<'a>(
        &self,
        request: &Request<'a>,
        signature: &[(&'a str, &'a str)],
    ) -> Result<Option<Cow<'a, [u8]>>, Repeated> {
        let found = match &self.place {
            Place::Header(name) => header_value(request, name)?.map(Cow::Borrowed),
            Place::Headers(prefix) => {
                let values = request.headers_where(|name| begins_with(name, prefix));
                only(values.map(|(_, value)| value))?.map(Cow::Borrowed)
            }
            Place::Query(name) => request.query(name)?,
            Place::Form(name) => request.form(name)?,
            Place::Json(pointer) => pointer.find_one(request.body).map(into_bytes),
            Place::FirstKeyNot(known) => json::first_key_not(request.body, known).map(into_bytes),
            Place::Signature(key) => signature
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| Cow::Borrowed(value.as_bytes())),
            Place::Constant(text) => Some(Cow::Owned(text.clone().into_bytes())),
        };
        Ok(found.filter(|value| !value.is_empty()))
    }

    /// Whether a JSON array without elements is here, which is no value for [`Self::find`].
    pub(crate) fn is_empty_array(&self, request: &Request<'_>) -> bool {
        matches!(&self.place, Place::Json(pointer) if pointer.is_empty_array(request.body))
    }
}

/// The value of the one header that goes by this name or an alias of it.
pub(crate) fn header_value<'a>(
    request: &Request<'a>,
    name: &HeaderName,
) -> Result<Option<&'a [u8]>, Repeated> {
    only(
        request
            .headers_where(|other| name.is(other))
            .map(|(_, value)| value),
    )
}

/// True if `name` begins with `prefix`, without regard to case.
pub(crate) fn begins_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn into_bytes<'a>(text: String) -> Cow<'a, [u8]> {
    Cow::Owned(text.into_bytes())
}

fn header(name: &str) -> Result<Place, String> {
    let (name, is_prefix) = name
        .strip_suffix('*')
        .map_or((name, false), |prefix| (prefix, true));
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("`{name}` is not a header name"));
    }
    Ok(if is_prefix {
        Place::Headers(name.to_owned())
    } else {
        Place::Header(HeaderName {
            name: name.to_owned(),
            aliases: Vec::new(),
        })
    })
}

fn unknown(text: &str) -> String {
    format!(
        "`{text}` is not a selector; write header:NAME, query:NAME, form:NAME, json:/POINTER, sig:KEY or const:TEXT"
    )
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Selector {}

impl PartialOrd for Selector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Selector {
    fn cmp(&self, other: &Self) -> Ordering {
        self.written.cmp(&other.written)
    }
}

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// One selector or several, as people write them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selectors(pub(crate) Vec<Selector>);

impl<'de> Deserialize<'de> for Selectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Selectors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a selector such as header:X-Signature, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Selectors, E> {
                Selector::parse(text)
                    .map(|one| Selectors(vec![one]))
                    .map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Selectors, A::Error> {
                let mut many = Vec::new();
                while let Some(selector) = seq.next_element()? {
                    many.push(selector);
                }
                Ok(Selectors(many))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}
