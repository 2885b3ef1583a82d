//! The errors that the engine itself raises, in the language's words.

use super::limits::QUOTED;
pub(super) use crate::Error;
use crate::error_types;

/// The kinds of errors that the engine raises. The language has two more, about who is calling, which a receiver tells
/// by its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The document asks for what cannot be.
    Configuration,
    /// Data is not what its schema asks for.
    Validation,
    /// An expression failed, or yields what cannot be used.
    Expression,
    /// It took too long.
    Timeout,
    /// A call had no answer, or not the one that was hoped for.
    Communication,
    /// The engine cannot go on.
    Runtime,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Validation => "validation",
            Self::Expression => "expression",
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
            Self::Timeout => "Timeout Error",
            Self::Communication => "Communication Error",
            Self::Runtime => "Runtime Error",
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::Configuration | Self::Validation | Self::Expression => 400,
            Self::Timeout => 408,
            Self::Communication | Self::Runtime => 500,
        }
    }

    /// The URI that errors of this kind have as their type.
    pub(super) fn uri(self) -> String {
        error_types::of(self.word())
    }

    /// An error of this kind at a task, with the kind's usual status.
    pub(super) fn at(self, instance: &str, detail: impl Into<String>) -> Error {
        Error {
            kind: self.uri(),
            status: self.status(),
            title: Some(self.title().to_owned()),
            // It may quote what a stranger sent, and no database keeps this one character.
            detail: Some(detail.into().replace('\0', "\u{fffd}")),
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

/// The beginning of a text, since an error is read by a person.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
