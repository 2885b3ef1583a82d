//! The rules of layers, with explicit environments instead of the process's own.

use super::*;
use crate::settings::defaults::{DEFAULTS, SECRETS};
use crate::settings::{BrokerUrl, HealthListen, LogFormat};
use secrecy::ExposeSecret;
use std::io::Write;
use std::time::Duration;

fn from_environment<const N: usize>(variables: [(&str, &str); N]) -> Result<Settings, Error> {
    Sources::new().with_environment(variables).load()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn shown(error: &Error) -> String {
    crate::report(error)
}

#[test]
fn the_defaults_are_complete() {
    let settings = Sources::new().load().unwrap();
    assert_eq!(settings.log.format, LogFormat::Auto);
    assert_eq!(settings.gateway.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.gateway.body_limit.bytes(), 1 << 20);
    assert_eq!(settings.shutdown.drain_timeout, Duration::from_secs(25));
    assert_eq!(settings.health.listen, HealthListen::Auto);
    assert_eq!(
        settings.delivery.user_agent,
        format!("hookyard/{}", crate::VERSION)
    );
    assert!(settings.egress.allow.is_empty());
    assert!(settings.telemetry.otlp_endpoint.is_none());
    assert!(matches!(settings.broker.url, BrokerUrl::Rabbit(_)));
}

#[test]
fn every_key_of_the_defaults_is_documented() {
    let mut previous = "";
    for line in DEFAULTS.lines() {
        let is_key = line.contains(" = ") && !line.starts_with('#');
        assert!(!is_key || previous.starts_with('#'), "no comment above: {line}");
        previous = line;
    }
}

#[test]
fn every_secret_is_a_key_and_is_marked() {
    let known = defaults().unwrap();
    for secret in SECRETS {
        assert!(known.contains_key(secret), "{secret}");
    }
    assert_eq!(DEFAULTS.matches("# [secret]").count(), SECRETS.len());
}

#[test]
fn later_layers_win() {
    let file = file("[gateway]\nlisten = \"127.0.0.1:1\"\nworkers = 1\n[router]\nbatch = 7\n");
    let settings = Sources::new()
        .with_program_defaults([("router.batch", "5"), ("delivery.slots", "5")])
        .with_file(file.path())
        .with_environment([
            ("HOOKYARD__GATEWAY__WORKERS", "2"),
            ("HOOKYARD__GATEWAY__LISTEN", "127.0.0.1:2"),
        ])
        .with_arguments([("gateway.listen", "127.0.0.1:3")])
        .load()
        .unwrap();
    assert_eq!(settings.gateway.listen.port(), 3);
    assert_eq!(settings.gateway.workers, 2);
    assert_eq!(settings.router.batch.get(), 7);
    assert_eq!(settings.delivery.slots.get(), 5);
}

#[test]
fn a_variable_is_text_until_its_setting_says_otherwise() {
    let settings = from_environment([
        ("HOOKYARD__CONSOLE__OPERATOR_TOKEN", "0123"),
        ("HOOKYARD__DELIVERY__SLOTS", "12"),
        ("HOOKYARD__DATABASE__MIGRATE", "true"),
        ("HOOKYARD__TELEMETRY__SAMPLE_RATIO", "0.25"),
        ("HOOKYARD__ROUTER__SWEEP_AFTER", "250ms"),
        ("HOOKYARD__GATEWAY__BODY_LIMIT", "2MiB"),
    ])
    .unwrap();
    assert_eq!(settings.console.operator_token.unwrap().expose_secret(), "0123");
    assert_eq!(settings.delivery.slots.get(), 12);
    assert!(settings.database.migrate);
    assert!((settings.telemetry.sample_ratio - 0.25).abs() < f64::EPSILON);
    assert_eq!(settings.router.sweep_after, Duration::from_millis(250));
    assert_eq!(settings.gateway.body_limit.bytes(), 2 << 20);
}

#[test]
fn lists_are_comma_separated_and_an_empty_text_is_an_empty_list() {
    let settings = from_environment([("HOOKYARD__EGRESS__ALLOW", "10.0.0.0/8, ::1")]).unwrap();
    let allowed: Vec<String> = settings.egress.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["10.0.0.0/8", "::1/128"]);

    let settings = Sources::new()
        .with_program_defaults([("egress.allow", "127.0.0.0/8")])
        .with_environment([("HOOKYARD__EGRESS__ALLOW", "")])
        .load()
        .unwrap();
    assert!(settings.egress.allow.is_empty());

    let file = file("[egress]\nallow = [\"192.168.0.0/16\"]\n");
    let settings = Sources::new().with_file(file.path()).load().unwrap();
    assert_eq!(settings.egress.allow.len(), 1);
}

