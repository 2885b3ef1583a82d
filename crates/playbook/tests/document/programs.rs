//! What documents become.

use crate::kit;
use crate::reading::{self, Outcome};
use expression::{Evaluator, Limits};
use hookyard_playbook::{
    Authentication, Delay, Endpoint, ErrorField, HttpCall, Operations, Outline, Program, TaskKind, Template,
    Then, read,
};
use serde_json::json;
use std::time::Duration;

#[track_caller]
fn program(text: &str) -> (Program, Operations) {
    match reading::check(text) {
        Outcome::Read(program, operations) => (*program, operations),
        Outcome::Refused(issues) => panic!("{issues:#?}"),
    }
}

fn everything() -> (Program, Operations) {
    program(&kit::everything())
}

/// The only call of a document with this one.
#[track_caller]
fn call(with: &str) -> (HttpCall, Operations) {
    let (mut program, operations) = program(&format!(
        "document: {{dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}}\nuse: {{secrets: [shop]}}\ndo: [{{a: {with}}}]"
    ));
    match program.list.tasks.remove(0).kind {
        TaskKind::Http(call) => (*call, operations),
        other => panic!("{other:?}"),
    }
}

fn code(template: &Template) -> &str {
    match template {
        Template::Expression(expression) => &expression.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_is_summed_up() {
    let outline = Outline::of(&everything().0);
    assert_eq!(
        serde_json::to_value(outline).unwrap(),
        json!({
            "name": "everything",
            "version": "0.1.0-rc.1",
            "input_schema": {"type": "object", "properties": {"orders": {"type": "array"}}},
            "secrets": ["shop", "slack"],
            "listens_to": ["com.example.answer", "com.example.cancelled"],
            "tasks": 17,
        })
    );
}

#[test]
fn tasks_have_pointers_and_lead_to_each_other() {
    let (program, _) = everything();
    let tasks = &program.list.tasks;
    let TaskKind::For(each) = &tasks[0].kind else {
        panic!()
    };
    assert_eq!(each.list.pointer, "/do/0/each/do");
    assert_eq!(each.list.tasks[1].pointer, "/do/0/each/do/1/count");
    assert_eq!(each.condition.as_ref().unwrap().scope, ["order", "position"]);
    let TaskKind::Switch(cases) = &tasks[3].kind else {
        panic!()
    };
    assert_eq!((cases[0].then, cases[1].then), (Then::Task(4), Then::Exit));
    let TaskKind::Try(attempt) = &tasks[2].kind else {
        panic!()
    };
    assert_eq!(attempt.then, Some(Then::Task(3)));
    assert_eq!(attempt.list.pointer, "/do/2/careful/try");
    let handler = attempt.handler.as_ref().unwrap();
    assert_eq!(handler.pointer, "/do/2/careful/catch/do");
    let TaskKind::Function { name, task, .. } = &handler.tasks[0].kind else {
        panic!()
    };
    assert_eq!(
        (name.as_str(), task.pointer.as_str()),
        ("notify", "/use/functions/notify")
    );
    let TaskKind::Fork(fork) = &tasks[1].kind else {
        panic!()
    };
    assert_eq!(
        fork.branches.tasks[1].pointer,
        "/do/1/together/fork/branches/1/right"
    );
    assert!(program.lifecycle);
}

#[test]
fn reusable_parts_are_put_where_they_are_used() {
    let (program, _) = everything();
    let TaskKind::Try(attempt) = &program.list.tasks[2].kind else {
        panic!()
    };
    assert_eq!(attempt.errors[&ErrorField::Status], json!(409));
    let retry = attempt.retry.as_ref().unwrap();
    assert_eq!(retry.when.as_ref().unwrap().scope, ["problem"]);
    assert_eq!(retry.when.as_ref().unwrap().pointer, "/use/retries/patient/when");
    assert!(matches!(retry.delay, Some(Delay::Fixed(delay)) if delay == Duration::from_secs(2)));
    assert_eq!(retry.count, Some(3));
    let TaskKind::Raise(error) = &attempt.list.tasks[0].kind else {
        panic!()
    };
    assert_eq!(error.status, 409);
    assert_eq!(
        code(error.detail.as_ref().unwrap()),
        r#""Order \(.id) was refused""#
    );
}

#[test]
fn a_secret_that_is_named_becomes_its_fields() {
    let (call, _) = call(
        "{call: http, with: {method: post, endpoint: {uri: 'https://a.example/{id}', authentication: {basic: {use: shop}}}}}",
    );
    assert_eq!(call.method, "POST");
    assert!(matches!(call.endpoint, Endpoint::Literal(uri) if uri == "https://a.example/{id}"));
    let Some(Authentication::Basic { username, password }) = &call.authentication else {
        panic!()
    };
    assert_eq!(
        (code(username), code(password)),
        ("$secrets[\"shop\"].username", "$secrets[\"shop\"].password")
    );
}

#[test]
fn an_error_type_has_one_spelling() {
    let (program, _) = program(
        "document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}\ndo: [{a: {raise: {error: {status: 500, type: \
         'https://serverlessworkflow.io/spec/1.0.0/errors/timeout'}}}}]",
    );
    let TaskKind::Raise(error) = &program.list.tasks[0].kind else {
        panic!()
    };
    assert!(matches!(&error.kind, Template::Literal(kind)
        if kind == "https://open-workflow-specification.org/dsl/errors/types/timeout"));
}

#[test]
fn an_operation_is_called_as_its_document_says() {
    let (call, operations) = call(
        "{call: openapi, with: {document: {endpoint: 'https://api.example/v3/openapi.json'}, operationId: putOrder, \
         parameters: {orderId: 7, tags: [a, '${ .tag }'], fields: [a, b], x-trace: '${ .trace }', amount: 3, note: hi}}}",
    );
    assert_eq!(call.method, "PUT");
    assert!(
        matches!(&call.endpoint, Endpoint::Literal(uri) if uri == "https://api.example/v3/base/orders/{orderId}")
    );
    assert!(matches!(&call.path_parameters[0].1, Template::Literal(id) if id == 7));
    let Some(Template::Object(query)) = &call.query else {
        panic!("{:?}", call.query)
    };
    assert!(matches!(&query[0], (name, Template::Array(_)) if name == "tags"));
    assert!(matches!(&query[1], (name, Template::Literal(text)) if name == "fields" && text == "a,b"));
    let Some(Template::Object(headers)) = &call.headers else {
        panic!("{:?}", call.headers)
    };
    assert!(code(&headers[0].1).starts_with("(.trace\n) | if type == \"array\""));
    assert!(
        matches!(&call.body, Some(Template::Literal(body)) if *body == json!({"amount": 3, "note": "hi"}))
    );
    assert_eq!(call.content_type.as_deref(), Some("application/json"));
    assert_eq!(
        serde_json::to_value(&operations).unwrap(),
        json!({"https://api.example/v3/openapi.json": {"putOrder": {
            "method": "PUT",
            "uri": "https://api.example/v3/base/orders/{orderId}",
            "parameters": [
                {"name": "tags", "in": "query"},
                {"name": "fields", "in": "query", "separator": ","},
                {"name": "x-trace", "in": "header", "separator": ","},
                {"name": "orderId", "in": "path", "required": true, "separator": ","},
            ],
            "body": {
                "name": "body",
                "content_type": "application/json",
                "required": true,
                "properties": ["amount", "note"],
            },
        }}})
    );
}

#[test]
fn what_was_pinned_is_enough_to_read_a_document_again() {
    let (_, operations) = everything();
    let kept = serde_json::to_string(&operations).unwrap();
    let operations: Operations = serde_json::from_str(&kept).unwrap();
    let mut evaluator = Evaluator::new(Limits::default());
    let text = &kit::everything();
    assert!(read(text, &operations, &mut evaluator).is_ok());
    let issues = read(text, &Operations::default(), &mut evaluator).unwrap_err();
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].path, "/do/6/pet/with/document/endpoint/uri");
}

