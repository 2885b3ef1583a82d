//! What an author is told. The messages are for someone who writes a first playbook: what it is about, what is wrong
//! with it, and what to write instead.

use crate::reading;
use hookyard_playbook::Code;

/// A document with these tasks, and this before them.
fn document(before: &str, tasks: &str) -> String {
    let indented = tasks.trim_end().replace('\n', "\n  ");
    format!(
        "document: {{dsl: 1.0.3, namespace: default, name: test, version: 1.0.0}}\n{}\ndo:\n  {indented}",
        before.trim()
    )
}

#[track_caller]
fn told(text: &str) -> Vec<String> {
    reading::issues(text)
        .iter()
        .map(|issue| format!("{:?} {issue}", issue.code))
        .collect()
}

#[track_caller]
fn is_told(before: &str, tasks: &str, expected: &str) {
    assert_eq!(told(&document(before, tasks)), [expected]);
}

#[test]
fn a_misspelt_name_is_told_with_the_nearest() {
    is_told(
        "",
        "- first:\n    set: {a: 1}\n    ouput: {as: .a}",
        "UnknownProperty 6:7: /do/0/first/ouput: `ouput` is no property of a `set` task; did you mean `output`?",
    );
    is_told(
        "",
        "- first: {sett: {a: 1}}",
        "UnknownProperty 4:13: /do/0/first/sett: `sett` is nothing that a task does or has; did you mean `set`?",
    );
    is_told(
        "inputs: {}",
        "- first: {set: {a: 1}}",
        "UnknownProperty 2:1: /inputs: `inputs` is no property of a playbook; did you mean `input`?",
    );
}

#[test]
fn text_around_an_expression_is_told_as_jq() {
    is_told(
        "",
        "- greet: {set: {text: 'Hello ${ .name }, \"dear\" ${.title}'}}",
        "MixedExpression 4:25: /do/0/greet/set/text: text around `${ }` is not filled in; let the expression make the \
         whole text: `${ \"Hello \\(.name), \\\"dear\\\" \\(.title)\" }`",
    );
    is_told(
        "",
        "- greet: {if: '${ .a } == 1', set: {a: 1}}",
        "MixedExpression 4:17: /do/0/greet/if: `if` is one jq expression as a whole, with no `${ }` inside it; write \
         `.a == 1`",
    );
}

#[test]
fn a_variable_that_is_not_there_is_told_with_the_nearest() {
    is_told(
        "",
        "- each: {for: {each: order, in: .orders}, do: [{show: {set: {id: '${ $ordr.id }'}}}]}",
        "UndefinedVariable 4:68: /do/0/each/do/0/show/set/id: there is no variable `$ordr` here; did you mean `$order`?",
    );
    is_told(
        "",
        "- hear: {listen: {to: {one: {with: {type: a, data: '${ .id == $input.id }'}}}}}",
        "UndefinedVariable 4:54: /do/0/hear/listen/to/one/with/data: `$input` is not there: this is evaluated over the \
         event alone; compare with what the run knows by `correlate`, with `expect`",
    );
}

#[test]
fn headers_that_could_smuggle_or_impersonate_are_told_with_their_names() {
    let many: Vec<String> = (0..65).map(|index| format!("x-{index}: a")).collect();
    let many = format!("{{{}}}", many.join(", "));
    for (headers, path, words) in [
        ("{Host: a}", "/headers/Host", "is set for you"),
        (
            "{Transfer_Encoding: chunked}",
            "/headers/Transfer_Encoding",
            "is set for you",
        ),
        (
            "{Proxy-Authorization: a}",
            "/headers/Proxy-Authorization",
            "is set for you",
        ),
        ("{webhook-id: a}", "/headers/webhook-id", "is set for you"),
        (
            "{X-Hookyard-Foo: '${ .a }'}",
            "/headers/X-Hookyard-Foo",
            "is set for you",
        ),
        (
            "{Idempotency-Key: a}",
            "/headers/Idempotency-Key",
            "is set for you",
        ),
        (
            "{X-Forwarded-For: a}",
            "/headers/X-Forwarded-For",
            "is set for you",
        ),
        ("{X Team: a}", "/headers/X Team", "no name of a header"),
        ("{X-Team: a, x-team: b}", "/headers/x-team", "is there twice"),
        (
            r#"{X-Team: "a\r\nHost: b"}"#,
            "/headers/X-Team",
            "one line of visible ASCII",
        ),
        (
            r#"{X-Team: " a"}"#,
            "/headers/X-Team",
            "one line of visible ASCII",
        ),
        (&many, "/headers", "65 headers are too many"),
    ] {
        let task = format!(
            "- ask: {{call: http, with: {{method: get, endpoint: https://a.example/, headers: {headers}}}}}"
        );
        let told = told(&document("", &task));
        let [issue] = told.as_slice() else {
            panic!("{headers}: {told:?}")
        };
        let place = format!("/do/0/ask/with{path}: ");
        assert!(
            issue.contains(&place) && issue.contains(words),
            "{headers}: {issue}"
        );
    }
    let fine = "- ask: {call: http, with: {method: get, endpoint: https://a.example/, headers: {user-agent: a, cookie: b, X-E: ''}}}";
    assert!(matches!(
        reading::check(&document("", fine)),
        reading::Outcome::Read(..)
    ));
}

