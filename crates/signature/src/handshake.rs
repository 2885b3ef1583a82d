//! Handshakes: the small conversations by which providers check that a URL is theirs to call.
//!
//! They are answered on the spot and are never events. Whatever is echoed came from a stranger, so
//! it is short, has no control characters where it becomes a header, and never becomes HTML.

use std::collections::BTreeMap;

use ring::digest::{self, SHA256};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::is_equal_text;
use crate::code::aws_sns;
use crate::decode::Encoding;
use crate::request::Request;
use crate::select::Selector;
use crate::template::{Token, tokens};
use crate::verdict::Credentials;
use crate::wanted::Wanted;

/// The longest value that is echoed, in characters.
const MAX_ECHO: usize = 256;

/// What to do about a handshake.
#[derive(Debug)]
pub enum Handshake {
    /// Send this answer; ingest nothing.
    Answer(Answer),
    /// Somebody asked who may not ask, or asked for something that is not echoed.
    Refused {
        /// 403 for a wrong token, 400 for a challenge that cannot be answered.
        status: u16,
        /// Says why, for the rejection.
        cause: &'static str,
    },
}

/// The answer to a handshake.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, `Content-Type` and `X-Content-Type-Options: nosniff` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// A secret that the provider handed over, to wait until an operator confirms it (Notion, Asana).
    pub captured: Option<SecretString>,
    /// A URL to call through the guarded client to confirm a subscription (Amazon SNS). Its host was checked.
    pub confirm_url: Option<String>,
}

/// The compiled `handshake:` entry of a profile.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandshakeRule {
    method: Option<String>,
    #[serde(default)]
    when: BTreeMap<Selector, Wanted>,
    #[serde(default)]
    equals: BTreeMap<Selector, Echo>,
    #[serde(default)]
    pub(crate) signed: bool,
    #[serde(default)]
    respond: Respond,
    capture: Option<Selector>,
    confirm: Option<Selector>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Respond {
    status: Option<u16>,
    content_type: Option<String>,
    headers: BTreeMap<String, Echo>,
    body: Option<Echo>,
    json: Option<JsonEcho>,
}

/// A text with values of the request in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Echo(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Operand(Operand),
    /// `{hmac:sha256:hex:SELECTOR}`, with the source's secret.
    Hmac(Encoding, Selector),
    /// `{sha256:hex:OPERAND|OPERAND}`, the hash of all operands joined.
    Hash(Encoding, Vec<Operand>),
}

#[derive(Debug, Clone)]
enum Operand {
    Value(Selector),
    VerifyToken,
    Url,
}

/// A JSON value with echoes for texts.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
enum JsonEcho {
    Plain(Value),
    Text(Echo),
    Object(Vec<(String, JsonEcho)>),
    Array(Vec<JsonEcho>),
}

/// Why no answer could be made.
type Refusal = (u16, &'static str);

const UNANSWERABLE: Refusal = (400, "the challenge is absent, too long or not text");
const WRONG_TOKEN: Refusal = (403, "the verify token is wrong or not configured");

/// What an answer is made of.
struct Asked<'a> {
    request: &'a Request<'a>,
    credentials: &'a Credentials<'a>,
    /// The secret that the request was signed with, if it was.
    secret: Option<usize>,
}

impl HandshakeRule {
    /// The answer, if `request` is this handshake.
    pub(crate) fn answer(
        &self,
        request: &Request<'_>,
        credentials: &Credentials<'_>,
        secret: Option<usize>,
    ) -> Option<Handshake> {
        if !self.is_for(request) {
            return None;
        }
        let asked = Asked {
            request,
            credentials,
            secret,
        };
        Some(match self.respond(&asked) {
            Ok(answer) => Handshake::Answer(answer),
            Err((status, cause)) => Handshake::Refused { status, cause },
        })
    }

    /// The method that it comes with, where that is said.
    pub(crate) fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// Whether a secret comes with it.
    pub(crate) fn captures(&self) -> bool {
        self.capture.is_some()
    }