#[test]
fn what_is_wrong_with_an_operation_is_told() {
    for (id, parameters, told) in [
        (
            "putOrdre",
            "{}",
            "/do/0/a/with/operationId: the document has no operation `putOrdre`; did you mean `putOrder`?",
        ),
        (
            "putOrder",
            "{orderId: 1, note: a, sum: 1}",
            "/do/0/a/with/parameters/sum: the operation has no parameter `sum`;",
        ),
        (
            "putOrder",
            "{note: a}",
            "/do/0/a/with/parameters: the operation needs the parameter `orderId`;",
        ),
        (
            "putOrder",
            "{orderId: 1}",
            "/do/0/a/with/parameters: the operation needs a body; write `body: …`",
        ),
        (
            "putOrder",
            "{orderId: 1, body: {}, note: a}",
            "/do/0/a/with/parameters/note: the body is given both as a whole",
        ),
        (
            "putOrder",
            "{orderId: '${ $secrets.shop.id }', note: a}",
            "/do/0/a/with/parameters/orderId: `$secrets` may be used",
        ),
        (
            "upload",
            "{}",
            "/do/0/a/with/operationId: the operation takes a body of multipart/form-data",
        ),
        (
            "search",
            "{}",
            "/do/0/a/with/operationId: the parameter `q` of the operation has the style `deepObject`",
        ),
        (
            "elsewhere",
            "{}",
            "/do/0/a/with/operationId: the document refers to another one, `other.json#/q`",
        ),
    ] {
        let issues = reading::issues(&format!(
            "document: {{dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}}\ndo: [{{a: {{call: openapi, with: {{document: \
             {{endpoint: 'https://api.example/v3/openapi.json'}}, operationId: {id}, parameters: {parameters}}}}}}}]"
        ));
        let issue = issues[0].to_string();
        assert!(issues.len() == 1 && issue.contains(told), "{issues:#?}");
    }
}

#[test]
fn the_documents_that_are_needed_are_listed_once() {
    let text = "do: [{a: {call: openapi, with: {document: {endpoint: 'https://b.example/'}}}}, {b: {try: [{c: {call: openapi, \
                with: {document: {endpoint: {uri: 'https://a.example/'}}}}}]}}, {d: {call: openapi, with: {document: \
                {endpoint: 'https://b.example/'}}}}, {e: {call: openapi, with: {document: {endpoint: '${ .x }'}}}}]";
    let needed = hookyard_playbook::openapi_documents(text).unwrap();
    assert_eq!(needed, ["https://a.example/", "https://b.example/"]);
}
