//! Slack's Events API: <https://docs.slack.dev/apis/events-api/>.

use super::message::{Id, Message, Sender, text};
use serde_json::Value;
use serde_json::value::RawValue;

/// What people do, one event in a request. What has no user is nobody's message, and what bots write is not listened to,
/// or an app would talk to itself.
pub(super) fn messages(body: &str) -> Result<Vec<Message>, String> {
    let json: Value = serde_json::from_str(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    match json.pointer("/type").and_then(Value::as_str) {
        Some("event_callback") => {}
        // Slack tells more than events, such as `app_rate_limited`.
        Some(_) => return Ok(Vec::new()),
        None => return Err("the body has no `type`, which every body of Slack's has".to_owned()),
    }
    if !json.pointer("/event").is_some_and(Value::is_object) {
        return Err("the body has no `event`".to_owned());
    }
    let id = Id::at(&json, "/event_id").ok_or("the body has no `event_id`")?;
    let is_bots = text(&json, "/event/bot_id").is_some();
    let Some(user) = Id::at(&json, "/event/user").filter(|_| !is_bots) else {
        return Ok(Vec::new());
    };
    Ok(vec![Message {
        id,
        sender: Sender { id: user, name: None },
        contact: None,
        conversation: Id::at(&json, "/event/channel"),
        text: text(&json, "/event/text"),
        kind: text(&json, "/event/type"),
        data: RawValue::from_string(body.to_owned()).ok(),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_is_a_message() {
        // https://docs.slack.dev/apis/events-api/#event-callback-example
        let body = r#"{"type":"event_callback","team_id":"T1","event_id":"Ev0PV52K21","event_time":1355517523,
            "event":{"type":"app_mention","user":"U061F7AUR","text":"hi <@U0LAN0Z89>","channel":"C0LAN2Q65","ts":"1.1"}}"#;
        let messages = messages(body).unwrap();
        let json = serde_json::to_value(&messages).unwrap();
        assert_eq!(
            json[0],
            serde_json::json!({
                "id": "Ev0PV52K21", "sender": {"id": "U061F7AUR"}, "conversation": "C0LAN2Q65",
                "text": "hi <@U0LAN0Z89>", "type": "app_mention", "data": serde_json::from_str::<Value>(body).unwrap(),
            })
        );
    }

    #[test]
    fn what_is_no_persons_message_is_heard_and_nothing_more() {
        for body in [
            r#"{"type":"app_rate_limited","minute_rate_limited":1518467820}"#,
            r#"{"type":"event_callback","event_id":"E","event":{"type":"message","subtype":"message_deleted"}}"#,
            r#"{"type":"event_callback","event_id":"E","event":{"type":"message","bot_id":"B1","user":"U1","text":"me"}}"#,
            r#"{"type":"event_callback","event_id":"E","event":{"type":"user_change","user":{"id":"U1"}}}"#,
        ] {
            assert!(messages(body).unwrap().is_empty(), "{body}");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":"event_callback"}"#,
            r#"{"type":"event_callback","event":{}}"#,
            r#"{"type":"event_callback","event_id":{},"event":{}}"#,
            r#"{"type":"event_callback","event_id":"E","event":[]}"#,
        ] {
            assert!(messages(body).is_err(), "{body}");
        }
    }
}
