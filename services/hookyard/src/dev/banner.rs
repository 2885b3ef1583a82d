//! What `hookyard dev` prints when it is ready: where things are, and lines to paste.

use super::Dev;
use super::demo::{Demo, WORKSPACE};
use super::receiver;
use crate::screen::{BOLD, DIM, GOOD, WARN, styled};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// What the demo sends: a push to the main branch, as short as it can be.
const PUSH: &str = r#"{"ref":"refs/heads/main","repository":{"full_name":"octo/hello"},"pusher":{"name":"mona"},"head_commit":{"message":"Fix the bug"}}"#;

/// The same for programs (`--json`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Banner<'a> {
    url: &'a str,
    ready_ms: u128,
    data: String,
    ledger: String,
    /// Networks that deliveries may reach besides public addresses.
    egress_allow: Vec<String>,
    workspace: Option<&'static str>,
    demo: Option<&'a Demo>,
}

impl<'a> Banner<'a> {
    pub(super) fn of(dev: &'a Dev, took: Duration) -> Self {
        let settings = dev.settings();
        Self {
            url: &dev.url,
            ready_ms: took.as_millis(),
            data: dev.folder().display().to_string(),
            ledger: settings.database.place(),
            egress_allow: settings.egress.allow.iter().map(ToString::to_string).collect(),
            workspace: dev.demo.as_ref().map(|_| WORKSPACE),
            demo: dev.demo.as_ref(),
        }
    }

    pub(super) fn text(&self) -> String {
        let Self {
            url,
            ready_ms,
            data,
            ledger,
            ..
        } = self;
        let mut text = format!(
            "\n{} {}\n\n",
            styled(GOOD.bold(), "Hookyard is ready."),
            styled(DIM, format_args!("({ready_ms} ms)"))
        );
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(text, "  {}  {value}", styled(DIM, format_args!("{name:<14}")));
        };
        row("doors", &format!("{url}/ingest/…, {url}/api/…"));
        row("management API", &format!("{url}/management/v1/…"));
        row("health", &format!("{url}/readyz, {url}/metrics"));
        row("ledger", &format!("{ledger}, keys in {data}"));
        row("deliveries to", &self.reach());
        match self.demo {
            Some(demo) => text.push_str(&lines(url, demo)),
            None => text.push_str("\n  hookyard apply -f yard.yaml configures a workspace.\n"),
        }
        let _ = writeln!(text, "\n{}", styled(DIM, "Ctrl-C stops it; everything is kept."));
        text
    }

    /// What egress lets through, in words: a newcomer must not take a development machine's holes for granted.
    fn reach(&self) -> String {
        if self.egress_allow.is_empty() {
            return "public addresses only (egress.allow)".to_owned();
        }
        let open = self.egress_allow.join(", ");
        styled(
            WARN,
            format_args!("public addresses and {open}; HOOKYARD__EGRESS__ALLOW=\"\" closes those"),
        )
    }
}

/// The demo as shell lines. They need nothing but a POSIX shell, curl, sed and openssl.
fn lines(url: &str, demo: &Demo) -> String {
    let Demo {
        source_token,
        source_secret,
        management_token,
        ..
    } = demo;
    let receiver = receiver::PATH;
    let heading = |text: &str| styled(BOLD, format_args!("# {text}"));
    [
        String::new(),
        heading("Try it. First, who you are:"),
        format!("export HOOKYARD_URL={url} HOOKYARD_WORKSPACE={WORKSPACE} HOOKYARD_TOKEN={management_token}"),
        r#"API=$HOOKYARD_URL/management/v1/workspaces/$HOOKYARD_WORKSPACE AUTH="Authorization: Bearer $HOOKYARD_TOKEN""#.to_owned(),
        String::new(),
        heading("1. A webhook, signed as GitHub signs it"),
        format!("BODY='{PUSH}'"),
        format!("SIGNATURE=$(printf %s \"$BODY\" | openssl dgst -sha256 -hmac {source_secret} | sed 's/^.* //')"),
        format!(
            "curl -si $HOOKYARD_URL/ingest/{source_token} -H 'Content-Type: application/json' -H 'X-GitHub-Event: push' \
             -H \"X-GitHub-Delivery: $(date +%s%N)\" -H \"X-Hub-Signature-256: sha256=$SIGNATURE\" --data-binary \"$BODY\""
        ),
        String::new(),
        heading("2. What became of it: the event, each route's decision, the delivery, its attempts"),
        r#"EVENT=$(curl -s -H "$AUTH" "$API/events?limit=1" | sed 's/.*"id":"\(msg_[^"]*\)".*/\1/')"#.to_owned(),
        r#"curl -s -H "$AUTH" "$API/events/$EVENT""#.to_owned(),
        r#"curl -s -H "$AUTH" "$API/events/$EVENT/trace""#.to_owned(),
        r#"DELIVERY=$(curl -s -H "$AUTH" "$API/events/$EVENT/deliveries" | sed 's/.*"id":"\(del_[^"]*\)".*/\1/')"#.to_owned(),
        r#"curl -s -H "$AUTH" "$API/deliveries/$DELIVERY/attempts""#.to_owned(),
        String::new(),
        heading("3. What the demo's receiver got, and whether its signature verified"),
        format!("curl -s $HOOKYARD_URL{receiver}"),
        String::new(),
        heading("4. Let it fail twice, send again (1.), and watch the retries"),
        format!("curl -s $HOOKYARD_URL{receiver}/fail -d '{{\"times\":2}}'"),
        String::new(),
        heading("The same with the command line"),
        format!("hookyard send github --as github --secret {source_secret} --type push -d \"$BODY\""),
        "hookyard tail -n 5".to_owned(),
        "hookyard events show $EVENT".to_owned(),
        String::new(),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_push_is_one_that_the_demo_routes() {
        let push: serde_json::Value = serde_json::from_str(PUSH).unwrap();
        assert_eq!(push["ref"], "refs/heads/main");
        assert!(!PUSH.contains('\''), "it stands in single quotes");
    }
}
