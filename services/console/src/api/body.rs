//! What a request brings: its body, whole and limited, and its query.

use crate::check::Style;
use crate::{Error, Problem, check};
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_ENCODING;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The largest document of one thing.
const DOCUMENT_LIMIT: usize = 2 << 20;
/// The largest configuration file.
pub(super) const CONFIGURATION_LIMIT: usize = 8 << 20;
/// For the whole body to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// The body as JSON; null without a body. No object in it has a field twice.
#[derive(Debug)]
pub(super) struct Document(Value);

impl Document {
    /// Reads the body as one object, and compiles what programs it has.
    pub(super) async fn read<T>(
        &self,
        checks: &check::Checks,
        read: impl FnOnce(&mut check::Fields<'_>) -> Option<T>,
    ) -> Result<T, Error> {
        let mut report = check::Report::new(Style::Camel);
        let read = report.object("", &self.0, read).flatten();
        checks.settle(report).await?;
        // Whatever reads to nothing says why.
        read.ok_or_else(|| Error::Invalid(vec![Problem::new("", "is not complete")]))
    }

    /// The same for a body that may be left out.
    pub(super) async fn read_optional<T>(
        &self,
        checks: &check::Checks,
        read: impl FnOnce(&mut check::Fields<'_>) -> Option<T>,
    ) -> Result<T, Error> {
        if self.0.is_null() {
            return Self(Value::Object(Map::new())).read(checks, read).await;
        }
        self.read(checks, read).await
    }

    /// The names of the fields that it has, for the audit: no value, and none of what is further in.
    pub(super) fn fields(&self) -> Vec<String> {
        let fields = self.0.as_object().into_iter().flat_map(Map::keys);
        fields.cloned().collect()
    }
}

impl FromRequest for Document {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let body = whole(&request, payload, DOCUMENT_LIMIT).await?;
            if body.is_empty() {
                return Ok(Self(Value::Null));
            }
            parse(&body).map(Self).map_err(Error::NotJson)
        })
    }
}

/// The whole body; over the limit, nothing of it.
pub(super) async fn whole(request: &HttpRequest, mut payload: Payload, limit: usize) -> Result<Bytes, Error> {
    let is_plain = |value: &[u8]| value.eq_ignore_ascii_case(b"identity");
    if request
        .headers()
        .get_all(CONTENT_ENCODING)
        .any(|value| !is_plain(value.as_bytes()))
    {
        return Err(Error::Encoding);
    }
    let arrival = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_broken| Error::BrokenBody)?;
            if body.len() + chunk.len() > limit {
                return Err(Error::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(ARRIVAL, arrival)
        .await
        .unwrap_or(Err(Error::SlowBody))
}

/// Parses JSON, and refuses what `serde_json` lets through: a field that stands in one object twice.
fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(Self)? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the field `{name}` stands there twice"
                )));
            }
            let value = entries.next_value_seed(Self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// The query's parameters; one that is not asked for is refused, so that a misspelt filter does not go unnoticed.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The value of a parameter, taken out; the empty text is none.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        let Some(at) = self.0.iter().position(|(given, _)| given == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        if self.0.iter().any(|(given, _)| given == name) {
            return Err(query(name, "stands there twice"));
        }
        if value.chars().any(char::is_control) {
            return Err(query(name, "has a control character in it"));
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// A parameter that is `true` or `false`, and false when it is left out.
    pub(super) fn take_flag(&mut self, name: &'static str) -> Result<bool, Error> {
        match self.take(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(query(name, "must be true or false")),
        }
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(query("query", &format!("has no use for `{name}` here")))
            }
        }
    }
}

/// The error of a parameter.
pub(super) fn query(name: &'static str, message: &str) -> Error {
    Error::Query {
        name,
        message: message.to_owned(),
    }
}

impl FromRequest for Parameters {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        std::future::ready(match pairs {
            Ok(pairs) => Ok(Self(pairs.into_inner())),
            Err(_malformed) => Err(query("query", "cannot be read")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_stands_there_twice_is_refused_at_every_depth() {
        assert!(parse(br#"{"a": {"b": 1}, "b": [1.5, "x", null, true, -1]}"#).is_ok());
        assert!(
            parse(br#"{"a": 1, "a": 1}"#)
                .unwrap_err()
                .to_string()
                .contains("`a` stands there twice")
        );
        assert!(parse(br#"[{"a": {"b": 1, "b": 2}}]"#).is_err());
        assert!(parse(b"{} {}").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_parameter_is_taken_once() {
        let mut parameters = Parameters(vec![("a".into(), "1".into()), ("b".into(), String::new())]);
        assert_eq!(parameters.take("a").unwrap().as_deref(), Some("1"));
        assert_eq!(parameters.take("a").unwrap(), None);
        assert_eq!(parameters.take("b").unwrap(), None);
        assert!(parameters.finish().is_ok());
        assert!(Parameters(vec![("staus".into(), "x".into())]).finish().is_err());
        let mut twice = Parameters(vec![("a".into(), "1".into()), ("a".into(), "1".into())]);
        assert!(twice.take("a").is_err());
    }
}
