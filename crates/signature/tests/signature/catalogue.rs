//! The built-in profiles as a whole.

use std::path::Path;

use hookyard_signature::{Profile, Secret, builtin_names};
use secrecy::ExposeSecret;

use super::builtin;

#[test]
fn the_catalogue_has_every_provider_of_the_design() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/profiles.yaml");
    let Ok(yaml) = std::fs::read_to_string(&path) else {
        eprintln!(
            "SKIPPED: {} is absent; the catalogue was not compared with it",
            path.display()
        );
        return;
    };
    let is_name = |line: &&str| line.starts_with(|first: char| first.is_ascii_alphabetic());
    let wanted = yaml
        .lines()
        .filter(is_name)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name);
    let missing: Vec<_> = wanted.filter(|name| Profile::builtin(name).is_none()).collect();
    assert!(missing.is_empty(), "not built in: {missing:?}");
}

#[test]
fn the_catalogue_is_what_it_was_when_it_was_last_reviewed() {
    assert_eq!(builtin_names().count(), 83);
    assert!(builtin_names().is_sorted());
    assert!(Profile::builtin("Stripe").is_none(), "names are exact");
}

#[test]
fn the_console_can_say_which_verdicts_leave_the_body_open() {
    let open: Vec<_> = builtin_names()
        .filter(|name| !builtin(name).authenticates_body())
        .collect();
    assert_eq!(
        open,
        [
            "adyen-payments",
            "azure-eventgrid",
            "basic-auth",
            "cloudevents",
            "ebay",
            "gitlab-token",
            "mailgun",
            "mercadopago",
            "microsoft-graph",
            "monday",
            "okta",
            "seed-channel-secret",
            "seed-webhook-secret",
            "strava",
            "telegram",
        ]
    );
}

#[test]
fn the_methods_are_post_and_those_of_the_handshakes() {
    let of = |name| Vec::from_iter(builtin(name).methods());
    assert_eq!(of("stripe"), ["POST"]);
    assert_eq!(of("meta"), ["GET", "POST"]);
    assert_eq!(of("trello"), ["HEAD", "POST"]);
    assert_eq!(of("notion"), ["POST"]);
}

#[test]
fn adyen_wants_its_own_acknowledgement() {
    let with: Vec<_> = builtin_names()
        .filter(|name| builtin(name).acknowledgement().is_some())
        .collect();
    assert_eq!(with, ["adyen-payments"]);
    assert_eq!(builtin("adyen-payments").acknowledgement(), Some("[accepted]"));
}

#[test]
fn a_secret_that_could_never_match_is_refused_before_it_is_stored() {
    let refusals = [
        ("github", ""),
        ("standard-webhooks", "whsec_***"),
        ("standard-webhooks", "whsec_"),
        ("discord", "not hex"),
        ("discord", "00ff"),
        ("telnyx", "Zm9v"),
        ("sendgrid", "Zm9v"),
        ("adyen-payments", "xyz"),
        ("adyen-payments", ""),
        ("braintree", "no colon"),
        ("basic-auth", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("aws-sns", "a password"),
        ("paypal", " "),
        ("messagebird", ""),
    ];
    for (provider, value) in refusals {
        let error = builtin(provider)
            .check_secret(&Secret::new("s1", value))
            .expect_err(provider)
            .to_string();
        assert!(error.starts_with("secret `s1` cannot be a key: "), "{error}");
    }
    for (provider, value) in [
        ("github", "any text"),
        ("standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("aws-sns", "arn:aws:sns:us-west-2:1:T"),
        ("paypal", "8PT597110X687430LKGECATA"),
        ("braintree", "public:private"),
        ("basic-auth", "user:p@ss:word"),
    ] {
        assert_eq!(
            builtin(provider).check_secret(&Secret::new("s1", value)),
            Ok(()),
            "{provider}"
        );
    }
}

#[test]
fn a_source_does_without_a_secret_where_there_is_none_to_have() {
    let without: Vec<_> = builtin_names()
        .filter(|name| !builtin(name).needs_secret())
        .collect();
    assert_eq!(without, ["aws-sns", "ebay"]);
}

#[test]
fn a_secret_is_made_of_the_kind_that_the_sender_takes() {
    let made = |name| Secret::new("s1", builtin(name).generate_secret(&[1; 32]));
    let text = |name| made(name).value.expose_secret().to_owned();
    assert_eq!(text("basic-auth"), format!("hookyard:{}", "01".repeat(32)));
    assert!(text("github").starts_with("whsec_"));
    for name in ["basic-auth", "github", "standard-webhooks", "telegram"] {
        assert_eq!(builtin(name).check_secret(&made(name)), Ok(()), "{name}");
    }
}

#[test]
fn headers_that_are_the_secret_itself_are_told_apart() {
    assert!(builtin("gitlab-token").reveals_the_secret("X-GITLAB-TOKEN"));
    assert!(builtin("telegram").reveals_the_secret("x-telegram-bot-api-secret-token"));
    assert!(!builtin("gitlab-token").reveals_the_secret("x-gitlab-event"));
    assert!(!builtin("github").reveals_the_secret("x-hub-signature-256"));
}
