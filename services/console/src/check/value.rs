//! Single values: each function takes what a document holds and gives a value that cannot be wrong.
//!
//! Messages never repeat a value that could be a secret.

use super::fields::kind;
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;
use wire::EventTypePattern;
use wire::resource::duration as written;

/// The longest name or slug, in characters.
const LONGEST_NAME: usize = 100;
/// The longest description or other text for people, in characters.
const LONGEST_TEXT: usize = 2_000;
/// The longest secret or token, in bytes.
const LONGEST_SECRET: usize = 8 << 10;

/// The longest name that a platform has for a user, in bytes.
const LONGEST_ADDRESS: usize = 255;
/// The largest object that is kept as it came, in bytes.
const LARGEST_OBJECT: usize = 64 << 10;

/// Why a value is not taken, for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

impl Refused {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl<E: std::error::Error> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn expected(what: &str, value: &Value) -> Refused {
    Refused(format!("must be {what}, not {}", kind(value)))
}

/// Any text, also with line breaks.
pub(crate) fn any_text(value: &Value) -> Result<&str, Refused> {
    value.as_str().ok_or_else(|| expected("a text", value))
}

/// A text for people.
pub(crate) fn text(value: &Value) -> Result<String, Refused> {
    let text = any_text(value)?;
    if text.chars().count() > LONGEST_TEXT {
        return Err(Refused(format!("must be at most {LONGEST_TEXT} characters long")));
    }
    if text.contains('\0') {
        return Err(Refused::new("must not contain the character U+0000"));
    }
    Ok(text.to_owned())
}

/// What a thing is called: one line.
pub(crate) fn name(value: &Value) -> Result<String, Refused> {
    let name = any_text(value)?;
    let length = name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || name.chars().any(char::is_control) {
        return Err(Refused(format!(
            "must be 1 to {LONGEST_NAME} characters without line breaks or control characters"
        )));
    }
    Ok(name.to_owned())
}

/// The prefixes of ids that stand where slugs stand, too.
const ID_PREFIXES: [&str; 8] = ["ws_", "env_", "so_", "ep_", "rt_", "pb_", "prj_", "tpl_"];

/// A name that stands in URLs. It can never be taken for an id.
pub(crate) fn slug(value: &Value) -> Result<String, Refused> {
    let slug = any_text(value)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !(1..=LONGEST_NAME).contains(&slug.len())
        || !slug.starts_with(|first: char| first.is_ascii_alphanumeric())
        || !slug.bytes().all(plain)
    {
        return Err(Refused(format!(
            "must be 1 to {LONGEST_NAME} letters, digits, `-`, `_` or `.`, the first a letter or a digit"
        )));
    }
    match ID_PREFIXES.iter().find(|prefix| slug.starts_with(**prefix)) {
        Some(prefix) => Err(Refused(format!("must not begin like an id, with `{prefix}`"))),
        None => Ok(slug.to_owned()),
    }
}

/// An id that the operator pins.
pub(crate) fn id<T: FromStr<Err: std::error::Error>>(value: &Value) -> Result<T, Refused> {
    Ok(any_text(value)?.parse::<T>()?)
}

/// True or false.
pub(crate) fn boolean(value: &Value) -> Result<bool, Refused> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// A whole number within `range`.
pub(crate) fn integer(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Result<u64, Refused> {
    move |value| {
        let bounds = || format!("a whole number from {} to {}", range.start(), range.end());
        match value {
            Value::Number(number) => number
                .as_u64()
                .filter(|number| range.contains(number))
                .ok_or_else(|| Refused(format!("must be {}", bounds()))),
            other => Err(expected(&bounds(), other)),
        }
    }
}

/// A number within `range`.
pub(crate) fn number(range: RangeInclusive<f64>) -> impl Fn(&Value) -> Result<f64, Refused> {
    move |value| {
        let bounds = || format!("a number from {} to {}", range.start(), range.end());
        match value {
            Value::Number(number) => number
                .as_f64()
                .filter(|number| range.contains(number))
                .ok_or_else(|| Refused(format!("must be {}", bounds()))),
            other => Err(expected(&bounds(), other)),
        }
    }
}

/// A duration within `range`, written as `15s`.
pub(crate) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Value) -> Result<Duration, Refused> {
    move |value| {
        let Value::String(text) = value else {
            return Err(expected("a duration such as 15s", value));
        };
        let duration = written::parse(text)?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        let (least, most) = (written::show(*range.start()), written::show(*range.end()));
        Err(Refused(format!("must be a duration from {least} to {most}")))
    }
}

/// A header that deliveries may carry: none that [`egress::check_header`] reserves, and not who we are, which receivers
/// are promised.
pub(crate) fn sent_header(name: &str, value: &str) -> Result<(), Refused> {
    egress::check_header(name, value)?;
    if name.eq_ignore_ascii_case("user-agent") {
        return Err(Refused::new(
            "is ours to set, because receivers know us by it; choose another name",
        ));
    }
    Ok(())
}

/// An event-type pattern.
pub(crate) fn pattern(value: &Value) -> Result<EventTypePattern, Refused> {
    Ok(any_text(value)?.parse::<EventTypePattern>()?)
}

/// A jq program, not compiled yet.
pub(crate) fn program(value: &Value) -> Result<String, Refused> {
    match any_text(value)? {
        "" => Err(Refused::new("must be a jq expression; leave it out for none")),
        program => Ok(program.to_owned()),
    }
}

/// The name of a request header that is read.
pub(crate) fn header(value: &Value) -> Result<String, Refused> {
    let name = any_text(value)?;
    match egress::HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) if name.len() <= LONGEST_NAME => Ok(name.to_owned()),
        _ => Err(Refused::new("must be the name of a header, such as X-Event-Id")),
    }
}

