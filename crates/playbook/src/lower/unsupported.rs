//! What the language has and this profile has not: each with what to do instead.

// The objects in which something is not available, as messages name them.

pub(super) const PLAYBOOK: &str = "a playbook";
pub(super) const USE: &str = "`use`";
pub(super) const LISTEN_TASK: &str = "a `listen` task";
pub(super) const TO: &str = "`to`";
pub(super) const AUTHENTICATION: &str = "an authentication";

/// A property that is of the language, in an object that is named as messages name it.
pub(super) fn property(what: &str, name: &str) -> Option<&'static str> {
    Some(match (what, name) {
        (PLAYBOOK, "schedule") => {
            "`schedule` is not available: a playbook is started by a request, a route or a target; leave `schedule` out, \
             and let a route or your own scheduler start the run"
        }
        (USE, "extensions") => {
            "`extensions` are not available: what a task does should be read where it stands; put the tasks before and \
             after it yourself, or call a function of `use.functions`"
        }
        (USE, "catalogs") => {
            "`catalogs` are not available: nothing is fetched from elsewhere; copy the function to `use.functions`"
        }
        (LISTEN_TASK, "foreach") => {
            "`foreach` of `listen` is not available; listen for the events, then go through the task's output by `for`"
        }
        (TO, "until") => {
            "`until` is not available; listen for one event, and lead back to the task by `then` while more are to come"
        }
        (AUTHENTICATION, "digest") => {
            "`digest` authentication is not available; use `basic` or `bearer`, or set the header yourself"
        }
        (AUTHENTICATION, "oauth2") => {
            "`oauth2` is not available; fetch the token by a `call: http` task, or store it as a secret, and use `bearer`"
        }
        (AUTHENTICATION, "oidc") => {
            "`oidc` is not available; fetch the token by a `call: http` task, or store it as a secret, and use `bearer`"
        }
        _ => return None,
    })
}

/// `run`, of any kind.
pub(super) fn run(kind: &str) -> String {
    let instead = match kind {
        "workflow" => {
            "move its tasks to a function of `use.functions`, or start the other playbook by `call: http`"
        }
        _ => "put it behind an HTTP endpoint of yours, and use `call: http`",
    };
    format!("`run: {kind}` is not available: nothing is executed on this machine; {instead}")
}

/// A protocol that calls could have.
pub(super) fn call(protocol: &str) -> Option<String> {
    let instead = match protocol {
        "grpc" => "put an HTTP gateway before the service",
        "asyncapi" => {
            "publish by `emit`, or by the broker's HTTP interface, and wait for messages by `listen`"
        }
        "a2a" | "mcp" => "send its JSON-RPC request by `call: http`",
        _ => return None,
    };
    Some(format!("`call: {protocol}` is not available; {instead}"))
}

/// A function that stands elsewhere: `name:version@catalog`, or a URL.
pub(super) fn is_external_function(name: &str) -> bool {
    name.contains('@') || name.contains("://") || name.contains(':')
}

/// A `correlate` that takes what the first event brings.
pub(super) const UNEXPECTED: &str = "a correlation without `expect` is not available: which event comes first would be \
     chance; write what it must be: `expect: ${ .orderId }`";
