//! `hookyard doctor`: looks for what keeps an installation from working, from the settings to the last queue.
//!
//! It reads the settings of a service, so it is run where a service would run, with the same environment; or, given a URL, it
//! asks a platform that runs. A check whose ground is missing is left out: without a database nothing can be said about its
//! schema.

mod running;

use super::migrate::settings;
use crate::arguments::Doctor;
use crate::screen::{BAD, DIM, GOOD, Screen, WARN, plain, styled};
use boot::settings::BrokerUrl;
use boot::{Settings, report};
use broker::{Conveyor, State};
use expression::{Jail, Job, Want};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use store::{KeyRing, Store};
use tokio::time::timeout;
use wire::{Instant, Queue};

/// For each look at something else.
const PATIENCE: Duration = Duration::from_secs(5);
/// Workspaces whose secrets are tried.
const WORKSPACES: i64 = 100;
/// A queue that is longer is not kept up with.
const LONG_QUEUE: u32 = 10_000;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    /// Works, but deserves a look.
    Warning,
    /// Keeps something from working.
    Problem,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
    way_out: Option<String>,
}

/// What was found so far.
#[derive(Debug, Default, Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

impl Findings {
    fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Verdict::Ok, detail.into(), None);
    }

    fn warning(&mut self, check: &'static str, detail: impl Into<String>, way_out: impl Into<String>) {
        self.add(check, Verdict::Warning, detail.into(), Some(way_out.into()));
    }

    fn problem(&mut self, check: &'static str, detail: impl Into<String>, way_out: impl Into<String>) {
        self.add(check, Verdict::Problem, detail.into(), Some(way_out.into()));
    }

    fn add(&mut self, check: &'static str, verdict: Verdict, detail: String, way_out: Option<String>) {
        self.findings.push(Finding {
            check,
            verdict,
            detail,
            way_out,
        });
    }

    fn has_problems(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.verdict == Verdict::Problem)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for Finding {
            check,
            verdict,
            detail,
            way_out,
        } in &self.findings
        {
            let mark = match verdict {
                Verdict::Ok => styled(GOOD, "ok     "),
                Verdict::Warning => styled(WARN, "warning"),
                Verdict::Problem => styled(BAD, "problem"),
            };
            let _ = writeln!(text, "{mark}  {check:<12}  {}", plain(detail));
            if let Some(way_out) = way_out {
                let _ = writeln!(text, "{:23}{}", "", styled(DIM, format_args!("→ {way_out}")));
            }
        }
        text
    }
}