    /// Whether it takes the source's verify token.
    pub(crate) fn asks_verify_token(&self) -> bool {
        let Respond {
            headers, body, json, ..
        } = &self.respond;
        let mut echoes = self.equals.values().chain(headers.values()).chain(body);
        echoes.any(Echo::has_verify_token) || json.as_ref().is_some_and(JsonEcho::has_verify_token)
    }

    fn is_for(&self, request: &Request<'_>) -> bool {
        self.method
            .as_deref()
            .is_none_or(|method| method == request.method)
            && self
                .when
                .iter()
                .all(|(place, wanted)| wanted.is_at(place, request))
    }

    fn respond(&self, asked: &Asked<'_>) -> Result<Answer, Refusal> {
        for (selector, wanted) in &self.equals {
            let wanted = wanted.text(asked).ok().ok_or(WRONG_TOKEN)?;
            let found = selector
                .find(asked.request, &[])
                .ok()
                .flatten()
                .ok_or(WRONG_TOKEN)?;
            if wanted.is_empty() || !is_equal_text(wanted.as_bytes(), &found) {
                return Err(WRONG_TOKEN);
            }
        }
        let mut headers = vec![("X-Content-Type-Options".to_owned(), "nosniff".to_owned())];
        if let Some(kind) = &self.respond.content_type {
            headers.push(("Content-Type".to_owned(), kind.clone()));
        }
        for (name, echo) in &self.respond.headers {
            let value = echo.text(asked)?;
            if value.chars().any(char::is_control) {
                return Err(UNANSWERABLE);
            }
            if !value.is_empty() {
                headers.push((name.clone(), value));
            }
        }
        let body = match (&self.respond.json, &self.respond.body) {
            (Some(json), _) => json.value(asked)?.to_string(),
            (None, Some(body)) => body.text(asked)?,
            (None, None) => String::new(),
        };
        let captured = self
            .capture
            .as_ref()
            .map(|place| asked.value(place))
            .transpose()?;
        let confirm_url = self
            .confirm
            .as_ref()
            .map(|place| asked.value(place))
            .transpose()?;
        if confirm_url
            .as_deref()
            .is_some_and(|url| !aws_sns::is_sns_url(url))
        {
            return Err((400, "the URL to confirm is not Amazon SNS's"));
        }
        let status = self.respond.status.unwrap_or(200);
        Ok(Answer {
            status,
            headers,
            body,
            captured: captured.map(SecretString::from),
            confirm_url,
        })
    }
}

impl Asked<'_> {
    /// The value at `place`, short enough to be echoed; empty where an optional one is absent.
    fn echoed(&self, place: &Selector) -> Result<String, Refusal> {
        let value = self.value(place)?;
        if value.chars().count() > MAX_ECHO {
            Err(UNANSWERABLE)
        } else {
            Ok(value)
        }
    }

    /// The value at `place`, if it can be nothing but a random token.
    ///
    /// Answering with a MAC of whatever a stranger asks for would sign forged events: X uses one
    /// key for both. A token has no braces, quotes or blanks, so it cannot be an event.
    fn challenge(&self, place: &Selector) -> Result<String, Refusal> {
        let token = self.echoed(place)?;
        let is_random = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte);
        if token.bytes().all(is_random) {
            Ok(token)
        } else {
            Err(UNANSWERABLE)
        }
    }

    fn value(&self, place: &Selector) -> Result<String, Refusal> {
        match place.find(self.request, &[]) {
            Ok(Some(bytes)) => String::from_utf8(bytes.into_owned()).ok().ok_or(UNANSWERABLE),
            Ok(None) if place.is_optional => Ok(String::new()),
            Ok(None) | Err(_) => Err(UNANSWERABLE),
        }
    }

    fn operand(&self, operand: &Operand) -> Result<String, Refusal> {
        match operand {
            Operand::Value(place) => self.echoed(place),
            Operand::Url => Ok(crate::url::Parts::of(self.request.url).without_query()),
            Operand::VerifyToken => {
                let token = self.credentials.verify_token.ok_or(WRONG_TOKEN)?;
                Ok(token.expose_secret().to_owned())
            }
        }
    }

    /// The secret that signed the request, else the newest.
    fn signing_secret(&self) -> Result<&str, Refusal> {
        let secret = self.credentials.secrets.get(self.secret.unwrap_or_default());
        let text = secret
            .map(super::key::Secret::text)
            .filter(|text| !text.is_empty());
        text.ok_or((400, "the source has no secret to answer with"))
    }
}

