//! Senders that have no library to make vectors with: values computed by hand from their documents.

use hookyard_signature::{Answer, Credentials, Handshake, Reason, Request, Verdict};

use super::{NOW, builtin, post, secrets};

const XERO_INTENT: &[u8] =
    br#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}"#;

fn verdict(provider: &str, secret: &str, header: (&str, &str), body: &[u8]) -> Verdict {
    let secrets = secrets(&[secret]);
    let credentials = Credentials {
        secrets: &secrets,
        ..Credentials::default()
    };
    let headers = [(header.0, header.1.as_bytes())];
    builtin(provider).verify(&post(&headers, body), &credentials, NOW)
}

fn answer(provider: &str, request: &Request<'_>, secret: &str) -> Answer {
    let secrets = secrets(&[secret]);
    let credentials = Credentials {
        secrets: &secrets,
        ..Credentials::default()
    };
    let handshake = builtin(provider).unsigned_handshake(request, &credentials);
    let answer = handshake.and_then(|handshake| match handshake {
        Handshake::Answer(answer) => Some(answer),
        Handshake::Refused { .. } => None,
    });
    answer.expect(provider)
}

fn get(url: &str) -> Request<'_> {
    Request {
        method: "GET",
        url,
        headers: &[],
        body: b"",
    }
}

const VALID: Verdict = Verdict::Valid { secret: Some(0) };
const MISMATCH: Verdict = Verdict::Invalid(Reason::SignatureMismatch);

#[test]
fn smartsheet_signs_the_body_and_hears_its_challenge() {
    let body = br#"{"nonce":"1739a3a7","webhookId":1,"scope":"sheet","events":[{"objectType":"row","eventType":"created"}]}"#;
    let header = (
        "Smartsheet-Hmac-SHA256",
        "fb6d714d6b778038435130dc59c793b9026b8edf1b14e7536a8c01e526ea2c4d",
    );
    assert_eq!(verdict("smartsheet", "shared-secret", header, body), VALID);
    assert_eq!(verdict("smartsheet", "another", header, body), MISMATCH);
    let event = post(&[], body);
    assert_eq!(
        builtin("smartsheet").event_id(&event).as_deref(),
        Some("1739a3a7")
    );
    assert_eq!(
        builtin("smartsheet").event_type(&event).as_deref(),
        Some("row.created")
    );

    let headers: [(&str, &[u8]); 1] = [("smartsheet-hook-challenge", b"d78dd1d3")];
    let challenge = post(&headers, br#"{"challenge":"d78dd1d3","webhookId":1}"#);
    let answer = answer("smartsheet", &challenge, "shared-secret");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"smartsheetHookResponse":"d78dd1d3"}"#)
    );
    let echoed = ("Smartsheet-Hook-Response".to_owned(), "d78dd1d3".to_owned());
    assert!(answer.headers.contains(&echoed), "{answer:?}");
}

#[test]
fn linkedin_signs_a_prefix_and_the_body_and_hears_its_challenge() {
    let body =
        br#"{"type":"ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS","notifications":[{"notificationId":163}]}"#;
    let signature = "16f6b9dd8d1541f5f5275c207dc4df24ac15736ac294454cb54dbb501dba298e";
    for written in [signature.to_owned(), format!("hmacsha256={signature}")] {
        let header = ("X-LI-Signature", written.as_str());
        assert_eq!(verdict("linkedin", "client-secret", header, body), VALID);
        assert_eq!(verdict("linkedin", "client-secret", header, b"{}"), MISMATCH);
    }
    let body_alone = super::hex_hmac("client-secret", body);
    let header = ("X-LI-Signature", body_alone.as_str());
    assert_eq!(verdict("linkedin", "client-secret", header, body), MISMATCH);
    assert_eq!(
        builtin("linkedin").event_id(&post(&[], body)).as_deref(),
        Some("163")
    );

    let url = "https://h/ingest/src_1?challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0";
    let answer = answer("linkedin", &get(url), "client-secret");
    assert_eq!(
        answer.body,
        r#"{"challengeCode":"890e4665-4dfe-4ab1-b689-ed553bceeed0","challengeResponse":"8ab4bbad570533d66462deba280bde93c1cad8b543e7f526d3e962acaf6c391a"}"#
    );
}

