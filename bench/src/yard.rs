//! The workspaces of the measurements, as files to apply.

use crate::load::Door;
use std::fmt::Write as _;
use std::time::Duration;

pub(crate) const SECRET: &str = "bench-signing-secret";
const SOURCE: &str = "src_bench0000000001";
const QUIET_SOURCE: &str = "src_bench0000000002";
const API_KEY: &str = "nhk_bench0000000000000000000001";
const HOOK: &str = "hook_bench0000000000000000000001";

/// More than is ever under way to one endpoint: the endpoint's own limit is not what is measured.
const CONCURRENCY: u32 = 256;

/// A workspace.
#[derive(Debug, Clone)]
pub(crate) struct Yard(String);

impl Yard {
    /// Two sources, and nothing that they lead to.
    pub(crate) fn silent() -> Self {
        Self(format!(
            "workspace: {{slug: bench}}\n\
             environments: [{{slug: production, default: true}}]\n\
             api_keys: [{{name: bench, token: {API_KEY}}}]\n\
             sources:\n\
             \x20 - {{slug: github, token: {SOURCE}, verify: {{provider: github, secrets: [{SECRET}]}}}}\n\
             \x20 - {{slug: quiet, token: {QUIET_SOURCE}, verify: {{provider: github, secrets: [{SECRET}]}}}}\n"
        ))
    }

    /// One source's events go to one endpoint.
    pub(crate) fn with_endpoint(url: &str) -> Self {
        let Self(text) = Self::silent();
        Self(format!(
            "{text}endpoints: [{{slug: receiver, url: \"{url}\", concurrency: {CONCURRENCY}}}]\n\
             routes: [{{name: all, from: [github], to: {{endpoint: receiver}}}}]\n"
        ))
    }

    /// Endpoints at these URLs, which have so long to answer; [`endpoint`] is how they are called.
    pub(crate) fn with_endpoints(urls: &[String], timeout: Duration) -> Self {
        let Self(mut text) = Self::silent();
        text.push_str("endpoints:\n");
        for (number, url) in urls.iter().enumerate() {
            let written = writeln!(
                text,
                "  - {{id: {}, slug: e{number}, url: \"{url}\", timeout: {}s}}",
                endpoint(number),
                timeout.as_secs()
            );
            written.expect("a text can be written to, because it grows");
        }
        Self(text)
    }

    /// A playbook of these tasks, which door 6 starts. `tasks` is YAML, a list in one line.
    pub(crate) fn with_playbook(tasks: &str) -> Self {
        let Self(text) = Self::silent();
        Self(format!(
            "{text}playbooks:\n  - slug: bench\n    hook: {{token: {HOOK}}}\n    concurrency: 10000\n\
             \x20   definition: {{document: {{dsl: 1.0.3, namespace: bench, name: bench, version: 1.0.0}}, do: {tasks}}}\n"
        ))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The id of one of many endpoints.
pub(crate) fn endpoint(number: usize) -> String {
    format!("ep_bench_{number:05}")
}

/// Door 4 of the source whose events go to the endpoint, if there is one.
pub(crate) fn token_door() -> Door {
    door_of(SOURCE)
}

/// Door 4 of the source whose events go nowhere.
pub(crate) fn quiet_door() -> Door {
    door_of(QUIET_SOURCE)
}

fn door_of(source: &str) -> Door {
    Door::Token {
        path: format!("/ingest/{source}"),
        secret: SECRET.to_owned(),
    }
}

/// Door 3, to so many endpoints in turn.
pub(crate) fn send_door(endpoints: usize) -> Door {
    Door::Send {
        endpoints: (0..endpoints).map(endpoint).collect(),
        key: API_KEY.to_owned(),
    }
}

/// The playbook's door 6.
pub(crate) fn hook_door() -> Door {
    Door::Hook {
        path: format!("/api/v1/hooks/{HOOK}"),
    }
}