/// A secret that another program knows, too.
pub(crate) fn secret(value: &Value) -> Result<SecretString, Refused> {
    let secret = any_text(value)?;
    if secret.is_empty() || secret.len() > LONGEST_SECRET || secret.contains('\0') {
        return Err(Refused(format!(
            "must be a text of 1 to {LONGEST_SECRET} bytes; leave it out to have one made"
        )));
    }
    Ok(SecretString::from(secret))
}

/// A secret that is sent in a header.
pub(crate) fn header_secret(value: &Value) -> Result<SecretString, Refused> {
    let secret = any_text(value)?;
    if !(1..=1_024).contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refused::new(
            "must be 1 to 1024 visible ASCII characters without blanks; leave it out to have one made",
        ));
    }
    Ok(SecretString::from(secret))
}

/// What a platform calls one of its users.
pub(crate) fn address(value: &Value) -> Result<String, Refused> {
    let address = any_text(value)?;
    if !(1..=LONGEST_ADDRESS).contains(&address.len()) || address.chars().any(char::is_control) {
        return Err(Refused(format!(
            "must be 1 to {LONGEST_ADDRESS} bytes without line breaks or control characters"
        )));
    }
    Ok(address.to_owned())
}

/// An object of whatever, for later.
pub(crate) fn object(value: &Value) -> Result<Map<String, Value>, Refused> {
    let Value::Object(object) = value else {
        return Err(expected("an object", value));
    };
    if value.to_string().len() > LARGEST_OBJECT {
        return Err(Refused(format!("must be at most {LARGEST_OBJECT} bytes as JSON")));
    }
    Ok(object.clone())
}

/// A token that begins with `prefix` and can stand in a URL and in a header.
pub(crate) fn token(prefix: &'static str) -> impl Fn(&Value) -> Result<SecretString, Refused> {
    move |value| {
        let token = any_text(value)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let rest = token.strip_prefix(prefix).unwrap_or_default();
        if !(1..=200).contains(&rest.len()) || !rest.bytes().all(plain) {
            return Err(Refused(format!(
                "must be `{prefix}` and 1 to 200 letters, digits, `-` or `_`; leave it out to have one made"
            )));
        }
        Ok(SecretString::from(token))
    }
}

/// A secret that deliveries can be signed with.
pub(crate) fn signing_secret(value: &Value) -> Result<SecretString, Refused> {
    let secret = secret(value)?;
    signature::SigningKey::parse(&secret)?;
    Ok(secret)
}

/// The error of a list that needs something in it.
pub(crate) fn one_of<T: Display>(known: impl IntoIterator<Item = T>, asked: &str, what: &str) -> Refused {
    let known: Vec<String> = known.into_iter().map(|name| name.to_string()).collect();
    // Cut before it is compared with each of many names, which takes a time that grows with both.
    let asked: String = asked.chars().take(LONGEST_NAME).collect();
    let near = known
        .iter()
        .map(|name| (strsim::jaro_winkler(name, &asked), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, two| one.0.total_cmp(&two.0));
    match near {
        Some((_, name)) => Refused(format!("`{asked}` is no {what}; did you mean `{name}`?")),
        None => Refused(format!("`{asked}` is no {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

    #[test]
    fn a_slug_can_never_be_taken_for_an_id() {
        assert_eq!(slug(&json!("acme-eu_1.test")), Ok("acme-eu_1.test".to_owned()));
        for bad in [
            "",
            "-a",
            "a b",
            "ä",
            "a/b",
            "so_a",
            "ep_billing",
            &"a".repeat(101),
        ] {
            assert!(slug(&json!(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_that_a_database_cannot_hold_are_refused() {
        assert!(text(&json!("a\u{0}b")).is_err());
        assert!(name(&json!("a\u{0}b")).is_err());
        assert!(secret(&json!("a\u{0}b")).is_err());
        assert!(text(&json!("a\nb")).is_ok());
        assert!(name(&json!("a\nb")).is_err());
    }

    #[test]
    fn numbers_and_durations_have_bounds() {
        assert_eq!(integer(1..=10)(&json!(10)), Ok(10));
        for bad in [json!(0), json!(11), json!(-1), json!(1.5), json!("1")] {
            assert!(integer(1..=10)(&bad).is_err(), "{bad}");
        }
        let range = Duration::from_secs(1)..=Duration::from_mins(1);
        assert_eq!(
            duration(range.clone())(&json!("15s")),
            Ok(Duration::from_secs(15))
        );
        assert_eq!(
            duration(range)(&json!("2m")),
            Err(Refused("must be a duration from 1s to 1m".to_owned()))
        );
    }

    #[test]
    fn a_refused_secret_is_not_repeated() {
        let refused = signing_secret(&json!("whsec_hunter2")).unwrap_err();
        assert!(!refused.0.contains("hunter2"), "{}", refused.0);
        assert!(
            !token("src_")(&json!("hunter2"))
                .unwrap_err()
                .0
                .contains("hunter2")
        );
        assert_eq!(token("src_")(&json!("src_a")).unwrap().expose_secret(), "src_a");
    }
}