#[test]
fn a_hub_signs_with_the_hash_it_names_and_hears_its_challenge() {
    let feed = br#"<feed xmlns="http://www.w3.org/2005/Atom"/>"#;
    let old = "sha1=7fd6560b7fed7cd87d57f6b441fdb7de4669c5b6";
    let new = "sha256=77c465b1b3037a8082c9b1119c6717dfae893f62644d68d582aa7af5dc66e6a7";
    for (provider, right, wrong) in [("websub", old, new), ("websub-sha256", new, old)] {
        let of = |written| verdict(provider, "hub-secret", ("X-Hub-Signature", written), feed);
        assert_eq!(of(right), VALID, "{provider}");
        assert_eq!(
            of(wrong),
            Verdict::Invalid(Reason::SignatureMalformed),
            "{provider}"
        );
        let url = "https://h/ingest/src_1?hub.mode=subscribe&hub.topic=t&hub.challenge=c%2B1";
        assert_eq!(answer(provider, &get(url), "hub-secret").body, "c+1");
    }
}

#[test]
fn xeros_intent_to_receive_is_a_signed_handshake_without_a_body() {
    let header = ("x-xero-signature", "tLm9ka/XQyvHySA0OzOTW5+CZY1uJm058kZFXiiMUag=");
    assert_eq!(verdict("xero", "xero-key", header, XERO_INTENT), VALID);
    assert_eq!(verdict("xero", "another", header, XERO_INTENT), MISMATCH);
    let signed = |body| builtin("xero").signed_handshake(&post(&[], body), &Credentials::default(), Some(0));
    let Some(Handshake::Answer(answer)) = signed(XERO_INTENT) else {
        panic!("the intent to receive is no handshake");
    };
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(signed(br#"{"events":[{"eventType":"CREATE"}]}"#).is_none());
    assert!(signed(b"{}").is_none());
    assert!(
        builtin("xero")
            .unsigned_handshake(&post(&[], XERO_INTENT), &Credentials::default())
            .is_none()
    );
}

#[test]
fn an_event_of_discord_is_no_ping() {
    let signed = |body: &str| {
        builtin("discord").signed_handshake(&post(&[], body.as_bytes()), &Credentials::default(), Some(0))
    };
    let event = |kind: &str| {
        format!(
            r#"{{"version":1,"application_id":"1","type":1,"event":{{"type":"{kind}","timestamp":"2026-09-21T14:13:20","data":{{"id":"9"}}}}}}"#
        )
    };
    let (created, deleted) = (event("ENTITLEMENT_CREATE"), event("ENTITLEMENT_DELETE"));
    assert!(signed(&created).is_none());
    let id = |body: &str| builtin("discord").event_id(&post(&[], body.as_bytes()));
    assert_eq!(
        id(&created).as_deref(),
        Some("ENTITLEMENT_CREATE/9/2026-09-21T14:13:20")
    );
    assert_ne!(id(&created), id(&deleted));
    let kind = builtin("discord").event_type(&post(&[], created.as_bytes()));
    assert_eq!(kind.as_deref(), Some("ENTITLEMENT_CREATE"));

    let status = |body: &str| match signed(body) {
        Some(Handshake::Answer(answer)) => Some((answer.status, answer.body)),
        _ => None,
    };
    assert_eq!(
        status(r#"{"id":"1","application_id":"1","type":1,"token":"t","version":1}"#),
        Some((200, r#"{"type":1}"#.to_owned()))
    );
    assert_eq!(
        status(r#"{"version":1,"application_id":"1","type":0}"#),
        Some((204, String::new()))
    );
}
