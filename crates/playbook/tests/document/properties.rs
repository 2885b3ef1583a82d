//! Whatever is read, it ends with a program or with issues.

use crate::kit;
use crate::reading::{self, Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Words of the language, so that what is made at random gets further than the root.
const WORDS: [&str; 44] = [
    "document",
    "dsl",
    "name",
    "do",
    "use",
    "functions",
    "input",
    "from",
    "schema",
    "output",
    "as",
    "export",
    "if",
    "then",
    "set",
    "for",
    "each",
    "in",
    "while",
    "fork",
    "branches",
    "try",
    "catch",
    "retry",
    "raise",
    "error",
    "wait",
    "emit",
    "event",
    "with",
    "type",
    "listen",
    "to",
    "one",
    "correlate",
    "expect",
    "call",
    "http",
    "endpoint",
    "headers",
    "authentication",
    "basic",
    "timeout",
    "after",
];

fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        "\\PC{0,12}",
        "[$\\{\\}.a-z\" ()|#]{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 4, move |inner| {
        let name =
            prop_oneof![4 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => text.clone()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Reads on a stack of the jail's kind: without optimisation, deep documents need more than a test has.
fn read(text: String) -> Outcome {
    let thread = std::thread::Builder::new()
        .stack_size(32 << 20)
        .spawn(move || reading::check(&text));
    thread.unwrap().join().unwrap()
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|[-:{}\\[\\]\"' a-z$&*!|>\n]{0,200}") {
        read(text);
    }

    #[test]
    fn any_json_is_read_or_refused(json in json()) {
        read(json.to_string());
    }

    #[test]
    fn any_task_is_read_or_refused(task in json(), uses in json()) {
        let heading = json!({"dsl": "1.0.3", "namespace": "a", "name": "b", "version": "1.0.0"});
        let document = json!({"document": heading, "use": uses, "do": [{"a": task}]});
        if let Outcome::Refused(issues) = read(document.to_string()) {
            for issue in issues {
                prop_assert!(document.pointer(&issue.path).is_some(), "{issue}");
            }
        }
    }

    /// A document in which some characters were lost or doubled.
    #[test]
    fn a_document_with_a_typo_is_read_or_refused(at in any::<prop::sample::Index>(), count in 0_usize..3, doubles: bool) {
        let text = kit::everything();
        let at = at.index(text.len());
        let mut bytes = text.as_bytes().to_vec();
        let end = (at + count).min(bytes.len());
        let cut: Vec<u8> = bytes.splice(at..end, []).collect();
        if doubles {
            bytes.splice(at..at, [cut.clone(), cut].concat());
        }
        read(String::from_utf8_lossy(&bytes).into_owned());
    }
}