pub(crate) async fn run(options: Doctor, screen: Screen) -> anyhow::Result<ExitCode> {
    let spinner = screen.waiting("looking around");
    let url = options.connection.url.as_deref().filter(|url| !url.is_empty());
    let findings = match url {
        Some(url) => running::examine(url, &options.connection).await,
        None => examine(&options).await,
    };
    spinner.finish_and_clear();
    screen.show(&findings, Findings::text)?;
    Ok(if findings.has_problems() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn examine(options: &Doctor) -> Findings {
    let mut findings = Findings::default();
    let settings = match settings(options.settings.config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => {
            findings.problem(
                "settings",
                format!("{error:#}"),
                "config/default.toml documents every key",
            );
            return findings;
        }
    };
    findings.ok("settings", "are understood");
    let keyring = master_keys(&settings, &mut findings);
    if let Some(store) = database(&settings, keyring, &mut findings).await
        && schema(&store, &mut findings).await
    {
        secrets(&store, &mut findings).await;
        old_keys(&store, &mut findings).await;
    }
    broker(&settings, &mut findings).await;
    jail(&mut findings).await;
    reach(&settings, &mut findings);
    findings
}

fn master_keys(settings: &Settings, findings: &mut Findings) -> KeyRing {
    const CHECK: &str = "master keys";
    let none = KeyRing::parse(&[]).expect("no keys hold no malformed one");
    let keys = match settings.secrets.required_master_keys() {
        Ok(keys) => keys,
        Err(error) => {
            not_set(CHECK, &error, findings);
            return none;
        }
    };
    match KeyRing::parse(keys) {
        Ok(keyring) => {
            findings.ok(CHECK, format!("{} (the first seals, all open)", keys.len()));
            keyring
        }
        Err(error) => {
            findings.problem(CHECK, report(&error), "`hookyard keys generate` makes one");
            none
        }
    }
}

fn not_set(check: &'static str, error: &boot::Error, findings: &mut Findings) {
    match error {
        boot::Error::Missing { key, way_out } => {
            findings.problem(check, format!("{key} is not set"), *way_out);
        }
        other => findings.problem(check, report(other), "config/default.toml documents every key"),
    }
}

async fn database(settings: &Settings, keyring: KeyRing, findings: &mut Findings) -> Option<Store> {
    const CHECK: &str = "database";
    let url = match settings.database.required_url() {
        Ok(url) => url.clone(),
        Err(error) => {
            not_set(CHECK, &error, findings);
            return None;
        }
    };
    let place = settings.database.place();
    let opened = store::Settings {
        url,
        max_connections: 1,
        acquire_timeout: PATIENCE,
    };
    match timeout(PATIENCE, Store::connect(opened, keyring)).await {
        Ok(Ok(store)) => {
            findings.ok(CHECK, format!("{place} answers"));
            Some(store)
        }
        Ok(Err(error)) => {
            findings.problem(
                CHECK,
                format!("{place}: {}", report(&error)),
                "is it running, and is database.url right?",
            );
            None
        }
        Err(_elapsed) => {
            let detail = format!("{place} does not answer within {} s", PATIENCE.as_secs());
            findings.problem(CHECK, detail, "is it running, and is it reachable from here?");
            None
        }
    }
}

/// Whether the schema can be used.
async fn schema(store: &Store, findings: &mut Findings) -> bool {
    const CHECK: &str = "schema";
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => findings.ok(CHECK, "is this release's"),
        Ok(pending) => {
            let detail = format!("lacks {} migrations, {} first", pending.len(), pending.join(", "));
            findings.problem(CHECK, detail, "run `hookyard migrate`");
            return false;
        }
        Err(error) => {
            findings.problem(CHECK, report(&error), "may this user read the tables?");
            return false;
        }
    }
    // Today's and tomorrow's: without them nothing can be accepted, so making them is the only sensible answer.
    match store.make_partitions(Instant::now(), 1).await {
        Ok(_none) if store.kind() == "sqlite" => {}
        Ok(made) if made.is_empty() => findings.ok("partitions", "are there for today and tomorrow"),
        Ok(made) => findings.warning(
            "partitions",
            format!("{} were missing, and have been made", made.join(", ")),
            "keep a hookyard-console running: it makes them a week ahead",
        ),
        Err(error) => findings.problem("partitions", report(&error), "may this user create tables?"),
    }
    true
}

/// Opens what is sealed: a key that is missing is found here, and not by the first delivery.
async fn secrets(store: &Store, findings: &mut Findings) {
    const CHECK: &str = "secrets";
    let opened = async {
        let workspaces = store.workspaces(WORKSPACES).await?;
        for workspace in &workspaces {
            store.sources(&workspace.id).await?;
            store.endpoints(&workspace.id).await?;
        }
        Ok::<_, store::Error>(workspaces.len())
    };
    match opened.await {
        Ok(0) => findings.warning(
            CHECK,
            "there is no workspace yet",
            "`hookyard apply -f yard.yaml` makes one",
        ),
        Ok(count) => findings.ok(CHECK, format!("of {count} workspaces open with the master keys")),
        Err(error) => findings.problem(
            CHECK,
            report(&error),
            "put the key they were sealed with into secrets.master_keys",
        ),
    }
}

/// Says what keeps an old master key from being retired.
async fn old_keys(store: &Store, findings: &mut Findings) {
    const CHECK: &str = "old keys";
    match timeout(PATIENCE, store.key_uses()).await {
        Ok(Ok(keys)) => {
            for key in keys.iter().skip(1) {
                match (key.position, key.values) {
                    (Some(_), 0) => findings.warning(
                        CHECK,
                        format!("`{}` holds nothing any more", key.id),
                        "take it out of secrets.master_keys",
                    ),
                    (Some(_), values) => findings.warning(
                        CHECK,
                        format!("`{}` still holds {values} secrets", key.id),
                        "`hookyard keys reseal` moves them to the first key",
                    ),
                    (None, values) => findings.problem(
                        CHECK,
                        format!("`{}`, which is not set, holds {values} secrets", key.id),
                        "put it into secrets.master_keys, behind the first",
                    ),
                }
            }
        }
        Ok(Err(error)) => findings.problem(CHECK, report(&error), "may this user read the tables?"),
        Err(_elapsed) => findings.warning(
            CHECK,
            "there is too much to count in a moment",
            "`hookyard keys status` takes its time",
        ),
    }
}

async fn broker(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "broker";
    if matches!(settings.broker.url, BrokerUrl::InProcess) {
        findings.ok(
            CHECK,
            "in-process: right for `hookyard dev`, useless between processes",
        );
        return;
    }
    let conveyor = match boot::conveyor(&settings.broker, "hookyard doctor") {
        Ok(conveyor) => conveyor,
        Err(error) => {
            findings.problem(CHECK, report(&error), "set broker.url (HOOKYARD__BROKER__URL)");
            return;
        }
    };
    if timeout(PATIENCE, conveyor.connected()).await == Ok(true) {
        let mut depths = Vec::new();
        let mut is_long = false;
        for queue in Queue::ALL {
            if let Ok(depth) = conveyor.depth(queue).await {
                is_long |= depth > LONG_QUEUE;
                depths.push(format!("{} {depth}", queue.name()));
            }
        }
        let detail = format!("answers; waiting: {}", depths.join(", "));
        if is_long {
            findings.warning(
                CHECK,
                detail,
                "start more of the service that consumes the longest queue",
            );
        } else {
            findings.ok(CHECK, detail);
        }
    } else {
        let state = trouble(&conveyor);
        findings.problem(
            CHECK,
            state,
            "events are accepted and delivered without it, but slower: start it, or correct broker.url",
        );
    }
    conveyor.close().await;
}

/// Why nothing moves.
pub(super) fn trouble(conveyor: &Conveyor) -> String {
    match conveyor.state() {
        State::Connecting {
            error: Some(error), ..
        } => report(&*error),
        State::Blocked => "the broker takes no messages until it has memory and disk again".to_owned(),
        State::Connecting { error: None, .. } | State::Connected | State::Closed => {
            "no answer yet".to_owned()
        }
    }
}

async fn jail(findings: &mut Findings) {
    const CHECK: &str = "jq";
    let jail = Jail::new(expression::Options::default());
    let job = Job {
        program: "1 + 1 == 2".into(),
        input: egress::Bytes::from_static(b"null"),
        want: Want::Boolean,
    };
    let way_out = "filters and transforms run in processes of this program: may it start itself?";
    match timeout(PATIENCE, jail.evaluate_one(job)).await {
        Ok(Ok(Ok(_yes))) => findings.ok(CHECK, "expressions run in their jail"),
        Ok(Ok(Err(error))) => findings.problem(CHECK, error.to_string(), way_out),
        Ok(Err(error)) => findings.problem(CHECK, report(&error), way_out),
        Err(_elapsed) => findings.problem(CHECK, "no answer", way_out),
    }
}

fn reach(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "egress";
    let open: Vec<String> = settings.egress.allow.iter().map(ToString::to_string).collect();
    if open.is_empty() {
        findings.ok(CHECK, "deliveries reach public addresses only");
    } else if settings
        .egress
        .allow
        .iter()
        .any(|network| network.prefix_len() == 0)
    {
        findings.warning(
            CHECK,
            format!("egress.allow opens everything ({})", open.join(", ")),
            "name only the networks that hold receivers: tenants choose the URLs",
        );
    } else {
        findings.ok(
            CHECK,
            format!("deliveries reach public addresses and {}", open.join(", ")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_problems_make_the_doctor_fail() {
        let mut findings = Findings::default();
        findings.ok("settings", "are understood");
        findings.warning("egress", "opens everything", "name networks");
        assert!(!findings.has_problems());
        findings.problem("database", "does not answer", "start it");
        assert!(findings.has_problems());
        let text = anstream::adapter::strip_str(&findings.text()).to_string();
        assert!(
            text.contains("problem  database      does not answer\n                       → start it"),
            "{text}"
        );
    }
}
