//! What `hookyard dev` prints when it is ready: where things are, and lines to paste.

use super::Dev;
use super::demo::{Demo, WORKSPACE};
use super::receiver;
use crate::commands::applied_text;
use crate::screen::{BOLD, DIM, GOOD, WARN, styled};
use console::apply::Applied;
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
    workspace: Option<&'a str>,
    demo: Option<&'a Demo>,
    /// What --apply changed. The secrets that it made are shown here and nowhere else.
    applied: Option<&'a Applied>,
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
            workspace: match &dev.applied {
                Some(applied) => Some(&applied.workspace),
                None => dev.demo.as_ref().map(|_| WORKSPACE),
            },
            demo: dev.demo.as_ref(),
            applied: dev.applied.as_ref(),
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
        row("console", &format!("{url}/"));
        row("health", &format!("{url}/readyz, {url}/metrics"));
        row("ledger", &format!("{ledger}, keys in {data}"));
        row("deliveries to", &self.reach());
        match (self.applied, self.demo) {
            (Some(applied), _) => {
                let _ = write!(text, "\n{}", applied_text(applied));
            }
            (None, Some(demo)) => text.push_str(&lines(url, demo)),
            (None, None) => {
                let program = program();
                let _ = writeln!(
                    text,
                    "\n  {program} apply -f yard.yaml makes a workspace of a file."
                );
            }
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
    let program = program();
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
            "curl -siw '\\n' $HOOKYARD_URL/ingest/{source_token} -H 'Content-Type: application/json' -H 'X-GitHub-Event: push' \
             -H \"X-GitHub-Delivery: $(date +%s%N)\" -H \"X-Hub-Signature-256: sha256=$SIGNATURE\" --data-binary \"$BODY\""
        ),
        String::new(),
        heading("2. What became of it: the event, what each route decided, the delivery, its attempts"),
        r#"EVENT=$(curl -s -H "$AUTH" "$API/events?limit=1" | sed 's/.*"id":"\(msg_[^"]*\)".*/\1/')"#.to_owned(),
        r#"curl -sw '\n' -H "$AUTH" "$API/events/$EVENT""#.to_owned(),
        r#"curl -sw '\n' -H "$AUTH" "$API/events/$EVENT/trace""#.to_owned(),
        r#"DELIVERY=$(curl -s -H "$AUTH" "$API/events/$EVENT/deliveries" | sed 's/.*"id":"\(del_[^"]*\)".*/\1/')"#.to_owned(),
        r#"curl -sw '\n' -H "$AUTH" "$API/deliveries/$DELIVERY/attempts""#.to_owned(),
        String::new(),
        heading("3. What the receiver of the demo got, and whether the signature verified"),
        format!("curl -sw '\\n' $HOOKYARD_URL{receiver}"),
        String::new(),
        heading("4. Let it fail twice, send again as in 1, and watch the retries"),
        format!("curl -sw '\\n' $HOOKYARD_URL{receiver}/fail -d '{{\"times\":2}}'"),
        String::new(),
        other_doors(demo),
        heading("The same with the command line"),
        format!("{program} send github --as github --secret {source_secret} --type push -d \"$BODY\""),
        format!("{program} tail -n 5"),
        format!("{program} events show $EVENT"),
        String::new(),
    ]
    .join("\n")
}

/// A line for each of the other doors; nothing for a demo that has none of them.
fn other_doors(demo: &Demo) -> String {
    let Demo {
        channel_secret,
        playbook_secret,
        api_key,
        app_secret,
        hook_token,
        ..
    } = demo;
    if api_key.is_empty() {
        return String::new();
    }
    [
        heading("The other doors: a channel, a playbook, an API key, a chat, a hook"),
        format!(
            "curl -sw '\\n' $HOOKYARD_URL/api/channels/orgs/{WORKSPACE}/orders -H 'X-Channel-Secret: {channel_secret}' \
             -H \"X-Idempotency-Key: $(date +%s%N)\" -d '{{\"order\":1}}'"
        ),
        format!(
            "curl -sw '\\n' $HOOKYARD_URL/api/webhooks/orgs/{WORKSPACE}/playbooks/hello -H 'X-Webhook-Secret: {playbook_secret}' \
             -H \"X-Idempotency-Key: $(date +%s%N)\" -d '{{\"name\":\"Ada\"}}'"
        ),
        format!(
            "curl -sw '\\n' $HOOKYARD_URL/api/ingest/event/order.paid -H 'Authorization: Bearer {api_key}' \
             -d '{{\"payload\":{{\"order\":1}}}}'"
        ),
        r#"MESSAGE="{\"id\":\"$(date +%s%N)\",\"sender\":{\"id\":\"mona\"},\"text\":\"hi\"}""#.to_owned(),
        format!("SIGNATURE=$(printf %s \"$MESSAGE\" | openssl dgst -sha256 -hmac {app_secret} | sed 's/^.* //')"),
        r#"curl -sw '\n' $HOOKYARD_URL/api/v1/webhooks/app_demo -H "X-Signature: $SIGNATURE" -d "$MESSAGE""#.to_owned(),
        format!("curl -sw '\\n' $HOOKYARD_URL/api/v1/hooks/{hook_token} -d '{{\"name\":\"Ada\"}}'"),
        format!(
            "curl -sw '\\n' $HOOKYARD_URL/api/v1/trigger -H 'Authorization: Bearer {api_key}' \
             -d '{{\"workflow_id\":42,\"input\":{{\"name\":\"Ada\"}}}}'"
        ),
        String::new(),
        heading("A run of the playbook, step by step; its greeting is an event that a route takes to the receiver"),
        format!("{} playbook start hello -d '{{\"name\":\"Ada\"}}' --watch", program()),
        String::new(),
    ]
    .join("\n")
}

// Without quotes and brackets: zsh reads pasted comments as commands.
fn heading(text: &str) -> String {
    styled(BOLD, format_args!("# {text}"))
}

/// This program as it was called, so that lines with it can be pasted: `hookyard`, or a path to it.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_else(|| "hookyard".to_owned());
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    if called.chars().all(is_plain) {
        called
    } else {
        format!("'{}'", called.replace('\'', r"'\''"))
    }
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
