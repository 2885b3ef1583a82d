//! Statuses of answers, one by one or by the hundred.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// One status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusPattern {
    /// `404`
    Exact(u16),
    /// `4xx`, as the first digit.
    Class(u16),
}

/// A text or a number that is no status of a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusPatternError {
    /// It means nothing.
    #[error("must be a status from 300 to 599 or a class such as `4xx`")]
    Unknown,
    /// It is a success.
    #[error("is a success, which ends a delivery as delivered")]
    Success,
}

/// Statuses that say themselves that another attempt may succeed, so that no class takes them: 408 Request Timeout, 425
/// Too Early and 429 Too Many Requests.
const ASK_AGAIN: [u16; 3] = [408, 425, 429];

impl StatusPattern {
    /// Whether it takes a status. A class leaves out 408, 425 and 429, which ask for another attempt.
    pub fn takes(self, status: u16) -> bool {
        match self {
            Self::Exact(code) => code == status,
            Self::Class(hundred) => status / 100 == hundred && !ASK_AGAIN.contains(&status),
        }
    }

    /// One status.
    pub fn exact(code: u64) -> Result<Self, StatusPatternError> {
        match u16::try_from(code) {
            Ok(200..=299) => Err(StatusPatternError::Success),
            Ok(code @ 300..=599) => Ok(Self::Exact(code)),
            _ => Err(StatusPatternError::Unknown),
        }
    }
}

impl FromStr for StatusPattern {
    type Err = StatusPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "2xx" => Err(StatusPatternError::Success),
            "3xx" => Ok(Self::Class(3)),
            "4xx" => Ok(Self::Class(4)),
            "5xx" => Ok(Self::Class(5)),
            _ if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => Self::exact(
                text.parse()
                    .map_err(|_not_a_number| StatusPatternError::Unknown)?,
            ),
            _ => Err(StatusPatternError::Unknown),
        }
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(code) => write!(formatter, "{code}"),
            Self::Class(hundred) => write!(formatter, "{hundred}xx"),
        }
    }
}

/// A number, or the text of a class.
impl Serialize for StatusPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(code) => serializer.serialize_u16(*code),
            Self::Class(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for StatusPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Code(u64),
            Text(String),
        }
        let read = match Written::deserialize(deserializer)? {
            Written::Code(code) => Self::exact(code),
            Written::Text(text) => text.parse(),
        };
        read.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_takes_its_hundred_but_those_that_ask_for_another_attempt() {
        let class: StatusPattern = "4xx".parse().unwrap();
        for status in 100..1_000 {
            let expected = (400..500).contains(&status) && ![408, 425, 429].contains(&status);
            assert_eq!(class.takes(status), expected, "{status}");
        }
        let exact: StatusPattern = "429".parse().unwrap();
        assert!(exact.takes(429) && !exact.takes(428));
    }

    #[test]
    fn statuses_are_numbers_or_texts_and_successes_are_none() {
        let read = |json| serde_json::from_str::<Vec<StatusPattern>>(json);
        let statuses = read(r#"[400, "404", "4xx", "3xx"]"#).unwrap();
        assert_eq!(
            serde_json::to_string(&statuses).unwrap(),
            r#"[400,404,"4xx","3xx"]"#
        );
        for bad in [
            "[200]",
            r#"["2xx"]"#,
            "[0]",
            "[600]",
            "[299]",
            "[-1]",
            r#"["40"]"#,
            r#"["4XX"]"#,
            r#"["4x"]"#,
            "[4.5]",
            "[true]",
            r#"["+40"]"#,
            "[70000]",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
