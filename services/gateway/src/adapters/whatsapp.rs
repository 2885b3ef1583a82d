//! Meta's WhatsApp Business platform: <https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks>.

use super::message::{Id, Message, Sender, text};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow, default)]
    value: Content<'a>,
}

/// Also of changes that are about something else than messages: then it has none.
#[derive(Deserialize, Default)]
struct Content<'a> {
    #[serde(default)]
    contacts: Vec<Value>,
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
}

/// Where each kind of message has what a person can read.
const TEXTS: [&str; 8] = [
    "/text/body",
    "/button/text",
    "/interactive/button_reply/title",
    "/interactive/list_reply/title",
    "/image/caption",
    "/video/caption",
    "/document/caption",
    "/reaction/emoji",
];

/// The messages of all changes of all entries; what became of our own messages (`statuses`) is not listened to.
pub(super) fn messages(body: &str) -> Result<Vec<Message>, String> {
    let body: Body<'_> =
        serde_json::from_str(body).map_err(|error| format!("the body is none of WhatsApp's: {error}"))?;
    let changes = body.entry.into_iter().flat_map(|entry| entry.changes);
    let mut messages = Vec::new();
    for Change { value } in changes {
        for raw in &value.messages {
            messages.push(message(raw, &value.contacts)?);
        }
    }
    Ok(messages)
}

fn message(raw: &RawValue, contacts: &[Value]) -> Result<Message, String> {
    let json: Value =
        serde_json::from_str(raw.get()).map_err(|error| format!("a message is malformed: {error}"))?;
    let id = Id::at(&json, "/id").ok_or("a message has no `id`")?;
    let from = Id::at(&json, "/from").ok_or("a message has no `from`")?;
    let known = contacts
        .iter()
        .find(|contact| Id::at(contact, "/wa_id").as_ref() == Some(&from));
    Ok(Message {
        id,
        sender: Sender {
            name: known.and_then(|contact| text(contact, "/profile/name")),
            id: from.clone(),
        },
        contact: None,
        conversation: Some(from),
        text: TEXTS.iter().find_map(|place| text(&json, place)),
        kind: text(&json, "/type"),
        data: Some(raw.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_message_of_every_change_is_one() {
        // https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
            {"field": "messages", "value": {
                "messaging_product": "whatsapp", "metadata": {"phone_number_id": "7"},
                "contacts": [{"profile": {"name": "Ada"}, "wa_id": "15550001"}],
                "messages": [
                    {"from": "15550001", "id": "wamid.A", "timestamp": "1", "text": {"body": "hello"}, "type": "text"},
                    {"from": "15550002", "id": "wamid.B", "image": {"caption": "look"}, "type": "image"}]}},
            {"field": "messages", "value": {"messages": [
                {"from": "15550003", "id": "wamid.C", "location": {}, "type": "location"}]}}]}]});
        let messages = serde_json::to_value(messages(&body.to_string()).unwrap()).unwrap();
        assert_eq!(
            messages[0],
            json!({"id": "wamid.A", "sender": {"id": "15550001", "name": "Ada"}, "conversation": "15550001",
                   "text": "hello", "type": "text", "data": body["entry"][0]["changes"][0]["value"]["messages"][0]})
        );
        assert_eq!(
            (&messages[1]["text"], &messages[1]["sender"]),
            (&json!("look"), &json!({"id": "15550002"}))
        );
        assert_eq!(
            (&messages[2]["id"], messages[2].get("text")),
            (&json!("wamid.C"), None)
        );
    }

    #[test]
    fn statuses_and_other_changes_have_no_messages() {
        for body in [
            json!({"entry": []}),
            json!({"entry": [{"id": "1"}]}),
            json!({"entry": [{"changes": [{"value": {"statuses": [{"id": "wamid.A", "status": "read"}]}}]}]}),
            json!({"entry": [{"changes": [{"field": "account_update", "value": {"event": "VERIFIED_ACCOUNT"}}]}]}),
        ] {
            assert!(messages(&body.to_string()).unwrap().is_empty(), "{body}");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"entry":{}}"#,
            r#"{"entry":[{"changes":[{"value":{"messages":[{"id":"wamid.A"}]}}]}]}"#,
            r#"{"entry":[{"changes":[{"value":{"messages":[1]}}]}]}"#,
        ] {
            assert!(messages(body).is_err(), "{body}");
        }
    }
}
