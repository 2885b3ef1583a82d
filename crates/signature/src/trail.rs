//! The steps of a verification, written down only when somebody wants to read them.
//!
//! There is one verifier. `verify` runs it with a silent trail and `explain` with one that writes,
//! so that an explanation can never differ from the verdict.

use std::fmt::Write as _;

use serde::Serialize;

use crate::verdict::Verdict;

/// A verdict and how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The same verdict that `verify` gives.
    pub verdict: Verdict,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One step of a verification, for a person.
///
/// Holds no secret: a token that was sent is only measured, and of an expected digest only the
/// beginning is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was looked at, such as `signature` or `timestamp`.
    pub name: &'static str,
    /// What was seen.
    pub detail: String,
}

/// Takes notes, or does not.
#[derive(Debug)]
pub(crate) struct Trail(Option<Vec<Step>>);

impl Trail {
    pub(crate) fn silent() -> Self {
        Self(None)
    }

    pub(crate) fn writing() -> Self {
        Self(Some(Vec::new()))
    }

    /// Writes a step down; `detail` only runs if somebody will read it.
    pub(crate) fn note(&mut self, name: &'static str, detail: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push(Step {
                name,
                detail: detail(),
            });
        }
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.0.unwrap_or_default()
    }
}

/// As much of a signed content as a person can compare by eye.
const SHOWN_BYTES: usize = 512;

/// `bytes` for a terminal: escaped, and cut where it gets long.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(SHOWN_BYTES) {
        let _ = match byte {
            b'"' => write!(text, "\""),
            other => write!(text, "{}", other.escape_ascii()),
        };
    }
    if bytes.len() > SHOWN_BYTES {
        let _ = write!(text, "… ({} bytes in all)", bytes.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_unprintable_bytes_are_shown_safely() {
        assert_eq!(shown(b"{\"a\":\"\x1b[0m\n\"}"), r#"{"a":"\x1b[0m\n"}"#);
        assert!(shown(&[b'x'; 600]).ends_with("… (600 bytes in all)"));
    }

    #[test]
    fn a_silent_trail_does_no_work() {
        let mut trail = Trail::silent();
        trail.note("never", || unreachable!("nobody reads this"));
        assert!(trail.into_steps().is_empty());
    }
}
