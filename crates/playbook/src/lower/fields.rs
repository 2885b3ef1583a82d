//! Objects whose names are known, and the plain values in them.

use super::nearest::advice;
use super::{Lowering, unsupported};
use crate::Code;
use crate::source::{Kind, Spot};

/// An object's fields, once every name in it is known to be one of the language's.
pub(super) struct Fields<'d> {
    pub(super) object: Spot<'d>,
    /// What the object is, for messages.
    what: &'static str,
}

impl<'d> Fields<'d> {
    pub(super) fn get(&self, name: &str) -> Option<Spot<'d>> {
        self.object.field(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl Lowering<'_, '_> {
    /// Reads an object that may have these names. Others are reported, and so is anything but an object, which then
    /// has no fields.
    pub(super) fn object<'d>(&mut self, spot: &Spot<'d>, what: &'static str, names: &[&str]) -> Fields<'d> {
        if self.is_object(spot, what) {
            for (name, field) in spot.fields() {
                if !names.contains(&name) && !self.refuse_unsupported(what, name, &field) {
                    let advice = advice(name, names.iter().copied());
                    let message = format!("`{name}` is no property of {what}; {advice}");
                    self.issue_of_name(Code::UnknownProperty, &field, message);
                }
            }
        }
        Fields {
            object: spot.clone(),
            what,
        }
    }

    fn refuse_unsupported(&mut self, what: &str, name: &str, field: &Spot<'_>) -> bool {
        let refusal = unsupported::property(what, name);
        if let Some(message) = refusal {
            self.issue_of_name(Code::Unsupported, field, message);
        }
        refusal.is_some()
    }

    /// A field that must be there.
    pub(super) fn required<'d>(
        &mut self,
        fields: &Fields<'d>,
        name: &str,
        example: &str,
    ) -> Option<Spot<'d>> {
        let field = fields.get(name);
        if field.is_none() && matches!(fields.object.node.kind, Kind::Object(_)) {
            let what = fields.what;
            let message = format!("{what} must have `{name}`; write for example `{example}`");
            self.issue(Code::MissingProperty, &fields.object, message);
        }
        field
    }

    /// The one of these alternatives that is there. Reports when there is none, or more than one.
    pub(super) fn one_of<'d>(
        &mut self,
        fields: &Fields<'d>,
        names: &[&'static str],
    ) -> Option<(&'static str, Spot<'d>)> {
        let mut found = names.iter().filter_map(|name| Some((*name, fields.get(name)?)));
        let (first, second) = (found.next(), found.next());
        if first.is_none() && !matches!(fields.object.node.kind, Kind::Object(_)) {
            return None;
        }
        let all = names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ");
        let what = fields.what;
        match (&first, second) {
            (Some((one, _)), Some((other, _))) => {
                let message =
                    format!("{what} has both `{one}` and `{other}`; it must have exactly one of {all}");
                self.issue(Code::OneOf, &fields.object, message);
            }
            (None, _) => {
                let message = format!("{what} must have exactly one of {all}");
                self.issue(Code::OneOf, &fields.object, message);
            }
            _ => {}
        }
        first
    }

    /// Whether it is an object, which it must be.
    pub(super) fn is_object(&mut self, spot: &Spot<'_>, what: &str) -> bool {
        let is = matches!(spot.node.kind, Kind::Object(_));
        if !is {
            self.wrong_type(spot, what, "an object, that is names with values");
        }
        is
    }

    /// Whether it is a list, which it must be.
    pub(super) fn is_list(&mut self, spot: &Spot<'_>, what: &str, of: &str) -> bool {
        let is = matches!(spot.node.kind, Kind::List(_));
        if !is {
            let what_else = format!("a list of {of}, each beginning with `- `");
            self.wrong_type(spot, what, &what_else);
        }
        is
    }

    /// A text.
    pub(super) fn text<'d>(&mut self, spot: &Spot<'d>, what: &str) -> Option<&'d str> {
        let text = spot.text();
        if text.is_none() {
            let quoted = matches!(spot.node.kind, Kind::Number(_) | Kind::Bool(_));
            self.wrong_type(
                spot,
                what,
                if quoted {
                    "a text: put it in quotes"
                } else {
                    "a text"
                },
            );
        }
        text
    }

    /// An integer between two, both included.
    pub(super) fn integer(&mut self, spot: &Spot<'_>, what: &str, least: u64, most: u64) -> Option<u64> {
        let Kind::Number(number) = &spot.node.kind else {
            self.wrong_type(spot, what, "a number, without quotes");
            return None;
        };
        if number.is_f64() {
            self.wrong_type(spot, what, "a whole number");
            return None;
        }
        let integer = number.as_u64().filter(|integer| (least..=most).contains(integer));
        if integer.is_none() {
            let message = format!("{what} is {number}; it must be between {least} and {most}");
            self.issue(Code::InvalidValue, spot, message);
        }
        integer
    }

    /// True or false; false when it is neither.
    pub(super) fn boolean(&mut self, spot: &Spot<'_>, what: &str) -> bool {
        if let Kind::Bool(value) = spot.node.kind {
            return value;
        }
        self.wrong_type(spot, what, "true or false, without quotes");
        false
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        spot: &Spot<'_>,
        what: &str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(spot, what)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let advice = advice(text, words.iter().map(|(word, _)| *word));
            self.issue(
                Code::InvalidValue,
                spot,
                format!("{what} cannot be `{text}`; {advice}"),
            );
        }
        found.map(|(_, meaning)| *meaning)
    }

    pub(super) fn wrong_type(&mut self, spot: &Spot<'_>, what: &str, wanted: &str) {
        let found = spot.node.noun();
        self.issue(
            Code::WrongType,
            spot,
            format!("{what} is {found}; it must be {wanted}"),
        );
    }
}
