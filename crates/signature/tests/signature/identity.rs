//! Ids and types of events.

use super::{builtin, post};

fn id_and_type(provider: &str, headers: &[(&str, &[u8])], body: &str) -> (Option<String>, Option<String>) {
    let request = post(headers, body.as_bytes());
    (
        builtin(provider).event_id(&request),
        builtin(provider).event_type(&request),
    )
}

fn pair(id: &str, kind: &str) -> (Option<String>, Option<String>) {
    (Some(id.to_owned()), Some(kind.to_owned()))
}

#[test]
fn ids_and_types_come_from_headers_bodies_and_forms() {
    assert_eq!(
        id_and_type(
            "github",
            &[("X-GitHub-Delivery", b"72d3"), ("X-GitHub-Event", b"push")],
            "{}"
        ),
        pair("72d3", "push")
    );
    assert_eq!(
        id_and_type("stripe", &[], r#"{"id":"evt_1","type":"charge.paid"}"#),
        pair("evt_1", "charge.paid")
    );
    assert_eq!(
        id_and_type("telegram", &[], r#"{"update_id":7,"message":{}}"#),
        pair("7", "message")
    );
    assert_eq!(
        id_and_type(
            "slack",
            &[],
            r#"{"event_id":"Ev1","event":{"type":"app_mention"},"type":"event_callback"}"#
        ),
        pair("Ev1", "app_mention")
    );
    let form: [(&str, &[u8]); 1] = [(
        "Content-Type",
        b"application/x-www-form-urlencoded; charset=utf-8",
    )];
    assert_eq!(
        id_and_type("slack", &form, "trigger_id=1.2&command=%2Fdeploy"),
        pair("1.2", "/deploy")
    );
    assert_eq!(
        id_and_type("dropbox", &[], "{}"),
        (None, Some("file_change".to_owned()))
    );
}

#[test]
fn two_events_of_one_thing_have_two_ids() {
    let status = |status: &str| {
        let body = format!(
            r#"{{"entry":[{{"changes":[{{"field":"messages","value":{{"statuses":[{{"id":"wamid.1","status":"{status}"}}]}}}}]}}]}}"#
        );
        id_and_type("meta", &[], &body).0
    };
    assert_eq!(status("sent").as_deref(), Some("wamid.1/sent"));
    assert_ne!(status("sent"), status("read"));

    let envelope = |event: &str| {
        id_and_type(
            "docusign",
            &[],
            &format!(r#"{{"event":"{event}","data":{{"envelopeId":"e1"}}}}"#),
        )
        .0
    };
    assert_ne!(envelope("envelope-sent"), envelope("envelope-completed"));
}

#[test]
fn an_adyen_event_is_named_by_the_best_that_it_carries() {
    let id = |rest: &str| {
        let body = format!(r#"{{"type":"t.updated","data":{{"id":"d1"}}{rest}}}"#);
        id_and_type("adyen-banking", &[], &body)
    };
    assert_eq!(
        id(r#","timestamp":"T1","createdAt":"C1""#),
        pair("t.updated/d1/T1", "t.updated")
    );
    assert_eq!(id(r#","createdAt":"C1""#), pair("t.updated/d1/C1", "t.updated"));
    // The same account may be updated twice, so its id alone would have the second one taken for a repeat.
    let (unnamed, of_type) = id("");
    assert_eq!((unnamed, of_type.as_deref()), (None, Some("t.updated")));
}

#[test]
fn senders_with_basic_credentials_name_their_events() {
    let of = |body: &str| id_and_type("basic-auth", &[], body);
    assert_eq!(
        of(r#"{"id":"ev_1","event_type":"customer_created"}"#),
        pair("ev_1", "customer_created")
    );
    assert_eq!(of(r#"{"id":"9","eventType":"git.push"}"#), pair("9", "git.push"));
    assert_eq!(of(r#"{"RecordType":"Bounce"}"#).1.as_deref(), Some("Bounce"));
}

#[test]
fn a_repeated_header_identifies_nothing() {
    let twice: [(&str, &[u8]); 2] = [("Idempotency-Key", b"a"), ("Idempotency-Key", b"b")];
    assert_eq!(id_and_type("gitlab", &twice, "{}").0, None);
}

#[test]
fn a_json_body_is_not_read_as_a_form() {
    let json: [(&str, &[u8]); 1] = [("Content-Type", b"application/json")];
    assert_eq!(
        id_and_type("slack", &json, r#"{"x":"&trigger_id=forged&command=/x"}"#),
        (None, None)
    );
}
