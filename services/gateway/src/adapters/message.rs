//! A message as every adapter hands it on, whatever its platform calls the parts.

use crate::key;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use wire::ContactId;

/// The most messages in one request: what Meta puts in one at the most.
const MOST: usize = 1_000;

/// One message. As JSON it is the body of its event:
///
/// ```json
/// {"id": "Ev0PV52K21", "sender": {"id": "U061F7AUR"}, "contact": "con_…", "conversation": "C0LAN2Q65", "text": "hello",
///  "type": "app_mention", "data": {…}}
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    /// What the platform calls it; the same in each of its retries.
    pub(crate) id: Id,
    /// Who wrote it.
    pub(crate) sender: Sender,
    /// Who that is here, if it is anybody. Nobody can say it from outside.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<ContactId>,
    /// Where it was written: a channel or a chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conversation: Option<Id>,
    /// What was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// What kind of message it is, in the platform's words.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// The platform's own JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Box<RawValue>>,
}

/// Who wrote a message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sender {
    /// What the platform calls them.
    pub(crate) id: Id,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// What a platform calls something: a text, or a whole number, which is then one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct Id(String);

impl Id {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id at a pointer, if one is there.
    pub(crate) fn at(json: &Value, pointer: &str) -> Option<Self> {
        match json.pointer(pointer)? {
            Value::String(text) => Some(Self(text.clone())),
            Value::Number(number) if !number.is_f64() => Some(Self(number.to_string())),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Id;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text or a whole number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
        }
        let id = deserializer.deserialize_any(Text)?;
        if key::is_key(&id.0) {
            Ok(id)
        } else {
            Err(D::Error::custom(
                "an id is 1 to 255 bytes without control characters",
            ))
        }
    }
}

/// The text at a pointer, if one is there.
pub(crate) fn text(json: &Value, pointer: &str) -> Option<String> {
    json.pointer(pointer)?.as_str().map(str::to_owned)
}

/// Refuses what no event can be made of; of two with one id, the first is kept.
pub(crate) fn checked(messages: Vec<Message>) -> Result<Vec<Message>, String> {
    if messages.len() > MOST {
        return Err(format!(
            "the request has {} messages, and may have {MOST}",
            messages.len()
        ));
    }
    let mut seen = std::collections::HashSet::new();
    let mut once = Vec::with_capacity(messages.len());
    for message in messages {
        for (name, id) in [
            ("id", Some(&message.id)),
            ("sender's id", Some(&message.sender.id)),
            ("conversation", message.conversation.as_ref()),
        ] {
            if id.is_some_and(|id| !key::is_key(id.as_str())) {
                return Err(format!(
                    "a message's {name} is 1 to 255 bytes without control characters"
                ));
            }
        }
        if seen.insert(message.id.clone()) {
            once.push(message);
        }
    }
    Ok(once)
}