#[test]
fn other_variables_are_ignored() {
    let settings = from_environment([
        ("HOOKYARD_SERVICE_HOST", "10.0.0.1"),
        ("HOOKYARD_URL", "http://x"),
        ("PATH", "/"),
    ]);
    assert!(settings.is_ok());
}

#[test]
fn a_secret_can_be_read_from_a_file() {
    let secret = file("postgres://yard:hunter2@db:5432/yard\n");
    let path = secret.path().to_str().unwrap();
    let settings = from_environment([("HOOKYARD__DATABASE__URL_FILE", path)]).unwrap();
    assert_eq!(
        settings.database.required_url().unwrap().expose_secret(),
        "postgres://yard:hunter2@db:5432/yard"
    );

    let keys = file("two:BBBB\none:AAAA\n");
    let path = keys.path().to_str().unwrap();
    let settings = from_environment([("HOOKYARD__SECRETS__MASTER_KEYS_FILE", path)]).unwrap();
    let keys = settings.secrets.required_master_keys().unwrap();
    assert_eq!(
        keys.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(),
        ["two:BBBB", "one:AAAA"]
    );

    let config = file(&format!("[console]\noperator_token_file = {path:?}\n"));
    assert!(
        Sources::new()
            .with_file(config.path())
            .load()
            .unwrap()
            .console
            .operator_token
            .is_some()
    );
}

#[test]
fn a_secret_file_that_is_missing_or_doubled_is_named() {
    let missing = from_environment([("HOOKYARD__DATABASE__URL_FILE", "/nowhere/db")]).unwrap_err();
    let missing = shown(&missing);
    assert!(
        missing.contains("database.url") && missing.contains("/nowhere/db"),
        "{missing}"
    );
    assert!(missing.contains("No such file"), "{missing}");

    let both = from_environment([
        ("HOOKYARD__DATABASE__URL", "postgres://x/y"),
        ("HOOKYARD__DATABASE__URL_FILE", "/nowhere/db"),
    ]);
    assert!(shown(&both.unwrap_err()).contains("set only one of the two"));
}

#[test]
fn only_secrets_have_a_file_twin() {
    let error = from_environment([("HOOKYARD__GATEWAY__LISTEN_FILE", "/etc/hostname")]).unwrap_err();
    assert!(shown(&error).contains("unknown setting `gateway.listen_file`"));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    let error = from_environment([
        ("HOOKYARD__GATEWAY__LISTNE", "x"),
        ("HOOKYARD__DATABSE__URL", "x"),
    ])
    .unwrap_err();
    let text = shown(&error);
    assert!(
        text.contains(
            "unknown setting `gateway.listne` (from HOOKYARD__GATEWAY__LISTNE): did you mean `gateway.listen`?"
        ),
        "{text}"
    );
    assert!(text.contains("did you mean `database.url`?"), "{text}");

    let config = file("[zebra]\nstripes = 3\n");
    let text = shown(&Sources::new().with_file(config.path()).load().unwrap_err());
    assert!(
        text.contains("unknown setting `zebra.stripes`") && text.contains("default.toml"),
        "{text}"
    );

    let text = shown(&from_environment([("HOOKYARD__GATEWAY", "x")]).unwrap_err());
    assert!(text.contains("unknown setting `gateway`"), "{text}");
}

#[test]
fn a_bad_value_is_named_with_its_origin() {
    for (variable, value, words) in [
        ("HOOKYARD__ROUTER__SWEEP_AFTER", "soon", "router.sweep_after"),
        (
            "HOOKYARD__ROUTER__SWEEP_AFTER",
            "soon",
            "`soon` is not a duration",
        ),
        ("HOOKYARD__GATEWAY__BODY_LIMIT", "1MB", "`1MB` is not a size"),
        (
            "HOOKYARD__GATEWAY__LISTEN",
            "localhost",
            "`localhost` is not an address",
        ),
        ("HOOKYARD__GATEWAY__WORKERS", "many", "gateway.workers"),
        ("HOOKYARD__DELIVERY__SLOTS", "0", "delivery.slots"),
        ("HOOKYARD__TELEMETRY__SAMPLE_RATIO", "2", "not a share"),
        ("HOOKYARD__LOG__LEVEL", "inof", "`inof` is not a level"),
        (
            "HOOKYARD__LOG__FORMAT",
            "xml",
            "expected one of `auto`, `json`, `pretty`",
        ),
        (
            "HOOKYARD__BROKER__QUEUES",
            "lazy",
            "expected `classic` or `quorum`",
        ),
        (
            "HOOKYARD__EGRESS__ALLOW",
            "10.0.0.0/8,everything",
            "`everything` is not a network",
        ),
        ("HOOKYARD__BROKER__URL", "http://x", "in-process"),
        ("HOOKYARD__BROKER__NAMESPACE", "a b", "broker.namespace"),
        ("HOOKYARD__HEALTH__LISTEN", "yes", "`auto` or `off`"),
        ("HOOKYARD__DELIVERY__USER_AGENT", "a\nb", "User-Agent"),
    ] {
        let text = shown(&from_environment([(variable, value)]).unwrap_err());
        assert!(text.contains(words), "{variable}={value}: {text}");
        assert!(text.contains(variable), "{variable}={value}: {text}");
    }
}

