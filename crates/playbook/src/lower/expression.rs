//! Expressions: jq with the variables of their place.

use super::nearest::advice;
use super::scope::Scope;
use super::{Lowering, jq};
use crate::source::Spot;
use crate::{Code, Expression};

/// The longest expression, in bytes.
const EXPRESSION_BYTES: usize = 4 << 10;

/// The most expressions of a document: four for each task that there may be.
const MOST_EXPRESSIONS: usize = 2_000;

/// How a text has `${ … }` in it.
pub(super) enum Marked<'t> {
    /// As a whole: the jq in it.
    Whole(&'t str),
    /// Among other characters.
    Mixed(Vec<Part<'t>>),
    /// It begins with `${`, and nothing ends it.
    Open,
    /// Not at all.
    Not,
}

/// A part of a text that mixes characters and expressions.
pub(super) enum Part<'t> {
    Characters(&'t str),
    Jq(&'t str),
}

/// Finds `${ … }` in a text.
pub(super) fn marked(text: &str) -> Marked<'_> {
    let trimmed = text.trim();
    if let Some(inner) = trimmed.strip_prefix("${") {
        // What jq cannot read has no end that could be found, but is meant as an expression as a whole.
        let last = inner.strip_suffix('}');
        match (jq::closing_brace(inner), last) {
            (Some(at), Some(jq)) if at == jq.len() => return Marked::Whole(jq),
            (None, Some(jq)) => return Marked::Whole(jq),
            (None, None) => return Marked::Open,
            _ => {}
        }
    }
    let (mut parts, mut rest, mut found) = (Vec::new(), text, false);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((jq, behind)) = jq::closing_brace(after)
            .or_else(|| after.find('}'))
            .and_then(|at| Some((after.get(..at)?, after.get(at + 1..)?)))
        else {
            break;
        };
        parts.extend([Part::Characters(before), Part::Jq(jq)]);
        (rest, found) = (behind, true);
    }
    parts.push(Part::Characters(rest));
    if found { Marked::Mixed(parts) } else { Marked::Not }
}

impl Lowering<'_, '_> {
    /// A field that always is an expression, such as `if`: `${ }` may be left out.
    pub(super) fn expression(&mut self, spot: &Spot<'_>, what: &str, scope: &Scope) -> Expression {
        let text = self.text(spot, what).unwrap_or(".");
        let code = match marked(text) {
            Marked::Whole(code) => code,
            Marked::Mixed(parts) => {
                let whole: String = parts.iter().map(Part::in_jq).collect();
                let message = format!(
                    "{what} is one jq expression as a whole, with no `${{ }}` inside it; write `{}`",
                    whole.trim()
                );
                self.issue(Code::MixedExpression, spot, message);
                "."
            }
            Marked::Open => {
                self.refuse_open(spot);
                "."
            }
            Marked::Not => text,
        };
        self.compiled(spot, code, scope)
    }

    pub(super) fn refuse_open(&mut self, spot: &Spot<'_>) {
        let message = "this begins with `${`, and nothing ends it; put a `}` behind the expression";
        self.issue(Code::InvalidExpression, spot, message);
    }