#[test]
fn secrets_are_for_calls_alone() {
    is_told(
        "use: {secrets: [shop]}",
        "- leak: {set: {key: '${ $secrets.shop.key }'}}",
        "SecretScope 4:23: /do/0/leak/set/key: `$secrets` may be used in a call's `headers`, `query`, `body` and \
         `authentication` only, so that secrets never reach the run's data; use it there",
    );
    is_told(
        "use: {secrets: [shop]}",
        "- ask: {call: http, with: {method: get, endpoint: https://a.example/, headers: {k: '${ $secrets.shap.key }'}}}",
        "UnknownReference 4:86: /do/0/ask/with/headers/k: there is no secret `shap` in `use.secrets`; did you mean `shop`?",
    );
}

#[test]
fn a_task_is_one_thing_with_one_name() {
    is_told(
        "",
        "- first: {set: {a: 1}, wait: PT1S}",
        "OneOf 4:12: /do/0/first: the task has both `set` and `wait`, and a task does one thing; make two tasks of it",
    );
    is_told(
        "",
        "- first: {then: end}",
        "OneOf 4:12: /do/0/first: the task does not say what it does; it must have one of `call`, `for`, `do`, `emit`, \
         `fork`, `listen`, `raise`, `set`, `switch`, `try`, `wait`",
    );
    is_told(
        "",
        "- first: {set: {a: 1}}\n  second: {wait: PT1S}",
        "OneOf 4:5: /do/0: an item of the list has `first` and `second`; each of the tasks is an item of its own, with \
         one name and all else indented below it: `- first:`",
    );
}

/// What comes before the tasks, the tasks, where it is told, and the alternative.
const UNSUPPORTED: [(&str, &str, &str, &str); 15] = [
    (
        "schedule: {cron: 0 0 * * *}",
        "- a: {set: {a: 1}}",
        "/schedule",
        "let a route or your own scheduler start the run",
    ),
    (
        "evaluate: {mode: loose}",
        "- a: {set: {a: 1}}",
        "/evaluate/mode",
        "put `${ }` around expressions in data",
    ),
    (
        "use: {extensions: []}",
        "- a: {set: {a: 1}}",
        "/use/extensions",
        "call a function of `use.functions`",
    ),
    (
        "use: {catalogs: {}}",
        "- a: {set: {a: 1}}",
        "/use/catalogs",
        "copy the function to `use.functions`",
    ),
    (
        "",
        "- a: {run: {shell: {command: ls}}}",
        "/do/0/a/run",
        "put it behind an HTTP endpoint of yours",
    ),
    (
        "",
        "- a: {call: grpc, with: {}}",
        "/do/0/a/call",
        "put an HTTP gateway before the service",
    ),
    (
        "",
        "- a: {call: 'log:1.0.0@global'}",
        "/do/0/a/call",
        "copy it to `use.functions`",
    ),
    (
        "",
        "- a: {listen: {to: {any: []}}}",
        "/do/0/a/listen/to/any",
        "name the types",
    ),
    (
        "",
        "- a: {listen: {to: {one: {with: {type: t}, correlate: {x: {from: .id}}}}}}",
        "/do/0/a/listen/to/one/correlate/x",
        "`expect: ${ .orderId }`",
    ),
    (
        "",
        "- a: {listen: {to: {any: [{with: {type: t}}], until: .x}}}",
        "/do/0/a/listen/to/until",
        "lead back to the task by `then`",
    ),
    (
        "",
        "- a: {call: http, with: {method: get, endpoint: {uri: https://a.example/, authentication: {oauth2: {use: x}}}}}",
        "/do/0/a/with/endpoint/authentication/oauth2",
        "store it as a secret, and use `bearer`",
    ),
    (
        "use: {authentications: {it: {oidc: {use: x}}}}",
        "- a: {set: {a: 1}}",
        "/use/authentications/it/oidc",
        "store it as a secret, and use `bearer`",
    ),
    (
        "use: {authentications: {it: {digest: {use: x}}}}",
        "- a: {set: {a: 1}}",
        "/use/authentications/it/digest",
        "set the header yourself",
    ),
    (
        "",
        "- a: {listen: {to: {one: {with: {type: t}}}}, foreach: {do: []}}",
        "/do/0/a/foreach",
        "go through the task's output by `for`",
    ),
    (
        "input: {schema: {resource: {endpoint: https://a.example/schema}}}",
        "- a: {set: {a: 1}}",
        "/input/schema/resource",
        "copy it to `document`",
    ),
];

