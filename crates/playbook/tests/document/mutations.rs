//! The official schema as an oracle: whatever it refuses, we refuse, and point to a place that is there.

use crate::kit::{self, Sample};
use crate::reading::{self, Outcome};
use expression::{Evaluator, Limits};
use hookyard_playbook::openapi_document;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};

/// What may stand in place of any value.
fn strangers() -> [Value; 10] {
    [
        Value::Null,
        json!(true),
        json!(7),
        json!(1.5),
        json!(""),
        json!("text"),
        json!("${ . }"),
        json!([]),
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

/// The document once for each of its tasks, in which the others just wait: each of many mutants is read as a whole.
fn slices(value: &Value) -> Vec<Value> {
    let tasks = value["do"].as_array().unwrap();
    let slices = (0..tasks.len()).map(|kept| {
        let mut slice = value.clone();
        for (index, item) in slice["do"].as_array_mut().unwrap().iter_mut().enumerate() {
            if index != kept {
                item.as_object_mut()
                    .unwrap()
                    .values_mut()
                    .for_each(|task| *task = json!({"wait": "PT1S"}));
            }
        }
        slice
    });
    slices.collect()
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

/// Reads mutants, and keeps the score.
struct Judge {
    /// None where the kit is not there: then only the places of issues are judged.
    schema: Option<jsonschema::Validator>,
    evaluator: Evaluator,
    seen: Seen,
    read: u32,
    /// Refused by the schema, and by us.
    refused: u32,
    /// What we refuse and the schema takes, by code.
    stricter: BTreeMap<String, u32>,
}

impl Judge {
    fn judge(&mut self, sample: &Sample) {
        for slice in slices(&openapi_document(&sample.text).unwrap()) {
            let outcome = reading::check_with(&slice.to_string(), &mut self.evaluator);
            assert!(
                matches!(outcome, Outcome::Read(..)),
                "{}: {outcome:#?}",
                sample.name
            );
            self.judge_mutants(sample, &slice);
        }
    }

    fn judge_mutants(&mut self, sample: &Sample, value: &Value) {
        for (what, mutant) in mutants(value, &mut self.seen) {
            let is_valid = self.schema.as_ref().map(|schema| schema.is_valid(&mutant));
            match reading::check_with(&mutant.to_string(), &mut self.evaluator) {
                Outcome::Read(..) => {
                    let is_right = is_valid != Some(false) || is_mistake_of_the_schema(&what);
                    assert!(
                        is_right,
                        "{}: `{what}` was read, and the schema refuses it",
                        sample.name
                    );
                    self.read += 1;
                }
                Outcome::Refused(issues) => {
                    for issue in &issues {
                        let is_there = mutant.pointer(&issue.path).is_some();
                        assert!(
                            is_there,
                            "{}: `{what}` is refused where nothing is: {issue}",
                            sample.name
                        );
                    }
                    if is_valid == Some(true) {
                        *self.stricter.entry(format!("{:?}", issues[0].code)).or_default() += 1;
                    } else {
                        self.refused += 1;
                    }
                }
            }
        }
    }
}

#[test]
fn whatever_the_schema_refuses_is_refused_at_a_place_that_is_there() {
    let folder = kit::folder();
    let mut samples = kit::own();
    if let Some(folder) = &folder {
        samples.extend([kit::scenarios(folder), kit::examples(folder)].concat());
    }
    // What is refused as it is would be refused with any change.
    samples.retain(|sample| matches!(reading::check(&sample.text), Outcome::Read(..)));
    let mut judge = Judge {
        schema: folder.as_deref().map(kit::schema),
        evaluator: Evaluator::new(Limits::default()),
        seen: HashSet::new(),
        read: 0,
        refused: 0,
        stricter: BTreeMap::new(),
    };
    for sample in &samples {
        judge.judge(sample);
    }
    let Judge {
        read,
        refused,
        stricter,
        ..
    } = judge;
    eprintln!(
        "{refused} mutants are refused with the schema, {read} are read; refused beyond it: {stricter:?}"
    );
    assert!(refused > 5_000 && read > 500, "{refused} refused, {read} read");
}
