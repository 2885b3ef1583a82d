//! The written form of a scheme, and what it compiles to.
//!
//! What an operator writes is checked once, here, with a path for every mistake. What comes out
//! cannot be wrong any more: a compiled scheme either verifies a request or names a reason.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::SignatureError;
use crate::algorithm::Algorithm;
use crate::body_hash::BodyHash;
use crate::clock::TimestampRule;
use crate::code::Code;
use crate::code::jwt::JwtRule;
use crate::content::{Content, Part};
use crate::decode::Encoding;
use crate::field::{Shape, SignatureField};
use crate::handshake::HandshakeRule;
use crate::identity::{EventRules, Rule};
use crate::key::KeyRule;
use crate::profile::{Profile, Verifier};
use crate::select::{HeaderName, Place, Selector, Selectors};
use crate::url::Variant;
use crate::verify::Scheme;

/// A scheme as it is written in YAML or JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    algorithm: Option<Algorithm>,
    key: Option<KeyRule>,
    content: Option<Content>,
    #[serde(default)]
    url_variants: Vec<Variant>,
    body_hash: Option<BodyHash>,
    signature: Option<WrittenSignature>,
    timestamp: Option<TimestampRule>,
    #[serde(default)]
    require: BTreeMap<Selector, String>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(default)]
    event: EventRules,
    #[serde(default)]
    handshake: Vec<HandshakeRule>,
    code: Option<WrittenCode>,
    jwt: Option<JwtRule>,
    ack: Option<String>,
}

