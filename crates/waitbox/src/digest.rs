//! The digests by which an event finds its waits.

use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

/// Integral numbers up to this are written as integers, whether they were or not.
const LARGEST_INTEGRAL: f64 = 1e37;

/// SHA-256 of a correlation's expressions, or of those with what they yield. Empty where nothing is correlated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Vec<u8>);

impl Digest {
    /// The digest of expressions with the values that they yield, in whatever order.
    pub(crate) fn of_values<'v>(pairs: impl Iterator<Item = (&'v str, &'v Value)>) -> Self {
        let mut parts: Vec<Vec<u8>> = pairs
            .map(|(expression, value)| {
                let mut part = framed(expression.as_bytes());
                canonical(value, &mut part);
                part
            })
            .collect();
        Self::of_parts(&mut parts)
    }

    fn of_parts(parts: &mut [Vec<u8>]) -> Self {
        if parts.is_empty() {
            return Self(Vec::new());
        }
        parts.sort();
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(framed(part));
        }
        Self(hash.finalize().to_vec())
    }

    /// As a row has it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether nothing is correlated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Digest {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// The expressions of a correlation: what an event is asked, whatever the answers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    expressions: Vec<String>,
    digest: Digest,
}

impl Shape {
    /// The shape of these expressions, in whatever order.
    pub fn of(expressions: impl Iterator<Item = String>) -> Self {
        let mut expressions: Vec<String> = expressions.collect();
        expressions.sort();
        let mut parts: Vec<Vec<u8>> = expressions.iter().map(|text| text.clone().into_bytes()).collect();
        Self {
            digest: Digest::of_parts(&mut parts),
            expressions,
        }
    }

    /// What is asked, in this order.
    pub fn expressions(&self) -> &[String] {
        &self.expressions
    }

    /// Its name among the rows.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The correlation of an event of which the expressions yield `values`, one for each in their order.
    pub fn correlation(&self, values: &[Value]) -> Digest {
        Digest::of_values(self.expressions.iter().map(String::as_str).zip(values))
    }
}

/// A part with its length before it, so that two lists of parts never look the same.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut part = length.to_be_bytes().to_vec();
    part.extend_from_slice(bytes);
    part
}

/// Writes a value so that equal ones are the same bytes: keys sorted, and `1.0` as `1`, as jq compares them.
fn canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(digits(number).as_bytes()),
        Value::String(text) => {
            out.push(b'"');
            out.extend_from_slice(&framed(text.as_bytes()));
        }
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                canonical(item, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            out.push(b'{');
            for name in names {
                out.extend_from_slice(&framed(name.as_bytes()));
                canonical(fields.get(name).unwrap_or(&Value::Null), out);
            }
            out.push(b'}');
        }
    }
}

fn digits(number: &Number) -> String {
    match number.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "10^37 is less than 2^127")]
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= LARGEST_INTEGRAL => {
            (float as i128).to_string()
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn digest(pairs: &[(&str, Value)]) -> Digest {
        Digest::of_values(pairs.iter().map(|(expression, value)| (*expression, value)))
    }

    #[test]
    fn equal_values_have_one_digest_however_they_are_written() {
        let of = |text: &str| digest(&[(".a", serde_json::from_str(text).unwrap())]);
        assert_eq!(of("1"), of("1.0"));
        assert_eq!(of("-0.0"), of("0"));
        assert_eq!(of(r#"{"a":1,"b":[2]}"#), of(r#"{"b":[2.0],"a":1e0}"#));
        for (one, other) in [
            ("1", "\"1\""),
            ("null", "\"null\""),
            ("[[1],2]", "[[1,2]]"),
            ("1.5", "1"),
            ("9007199254740993", "9007199254740992"),
            (r#"{"a":1}"#, r#"{"a":2}"#),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }

    #[test]
    fn the_order_of_a_correlation_does_not_matter_and_its_borders_do() {
        let (one, two) = ((".a", json!(1)), (".b", json!(2)));
        assert_eq!(
            digest(&[one.clone(), two.clone()]),
            digest(&[two.clone(), one.clone()])
        );
        assert_ne!(digest(&[(".a", json!(2)), (".b", json!(1))]), digest(&[one, two]));
        let shape = |texts: &[&str]| Shape::of(texts.iter().map(|text| (*text).to_owned()));
        assert_ne!(shape(&[".a", ".b"]).digest(), shape(&[".a.b"]).digest());
        assert_ne!(shape(&[".a.b"]).digest(), shape(&[".a", ".b", ".c"]).digest());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-c\"\\\\\u{0}é]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]{1,2}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_event_that_yields_what_is_expected_has_its_digest_and_no_other(
            // An expression yields one value, so each stands here once.
            expected in proptest::collection::btree_map("\\.[a-c]", value(), 1..4),
            other in value(),
        ) {
            let pairs: Vec<(&str, Value)> =
                expected.iter().map(|(expression, value)| (expression.as_str(), value.clone())).collect();
            let wanted = digest(&pairs);
            let shape = Shape::of(expected.keys().cloned());
            let mut answers: Vec<Value> =
                shape.expressions().iter().map(|expression| expected[expression].clone()).collect();
            prop_assert_eq!(&shape.correlation(&answers), &wanted);
            let is_same = same(&answers[0], &other);
            answers[0] = other;
            prop_assert_eq!(shape.correlation(&answers) == wanted, is_same);
        }
    }

    /// What the digest must tell apart, said in another way than its own.
    fn same(one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Number(one), Value::Number(other)) => {
                one == other || (one.as_f64() == other.as_f64() && (one.is_f64() || other.is_f64()))
            }
            (Value::Array(one), Value::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
            }
            (Value::Object(one), Value::Object(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
            }
            _ => one == other,
        }
    }
}