    /// Reports a text around `${ … }`, which would be sent as it stands.
    pub(super) fn refuse_mixed(&mut self, spot: &Spot<'_>, parts: &[Part<'_>]) {
        let inside: String = parts.iter().map(Part::in_string).collect();
        let message = format!(
            "text around `${{ }}` is not filled in; let the expression make the whole text: `${{ \"{inside}\" }}`"
        );
        self.issue(Code::MixedExpression, spot, message);
    }

    /// An expression, once it compiles with the variables of its place.
    pub(super) fn compiled(&mut self, spot: &Spot<'_>, code: &str, scope: &Scope) -> Expression {
        let code = code.trim();
        self.compile(spot, code, scope);
        Expression {
            code: code.to_owned(),
            pointer: spot.pointer.clone(),
            scope: scope.names.clone(),
        }
    }

    fn compile(&mut self, spot: &Spot<'_>, code: &str, scope: &Scope) {
        self.expressions += 1;
        if self.expressions == MOST_EXPRESSIONS + 1 {
            let message = format!(
                "a document may have {MOST_EXPRESSIONS} expressions, and here is one more: split it in two"
            );
            self.issue(Code::LimitExceeded, spot, message);
        }
        if self.expressions > MOST_EXPRESSIONS {
            return;
        }
        if code.is_empty() {
            let message = "there is no expression here; write jq, such as `.order.id`";
            self.issue(Code::InvalidExpression, spot, message);
        } else if code.len() > EXPRESSION_BYTES {
            let message = format!(
                "the expression has {} bytes; at most {EXPRESSION_BYTES} are allowed: split it with `set`, over several \
                 tasks",
                code.len()
            );
            self.issue(Code::LimitExceeded, spot, message);
        } else if self.has_its_variables(spot, code, scope)
            && let Err(error) = self.evaluator.check(code, &scope.all())
        {
            let message = format!("`{}` does not compile: {error}", shortened(code));
            self.issue(Code::InvalidExpression, spot, message);
        }
    }

    fn has_its_variables(&mut self, spot: &Spot<'_>, code: &str, scope: &Scope) -> bool {
        let before = self.issues.len();
        for variable in jq::used(code) {
            let name = variable.name;
            if name == jq::SECRETS && !scope.has_secrets {
                let message = "`$secrets` may be used in a call's `headers`, `query`, `body` and `authentication` only, \
                               so that secrets never reach the run's data; use it there";
                self.issue(Code::SecretScope, spot, message);
            } else if name == jq::SECRETS {
                if let Some(secret) = variable.field {
                    self.knows_secret(spot, secret);
                }
            } else if !scope.all().contains(&name) && !matches!(name, "ENV" | "__loc__") {
                let message = if scope.is_of_event() {
                    format!(
                        "`${name}` is not there: this is evaluated over the event alone; compare with what the run \
                         knows by `correlate`, with `expect`"
                    )
                } else {
                    let usable: Vec<String> = scope.usable().iter().map(|name| format!("${name}")).collect();
                    let name = format!("${name}");
                    let advice = advice(&name, usable.iter().map(String::as_str));
                    format!("there is no variable `{name}` here; {advice}")
                };
                self.issue(Code::UndefinedVariable, spot, message);
            }
        }
        self.issues.len() == before
    }
}

impl Part<'_> {
    /// As a part of a jq string.
    fn in_string(&self) -> String {
        match self {
            Self::Characters(text) => {
                let quoted = serde_json::Value::from(*text).to_string();
                quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
            }
            Self::Jq(code) => format!("\\({})", code.trim()),
        }
    }

    /// As a part of a jq expression.
    fn in_jq(&self) -> String {
        match self {
            Self::Characters(text) => (*text).to_owned(),
            Self::Jq(code) if code.trim().contains(char::is_whitespace) => format!("({})", code.trim()),
            Self::Jq(code) => code.trim().to_owned(),
        }
    }
}

fn shortened(code: &str) -> String {
    const SHOWN: usize = 80;
    match code.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", code.get(..cut).unwrap_or_default()),
        None => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_found_as_a_whole_or_among_characters() {
        for whole in [
            "${ .a }",
            " ${.a} \n",
            "${ {a: {}} }",
            r#"${ "}" }"#,
            "${ ) }",
            "${}",
        ] {
            assert!(matches!(marked(whole), Marked::Whole(_)), "{whole}");
        }
        for mixed in [
            "a ${ .b }",
            "${ .a } b",
            "${ .a }${ .b }",
            "${ .a }}",
            r#"x${ "}" }"#,
            "${ \" } ${ .a }",
        ] {
            assert!(
                matches!(marked(mixed), Marked::Mixed(_) | Marked::Whole(_)),
                "{mixed}"
            );
        }
        for not in ["", "a", ".a", "{a}", "$a", "$ {a}", "costs ${5", "}"] {
            assert!(matches!(marked(not), Marked::Not), "{not}");
        }
        assert!(matches!(marked("${ .a"), Marked::Open));
    }

    #[test]
    fn characters_become_a_jq_string_that_means_them() {
        let in_string = |text: &str| match marked(text) {
            Marked::Mixed(parts) => parts.iter().map(Part::in_string).collect::<String>(),
            _ => panic!("{text}"),
        };
        assert_eq!(in_string(r#""${ .a }""#), r#"\"\(.a)\""#);
        assert_eq!(in_string(r"\(x) ${.a}"), r"\\(x) \(.a)");
        assert_eq!(in_string("a\n${ .b } c"), r"a\n\(.b) c");
    }
}
