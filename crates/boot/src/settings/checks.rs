//! What is wrong with settings that are each right by themselves.

use super::sections::{Database, Settings};
use crate::Error;
use secrecy::ExposeSecret;
use std::time::Duration;
use store::KeyRing;
use wire::resource::duration;

/// A lease is renewed every quarter of its time.
const SHORTEST_LEASE: Duration = Duration::from_secs(2);
/// What is younger may still be under way: the longest schedule of retries, and the longest wait for a receiver.
const SHORTEST_RETENTION: Duration = Duration::from_hours(24);
/// More often than this, nothing new is old enough.
const SHORTEST_SWEEP: Duration = Duration::from_secs(1);
/// Databases that can hold the ledger.
const LEDGERS: [&str; 3] = ["postgres", "postgresql", "sqlite"];

impl Settings {
    /// What is wrong only in combination, or too little to work with.
    pub(super) fn wrong_together(&self) -> Vec<Error> {
        let mut problems = Vec::new();
        let mut refuse = |key: &str, reason: String| {
            problems.push(Error::Setting {
                key: key.to_owned(),
                origin: "the settings together".to_owned(),
                reason,
            });
        };
        let (retention, gateway) = (&self.retention, &self.gateway);
        if self.delivery.lease < SHORTEST_LEASE {
            let reason = format!(
                "{} is too short to be renewed in time on a busy machine; the least is {}",
                duration::show(self.delivery.lease),
                duration::show(SHORTEST_LEASE),
            );
            refuse("delivery.lease", reason);
        }
        for (key, span, least) in [
            ("retention.history", retention.history, SHORTEST_RETENTION),
            ("retention.rejections", retention.rejections, SHORTEST_RETENTION),
            ("retention.audit", retention.audit, SHORTEST_RETENTION),
            (
                "retention.sweep_every",
                Some(retention.sweep_every),
                SHORTEST_SWEEP,
            ),
        ] {
            if let Some(span) = span.filter(|span| *span < least) {
                let reason = format!(
                    "{} is too short; the least is {}",
                    duration::show(span),
                    duration::show(least)
                );
                refuse(key, reason);
            }
        }
        if gateway.bodies_at_once < gateway.max_body_limit {
            refuse(
                "gateway.bodies_at_once",
                "is less than gateway.max_body_limit, so that the largest body would always be refused"
                    .to_owned(),
            );
        }
        for (key, limit) in [
            ("gateway.body_limit", gateway.body_limit),
            ("gateway.token_body_limit", gateway.token_body_limit),
        ] {
            if limit > gateway.max_body_limit {
                refuse(key, "is over gateway.max_body_limit".to_owned());
            }
        }
        problems
    }

    /// What a service finds missing or of no use at its start, by key, before it asks a server.
    pub(super) fn unmet(&self) -> Vec<(&'static str, Error)> {
        let keyring = self
            .secrets
            .required_master_keys()
            .and_then(|keys| KeyRing::parse(keys).map_err(Error::MasterKeys));
        [
            ("database.url", ledger(&self.database).err()),
            ("secrets.master_keys", keyring.err()),
            ("broker.ca_file", self.broker.certificates().err()),
        ]
        .into_iter()
        .filter_map(|(key, problem)| problem.map(|problem| (key, problem)))
        .collect()
    }
}

