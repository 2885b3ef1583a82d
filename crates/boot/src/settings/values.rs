//! The shapes that a setting's text can take, each parsed where it is read into a type that cannot be wrong.

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use wire::resource::duration;

/// Reads a text and parses it; the parser's error becomes the reason that the operator sees.
pub(super) fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// A size in bytes, written `"512B"`, `"64KiB"`, `"1MiB"` or `"2GiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(usize);

impl ByteSize {
    /// The number of bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is not a size such as 512B, 64KiB, 1MiB or 2GiB");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim() {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(refused()),
        };
        let number: Option<usize> = number.parse().ok();
        number
            .and_then(|number| number.checked_mul(unit))
            .map(Self)
            .ok_or_else(refused)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// The directives of `log.level`, such as `info` or `info,hookyard_router=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level(String);

impl Level {
    /// The directives as `tracing` reads them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `tracing` would take a misspelt level for the name of a module, and then log nothing.
        for directive in text.split(',') {
            let level = directive.rsplit('=').next().unwrap_or(directive).trim();
            if !["error", "warn", "info", "debug", "trace", "off"]
                .contains(&level.to_ascii_lowercase().as_str())
            {
                return Err(format!(
                    "`{level}` is not a level: use error, warn, info, debug, trace or off, or directives such as \
                     `info,hookyard_router=debug`"
                ));
            }
        }
        tracing_subscriber::EnvFilter::try_new(text).map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// An `http://` or `https://` URL, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The URL's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for HttpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            // What stands before an @ may be a password.
            let shown = if text.contains('@') {
                "this".to_owned()
            } else {
                format!("`{text}`")
            };
            format!("{shown} is not a URL such as https://hooks.example.com")
        };
        let url = url::Url::parse(text).ok().ok_or_else(refused)?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            return Err(refused());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL here must not carry a user or a password".to_owned());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// For an address and a port: `"0.0.0.0:8080"`, `"[::]:8080"`.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_address(&text).map_err(D::Error::custom)
}

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let refused = || format!("`{text}` is not an address such as 127.0.0.1:8080 or [::]:8080");
    text.parse().ok().ok_or_else(refused)
}

/// For a text where the empty one means "none".
pub(super) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(D::Error::custom)
}

/// For a duration where the empty text means "never".
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    duration::parse(&text).map(Some).map_err(D::Error::custom)
}

/// For a secret where the empty text means "none".
pub(super) fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    let secret = SecretString::deserialize(deserializer)?;
    Ok(Some(secret).filter(|secret| !secret.expose_secret().is_empty()))
}

/// For a list of secrets; what is no such list is not shown either.
pub(super) fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    Vec::deserialize(deserializer).map_err(|_shown| D::Error::custom("is not a list of texts"))
}

/// For one of a few words, all of which the error names.
pub(super) fn word<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// For a list of CIDRs; an address alone is the network of that address.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let network = |text: &String| {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let refused = || D::Error::custom(format!("`{text}` is not a network such as 10.0.0.0/8"));
        network.ok().ok_or_else(refused)
    };
    texts.iter().map(network).collect()
}

/// For a share: a number from 0 to 1.
pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err(D::Error::custom(format!(
            "{number} is not a share from 0.0 to 1.0"
        )))
    }
}

/// For a `User-Agent`; the empty text means this program's own.
pub(super) fn user_agent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(format!("hookyard/{}", crate::VERSION));
    }
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        Ok(text)
    } else {
        Err(D::Error::custom("a User-Agent is printable ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!("1MiB".parse(), Ok(ByteSize(1_048_576)));
        assert_eq!("64 KiB".parse(), Ok(ByteSize(65_536)));
        assert_eq!("0B".parse(), Ok(ByteSize(0)));
        for bad in ["", "1", "MiB", "1MB", "-1B", "1.5MiB", "99999999999GiB"] {
            assert!(
                bad.parse::<ByteSize>().unwrap_err().contains("is not a size"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_misspelt_level_is_not_taken_for_a_module() {
        assert!(
            "inof"
                .parse::<Level>()
                .unwrap_err()
                .contains("`inof` is not a level")
        );
        assert!("info,hookyard_router=debgu".parse::<Level>().is_err());
        assert!("info,hookyard_router=debug".parse::<Level>().is_ok());
        assert!("WARN".parse::<Level>().is_ok());
    }

    #[test]
    fn a_public_url_loses_its_last_slash() {
        let url: HttpUrl = "https://hooks.example.com/yard/".parse().unwrap();
        assert_eq!(url.as_str(), "https://hooks.example.com/yard");
        for bad in ["", "hooks.example.com", "ftp://a", "http://a?b=c"] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
        }
        for secret in [
            "https://user:hunter2@example.com",
            "https://user:hunter2@example.com?a=b",
            "https://user:hunter2@exa mple.com",
        ] {
            let refused = secret.parse::<HttpUrl>().unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
