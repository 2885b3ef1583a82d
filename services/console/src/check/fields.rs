//! Reading an object field by field, with every problem collected instead of the first one thrown.
//!
//! A request's body and a configuration file hold the same things, in `camelCase` and in `snake_case`. One reader serves
//! both: fields are named in `snake_case` here, and [`Style`] says how the document writes them.

use super::value::Refused;
use crate::Problem;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// How much longer or shorter than a known name an unknown one may be, in bytes, to be taken for a slip of the pen.
const FARTHEST: usize = 8;

/// How a document writes the names of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `rate_limit`: configuration as code.
    Snake,
    /// `rateLimit`: the management API.
    Camel,
}

impl Style {
    /// The name of a field, or the path of one, as the document writes it.
    pub(crate) fn written(self, name: &'static str) -> Cow<'static, str> {
        if self == Self::Snake || !name.contains('_') {
            return Cow::Borrowed(name);
        }
        let mut written = String::with_capacity(name.len());
        for (index, word) in name.split('_').enumerate() {
            let mut letters = word.chars();
            match letters.next() {
                Some(first) if index > 0 => written.extend(first.to_uppercase().chain(letters)),
                first => written.extend(first.into_iter().chain(letters)),
            }
        }
        Cow::Owned(written)
    }
}

/// What was found wrong so far, and what is left to be checked.
#[derive(Debug)]
pub(crate) struct Report {
    style: Style,
    problems: Vec<Problem>,
    programs: Vec<(String, Arc<str>)>,
}

impl Report {
    /// Nothing wrong yet.
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            problems: Vec::new(),
            programs: Vec::new(),
        }
    }

    /// Notes a problem.
    pub(crate) fn refuse(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    /// The problems, and the jq programs that are yet to be compiled, each with its path.
    pub(crate) fn into_parts(self) -> (Vec<Problem>, Vec<(String, Arc<str>)>) {
        (self.problems, self.programs)
    }

    /// Reads `value` as an object; every field that `read` does not ask for is a problem.
    pub(crate) fn object<T>(
        &mut self,
        path: &str,
        value: &Value,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Option<T> {
        let Value::Object(object) = value else {
            self.refuse(path, format!("must be an object, not {}", kind(value)));
            return None;
        };
        let mut fields = Fields {
            object,
            path: path.to_owned(),
            known: Vec::new(),
            report: self,
        };
        let read = read(&mut fields);
        fields.refuse_unknown();
        Some(read)
    }

    /// Reads `value` as a list, element by element.
    pub(crate) fn list<T>(
        &mut self,
        path: &str,
        value: &Value,
        mut read: impl FnMut(&mut Self, &str, &Value) -> Option<T>,
    ) -> Vec<T> {
        let Value::Array(elements) = value else {
            self.refuse(path, format!("must be a list, not {}", kind(value)));
            return Vec::new();
        };
        let mut list = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            list.extend(read(self, &format!("{path}[{index}]"), element));
        }
        list
    }
}

/// The fields of one object.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
    known: Vec<Cow<'static, str>>,
    report: &'a mut Report,
}

impl<'a> Fields<'a> {
    /// Where a field of it stands.
    pub(crate) fn path_of(&self, name: &'static str) -> String {
        let name = self.report.style.written(name);
        match self.path.as_str() {
            "" => name.into_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// Where the object itself stands.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// How many problems there are so far.
    pub(crate) fn count(&self) -> usize {
        self.report.problems.len()
    }

    /// Notes a problem with a field.
    pub(crate) fn refuse(&mut self, name: &'static str, message: impl Into<String>) {
        let path = self.path_of(name);
        self.report.refuse(path, message);
    }

    /// Notes a problem inside a field, at a path that its own checker found.
    pub(crate) fn refuse_below(&mut self, name: &'static str, path: &str, message: impl Into<String>) {
        let path = match path {
            // What `serde_path_to_error` calls the top.
            "" | "." => self.path_of(name),
            path => format!("{}.{path}", self.path_of(name)),
        };
        self.report.refuse(path, message);
    }

    /// The value of a field as it stands, null included.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        let written = self.report.style.written(name);
        let value = self.object.get(written.as_ref());
        self.known.push(written);
        value
    }

    /// Whether a field is there, if only as null.
    pub(crate) fn has(&mut self, name: &'static str) -> bool {
        self.get(name).is_some()
    }

    /// Reads a field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Refused>,
    ) -> Option<T> {
        if !self.has(name) {
            self.refuse(name, "is missing");
            return None;
        }
        self.optional(name, read)
    }

