//! The demo: a workspace with sources, routes, a receiver and a playbook that greets, made at the first start.
//!
//! It is a file of configuration as any other, applied as any other; only its secrets are made here, kept in the data
//! folder, and the same at every later start.

use super::receiver;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The demo workspace's slug.
pub(super) const WORKSPACE: &str = "demo";
/// The demo endpoint's id.
pub(super) const ENDPOINT: &str = "ep_demo_receiver";
/// Where the secrets are kept in the data folder.
pub(super) const FILE: &str = "demo.json";

/// What it takes to play with the demo.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Demo {
    /// The secret in the path of door 4, `src_…`.
    pub source_token: String,
    /// What GitHub would sign with.
    pub source_secret: String,
    /// What deliveries are signed with, `whsec_…`.
    pub endpoint_secret: String,
    /// Opens the management API, `nhm_…`.
    pub management_token: String,
    /// Door 1's secret. Like what follows, it is empty in a demo that an earlier release made, which has no such door.
    #[serde(default)]
    pub channel_secret: String,
    /// Door 2's secret.
    #[serde(default)]
    pub playbook_secret: String,
    /// Opens doors 3 and 7, `nhk_…`.
    #[serde(default)]
    pub api_key: String,
    /// What the chat of door 5 signs with.
    #[serde(default)]
    pub app_secret: String,
    /// The secret in the path of door 6, `hook_…`.
    #[serde(default)]
    pub hook_token: String,
}

fn random() -> String {
    hex::encode(rand::random::<[u8; 24]>())
}

fn random_key() -> String {
    format!("nhk_dev_{}", random())
}

fn random_hook() -> String {
    format!("hook_{}", random())
}

impl fmt::Debug for Demo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Demo { secrets: redacted }")
    }
}

impl Demo {
    /// Fresh secrets.
    pub(super) fn make() -> Self {
        Self {
            source_token: format!("src_{}", random()),
            source_secret: random(),
            endpoint_secret: signature::generate_secret(&rand::random())
                .expose_secret()
                .to_owned(),
            management_token: format!("nhm_{}", random()),
            channel_secret: random(),
            playbook_secret: random(),
            api_key: random_key(),
            app_secret: random(),
            hook_token: random_hook(),
        }
    }

    /// The address of the demo's receiver, on the one port that there is.
    pub(super) fn receiver_url(url: &str) -> String {
        format!("{url}{}", receiver::PATH)
    }

    /// Whether a URL is that of a demo's receiver, at whichever port.
    pub(super) fn is_receiver(url: &str) -> bool {
        url.starts_with("http://") && url.ends_with(receiver::PATH)
    }

    /// The configuration. The retries come fast, because somebody is watching.
    pub(super) fn yaml(&self, url: &str) -> String {
        let Self {
            source_token,
            source_secret,
            endpoint_secret,
            management_token,
            channel_secret,
            playbook_secret,
            api_key,
            app_secret,
            hook_token,
        } = self;
        let receiver_url = Self::receiver_url(url);
        format!(
            r#"workspace: {{slug: {WORKSPACE}, name: Demo}}
environments: [{{slug: production, default: true}}]
management_tokens: [{{name: demo, token: {management_token}}}]
api_keys: [{{name: demo, token: {api_key}, scopes: [ingest, trigger]}}]
event_types: [{{name: order.paid, description: An order was paid.}}]
contacts: [{{name: Mona, addresses: [{{source: chat, id: mona}}]}}]
endpoints:
  - slug: receiver
    id: {ENDPOINT}
    url: "{receiver_url}"
    secret: {endpoint_secret}
    retry: {{schedule: [0s, 1s, 2s, 4s, 8s], jitter: 0}}
sources:
  - slug: github
    token: {source_token}
    verify: {{provider: github, secrets: [{source_secret}]}}
  - slug: orders
    channel: {{secret: {channel_secret}, direct_ingest: true}}
  - slug: chat
    app: {{id: app_demo, adapter: custom, signing_secret: {app_secret}, contacts: required, doorkeeper: hello}}
routes:
  - name: pushes to main
    from: [github]
    event_types: [push]
    filter: '.ref == "refs/heads/main"'
    transform: '{{repository: .repository.full_name, by: .pusher.name, message: .head_commit.message}}'
    to: {{endpoint: receiver}}
  - name: every order
    from: [orders]
    to: {{endpoint: receiver}}
  - name: paid orders
    event_types: [order.paid]
    to: {{endpoint: receiver}}
  - name: greetings
    event_types: [greeting.made]
    to: {{endpoint: receiver}}
playbooks:
  - slug: hello
    number: 42
    secret: {playbook_secret}
    hook: {{token: {hook_token}}}
    definition:
      document: {{dsl: '1.0.3', namespace: demo, name: hello, version: '1.0.0'}}
      do:
        - greet: {{set: {{greeting: '${{ "Hello, " + (.name // "world") }}'}}}}
        - breathe: {{wait: PT1S}}
        - tell: {{emit: {{event: {{with: {{type: greeting.made, data: '${{ . }}'}}}}}}}}
"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secrets_are_fresh_and_stay_out_of_debug_output() {
        let (one, other) = (Demo::make(), Demo::make());
        assert_ne!(one, other);
        assert!(!format!("{one:?}").contains(&one.management_token));
    }

    #[test]
    fn the_demo_of_an_earlier_release_is_still_one() {
        let kept = r#"{"sourceToken":"src_a","sourceSecret":"b","endpointSecret":"whsec_c","managementToken":"nhm_d"}"#;
        let demo: Demo = serde_json::from_str(kept).unwrap();
        assert!(demo.api_key.is_empty());
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let demo = Demo::make();
        let kept = serde_json::to_string(&demo).unwrap();
        assert_eq!(serde_json::from_str::<Demo>(&kept).unwrap(), demo);
    }
}
