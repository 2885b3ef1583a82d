//! The root of a document.

use super::scope::Scope;
use super::{Lowering, unsupported};
use crate::source::Spot;
use crate::{Code, Heading, Program, TaskList};

impl Lowering<'_, '_> {
    pub(super) fn document(&mut self, root: &Spot<'_>) -> Program {
        let known = ["document", "input", "use", "do", "timeout", "output", "evaluate"];
        let fields = self.object(root, unsupported::PLAYBOOK, &known);
        let heading = self.required(
            &fields,
            "document",
            "document: {dsl: 1.0.3, namespace: default, name: …, version: 1.0.0}",
        );
        let (document, lifecycle) =
            heading.map_or_else(|| (Heading::none(), false), |spot| self.heading(&spot));
        if let Some(evaluate) = fields.get("evaluate") {
            self.evaluate(&evaluate);
        }
        if let Some(uses) = fields.get("use") {
            self.library(&uses);
        }
        let scope = Scope::outermost();
        let program = Program {
            document,
            input: self.intake(fields.get("input").as_ref(), &scope),
            output: self.outlet(fields.get("output").as_ref(), "`output`", &scope),
            timeout: fields
                .get("timeout")
                .and_then(|timeout| self.timeout(&timeout, &scope)),
            secrets: self.secrets(),
            list: match self.required(&fields, "do", "do: [{first: {set: {greeting: hello}}}]") {
                Some(list) => self.list(&list, "`do`", &scope),
                None => TaskList::none(),
            },
            lifecycle,
        };
        self.rest_of_library();
        program
    }

    /// `document`, and whether lifecycle events are emitted.
    fn heading(&mut self, spot: &Spot<'_>) -> (Heading, bool) {
        let known = [
            "dsl",
            "namespace",
            "name",
            "version",
            "title",
            "summary",
            "tags",
            "metadata",
        ];
        let fields = self.object(spot, "`document`", &known);
        let mut text = |name: &str, example: &str| {
            let field = self.required(&fields, name, &format!("{name}: {example}"));
            let text = field.and_then(|field| Some((self.text(&field, &format!("`{name}`"))?, field)));
            text.map_or_else(
                || (String::new(), None),
                |(text, field)| (text.to_owned(), Some(field)),
            )
        };
        let (dsl, namespace) = (text("dsl", "1.0.3"), text("namespace", "default"));
        let (name, version) = (text("name", "my-playbook"), text("version", "1.0.0"));
        self.language(&dsl.0, dsl.1.as_ref());
        for (name, field) in [&namespace, &name] {
            if let Some(field) = field.as_ref().filter(|_| !is_label(name)) {
                let message = format!(
                    "`{}` is `{name}`; it must be 1 to 63 letters, digits and `-`, with no `-` at its ends",
                    field.name()
                );
                self.issue(Code::InvalidValue, field, message);
            }
        }
        if let Some(field) = version.1.as_ref().filter(|_| !is_semantic_version(&version.0)) {
            let message = format!(
                "`version` is `{}`; it must be a semantic version such as `1.0.0`",
                version.0
            );
            self.issue(Code::InvalidValue, field, message);
        }
        for name in ["title", "summary"] {
            if let Some(field) = fields.get(name) {
                self.text(&field, &format!("`{name}`"));
            }
        }
        if let Some(tags) = fields.get("tags") {
            self.is_object(&tags, "`tags`");
        }
        let metadata = fields
            .get("metadata")
            .filter(|metadata| self.is_object(metadata, "`metadata`"));
        let lifecycle = metadata.and_then(|metadata| metadata.field("lifecycle"));
        let heading = Heading {
            namespace: namespace.0,
            name: name.0,
            version: version.0,
            dsl: dsl.0,
        };
        (
            heading,
            lifecycle.is_some_and(|field| self.boolean(&field, "`lifecycle`")),
        )
    }

    fn language(&mut self, dsl: &str, field: Option<&Spot<'_>>) {
        let Some(field) = field else { return };
        if !is_semantic_version(dsl) {
            let message = format!("`dsl` is `{dsl}`; it must be the version of the language, `1.0.3`");
            self.issue(Code::InvalidValue, field, message);
        } else if !dsl.starts_with("1.0.") {
            let message =
                format!("version {dsl} of the language is not run here; write the document for 1.0.3");
            self.issue(Code::Unsupported, field, message);
        }
    }

    fn evaluate(&mut self, spot: &Spot<'_>) {
        let fields = self.object(spot, "`evaluate`", &["language", "mode"]);
        if let Some(field) = fields.get("language") {
            let language = self.text(&field, "`language`").unwrap_or("jq");
            if language != "jq" {
                let message = format!("expressions in `{language}` are not evaluated here; write them in jq");
                self.issue(Code::Unsupported, &field, message);
            }
        }
        if let Some(field) = fields.get("mode")
            && let Some(true) = self.word(&field, "`mode`", &[("strict", false), ("loose", true)])
        {
            let message = "the mode `loose` is not available: which texts are expressions would be a guess; leave \
                           `mode` out, and put `${ }` around expressions in data";
            self.issue(Code::Unsupported, &field, message);
        }
    }
}

impl Heading {
    fn none() -> Self {
        Self {
            namespace: String::new(),
            name: String::new(),
            version: String::new(),
            dsl: String::new(),
        }
    }
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Semantic Versioning 2.0.0, *items 2, 9 and 10*.
fn is_semantic_version(text: &str) -> bool {
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_identifier = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (rest, build) = text
        .split_once('+')
        .map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, before) = rest
        .split_once('-')
        .map_or((rest, None), |(core, before)| (core, Some(before)));
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && before.is_none_or(|before| {
            before.split('.').all(|part| {
                is_identifier(part) && (is_number(part) || !part.bytes().all(|byte| byte.is_ascii_digit()))
            })
        })
        && build.is_none_or(|build| build.split('.').all(is_identifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        for good in ["1.0.0", "0.10.20", "1.0.0-alpha1", "1.0.0-0.a-b.1+build.007"] {
            assert!(is_semantic_version(good), "{good}");
        }
        for bad in [
            "", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "v1.0.0", "1.0.x",
        ] {
            assert!(!is_semantic_version(bad), "{bad}");
        }
        assert!(
            is_label("My-1")
                && !is_label("-a")
                && !is_label("")
                && !is_label("a_b")
                && !is_label(&"a".repeat(64))
        );
    }
}
