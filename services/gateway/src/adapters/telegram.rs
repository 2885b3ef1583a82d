//! Telegram's Bot API: <https://core.telegram.org/bots/api#update>.

use super::message::{Id, Message, Sender, text};
use serde_json::Value;
use serde_json::value::RawValue;

/// The kinds of updates that somebody wrote; each update is of one kind.
const WRITTEN: [&str; 6] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
];

/// What somebody wrote or pressed, one update in a request. Of other updates only that they came is said.
pub(super) fn messages(body: &str) -> Result<Vec<Message>, String> {
    let json: Value = serde_json::from_str(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let id = Id::at(&json, "/update_id").ok_or("the body has no `update_id`")?;
    let (kind, sender, conversation, text) = if let Some(query) = json.get("callback_query") {
        let sender = sender(query, &["/from"]);
        let chat = Id::at(query, "/message/chat/id");
        ("callback_query", sender, chat, text(query, "/data"))
    } else if let Some((kind, written)) = WRITTEN.iter().find_map(|kind| Some((*kind, json.get(*kind)?))) {
        // A channel's posts are the channel's.
        let sender = sender(written, &["/from", "/sender_chat", "/chat"]);
        let text = text(written, "/text").or_else(|| text(written, "/caption"));
        (kind, sender, Id::at(written, "/chat/id"), text)
    } else {
        return Ok(Vec::new());
    };
    Ok(vec![Message {
        id,
        sender: sender.ok_or("nobody sent this update")?,
        contact: None,
        conversation,
        text,
        kind: Some(kind.to_owned()),
        data: RawValue::from_string(body.to_owned()).ok(),
    }])
}

/// The first of these places that has somebody.
fn sender(json: &Value, places: &[&str]) -> Option<Sender> {
    let who = places
        .iter()
        .filter_map(|place| json.pointer(place))
        .find(|who| who.get("id").is_some())?;
    let names = ["/first_name", "/last_name", "/title"].map(|place| text(who, place));
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Some(Sender {
        id: Id::at(who, "/id")?,
        name: Some(name).filter(|name| !name.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(body: &Value) -> Value {
        serde_json::to_value(messages(&body.to_string()).unwrap()).unwrap()[0].clone()
    }

    #[test]
    fn what_somebody_writes_is_a_message() {
        // https://core.telegram.org/bots/webhooks#testing-your-bot-with-updates
        let body = json!({"update_id": 10000, "message": {"date": 1_441_645_532, "message_id": 1365, "text": "/start",
            "chat": {"last_name": "Lastname", "id": 1_111_111, "first_name": "Firstname", "type": "private"},
            "from": {"last_name": "Lastname", "id": 1_111_111, "first_name": "Firstname", "username": "Testusername"}}});
        assert_eq!(
            one(&body),
            json!({"id": "10000", "sender": {"id": "1111111", "name": "Firstname Lastname"}, "conversation": "1111111",
                   "text": "/start", "type": "message", "data": body})
        );
    }

    #[test]
    fn a_post_is_its_channels_and_a_pressed_button_is_its_users() {
        let post = one(
            &json!({"update_id": 1, "channel_post": {"chat": {"id": -100_123, "title": "News"}, "caption": "c"}}),
        );
        assert_eq!(
            (&post["sender"], &post["conversation"], &post["text"]),
            (
                &json!({"id": "-100123", "name": "News"}),
                &json!("-100123"),
                &json!("c")
            )
        );
        let pressed = one(
            &json!({"update_id": 2, "callback_query": {"id": "99", "data": "yes", "from": {"id": 7},
            "message": {"chat": {"id": 8}}}}),
        );
        assert_eq!(
            (
                &pressed["id"],
                &pressed["sender"]["id"],
                &pressed["conversation"],
                &pressed["text"],
                &pressed["type"]
            ),
            (
                &json!("2"),
                &json!("7"),
                &json!("8"),
                &json!("yes"),
                &json!("callback_query")
            )
        );
    }

    #[test]
    fn other_updates_are_heard_and_nothing_more() {
        assert!(
            messages(r#"{"update_id":1,"poll":{"id":"1"}}"#)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn everything_else_is_malformed() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"update_id":{}}"#,
            r#"{"update_id":1.5}"#,
            r#"{"update_id":1,"message":{}}"#,
            r#"{"update_id":1,"message":null}"#,
            r#"{"update_id":1,"message":{"from":{"id":[]}}}"#,
        ] {
            assert!(messages(body).is_err(), "{body}");
        }
    }
}
