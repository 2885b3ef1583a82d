//! The document of the doors and the management API as a page. Whatever is filled in is escaped.

use super::schema::{Line, lines};
use askama::Template;
use serde_json::Value;

/// The page.
#[derive(Debug, Template)]
#[template(path = "docs.html")]
pub(super) struct Docs {
    version: String,
    about: Vec<Prose>,
    groups: Vec<Group>,
    shapes: Vec<Named>,
}

/// Operations about one thing.
#[derive(Debug)]
struct Group {
    name: String,
    anchor: String,
    about: Prose,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    details: Option<Prose>,
    /// What it asks for.
    key: Option<&'static str>,
    parameters: Vec<Parameter>,
    takes: Vec<Content>,
    is_body_optional: bool,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Parameter {
    place: String,
    line: Line,
}

/// A body of one media type.
#[derive(Debug)]
struct Content {
    media: String,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Answer {
    status: String,
    is_refusal: bool,
    about: Vec<Prose>,
    content: Vec<Content>,
}

/// A shape of the document.
#[derive(Debug)]
struct Named {
    name: String,
    lines: Vec<Line>,
}

/// Text with code in it: each piece, and whether it is code.
#[derive(Debug)]
pub(super) struct Prose(Vec<(bool, String)>);

impl Prose {
    /// Reads backticks, the one thing of Markdown that descriptions use.
    pub(super) fn of(text: &str) -> Self {
        let pieces = text.split('`').enumerate();
        let pieces = pieces.map(|(index, piece)| (index % 2 == 1, piece.to_owned()));
        Self(pieces.filter(|(_, piece)| !piece.is_empty()).collect())
    }

    fn paragraphs(text: &Value) -> Vec<Self> {
        let text = text.as_str().unwrap_or_default();
        text.split("\n\n").map(Self::of).collect()
    }
}

impl Docs {
    /// The page of a document.
    pub(super) fn of(document: &Value) -> Self {
        let mut groups: Vec<Group> = array(&document["tags"]).iter().map(Group::of).collect();
        for (path, item) in entries(&document["paths"]) {
            for (method, operation) in entries(item) {
                let tag = array(&operation["tags"]).first();
                let group = groups
                    .iter_mut()
                    .find(|group| tag.is_some_and(|tag| *tag == group.name));
                if let Some(group) = group {
                    group
                        .operations
                        .push(Operation::of(document, path, method, operation));
                }
            }
        }
        let shapes = entries(at(document, "/components/schemas")).map(|(name, schema)| Named {
            name: name.clone(),
            lines: lines(schema),
        });
        Self {
            version: text(at(document, "/info/version")),
            about: Prose::paragraphs(at(document, "/info/description")),
            groups,
            shapes: shapes.collect(),
        }
    }
}

impl Group {
    fn of(tag: &Value) -> Self {
        let name = text(&tag["name"]);
        Self {
            anchor: name.to_lowercase().replace(' ', "-"),
            name,
            about: Prose::of(&text(&tag["description"])),
            operations: Vec::new(),
        }
    }
}

impl Operation {
    fn of(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let body = &operation["requestBody"];
        let key = array(&operation["security"]).first().map(|asked| {
            if asked.get("apiKey").is_some() {
                "Authorization: Bearer nhk_…"
            } else {
                "Authorization: Bearer nhm_…"
            }
        });
        let parameters = array(&operation["parameters"]).iter().map(|parameter| Parameter {
            place: text(&parameter["in"]),
            line: Line {
                name: text(&parameter["name"]),
                is_optional: parameter["required"] != true,
                note: Prose::of(&text(&parameter["description"])),
                ..lines(&parameter["schema"]).swap_remove(0)
            },
        });
        let answers = entries(&operation["responses"])
            .map(|(status, response)| Answer::of(status, resolved(document, response)));
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            details: operation["description"].as_str().map(Prose::of),
            key,
            parameters: parameters.collect(),
            takes: content(&body["content"]),
            is_body_optional: body["required"] != true,
            answers: answers.collect(),
        }
    }
}

impl Answer {
    fn of(status: &str, response: &Value) -> Self {
        let is_refusal = status.starts_with(['4', '5']);
        Self {
            status: status.to_owned(),
            is_refusal,
            about: Prose::paragraphs(&response["description"]),
            // What refusals look like is said once, at the top.
            content: if is_refusal {
                Vec::new()
            } else {
                content(&response["content"])
            },
        }
    }
}

fn content(by_media: &Value) -> Vec<Content> {
    let content = entries(by_media).map(|(media, content)| Content {
        media: media.clone(),
        lines: lines(&content["schema"]),
    });
    content.collect()
}

fn resolved<'a>(document: &'a Value, response: &'a Value) -> &'a Value {
    let reference = response["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    reference
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(response)
}

/// What stands at a JSON pointer; null where nothing does.
fn at<'a>(document: &'a Value, pointer: &str) -> &'a Value {
    document.pointer(pointer).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
