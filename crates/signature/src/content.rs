//! The signed content: what the sender fed to its signing function, rebuilt piece by piece.
//!
//! Most providers sign the body alone or the body after a few header values, so the pieces are
//! handed to the hash one after another and the body is never copied.

use std::borrow::Cow;

use crate::code;
use crate::form;
use crate::reason::Reason;
use crate::request::Request;
use crate::select::Selector;
use crate::template::{Token, tokens};

/// The signed content of a scheme, such as `{sig:t}.{body}`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Content {
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(crate) enum Part {
    Literal(String),
    Body,
    Method,
    Url,
    Secret,
    FormSorted,
    Value(Selector),
    /// Contentful's canonical request.
    Contentful,
    /// Plivo's sorted URL and form.
    PlivoV3,
}

/// The content of one request, but for the secret and the URL, which vary from try to try.
#[derive(Debug)]
pub(crate) struct Resolved<'a> {
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug)]
enum Piece<'a> {
    Bytes(Cow<'a, [u8]>),
    Url,
    Secret,
}

impl Content {
    /// The default: the body as it came.
    pub(crate) fn body() -> Self {
        Self::of(Part::Body)
    }

    /// A content that is one part.
    pub(crate) fn of(part: Part) -> Self {
        Self { parts: vec![part] }
    }

    /// The selectors of this content.
    pub(crate) fn selectors(&self) -> impl Iterator<Item = &Selector> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(selector) => Some(selector),
            _ => None,
        })
    }

    /// The same, to be changed.
    pub(crate) fn selectors_mut(&mut self) -> impl Iterator<Item = &mut Selector> {
        self.parts.iter_mut().filter_map(|part| match part {
            Part::Value(selector) => Some(selector),
            _ => None,
        })
    }

    /// True if trying another URL makes another content.
    pub(crate) fn has_url(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Url))
    }

    /// Looks every value up. `signature` holds the keys of the parsed signature, and
    /// `form_is_signed` is false where a hash of the body stands for the form.
    pub(crate) fn resolve<'a>(
        &'a self,
        request: &Request<'a>,
        signature: &[(&'a str, &'a str)],
        form_is_signed: bool,
    ) -> Result<Resolved<'a>, Reason> {
        let mut pieces = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let piece = match part {
                Part::Literal(text) => Piece::Bytes(Cow::Borrowed(text.as_bytes())),
                Part::Body => Piece::Bytes(Cow::Borrowed(request.body)),
                Part::Method => Piece::Bytes(Cow::Borrowed(request.method.as_bytes())),
                Part::Url => Piece::Url,
                Part::Secret => Piece::Secret,
                Part::FormSorted if form_is_signed => Piece::Bytes(Cow::Owned(form_sorted(request))),
                Part::FormSorted => continue,
                Part::Value(selector) => match selector.find(request, signature)? {
                    Some(value) => Piece::Bytes(value),
                    None if selector.is_optional => continue,
                    None => return Err(Reason::FieldMissing),
                },
                Part::Contentful => Piece::Bytes(Cow::Owned(code::contentful::canonical(request)?)),
                Part::PlivoV3 => Piece::Bytes(Cow::Owned(code::plivo::canonical(request)?)),
            };
            pieces.push(piece);
        }
        Ok(Resolved { pieces })
    }
}

impl Resolved<'_> {
    /// Hands the content to `sink`, in order.
    pub(crate) fn feed(&self, url: &str, secret: &[u8], mut sink: impl FnMut(&[u8])) {
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => sink(bytes),
                Piece::Url => sink(url.as_bytes()),
                Piece::Secret => sink(secret),
            }
        }
    }

    /// The content in one piece, for algorithms that cannot be fed.
    pub(crate) fn joined(&self, url: &str, secret: &[u8]) -> Vec<u8> {
        let mut joined = Vec::new();
        self.feed(url, secret, |bytes| joined.extend_from_slice(bytes));
        joined
    }
}

/// The pairs of the form, sorted and joined, each once: what Twilio and Mandrill append to the URL.
fn form_sorted(request: &Request<'_>) -> Vec<u8> {
    let mut pairs = form::sorted(request.form_body());
    pairs.dedup();
    let mut joined = Vec::new();
    for (key, value) in pairs {
        joined.extend_from_slice(&key);
        joined.extend_from_slice(&value);
    }
    joined
}

impl TryFrom<String> for Content {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = tokens(&text)?.into_iter().map(|token| match token {
            Token::Literal(text) => Ok(Part::Literal(text.to_owned())),
            Token::Placeholder("body") => Ok(Part::Body),
            Token::Placeholder("method") => Ok(Part::Method),
            Token::Placeholder("url") => Ok(Part::Url),
            Token::Placeholder("secret") => Ok(Part::Secret),
            Token::Placeholder("form_sorted") => Ok(Part::FormSorted),
            Token::Placeholder(selector) if selector.contains(':') => Selector::parse(selector).map(Part::Value),
            Token::Placeholder(other) => Err(format!(
                "unknown placeholder `{{{other}}}`; there are {{body}}, {{method}}, {{url}}, {{secret}}, {{form_sorted}} and selectors"
            )),
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            return Err("the content is empty, so any request would match".to_owned());
        }
        Ok(Self { parts })
    }
}
