//! What a request is told that is not done: a status, a stable code, and a body whose shape differs by family.

use crate::shape::{Field, Shape, either, field, integer, list, maybe, object, text, word};

/// One way of refusing a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The stable word.
    pub code: &'static str,
    /// When it is answered: a sentence.
    pub when: &'static str,
}

impl Refusal {
    /// A refusal with this status and code.
    pub const fn new(status: u16, code: &'static str, when: &'static str) -> Self {
        Self { status, code, when }
    }
}

/// Whose shape an error has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Doors 1 and 2: `{"error","message"}`, and `issues` for a body that is not what it must be.
    Issues,
    /// Door 3: `{"error":{"code","message"}}`, and `details` for a 400.
    Details,
    /// Doors 4 to 7: `{"error","message"}`.
    Plain,
    /// The management API: as door 3, and `issues` or `reason` for a 422.
    Management,
}

/// The codes that `issues` come with.
const WITH_ISSUES: [&str; 3] = ["invalid_body", "invalid_input", "invalid_definition"];

impl Family {
    /// For the names of answers in the document.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Issues => "issues",
            Self::Details => "details",
            Self::Plain => "plain",
            Self::Management => "management",
        }
    }

    /// The body of an answer with this status and one of these codes.
    pub fn shape(self, status: u16, codes: &[&'static str]) -> Shape {
        let code = word(codes);
        let message = field("message", text().note("For people; it may change."));
        let has_issues = codes.iter().any(|code| WITH_ISSUES.contains(code));
        match self {
            Self::Plain => object([field("error", code), message]),
            Self::Issues => {
                let issues = maybe("issues", list(issue("A JSON pointer into the body.")));
                let fields = [
                    Some(field("error", code)),
                    Some(message),
                    has_issues.then_some(issues),
                ];
                object(fields.into_iter().flatten().collect::<Vec<_>>())
            }
            Self::Details | Self::Management => {
                let mut fields = vec![field("code", code), message];
                if status == 400 {
                    fields.push(field(
                        "details",
                        list(issue("Where, such as `/payload` or `verify.secrets`.")),
                    ));
                }
                if self == Self::Management && status == 422 {
                    fields.extend(has_issues.then(definition_issues));
                    fields.push(maybe("reason", text().note("Why its door refuses it again.")));
                }
                object([field("error", object(fields))])
            }
        }
    }
}

fn issue(path: &'static str) -> Shape {
    object([field("path", text().note(path)), field("message", text())])
}

fn definition_issues() -> Field {
    let place = || integer().or_null().note("From 1, where it is known.");
    let of_definition = object([
        field("code", text().note("A stable word, such as `yaml_syntax`.")),
        field("path", text().note("A JSON pointer into the document.")),
        field("message", text()),
        field("line", place()),
        field("column", place()),
    ]);
    maybe(
        "issues",
        list(either([of_definition, issue("A path into the input.")])),
    )
}
