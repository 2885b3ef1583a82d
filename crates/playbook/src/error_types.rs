//! The types of errors, in whichever of their spellings.
//!
//! The specification's text, its conformance kit and its examples do not agree on host and path. All of them mean the
//! same, so that a `catch` which was copied from any of them catches.

/// Where the types of the language are, in the spelling that is written.
const PREFIX: &str = "https://open-workflow-specification.org/dsl/errors/types/";

/// The language's host, and what it was until 2026.
const HOSTS: [&str; 2] = [
    "https://open-workflow-specification.org/",
    "https://serverlessworkflow.io/",
];

/// The paths in use; in one of them a version stands between.
const PATHS: [&str; 3] = ["dsl/errors/types/", "errors/types/", "spec/"];

/// The kinds of errors that the language has.
const KINDS: [&str; 8] = [
    "configuration",
    "validation",
    "expression",
    "authentication",
    "authorization",
    "timeout",
    "communication",
    "runtime",
];

/// The type of a kind of error that the language has, such as `timeout`.
pub(crate) fn of(kind: &str) -> String {
    format!("{PREFIX}{kind}")
}

/// The one spelling of a type that the language has. Any other stays as it is.
pub(crate) fn normalise(given: &str) -> String {
    kind(given).map_or_else(|| given.to_owned(), of)
}

fn kind(given: &str) -> Option<&str> {
    let path = HOSTS.iter().find_map(|host| given.strip_prefix(host))?;
    let kind = PATHS.iter().find_map(|prefix| {
        let rest = path.strip_prefix(prefix)?;
        if *prefix == "spec/" {
            // spec/1.0.0/errors/communication
            let (_version, rest) = rest.split_once('/')?;
            return rest.strip_prefix("errors/");
        }
        Some(rest)
    })?;
    KINDS.contains(&kind).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_type_are_one() {
        for given in [
            "https://open-workflow-specification.org/dsl/errors/types/communication",
            "https://open-workflow-specification.org/errors/types/communication",
            "https://open-workflow-specification.org/spec/1.0.0/errors/communication",
            "https://serverlessworkflow.io/dsl/errors/types/communication",
            "https://serverlessworkflow.io/spec/1.0.3/errors/communication",
        ] {
            assert_eq!(normalise(given), of("communication"), "{given}");
        }
    }

    #[test]
    fn other_types_stay() {
        for given in [
            "https://open-workflow-specification.org/errors/types/compliance",
            "https://serverlessworkflow.io/errors/not-implemented",
            "https://example.com/dsl/errors/types/timeout",
            "timeout",
            "",
        ] {
            assert_eq!(normalise(given), given);
        }
    }
}
