//! What a document says of a thing that stays as it is when nothing is said: a secret, an owner.

use super::Fields;
use super::value::Refused;
use serde_json::Value;

/// What stands in a field, if it is there at all.
#[derive(Debug, Clone)]
pub(crate) enum Said<T> {
    /// The field is left out.
    Nothing,
    /// It is null.
    Null,
    /// It holds this.
    This(T),
}

impl<T> Said<T> {
    /// Reads a field.
    pub(crate) fn read(
        fields: &mut Fields<'_>,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Refused>,
    ) -> Self {
        if fields.get(name).is_some_and(Value::is_null) {
            return Self::Null;
        }
        fields.optional(name, read).map_or(Self::Nothing, Self::This)
    }

    /// What is there afterwards.
    pub(crate) fn over(self, existing: Option<T>) -> Option<T> {
        match self {
            Self::Nothing => existing,
            Self::Null => None,
            Self::This(value) => Some(value),
        }
    }

    /// The same of something else.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Said<U> {
        match self {
            Self::Nothing => Said::Nothing,
            Self::Null => Said::Null,
            Self::This(value) => Said::This(change(value)),
        }
    }
}
