//! What a value looks like: a small language that becomes JSON Schema.

use serde_json::Value;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, ObjectBuilder, RefBuilder, SchemaFormat, SchemaType,
    Type,
};
use utoipa::openapi::{RefOr, Schema};

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    kind: Kind,
    note: Option<&'static str>,
    or_null: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Text(Text),
    Word(Vec<&'static str>),
    Integer(Option<usize>, Option<usize>),
    Number,
    Boolean,
    Null,
    Anything,
    List(Box<Shape>, Option<usize>, Option<usize>),
    Map(Box<Shape>),
    Object(Vec<Field>, bool),
    Named(&'static str),
    Either(Vec<Shape>),
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Text {
    format: Option<&'static str>,
    pattern: Option<String>,
    least: Option<usize>,
    most: Option<usize>,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

const fn shape(kind: Kind) -> Shape {
    Shape {
        kind,
        note: None,
        or_null: false,
    }
}

/// Any text.
pub fn text() -> Shape {
    shape(Kind::Text(Text::default()))
}

/// Bytes that need not be text.
pub fn bytes() -> Shape {
    formatted("binary")
}

/// A time of RFC 3339.
pub fn time() -> Shape {
    formatted("date-time")
}

fn formatted(format: &'static str) -> Shape {
    shape(Kind::Text(Text {
        format: Some(format),
        ..Text::default()
    }))
}

/// The id of something that is recorded: its prefix, and a UUID in 26 characters of base32.
pub fn recorded_id(prefix: &str) -> Shape {
    text().like(format!("^{prefix}[0-7][0-9a-hjkmnp-tv-z]{{25}}$"))
}

/// The id of something that is configured, which an operator may have chosen.
pub fn configured_id(prefix: &str) -> Shape {
    text().like(format!("^{prefix}[A-Za-z0-9_.-]{{1,100}}$"))
}

/// One of these texts.
pub fn word(words: &[&'static str]) -> Shape {
    shape(Kind::Word(words.to_vec()))
}

/// A whole number.
pub const fn integer() -> Shape {
    shape(Kind::Integer(None, None))
}

/// A number.
pub const fn number() -> Shape {
    shape(Kind::Number)
}

/// True or false.
pub const fn boolean() -> Shape {
    shape(Kind::Boolean)
}

/// Null.
pub const fn null() -> Shape {
    shape(Kind::Null)
}

/// Any JSON.
pub const fn anything() -> Shape {
    shape(Kind::Anything)
}

/// A list.
pub fn list(of: Shape) -> Shape {
    shape(Kind::List(Box::new(of), None, None))
}

/// An object whose names are data.
pub fn map(of: Shape) -> Shape {
    shape(Kind::Map(Box::new(of)))
}

/// An object; fields that are not named may be there, too.
pub fn object(fields: impl Into<Vec<Field>>) -> Shape {
    shape(Kind::Object(fields.into(), false))
}

/// A shape that the document has by this name.
pub const fn named(name: &'static str) -> Shape {
    shape(Kind::Named(name))
}

/// One of these shapes.
pub fn either(shapes: impl Into<Vec<Shape>>) -> Shape {
    shape(Kind::Either(shapes.into()))
}

/// A field that is always there.
pub const fn field(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
    }
}

/// A field that may be left out.
pub const fn maybe(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
    }
}

impl Shape {
    /// The same, or null.
    #[must_use]
    pub fn or_null(mut self) -> Self {
        self.or_null = true;
        self
    }

    /// Says what it is.
    #[must_use]
    pub fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// A text that matches a regular expression; every other shape stays as it is.
    #[must_use]
    pub fn like(mut self, pattern: impl Into<String>) -> Self {
        if let Kind::Text(text) = &mut self.kind {
            text.pattern = Some(pattern.into());
        }
        self
    }

    /// Bounds, both included: of a text's characters, a list's entries, or a whole number.
    #[must_use]
    pub fn from_to(mut self, least: usize, most: usize) -> Self {
        let bounds = (Some(least), Some(most));
        match &mut self.kind {
            Kind::Text(text) => (text.least, text.most) = bounds,
            Kind::List(_, from, to) | Kind::Integer(from, to) => (*from, *to) = bounds,
            _ => {}
        }
        self
    }

    /// An object that refuses every field that is not named.
    #[must_use]
    pub fn closed(mut self) -> Self {
        if let Kind::Object(_, closed) = &mut self.kind {
            *closed = true;
        }
        self
    }

    /// An object of which any field may be left out, as in a change of what is there.
    #[must_use]
    pub fn partial(mut self) -> Self {
        if let Kind::Object(fields, _) = &mut self.kind {
            for field in fields {
                field.required = false;
            }
        }
        self
    }

    /// The JSON Schema (draft 2020-12, which OpenAPI 3.1 speaks).
    pub(crate) fn schema(&self) -> RefOr<Schema> {
        let note = self.note.map(str::to_owned);
        match &self.kind {
            Kind::Text(text) => self
                .simple(Type::String)
                .format(text.format.map(|format| SchemaFormat::Custom(format.to_owned())))
                .pattern(text.pattern.clone())
                .min_length(text.least)
                .max_length(text.most)
                .into(),
            Kind::Word(words) => {
                let words = words.iter().map(|word| Value::from(*word));
                let null = self.or_null.then_some(Value::Null);
                self.simple(Type::String)
                    .enum_values(Some(words.chain(null)))
                    .into()
            }
            Kind::Integer(least, most) => self.simple(Type::Integer).minimum(*least).maximum(*most).into(),
            Kind::Number => self.simple(Type::Number).into(),
            Kind::Boolean => self.simple(Type::Boolean).into(),
            Kind::Null => self.simple(Type::Null).into(),
            Kind::Anything => ObjectBuilder::new()
                .schema_type(SchemaType::AnyValue)
                .description(note)
                .into(),
            Kind::List(of, least, most) => ArrayBuilder::new()
                .schema_type(self.types(Type::Array))
                .items(of.schema())
                .min_items(*least)
                .max_items(*most)
                .description(note)
                .into(),
            Kind::Map(of) => {
                let of = AdditionalProperties::RefOr(of.schema());
                self.simple(Type::Object).additional_properties(Some(of)).into()
            }
            Kind::Object(fields, closed) => self.object(fields, *closed),
            Kind::Named(name) if self.or_null => any_of(&[named(name), null()], note),
            Kind::Named(name) => RefBuilder::new()
                .ref_location_from_schema_name(*name)
                .description(note)
                .into(),
            Kind::Either(shapes) if self.or_null => any_of(&[shapes.as_slice(), &[null()]].concat(), note),
            Kind::Either(shapes) => any_of(shapes, note),
        }
    }

    fn object(&self, fields: &[Field], closed: bool) -> RefOr<Schema> {
        let mut object = self.simple(Type::Object);
        for Field {
            name,
            shape,
            required,
        } in fields
        {
            object = object.property(*name, shape.schema());
            if *required {
                object = object.required(*name);
            }
        }
        if closed {
            object = object.additional_properties(Some(AdditionalProperties::FreeForm(false)));
        }
        object.into()
    }

    fn simple(&self, of: Type) -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(self.types(of))
            .description(self.note)
    }

    fn types(&self, of: Type) -> SchemaType {
        if self.or_null {
            SchemaType::from_iter([of, Type::Null])
        } else {
            SchemaType::new(of)
        }
    }
}

fn any_of(shapes: &[Shape], note: Option<String>) -> RefOr<Schema> {
    shapes
        .iter()
        .fold(AnyOfBuilder::new(), |any, shape| any.item(shape.schema()))
        .description(note)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json(shape: &Shape) -> Value {
        serde_json::to_value(shape.schema()).unwrap()
    }

    #[test]
    fn an_object_has_required_and_optional_fields() {
        let endpoint = object([
            field("id", configured_id("ep_")),
            maybe("secret", text().or_null().note("Once.")),
        ]);
        let expected = json!({"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string", "pattern": "^ep_[A-Za-z0-9_.-]{1,100}$"},
            "secret": {"type": ["string", "null"], "description": "Once."}}});
        assert_eq!(json(&endpoint), expected);
        assert_eq!(
            json(&endpoint.clone().closed())["additionalProperties"],
            json!(false)
        );
        assert_eq!(json(&endpoint.partial()).get("required"), None);
    }

    #[test]
    fn what_may_be_null_says_so_in_every_kind() {
        assert_eq!(
            json(&word(&["a", "b"]).or_null()),
            json!({"type": ["string", "null"], "enum": ["a", "b", null]})
        );
        assert_eq!(
            json(&named("Route").or_null()),
            json!({"anyOf": [{"$ref": "#/components/schemas/Route"}, {"type": "null"}]})
        );
        assert_eq!(
            json(&either([text(), integer().from_to(1, 9)]).or_null()),
            json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1, "maximum": 9}, {"type": "null"}]})
        );
        assert_eq!(
            json(&list(anything()).or_null().from_to(1, 20)),
            json!({"type": ["array", "null"], "items": {}, "minItems": 1, "maxItems": 20})
        );
    }
}
