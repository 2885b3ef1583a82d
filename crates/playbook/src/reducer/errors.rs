//! The errors that the engine itself raises, in the language's words.

pub(super) use crate::Error;
use super::limits::QUOTED;

const TYPES: &str = "https://open-workflow-specification.org/dsl/errors/types/";

/// The kinds of errors that the language knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The document asks for what cannot be.
    Configuration,
    /// Data is not what its schema asks for.
    Validation,
    /// An expression failed, or yields what cannot be used.
    Expression,
    /// The caller is not known.
    Authentication,
    /// The caller may not.
    Authorization,
    /// It took too long.
    Timeout,
    /// A call had no answer, or not the one that was hoped for.
    Communication,
    /// The engine cannot go on.
    Runtime,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Configuration,
        Self::Validation,
        Self::Expression,
        Self::Authentication,
        Self::Authorization,
        Self::Timeout,
        Self::Communication,
        Self::Runtime,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Validation => "validation",
            Self::Expression => "expression",
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Timeout => "timeout",
            Self::Communication => "communication",
            Self::Runtime => "runtime",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration Error",
            Self::Validation => "Validation Error",
            Self::Expression => "Expression Error",
            Self::Authentication => "Authentication Error",
            Self::Authorization => "Authorization Error",
            Self::Timeout => "Timeout Error",
            Self::Communication => "Communication Error",
            Self::Runtime => "Runtime Error",
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::Configuration | Self::Validation | Self::Expression => 400,
            Self::Authentication => 401,
            Self::Authorization => 403,
            Self::Timeout => 408,
            Self::Communication | Self::Runtime => 500,
        }
    }

    /// The URI that errors of this kind have as their type.
    pub(super) fn uri(self) -> String {
        format!("{TYPES}{}", self.word())
    }

    /// An error of this kind at a task, with the kind's usual status.
    pub(super) fn at(self, instance: &str, detail: impl Into<String>) -> Error {
        Error {
            kind: self.uri(),
            status: self.status(),
            title: Some(self.title().to_owned()),
            detail: Some(detail.into()),
            instance: Some(instance.to_owned()),
        }
    }
}

/// A call that failed.
pub(super) fn communication(instance: &str, status: u16, detail: String) -> Error {
    Error {
        status,
        ..Kind::Communication.at(instance, detail)
    }
}

/// A state that no engine of this version can have written for this program.
pub(super) fn misfit() -> Error {
    Kind::Runtime.at(
        "/",
        "the run's state does not fit its playbook; it may have been changed by hand, start another run",
    )
}

/// Writes a type in the one form that is compared: the language's types have had several hosts and paths.
pub(super) fn normalised(kind: &str) -> String {
    const HOSTS: [&str; 2] = ["open-workflow-specification.org", "serverlessworkflow.io"];
    const FOLDERS: [&str; 4] = ["/dsl/errors/types/", "/spec/1.0.0/errors/", "/spec/1.0.0/errors/types/", "/errors/types/"];
    let known = kind
        .strip_prefix("https://")
        .or_else(|| kind.strip_prefix("http://"))
        .and_then(|rest| HOSTS.iter().find_map(|host| rest.strip_prefix(host)))
        .and_then(|rest| FOLDERS.iter().find_map(|folder| rest.strip_prefix(folder)))
        .and_then(|word| Kind::ALL.into_iter().find(|kind| kind.word() == word));
    known.map_or_else(|| kind.to_owned(), Kind::uri)
}

/// The beginning of a text, since an error is read by a person.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_has_one_type_however_it_is_written() {
        for written in [
            "https://open-workflow-specification.org/dsl/errors/types/timeout",
            "https://serverlessworkflow.io/dsl/errors/types/timeout",
            "https://open-workflow-specification.org/spec/1.0.0/errors/timeout",
            "https://serverlessworkflow.io/spec/1.0.0/errors/timeout",
        ] {
            assert_eq!(normalised(written), Kind::Timeout.uri());
        }
        for other in [
            "https://open-workflow-specification.org/errors/types/compliance",
            "https://example.com/dsl/errors/types/timeout",
            "about:blank",
        ] {
            assert_eq!(normalised(other), other);
        }
    }
}