impl Echo {
    fn has_verify_token(&self) -> bool {
        let is_token = |operand: &Operand| matches!(operand, Operand::VerifyToken);
        self.0.iter().any(|part| match part {
            Part::Literal(_) | Part::Hmac(..) => false,
            Part::Operand(operand) => is_token(operand),
            Part::Hash(_, operands) => operands.iter().any(is_token),
        })
    }

    fn text(&self, asked: &Asked<'_>) -> Result<String, Refusal> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Operand(operand) => text.push_str(&asked.operand(operand)?),
                Part::Hmac(encoding, place) => {
                    let key = hmac::Key::new(hmac::HMAC_SHA256, asked.signing_secret()?.as_bytes());
                    let tag = hmac::sign(&key, asked.challenge(place)?.as_bytes());
                    text.push_str(&encoding.encode(tag.as_ref()));
                }
                Part::Hash(encoding, operands) => {
                    let mut context = digest::Context::new(&SHA256);
                    for operand in operands {
                        context.update(asked.operand(operand)?.as_bytes());
                    }
                    text.push_str(&encoding.encode(context.finish().as_ref()));
                }
            }
        }
        Ok(text)
    }
}

impl JsonEcho {
    fn has_verify_token(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Text(echo) => echo.has_verify_token(),
            Self::Array(items) => items.iter().any(Self::has_verify_token),
            Self::Object(fields) => fields.iter().any(|(_, value)| value.has_verify_token()),
        }
    }

    fn value(&self, asked: &Asked<'_>) -> Result<Value, Refusal> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Text(echo) => Value::String(echo.text(asked)?),
            Self::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.value(asked))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, echo)| Ok((name.clone(), echo.value(asked)?)));
                Value::Object(fields.collect::<Result<_, Refusal>>()?)
            }
        })
    }
}

impl TryFrom<Value> for JsonEcho {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Echo::try_from(text)?),
            Value::Array(items) => {
                Self::Array(items.into_iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| Ok((name, Self::try_from(value)?)));
                Self::Object(fields.collect::<Result<_, String>>()?)
            }
            plain => Self::Plain(plain),
        })
    }
}

impl TryFrom<String> for Echo {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = tokens(&text)?.into_iter().map(|token| match token {
            Token::Literal(text) => Ok(Part::Literal(text.to_owned())),
            Token::Placeholder(placeholder) => part(placeholder),
        });
        parts.collect::<Result<_, _>>().map(Self)
    }
}

fn part(placeholder: &str) -> Result<Part, String> {
    if let Some(rest) = placeholder.strip_prefix("hmac:sha256:") {
        let (encoding, place) = encoded(rest)?;
        return Ok(Part::Hmac(encoding, Selector::parse(place)?));
    }
    if let Some(rest) = placeholder.strip_prefix("sha256:") {
        let (encoding, operands) = encoded(rest)?;
        return Ok(Part::Hash(
            encoding,
            operands.split('|').map(operand).collect::<Result<_, _>>()?,
        ));
    }
    operand(placeholder).map(Part::Operand)
}

fn operand(text: &str) -> Result<Operand, String> {
    match text {
        "verify_token" => Ok(Operand::VerifyToken),
        "url" => Ok(Operand::Url),
        selector => Selector::parse(selector).map(Operand::Value),
    }
}

fn encoded(text: &str) -> Result<(Encoding, &str), String> {
    match text.split_once(':') {
        Some(("hex", rest)) => Ok((Encoding::Hex, rest)),
        Some(("base64", rest)) => Ok((Encoding::Base64, rest)),
        _ => Err(format!("`{text}` must begin with `hex:` or `base64:`")),
    }
}