/// Whether the ledger's URL is there, and one of a database that can hold it.
fn ledger(database: &Database) -> Result<(), Error> {
    let url = database.required_url()?.expose_secret();
    let scheme = url.split(':').next().unwrap_or_default();
    if LEDGERS.contains(&scheme) {
        return Ok(());
    }
    Err(Error::Setting {
        key: "database.url".to_owned(),
        origin: "the settings".to_owned(),
        reason: "is neither a URL such as postgres://user:password@host:5432/name nor sqlite:PATH".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Sources, report};
    use std::io::Write as _;

    const URL: (&str, &str) = ("HOOKYARD__DATABASE__URL", "postgres://yard:hunter2@db/yard");
    const KEYS: (&str, &str) = (
        "HOOKYARD__SECRETS__MASTER_KEYS",
        "one:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    );

    fn problems<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let sources = Sources::new().with_environment(variables);
        let problems: Vec<String> = sources.problems().iter().map(|problem| report(problem)).collect();
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
        problems
    }

    /// Each of these words, in this order, is in a problem of its own, and there are no others.
    fn assert_named(problems: &[String], words: &[&str]) {
        assert_eq!(problems.len(), words.len(), "{problems:#?}");
        for (problem, words) in problems.iter().zip(words) {
            assert!(problem.contains(words), "no {words} in {problem}");
        }
    }

    #[test]
    fn what_a_service_needs_is_enough() {
        assert_named(&problems([URL, KEYS]), &[]);
    }

    #[test]
    fn all_that_is_wrong_is_named_at_once() {
        let named = problems([
            ("HOOKYARD__GATEWAY__LISTNE", "x"),
            ("HOOKYARD__ROUTER__SWEEP_AFTER", "soon"),
            ("HOOKYARD__EGRESS__ALLOW", "10.0.0.0/8,everything"),
            ("HOOKYARD__CONSOLE__OPERATOR_TOKEN_FILE", "/nowhere/token"),
            ("HOOKYARD__BROKER__CA_FILE", "/nowhere/ca.pem"),
        ]);
        assert_named(
            &named,
            &[
                "did you mean `gateway.listen`?",
                "console.operator_token (from HOOKYARD__CONSOLE__OPERATOR_TOKEN_FILE): /nowhere/token cannot be read",
                "`everything` is not a network",
                "`soon` is not a duration",
                "database.url is not set",
                "secrets.master_keys is not set",
                "/nowhere/ca.pem: No such file",
            ],
        );
    }

    #[test]
    fn several_that_are_wrong_together_are_named_at_once() {
        let named = problems([
            URL,
            KEYS,
            ("HOOKYARD__DELIVERY__LEASE", "1s"),
            ("HOOKYARD__RETENTION__AUDIT", "1h"),
            ("HOOKYARD__GATEWAY__BODY_LIMIT", "1GiB"),
        ]);
        let words = [
            "delivery.lease",
            "retention.audit",
            "is over gateway.max_body_limit",
        ];
        assert_named(&named, &words);
    }

    #[test]
    fn what_follows_from_another_mistake_is_not_named_beside_it() {
        // The default, which stands in for a limit that is not understood, was not asked for.
        let limit = ("HOOKYARD__GATEWAY__MAX_BODY_LIMIT", "lots");
        let larger = ("HOOKYARD__GATEWAY__BODY_LIMIT", "30MiB");
        assert_named(&problems([URL, KEYS, limit, larger]), &["gateway.max_body_limit"]);

        let unread = ("HOOKYARD__DATABASE__URL_FILE", "/nowhere/url");
        assert_named(&problems([KEYS, unread]), &["/nowhere/url cannot be read"]);

        let whole = Sources::new().with_file("/nowhere/yard.toml").problems();
        assert_named(
            &whole.iter().map(|problem| report(problem)).collect::<Vec<_>>(),
            &["/nowhere/yard.toml"],
        );
    }

    #[test]
    fn a_secret_that_is_of_no_use_is_named_and_not_shown() {
        for (variable, value, words) in [
            (
                "HOOKYARD__DATABASE__URL",
                "hunter2",
                "neither a URL such as postgres://",
            ),
            (
                "HOOKYARD__DATABASE__URL",
                "mysql://yard:hunter2@db",
                "nor sqlite:PATH",
            ),
            ("HOOKYARD__SECRETS__MASTER_KEYS", "one:hunter2", "master key 1"),
            ("HOOKYARD__BROKER__URL", "ftp://yard:hunter2@mq", "in-process"),
            (
                "HOOKYARD__GATEWAY__PUBLIC_URL",
                "https://yard:hunter2@?",
                "not a URL",
            ),
        ] {
            let good = [URL, KEYS].into_iter().filter(|(name, _)| *name != variable);
            assert_named(&problems(good.chain([(variable, value)])), &[words]);
        }

        for (text, words) in [
            ("[secrets]\nmaster_keys = 7702\n", "is not a list of texts"),
            (
                "[secrets]\nmaster_keys = [{key = \"7702\"}]\n",
                "is not a list of texts",
            ),
            ("[console]\noperator_token = [\"7702\"]\n", "has the wrong type"),
            ("[console]\noperator_token = \"7702\n", "is not valid TOML"),
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let sources = Sources::new().with_file(file.path());
            let refused = report(&sources.load().unwrap_err());
            assert!(refused.contains(words) && !refused.contains("7702"), "{refused}");
        }
    }
}
