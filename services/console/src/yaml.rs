//! From the text of a configuration file or of a playbook to a tree of values.

use crate::Problem;
use serde_json::Value;
use serde_saphyr::Error;
use serde_saphyr::options::DuplicateKeyPolicy;

/// How deep lists and objects may nest.
const DEEPEST: usize = 128;
/// How many nodes a file may repeat by aliases: enough to share headers among endpoints, too few to fill the memory.
const REPEATED: usize = 100_000;

/// Why a text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Line and column from 1, where they are known.
    pub(crate) place: Option<(u64, u64)>,
    /// What is wrong there. Never repeats the text: it may hold secrets.
    pub(crate) message: String,
    /// Whether a key stands in one object twice.
    pub(crate) is_duplicate: bool,
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        let place = mistake.place.map(|(line, column)| place(line, column));
        Self::new(place.unwrap_or_default(), mistake.message)
    }
}

fn place(line: u64, column: u64) -> String {
    format!("line {line}, column {column}")
}

/// Parses YAML 1.2, which JSON is too. A key that stands in one object twice is refused.
pub(crate) fn parse(text: &str) -> Result<Value, Mistake> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPEATED },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // `mode: off` is a text.
        strict_booleans: true,
        // `slug: 007` and `name: 1_000` are texts.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        // The lines around a mistake may hold secrets.
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let at = error.location().map(|at| (at.line(), at.column()));
        let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        // The parser says the place as well; here it is apart.
        let place = at.map_or_else(String::new, |(line, column)| place(line, column));
        let message = message.strip_suffix(&format!(" at {place}")).unwrap_or(&message);
        Mistake {
            place: at,
            message: message.to_owned(),
            is_duplicate: matches!(error, Error::DuplicateMappingKey { .. }),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_stay_texts() {
        let parsed =
            parse("{mode: off, on: yes, wait: 15s, slug: 007, name: 1_000, share: 0.2, many: 12, none: ~}");
        assert_eq!(
            parsed,
            Ok(
                json!({"mode": "off", "on": "yes", "wait": "15s", "slug": "007", "name": "1_000", "share": 0.2,
                      "many": 12, "none": null})
            )
        );
    }

    #[test]
    fn a_key_that_stands_there_twice_is_refused_with_its_place() {
        let mistake = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert!(
            mistake.is_duplicate && mistake.message.contains("duplicate"),
            "{mistake:?}"
        );
        assert_eq!(Problem::from(mistake).path, "line 3, column 1");
    }

    #[test]
    fn a_file_that_grows_out_of_aliases_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}", level - 1);
            let row = [below.as_str(); 10].join(", ");
            bomb = format!("{bomb}a{level}: &a{level} [{row}]\n");
        }
        assert!(parse(&bomb).is_err());
    }

    #[test]
    fn nonsense_is_refused_without_repeating_it() {
        for bad in [
            "{",
            "a: [",
            "\t- x: 'hunter2",
            "a: .inf",
            "a: 1\n---\nb: 2",
            "- - - !!binary ?\u{0}",
        ] {
            let mistake = parse(bad).unwrap_err();
            assert!(!mistake.message.contains("hunter2"), "{mistake:?}");
        }
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert_eq!(parse(""), Ok(Value::Null));
    }
}
