//! Is it a JSON text? Nothing is built from it, so numbers of any size and lone surrogate escapes pass, as RFC 8259 allows.

use crate::problem::Issue;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};

/// The deepest nesting of arrays and objects.
const DEEPEST: usize = 128;

/// Refuses what is not one JSON text (RFC 8259 §2) in UTF-8 (§8.1), nested at most 128 deep.
pub(super) fn check(body: &[u8]) -> Result<(), Issue> {
    let issue = |message: String| Issue {
        path: String::new(),
        message,
    };
    let text = std::str::from_utf8(body).map_err(|error| issue(format!("the body is not UTF-8: {error}")))?;
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| issue(format!("the body is not JSON: {error}")))?;
    if depth(text) > DEEPEST {
        return Err(issue(format!(
            "the body is nested more than {DEEPEST} levels deep"
        )));
    }
    Ok(())
}

/// Reads an object into a struct. Serde would take an array of the fields' values as well.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> serde_json::Result<T> {
    if body.trim_ascii_start().first() == Some(&b'{') {
        serde_json::from_slice(body)
    } else {
        Err(serde_json::Error::custom("it is no object"))
    }
}

/// How deep a valid JSON text is nested.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_rfc_8259_allows_is_taken() {
        for good in [
            "{}",
            " [1] ",
            "null",
            "\"a\"",
            "0",
            r#"{"a":1,"a":2}"#,
            "1e400",
            r#""\ud800""#,
            r#""\u0000""#,
            r#"["]]]",{"[":"\""}]"#,
        ] {
            assert!(check(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            &b""[..],
            b" ",
            b"{",
            b"{}{}",
            b"nul",
            b"'a'",
            b"[1,]",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            b"\"\x01\"",
            b"NaN",
            b"01",
            b"{a:1}",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_deepest_nesting_is_128() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(check(nested(128).as_bytes()).is_ok());
        assert!(check(nested(129).as_bytes()).is_err());
        assert!(check(nested(1_000_000).as_bytes()).is_err());
        assert!(check(format!("\"{}\"", "[".repeat(500)).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body: Vec<u8>) {
            let _ = check(&body);
        }
    }
}