#[test]
fn what_is_wrong_together_is_refused() {
    let text = shown(&from_environment([("HOOKYARD__DELIVERY__LEASE", "1s")]).unwrap_err());
    assert!(text.contains("delivery.lease"), "{text}");
    let text = shown(&from_environment([("HOOKYARD__GATEWAY__BODY_LIMIT", "1GiB")]).unwrap_err());
    assert!(text.contains("gateway.max_body_limit"), "{text}");
}

#[test]
fn secrets_are_in_no_debug_text_and_no_error() {
    let variables = [
        ("HOOKYARD__DATABASE__URL", "postgres://yard:hunter2@db/yard"),
        ("HOOKYARD__BROKER__URL", "amqp://yard:hunter2@mq/yard"),
        ("HOOKYARD__SECRETS__MASTER_KEYS", "one:hunter2"),
        ("HOOKYARD__CONSOLE__OPERATOR_TOKEN", "hunter2"),
    ];
    let sources = Sources::new().with_environment(variables);
    let settings = sources.load().unwrap();
    assert!(!format!("{settings:?}{sources:?}").contains("hunter2"));

    let broken = file("[database]\nurl = \"postgres://yard:hunter2@db/yard\n");
    let text = shown(&Sources::new().with_file(broken.path()).load().unwrap_err());
    assert!(text.contains("line 2") && !text.contains("hunter2"), "{text}");

    let wrong = from_environment([("HOOKYARD__BROKER__URL", "ftp://yard:hunter2@mq")]);
    assert!(!shown(&wrong.unwrap_err()).contains("hunter2"));
}

#[test]
fn a_missing_ledger_or_master_key_says_how_to_make_one() {
    let settings = Sources::new().load().unwrap();
    let text = shown(&settings.database.required_url().unwrap_err());
    assert!(
        text.contains("HOOKYARD__DATABASE__URL") && text.contains("hookyard dev"),
        "{text}"
    );
    let text = shown(&settings.secrets.required_master_keys().unwrap_err());
    assert!(text.contains("hookyard keys generate"), "{text}");
}

#[test]
fn the_ledger_is_named_without_its_password() {
    for (url, place) in [
        (
            "postgres://yard:hunter2@db.internal:5433/yard?sslmode=require",
            "Postgres at db.internal:5433/yard",
        ),
        ("postgres://yard:hunter2@db/yard", "Postgres at db:5432/yard"),
        (
            "sqlite:///var/lib/hookyard/yard.db",
            "SQLite at /var/lib/hookyard/yard.db",
        ),
        ("host=db password=hunter2", "the database"),
    ] {
        let settings = from_environment([("HOOKYARD__DATABASE__URL", url)]).unwrap();
        assert_eq!(settings.database.place(), place);
    }
}

#[test]
fn a_settings_file_that_is_missing_or_broken_is_named() {
    let text = shown(&Sources::new().with_file("/nowhere/yard.toml").load().unwrap_err());
    assert!(
        text.contains("--config") && text.contains("/nowhere/yard.toml"),
        "{text}"
    );
}

#[test]
fn history_is_kept_for_a_day_at_least_or_for_ever() {
    let history = |text| from_environment([("HOOKYARD__RETENTION__HISTORY", text)]);
    let days = |days: u64| Duration::from_hours(24 * days);
    assert_eq!(Sources::new().load().unwrap().retention.history, Some(days(30)));
    assert_eq!(history("7d").unwrap().retention.history, Some(days(7)));
    assert_eq!(history("").unwrap().retention.history, None);
    let text = shown(&history("1h").unwrap_err());
    assert!(
        text.contains("retention.history") && text.contains("1d"),
        "{text}"
    );
    assert_eq!(Sources::new().load().unwrap().retention.audit, Some(days(90)));
    let short = from_environment([("HOOKYARD__RETENTION__AUDIT", "1h")]);
    assert!(shown(&short.unwrap_err()).contains("retention.audit"));
    let often = from_environment([("HOOKYARD__RETENTION__SWEEP_EVERY", "0s")]);
    assert!(shown(&often.unwrap_err()).contains("retention.sweep_every"));
}