    /// Reads a field that may be left out.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Refused>,
    ) -> Option<T> {
        match read(self.get(name)?) {
            Ok(value) => Some(value),
            Err(refused) => {
                self.refuse(name, refused.0);
                None
            }
        }
    }

    /// Reads a field over what stands in `slot`, which stays when the field is left out.
    pub(crate) fn set<T>(
        &mut self,
        name: &'static str,
        slot: &mut T,
        read: impl FnOnce(&Value) -> Result<T, Refused>,
    ) {
        if let Some(value) = self.optional(name, read) {
            *slot = value;
        }
    }

    /// The same for what may be absent: null empties the slot.
    pub(crate) fn set_optional<T>(
        &mut self,
        name: &'static str,
        slot: &mut Option<T>,
        read: impl FnOnce(&Value) -> Result<T, Refused>,
    ) {
        match self.get(name) {
            Some(Value::Null) => *slot = None,
            Some(_) => *slot = self.optional(name, read),
            None => {}
        }
    }

    /// Reads a list of values over what stands in `slot`.
    pub(crate) fn set_list<T>(
        &mut self,
        name: &'static str,
        slot: &mut Vec<T>,
        read: impl FnMut(&Value) -> Result<T, Refused>,
    ) {
        if let Some(list) = self.list(name, read) {
            *slot = list;
        }
    }

    /// Reads a list of values.
    pub(crate) fn list<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&Value) -> Result<T, Refused>,
    ) -> Option<Vec<T>> {
        let value = self.get(name)?;
        let path = self.path_of(name);
        Some(self.report.list(&path, value, |report, path, element| {
            read(element)
                .map_err(|refused| report.refuse(path, refused.0))
                .ok()
        }))
    }

    /// Reads a list of objects.
    pub(crate) fn objects<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Fields<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.get(name)?;
        let path = self.path_of(name);
        Some(self.report.list(&path, value, |report, path, element| {
            report.object(path, element, &mut read).flatten()
        }))
    }

    /// Reads a field that is an object itself. None when it is left out, is null or is no object.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Option<T> {
        let value = self.get(name).filter(|value| !value.is_null())?;
        let path = self.path_of(name);
        self.report.object(&path, value, read)
    }

    /// Reads a field that is an object with an optional meaning over what stands in `slot`: null empties it.
    pub(crate) fn set_object<T>(
        &mut self,
        name: &'static str,
        slot: &mut Option<T>,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) {
        match self.get(name) {
            Some(Value::Null) => *slot = None,
            Some(_) => *slot = self.object(name, read).flatten(),
            None => {}
        }
    }

    /// Every field of an object whose names are data, such as headers.
    pub(crate) fn entries(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&str, &Value) -> Result<(), Refused>,
    ) -> bool {
        let Some(value) = self.get(name) else {
            return false;
        };
        let path = self.path_of(name);
        let Value::Object(object) = value else {
            self.refuse(name, format!("must be an object, not {}", kind(value)));
            return false;
        };
        for (key, value) in object {
            if let Err(refused) = read(key, value) {
                self.report.refuse(format!("{path}.{key}"), refused.0);
            }
        }
        true
    }

    /// Reads a jq program over what stands in `slot`; whether it compiles is found out later, with all others.
    pub(crate) fn set_program(&mut self, name: &'static str, slot: &mut Option<String>) {
        self.set_optional(name, slot, super::value::program);
        if let Some(program) = self
            .object
            .get(self.report.style.written(name).as_ref())
            .and(slot.as_deref())
        {
            let path = self.path_of(name);
            self.report.programs.push((path, Arc::from(program)));
        }
    }

    /// Names that the contract has and this release does not: saying so is better than ignoring them.
    pub(crate) fn later(&mut self, names: &[&'static str]) {
        for name in names {
            if self.has(name) {
                self.refuse(name, "is not supported by this release yet; leave it out");
            }
        }
    }

    fn refuse_unknown(&mut self) {
        for name in self.object.keys() {
            if self.known.iter().any(|known| known == name) {
                continue;
            }
            // What is that much longer or shorter is not near, and may be megabytes.
            let near = self
                .known
                .iter()
                .filter(|known| known.len().abs_diff(name.len()) <= FARTHEST)
                .map(|known| (strsim::damerau_levenshtein(&plain(known), &plain(name)), known))
                .filter(|(distance, _)| *distance <= 2)
                .min();
            let message = match near {
                Some((_, known)) => format!("is not a field here; did you mean `{known}`?"),
                None => "is not a field here".to_owned(),
            };
            let path = match self.path.as_str() {
                "" => name.clone(),
                path => format!("{path}.{name}"),
            };
            self.report.refuse(path, message);
        }
    }
}

/// A name in either style.
fn plain(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

/// What a value is, for messages. Never the value itself: it may be a secret.
pub(crate) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::value;
    use serde_json::json;

    fn problems(report: Report) -> Vec<String> {
        report.into_parts().0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_problems_are_collected_with_their_paths() {
        let mut report = Report::new(Style::Snake);
        let document = json!({"name": 7, "list": ["a", 1], "inner": {"coutn": 1}, "text": null});
        report.object("", &document, |fields| {
            fields.required("name", value::text);
            fields.required("missing", value::text);
            fields.list("list", value::text);
            fields.object("inner", |inner| inner.optional("count", value::boolean));
            fields.optional("text", value::text);
        });
        assert_eq!(
            problems(report),
            [
                "name: must be a text, not a number",
                "missing: is missing",
                "list[1]: must be a text, not a number",
                "inner.coutn: is not a field here; did you mean `count`?",
                "text: must be a text, not null",
            ]
        );
    }

    #[test]
    fn the_management_api_writes_the_same_fields_in_camel_case() {
        let mut report = Report::new(Style::Camel);
        let document = json!({"maxBodyBytes": "1", "max_body_bytes": 1});
        report.object("", &document, |fields| {
            fields.optional("max_body_bytes", value::boolean)
        });
        assert_eq!(
            problems(report),
            [
                "maxBodyBytes: must be true or false, not a text",
                "max_body_bytes: is not a field here; did you mean `maxBodyBytes`?",
            ]
        );
    }

    #[test]
    fn null_empties_what_may_be_absent_and_a_left_out_field_changes_nothing() {
        let mut report = Report::new(Style::Camel);
        let (mut emptied, mut kept) = (Some("a".to_owned()), Some("b".to_owned()));
        report.object("", &json!({"emptied": null}), |fields| {
            fields.set_optional("emptied", &mut emptied, value::text);
            fields.set_optional("kept", &mut kept, value::text);
        });
        assert_eq!((emptied, kept), (None, Some("b".to_owned())));
        assert!(problems(report).is_empty());
    }
}
