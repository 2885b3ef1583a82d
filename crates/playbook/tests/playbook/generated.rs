//! Random documents that are right.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A task without its name.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    kind: Kind,
    /// `if`, which is false for one of three.
    condition: Option<bool>,
    /// In seconds.
    timeout: Option<u64>,
    then: Then,
    exports: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    Set(&'static str),
    Do(Vec<Node>),
    For(usize, Vec<Node>),
    Fork(bool, Vec<Node>),
    Try {
        body: Vec<Node>,
        status: Option<u16>,
        /// How often, and after how many seconds.
        retry: Option<(u32, u64)>,
        attempt: Option<u64>,
        handler: Option<Vec<Node>>,
    },
    Raise(u16),
    Wait(u64),
    Emit,
    Listen(&'static str),
    Call(&'static str),
    Function,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Continue,
    Exit,
    End,
    /// Over the next.
    Skip,
}

/// A document as JSON text.
pub(crate) fn document() -> impl Strategy<Value = String> {
    (nodes(3), proptest::option::weighted(0.2, 1_u64..100), any::<bool>()).prop_map(|(nodes, timeout, lifecycle)| {
        let mut document = json!({
            "document": {
                "dsl": "1.0.3",
                "namespace": "random",
                "name": "random",
                "version": "1.0.0",
                "metadata": {"lifecycle": lifecycle},
            },
            "use": {"functions": {"work": {"do": [
                {"prepare": {"set": {"for": "${ . }"}}},
                {"send": {"call": "http", "with": {"method": "put", "endpoint": "https://api.test/f", "body": "${ . }"}}},
            ]}}},
            "do": list(&nodes),
        });
        if let Some(seconds) = timeout {
            document["timeout"] = json!({"after": {"seconds": seconds}});
        }
        document.to_string()
    })
}

fn nodes(depth: u32) -> BoxedStrategy<Vec<Node>> {
    proptest::collection::vec(node(depth), 1..5).boxed()
}

fn node(depth: u32) -> BoxedStrategy<Node> {
    let condition = proptest::option::weighted(0.2, any::<bool>());
    let timeout = proptest::option::weighted(0.2, 0_u64..20);
    let then = prop_oneof![
        12 => Just(Then::Continue),
        1 => Just(Then::Exit),
        1 => Just(Then::End),
        2 => Just(Then::Skip),
    ];
    (
        kind(depth),
        condition,
        timeout,
        then,
        proptest::bool::weighted(0.3),
    )
        .prop_map(|(kind, condition, timeout, then, exports)| Node {
            kind,
            condition,
            timeout,
            then,
            exports,
        })
        .boxed()
}

fn kind(depth: u32) -> BoxedStrategy<Kind> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "${ . }",
            "${ {n: 1.1} }",
            "${ $context }",
            "${ .n.n }",
            "${ [$task.attempt, .] }"
        ])
        .prop_map(Kind::Set),
        (400_u16..403).prop_map(Kind::Raise),
        (0_u64..20).prop_map(Kind::Wait),
        Just(Kind::Emit),
        prop::sample::select(vec!["one", "any", "all"]).prop_map(Kind::Listen),
        prop::sample::select(vec!["content", "response", "raw"]).prop_map(Kind::Call),
        Just(Kind::Function),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let retry = proptest::option::of((0_u32..3, 0_u64..5));
    let trial = (
        nodes(depth - 1),
        proptest::option::of(400_u16..403),
        retry,
        proptest::option::of(0_u64..10),
        proptest::option::of(nodes(depth - 1)),
    );
    prop_oneof![
        6 => leaf,
        1 => nodes(depth - 1).prop_map(Kind::Do),
        1 => (0_usize..4, nodes(depth - 1)).prop_map(|(count, nodes)| Kind::For(count, nodes)),
        2 => (any::<bool>(), nodes(depth - 1)).prop_map(|(compete, nodes)| Kind::Fork(compete, nodes)),
        2 => trial.prop_map(|(body, status, retry, attempt, handler)| Kind::Try {
            body,
            status,
            retry,
            attempt,
            handler,
        }),
    ]
    .boxed()
}

fn list(nodes: &[Node]) -> Value {
    let tasks = nodes.iter().enumerate().map(|(index, node)| {
        let next = (index + 2 < nodes.len()).then(|| format!("t{}", index + 2));
        json!({format!("t{index}"): task(node, next)})
    });
    tasks.collect()
}

fn task(node: &Node, over_the_next: Option<String>) -> Value {
    let mut task = performed(&node.kind);
    if let Some(condition) = node.condition {
        task.insert("if".to_owned(), json!(condition.to_string()));
    }
    if let Some(seconds) = node.timeout {
        task.insert("timeout".to_owned(), json!({"after": {"seconds": seconds}}));
    }
    if node.exports {
        task.insert("export".to_owned(), json!({"as": "{last: $task.name}"}));
    }
    let then = match node.then {
        Then::Continue => None,
        Then::Exit => Some("exit".to_owned()),
        Then::End => Some("end".to_owned()),
        Then::Skip => over_the_next,
    };
    if let Some(then) = then {
        task.insert("then".to_owned(), json!(then));
    }
    Value::Object(task)
}

fn performed(kind: &Kind) -> Map<String, Value> {
    let task = match kind {
        Kind::Set(expression) => json!({"set": expression}),
        Kind::Do(nodes) => json!({"do": list(nodes)}),
        Kind::For(count, nodes) => {
            json!({"for": {"each": "item", "in": format!("[range({count})]")}, "do": list(nodes)})
        }
        Kind::Fork(compete, nodes) => json!({"fork": {"compete": compete, "branches": branches(nodes)}}),
        Kind::Try {
            body,
            status,
            retry,
            attempt,
            handler,
        } => {
            let mut catch = json!({});
            if let Some(status) = status {
                catch["errors"] = json!({"with": {"status": status}});
            }
            if let Some((count, seconds)) = retry {
                catch["retry"] = json!({
                    "delay": {"seconds": seconds},
                    "jitter": {"from": {"milliseconds": 0}, "to": {"milliseconds": 900}},
                    "limit": {"attempt": {"count": count}},
                });
                if let Some(seconds) = attempt {
                    catch["retry"]["limit"]["attempt"]["duration"] = json!({"seconds": seconds});
                }
            }
            if let Some(handler) = handler {
                catch["do"] = list(handler);
            }
            json!({"try": list(body), "catch": catch})
        }
        Kind::Raise(status) => json!({"raise": {"error": {"type": "random", "status": status}}}),
        Kind::Wait(seconds) => json!({"wait": {"seconds": seconds}}),
        Kind::Emit => json!({"emit": {"event": {"with": {"type": "random", "data": "${ . }"}}}}),
        Kind::Listen(mode) => {
            let filters = match *mode {
                "one" => json!({"with": {"type": "a"}}),
                _ => json!([{"with": {"type": "a"}}, {"with": {"type": "b"}}]),
            };
            json!({"listen": {"to": {*mode: filters}}})
        }
        Kind::Call(output) => json!({"call": "http", "with": {
            "method": "post",
            "endpoint": "https://api.test/a",
            "body": {"input": "${ . }", "context": "${ $context }"},
            "output": output,
        }}),
        Kind::Function => json!({"call": "work", "with": {"input": "${ . }"}}),
    };
    task.as_object().cloned().unwrap_or_default()
}

/// Branches cannot skip one another.
fn branches(nodes: &[Node]) -> Value {
    let tasks = nodes.iter().enumerate();
    tasks
        .map(|(index, node)| json!({format!("b{index}"): task(node, None)}))
        .collect()
}
