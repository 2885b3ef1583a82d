//! A sender of the operator's own: the body is a message as it is handed on, or a list of them.

use super::message::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Many<'a> {
    #[serde(borrow)]
    messages: Option<Vec<&'a RawValue>>,
}

/// `{"id","sender":{"id"},"text"}`, or `{"messages":[…]}`. A message that brings no `data` has itself there, so that
/// nothing else that it says is lost.
pub(super) fn messages(body: &str) -> Result<Vec<Message>, String> {
    let malformed = |error: serde_json::Error| format!("the body is no message: {error}");
    let whole: &RawValue = serde_json::from_str(body).map_err(malformed)?;
    let many: Many<'_> = serde_json::from_str(body).map_err(malformed)?;
    let raw = many.messages.unwrap_or_else(|| vec![whole]);
    raw.into_iter()
        .map(|raw| {
            let mut message: Message = serde_json::from_str(raw.get()).map_err(malformed)?;
            message.data.get_or_insert_with(|| raw.to_owned());
            Ok(message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn all(body: &str) -> Value {
        serde_json::to_value(messages(body).unwrap()).unwrap()
    }

    #[test]
    fn a_body_is_a_message_or_has_a_list_of_them() {
        let one = r#"{"id":"m1","sender":{"id":"ada"},"text":"hi","urgent":true}"#;
        let shown = json!({"id": "m1", "sender": {"id": "ada"}, "text": "hi",
            "data": {"id": "m1", "sender": {"id": "ada"}, "text": "hi", "urgent": true}});
        assert_eq!(all(one), json!([shown]));
        assert_eq!(all(&format!(r#"{{"messages":[{one}]}}"#)), json!([shown]));
        assert_eq!(all(r#"{"messages":[]}"#), json!([]));
        assert_eq!(
            all(r#"{"id":7,"sender":{"id":8,"name":"Ada"},"conversation":"c","type":"note","data":1.50}"#),
            json!([{"id": "7", "sender": {"id": "8", "name": "Ada"}, "conversation": "c", "type": "note", "data": 1.50}])
        );
    }

    #[test]
    fn nobody_says_from_outside_whose_contact_the_sender_is() {
        let message = &all(r#"{"id":"m1","sender":{"id":"ada"},"contact":"con_boss"}"#)[0];
        assert_eq!(message.get("contact"), None);
    }

    #[test]
    fn everything_else_is_malformed() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"id":"m1"}"#,
            r#"{"id":"m1","sender":"ada"}"#,
            r#"{"id":"m1","sender":{}}"#,
            r#"{"id":1.5,"sender":{"id":"ada"}}"#,
            r#"{"id":"","sender":{"id":"ada"}}"#,
            r#"{"id":"a\u0000","sender":{"id":"ada"}}"#,
            r#"{"messages":{}}"#,
            r#"{"messages":[{}]}"#,
            r#"{"id":"m1","sender":{"id":"ada"}}{}"#,
        ] {
            assert!(messages(body).is_err(), "{body}");
        }
    }
}