#[test]
fn what_is_not_in_the_profile_is_told_with_the_alternative() {
    for (before, tasks, pointer, alternative) in UNSUPPORTED {
        let issues = reading::issues(&document(before, tasks));
        assert_eq!(issues.len(), 1, "{issues:#?}");
        let issue = &issues[0];
        assert_eq!(
            (issue.code, issue.path.as_str()),
            (Code::Unsupported, pointer),
            "{issue}"
        );
        assert!(issue.message.contains(alternative), "{issue}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_the_document() {
    let told = told(&document(
        "timeout: short\nuse: {timeouts: {shrt: {after: 10s}}}",
        "- one: {wait: soon}\n- one: {set: 7, then: tow}\n- two: {call: fetch}\n- three:\n    if: .a ==\n    do: {}",
    ));
    let places: Vec<&str> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "UnknownReference 2:10",
            "InvalidValue 3:32",
            "InvalidValue 5:17",
            "DuplicateName 6:5",
            "WrongType 6:16",
            "UnknownReference 6:25",
            "UnknownReference 7:17",
            "InvalidExpression 9:11",
            "WrongType 10:11",
        ],
        "{told:#?}"
    );
}

#[test]
fn a_list_that_is_written_as_an_object_is_told_how_to_write_it() {
    let told =
        told("document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}\ndo:\n  first: {set: {a: 1}}");
    assert_eq!(
        told,
        ["WrongType 3:3: /do: `do` is an object; it must be a list of tasks, each beginning with `- `"]
    );
}

#[test]
fn a_version_without_quotes_is_told_to_be_put_in_quotes() {
    let told = told("document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0}\ndo: []");
    assert_eq!(
        told,
        ["WrongType 1:56: /document/version: `version` is a number; it must be a text: put it in quotes"]
    );
}

#[test]
fn functions_that_call_each_other_are_told_so() {
    is_told(
        "use: {functions: {ping: {call: pong}, pong: {do: [{back: {call: ping}}]}}}",
        "- start: {call: ping}",
        "InvalidValue 2:65: /use/functions/pong/do/0/back/call: the function `ping` calls itself, and would never end; use \
         `for`, or lead back by `then`",
    );
}

#[test]
fn limits_are_told_with_what_to_do() {
    let many = (0..501).map(|n| format!("- t{n}: {{set: {{a: 1}}}}\n"));
    let issues = reading::issues(&document("", &many.collect::<String>()));
    assert_eq!(
        (issues.len(), issues[0].code, issues[0].path.as_str()),
        (1, Code::LimitExceeded, "/do/500/t500")
    );

    let mut deep = "set: {a: 1}".to_owned();
    for level in 0..16 {
        deep = format!("do: [{{t{level}: {{{deep}}}}}]");
    }
    let issues = reading::issues(&document("", &format!("- outer: {{{deep}}}")));
    assert_eq!(
        (issues.len(), issues[0].code),
        (1, Code::LimitExceeded),
        "{issues:#?}"
    );

    let long = format!("- a: {{set: {{a: '${{ \"{}\" }}'}}}}", "x".repeat(4096));
    assert_eq!(reading::issues(&document("", &long))[0].code, Code::LimitExceeded);

    let huge = document("", &format!("- a: {{set: {{a: {}}}}}", "x".repeat(256 << 10)));
    assert_eq!(reading::issues(&huge)[0].code, Code::LimitExceeded);

    let wide = (0..33)
        .map(|n| format!("{{b{n}: {{wait: PT1S}}}}"))
        .collect::<Vec<_>>()
        .join(", ");
    let issues = reading::issues(&document("", &format!("- a: {{fork: {{branches: [{wide}]}}}}")));
    assert_eq!((issues.len(), issues[0].code), (1, Code::LimitExceeded));
}
