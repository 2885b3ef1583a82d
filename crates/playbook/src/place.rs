//! Where a value stands in a text: for whoever tells what is wrong with a document, or with one that has it inside.

use crate::source::{self, Field, Kind, Node};
use serde_json::Value;

/// Where a value stands, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// From 1: of the value's name in an object, else of the value.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// From 1: of the value.
    pub value_line: u32,
    /// In characters, from 1.
    pub value_column: u32,
    /// The value, if it is a text, a number or the like; null for a list or an object.
    pub value: Value,
    /// How many names of the way there were found: all, or what there is of it.
    pub found: usize,
}

/// A text that was read, for whoever looks for many places in it.
#[derive(Debug)]
pub struct Places(Node);

impl Places {
    /// Reads a YAML or JSON text. None: it cannot be read.
    ///
    /// Evaluates nothing, and recurses as deep as the text nests, at most 128 levels.
    pub fn read(text: &str) -> Option<Self> {
        source::tree(text).ok().map(Self)
    }

    /// Follows names and indices from the root as far as they lead.
    pub fn at<'n>(&self, way: impl IntoIterator<Item = &'n str>) -> Place {
        let (mut node, mut at, mut found) = (&self.0, self.0.at, 0);
        for name in way {
            let Some((next, next_at)) = step(node, name) else {
                break;
            };
            (node, at) = (next, next_at);
            found += 1;
        }
        let is_nested = matches!(node.kind, Kind::List(_) | Kind::Object(_));
        Place {
            line: at.0,
            column: at.1,
            value_line: node.at.0,
            value_column: node.at.1,
            value: if is_nested { Value::Null } else { node.to_value() },
            found,
        }
    }
}

/// One place in a text, as [`Places::at`] finds it. None: the text cannot be read.
pub fn place<'n>(text: &str, way: impl IntoIterator<Item = &'n str>) -> Option<Place> {
    Some(Places::read(text)?.at(way))
}

fn step<'n>(node: &'n Node, name: &str) -> Option<(&'n Node, source::Place)> {
    match &node.kind {
        Kind::Object(fields) => {
            let field: &Field = fields.iter().find(|field| field.name == name)?;
            Some((&field.value, field.at))
        }
        Kind::List(items) => {
            let item = items.get(name.parse::<usize>().ok()?)?;
            Some((item, item.at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_way_is_followed_as_far_as_it_leads() {
        let text = "document:\n  name: greet\ndo:\n  - first: {set: {a: 1}}\n";
        let of = |way: &[&str]| {
            let place = place(text, way.iter().copied()).unwrap();
            (place.line, place.column, place.found, place.value)
        };
        assert_eq!(of(&[]), (1, 1, 0, Value::Null));
        assert_eq!(of(&["document", "name"]), (2, 3, 2, json!("greet")));
        assert_eq!(of(&["do", "0", "first", "set", "a"]), (4, 19, 5, json!(1)));
        assert_eq!(of(&["do", "1", "first"]), (3, 1, 1, Value::Null));
        assert_eq!(place("a: [", ["a"]), None);
    }
}