/// The `code:` of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenCode {
    AwsSns,
    Paypal,
    AdyenPayments,
    Braintree,
    Jwt,
    Contentful,
    PlivoV3,
    Unverifiable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSignature {
    from: Selectors,
    #[serde(default)]
    parse: ParseAs,
    prefix: Option<String>,
    sep: Option<String>,
    key: Option<String>,
    item: Option<String>,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ParseAs {
    #[default]
    Plain,
    Kv,
    List,
}

impl Written {
    /// Checks the parts against each other and compiles them.
    pub(crate) fn compile(mut self) -> Result<Profile, SignatureError> {
        self.spread_aliases();
        let event = std::mem::take(&mut self.event);
        let handshakes = std::mem::take(&mut self.handshake);
        let acknowledgement = self.ack.take();
        let verifier = self.verifier()?;
        Ok(Profile {
            verifier,
            event,
            handshakes,
            acknowledgement,
        })
    }

    fn verifier(self) -> Result<Verifier, SignatureError> {
        if self.jwt.is_some() && self.code != Some(WrittenCode::Jwt) {
            return Err(wrong("jwt", "only goes with `code: jwt`"));
        }
        match self.code {
            None => self.scheme(),
            Some(WrittenCode::Contentful) => self.scheme_with(Part::Contentful),
            Some(WrittenCode::PlivoV3) => self.scheme_with(Part::PlivoV3),
            Some(WrittenCode::Jwt) => {
                let missing = "is missing; `code: jwt` needs `jwt: {from: header:NAME}`";
                let rule = self.only_code()?.jwt.ok_or_else(|| wrong("jwt", missing))?;
                Ok(Verifier::Code(Code::Jwt(Box::new(rule))))
            }
            Some(WrittenCode::AwsSns) => self.only_code().map(|_| Verifier::Code(Code::AwsSns)),
            Some(WrittenCode::Paypal) => self.only_code().map(|_| Verifier::Code(Code::Paypal)),
            Some(WrittenCode::AdyenPayments) => self.only_code().map(|_| Verifier::Code(Code::AdyenPayments)),
            Some(WrittenCode::Braintree) => self.only_code().map(|_| Verifier::Code(Code::Braintree)),
            Some(WrittenCode::Unverifiable) => self.only_code().map(|_| Verifier::Code(Code::Unverifiable)),
        }
    }

    /// A scheme whose content is made by code.
    fn scheme_with(mut self, part: Part) -> Result<Verifier, SignatureError> {
        if self.content.is_some() {
            return Err(wrong("content", "is made by the code"));
        }
        self.content = Some(Content::of(part));
        self.scheme()
    }

    /// Refuses what the code knows by itself.
    fn only_code(self) -> Result<Self, SignatureError> {
        let is_written = [
            ("algorithm", self.algorithm.is_some()),
            ("key", self.key.is_some()),
            ("content", self.content.is_some()),
            ("url_variants", !self.url_variants.is_empty()),
            ("body_hash", self.body_hash.is_some()),
            ("signature", self.signature.is_some()),
            ("timestamp", self.timestamp.is_some()),
            ("require", !self.require.is_empty()),
        ];
        match is_written.into_iter().find(|(_, is_written)| *is_written) {
            Some((field, _)) => Err(wrong(field, "is known to the code and cannot be set beside it")),
            None => Ok(self),
        }
    }

    fn scheme(self) -> Result<Verifier, SignatureError> {
        let signature = self.signature.ok_or_else(|| {
            wrong(
                "signature",
                "is missing; say where the signature is, such as `{from: header:X-Signature}`",
            )
        })?;
        let algorithm = self.algorithm.unwrap_or_default();
        let signature = signature.compile(algorithm)?;
        let is_kv = matches!(signature.shape, Shape::KeyValue { .. });
        let content = self.content.unwrap_or_else(Content::body);
        let timestamp_from = self.timestamp.as_ref().map(|rule| ("timestamp.from", &rule.from));
        let in_content = content.selectors().map(|selector| ("content", selector));
        for (path, selector) in in_content.chain(timestamp_from) {
            if !is_kv && matches!(selector.place, Place::Signature(_)) {
                return Err(wrong(path, "a sig: selector needs a signature with `parse: kv`"));
            }
        }
        let holds_secret = content.parts.iter().any(|part| matches!(part, Part::Secret));
        if algorithm == Algorithm::Sha256 && !holds_secret {
            return Err(wrong(
                "content",
                "a plain hash proves nothing unless {secret} is in the content",
            ));
        }
        if holds_secret && algorithm != Algorithm::Sha256 {
            return Err(wrong("content", "{secret} only goes with `algorithm: sha256`"));
        }
        let scheme = Scheme {
            algorithm,
            key: self.key.unwrap_or_default(),
            content,
            url_variants: self.url_variants,
            body_hash: self.body_hash,
            signature,
            timestamp: self.timestamp,
            required: self.require.into_iter().collect(),
            headers: Vec::new(),
        };
        let scheme = Scheme {
            headers: scheme.headers_read(),
            ..scheme
        };
        Ok(Verifier::Scheme(Box::new(scheme)))
    }

    /// Tells every selector by which other names its header goes.
    fn spread_aliases(&mut self) {
        let aliases = std::mem::take(&mut self.aliases);
        let required = std::mem::take(&mut self.require);
        let mut required: Vec<_> = required.into_iter().collect();
        let event = self.event.id.iter_mut().chain(&mut self.event.kind);
        let selectors = required
            .iter_mut()
            .map(|(selector, _)| selector)
            .chain(
                self.signature
                    .iter_mut()
                    .flat_map(|signature| &mut signature.from.0),
            )
            .chain(self.timestamp.iter_mut().map(|rule| &mut rule.from))
            .chain(self.body_hash.iter_mut().map(|rule| &mut rule.from))
            .chain(self.content.iter_mut().flat_map(Content::selectors_mut))
            .chain(event.flat_map(Rule::selectors_mut));
        for selector in selectors {
            for (alias, name) in &aliases {
                selector.also_known_as(alias, name);
            }
        }
        self.require = required.into_iter().collect();
    }
}

impl WrittenSignature {
    fn compile(self, algorithm: Algorithm) -> Result<SignatureField, SignatureError> {
        if self.from.0.is_empty() {
            return Err(wrong("signature.from", "names no place"));
        }
        if self
            .from
            .0
            .iter()
            .any(|from| matches!(from.place, Place::Constant(_) | Place::Signature(_)))
        {
            return Err(wrong("signature.from", "must be a part of the request"));
        }
        let is_plain = self.parse == ParseAs::Plain;
        let misplaced = [
            ("signature.prefix", self.prefix.is_some() && !is_plain, "plain"),
            ("signature.sep", self.sep.is_some() && is_plain, "kv` or `list"),
            (
                "signature.key",
                self.key.is_some() && self.parse != ParseAs::Kv,
                "kv",
            ),
            (
                "signature.item",
                self.item.is_some() && self.parse != ParseAs::List,
                "list",
            ),
        ];
        if let Some((path, _, parse)) = misplaced.into_iter().find(|(_, is_misplaced, _)| *is_misplaced) {
            return Err(wrong(path, &format!("only goes with `parse: {parse}`")));
        }
        if !is_plain && algorithm.reveals_the_secret() {
            return Err(wrong("signature.parse", "a token is compared whole"));
        }
        let separator = self.sep.unwrap_or_else(|| ",".to_owned());
        if separator.is_empty() {
            return Err(wrong("signature.sep", "is empty"));
        }
        let shape = match self.parse {
            ParseAs::Plain => Shape::Plain {
                prefix: self.prefix.unwrap_or_default(),
            },
            ParseAs::Kv => {
                let key = self
                    .key
                    .ok_or_else(|| wrong("signature.key", "is missing; it names the signature's key"))?;
                Shape::KeyValue { separator, key }
            }
            ParseAs::List => Shape::List {
                separator,
                item: self.item.unwrap_or_default(),
            },
        };
        Ok(SignatureField {
            from: self.from.0,
            shape,
            encoding: self.encoding,
        })
    }
}

impl Scheme {
    /// The names of every header that decides the verdict.
    fn headers_read(&self) -> Vec<HeaderName> {
        let selectors = self
            .signature
            .from
            .iter()
            .chain(self.timestamp.iter().map(|rule| &rule.from))
            .chain(self.body_hash.iter().map(|rule| &rule.from))
            .chain(self.required.iter().map(|(selector, _)| selector))
            .chain(self.content.selectors());
        let mut names = Vec::new();
        for selector in selectors {
            if let Place::Header(name) = &selector.place
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        names
    }
}

fn wrong(path: &str, message: &str) -> SignatureError {
    SignatureError::Scheme {
        path: path.to_owned(),
        message: message.to_owned(),
    }
}
