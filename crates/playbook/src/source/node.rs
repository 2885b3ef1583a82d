//! The tree: values with their places, and spots, which are values with their JSON pointers.

use serde_json::{Map, Number, Value};

/// Line and column, from 1.
pub(crate) type Place = (u32, u32);

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) at: Place,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Field>),
}

/// A name in an object, with its value.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) at: Place,
    pub(crate) value: Node,
}

impl Node {
    /// The value alone.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(bool) => Value::Bool(*bool),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_value).collect(),
            Kind::Object(fields) => fields
                .iter()
                .map(|field| (field.name.clone(), field.value.to_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// What it is, for a person.
    pub(crate) fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Object(_) => "an object",
        }
    }
}

/// A node, and the way to it.
#[derive(Debug, Clone)]
pub(crate) struct Spot<'d> {
    pub(crate) node: &'d Node,
    /// A JSON pointer.
    pub(crate) pointer: String,
    /// The place of its name in an object, else its own.
    pub(crate) name_at: Place,
}

impl<'d> Spot<'d> {
    /// The document as a whole.
    pub(crate) fn root(node: &'d Node) -> Self {
        Self {
            node,
            pointer: String::new(),
            name_at: node.at,
        }
    }

    /// The last name or index of its pointer, unescaped.
    pub(crate) fn name(&self) -> String {
        let last = self.pointer.rsplit('/').next().unwrap_or_default();
        last.replace("~1", "/").replace("~0", "~")
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&'d str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The fields of an object, in order; none of anything else.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'d str, Self)> {
        let fields: &'d [Field] = match &self.node.kind {
            Kind::Object(fields) => fields,
            _ => &[],
        };
        let above = self.pointer.clone();
        fields.iter().map(move |field| {
            let spot = Self {
                node: &field.value,
                pointer: format!("{above}/{}", escape(&field.name)),
                name_at: field.at,
            };
            (field.name.as_str(), spot)
        })
    }

    /// The field of a name.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        self.fields().find(|(own, _)| *own == name).map(|(_, spot)| spot)
    }

    /// The items of a list, in order; none of anything else.
    pub(crate) fn items(&self) -> impl Iterator<Item = Self> {
        let items: &'d [Node] = match &self.node.kind {
            Kind::List(items) => items,
            _ => &[],
        };
        let above = self.pointer.clone();
        items.iter().enumerate().map(move |(index, node)| Self {
            node,
            pointer: format!("{above}/{index}"),
            name_at: node.at,
        })
    }
}

/// A name as a part of a JSON pointer (RFC 6901).
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
