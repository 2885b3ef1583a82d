//! The official schema as an oracle: whatever it refuses, we refuse, and point to a place that is there.

use crate::kit::{self, Sample};
use crate::reading::{self, Outcome};
use expression::{Evaluator, Limits};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};

/// What may stand in place of any value.
fn strangers() -> [Value; 12] {
    [
        Value::Null,
        json!(true),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("text"),
        json!("${ . }"),
        json!([]),
        json!(["text"]),
        json!({}),
        json!({"stranger": 1}),
    ]
}

/// Names of the language, which belong somewhere else, with values that are good there.
fn misplaced() -> [(&'static str, Value); 14] {
    [
        ("stranger", json!(1)),
        ("if", json!(".a")),
        ("do", json!([])),
        ("set", json!({"a": 1})),
        ("with", json!({"a": 1})),
        ("as", json!(".")),
        ("from", json!(".")),
        ("then", json!("end")),
        ("while", json!(".a")),
        ("retry", json!({})),
        ("timeout", json!({"after": "PT1S"})),
        ("use", json!("a")),
        ("document", json!({})),
        ("until", json!(".a")),
    ]
}

/// All that one change can make of a value, each with what was changed.
fn mutants(value: &Value, seen: &mut Seen) -> Vec<(String, Value)> {
    let mut mutants = Vec::new();
    for stranger in strangers().into_iter().filter(|stranger| stranger != value) {
        mutants.push((format!(" = {stranger}"), stranger));
    }
    match value {
        Value::Object(fields) => of_object(fields, &mut mutants, seen),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let mut shorter = items.clone();
                shorter.remove(index);
                mutants.push((format!("/{index} dropped"), shorter.into()));
                let mut longer = items.clone();
                longer.push(item.clone());
                mutants.push((format!("/{index} twice"), longer.into()));
                inside(&format!("/{index}"), item, &mut mutants, seen, |mutant| {
                    let mut items = items.clone();
                    items[index] = mutant;
                    items.into()
                });
            }
        }
        _ => {}
    }
    mutants
}

fn of_object(fields: &Map<String, Value>, mutants: &mut Vec<(String, Value)>, seen: &mut Seen) {
    for (name, field) in fields {
        let mut without = fields.clone();
        without.remove(name);
        mutants.push((format!("/{name} dropped"), without.clone().into()));
        for other in [format!("{name}x"), name.chars().skip(1).collect()] {
            let mut renamed = without.clone();
            renamed.insert(other.clone(), field.clone());
            mutants.push((format!("/{name} -> {other}"), renamed.into()));
        }
        inside(&format!("/{name}"), field, mutants, seen, |mutant| {
            let mut fields = fields.clone();
            fields.insert(name.clone(), mutant);
            fields.into()
        });
    }
    for (name, value) in misplaced()
        .into_iter()
        .filter(|(name, _)| !fields.contains_key(*name))
    {
        let mut more = fields.clone();
        more.insert(name.to_owned(), value);
        mutants.push((format!("/{name} added"), more.into()));
    }
}

/// What was changed in every way already, with its name: documents have much in common.
type Seen = HashSet<(String, String)>;

fn inside(
    at: &str,
    value: &Value,
    mutants: &mut Vec<(String, Value)>,
    seen: &mut Seen,
    wrap: impl Fn(Value) -> Value,
) {
    // A schema's own content is for the schema library to judge.
    if at == "/schema" || !seen.insert((at.to_owned(), value.to_string())) {
        return;
    }
    for (what, mutant) in self::mutants(value, seen) {
        mutants.push((format!("{at}{what}"), wrap(mutant)));
    }
}

/// What the schema refuses by mistake: an expression there is both of two alternatives of which it must be one.
fn is_mistake_of_the_schema(what: &str) -> bool {
    what.ends_with("/instance = \"${ . }\"") || what.ends_with("/time = \"${ . }\"")
}

/// Reads all mutants of a document; says how many the schema refuses, and what it takes and we refuse.
fn judge(
    sample: &Sample,
    schema: &jsonschema::Validator,
    seen: &mut Seen,
    stricter: &mut BTreeMap<String, u32>,
) -> u32 {
    let value = hookyard_playbook::openapi_document(&sample.text).unwrap();
    let mut evaluator = Evaluator::new(Limits::default());
    let mut refused = 0;
    for (what, mutant) in mutants(&value, seen) {
        let outcome = reading::check_with(&mutant.to_string(), &mut evaluator);
        let is_valid = schema.is_valid(&mutant);
        refused += u32::from(!is_valid);
        match outcome {
            Outcome::Read(..) => {
                let is_right = is_valid || is_mistake_of_the_schema(&what);
                assert!(
                    is_right,
                    "{}: `{what}` was read, and the schema refuses it",
                    sample.name
                );
            }
            Outcome::Refused(issues) => {
                for issue in &issues {
                    let is_there = mutant.pointer(&issue.path).is_some();
                    assert!(
                        is_there,
                        "{}: `{what}` is refused where nothing is: {issue}",
                        sample.name
                    );
                    if is_valid {
                        *stricter.entry(format!("{:?}", issue.code)).or_default() += 1;
                    }
                }
            }
        }
    }
    refused
}

#[test]
fn whatever_the_schema_refuses_is_refused_at_a_place_that_is_there() {
    let Some(folder) = kit::folder() else { return };
    let schema = kit::schema(&folder);
    let mut samples = [kit::scenarios(&folder), kit::examples(&folder), kit::own()].concat();
    // What is refused as it is would be refused with any change.
    samples.retain(|sample| matches!(reading::check(&sample.text), Outcome::Read(..)));
    let (mut seen, mut stricter) = (HashSet::new(), BTreeMap::new());
    let refused: u32 = samples
        .iter()
        .map(|sample| judge(sample, &schema, &mut seen, &mut stricter))
        .sum();
    eprintln!(
        "the schema refuses {refused} mutants, and so do we; of those that it takes we refuse {stricter:?}"
    );
    assert!(
        refused > 10_000,
        "only {refused} mutants were refused by the schema"
    );
}
