//! What the journal keeps of large data: a loop over a thousand items that each see all of them would else report the
//! square of its data in one step.

use serde_json::Value;
use std::io::{self, Write};

/// The most of one value, in bytes of its JSON.
const KEPT: usize = 64 << 10;
/// The most of all values of one step. Beyond it none is kept.
const ROOM: usize = 3 << 20;

/// How much room there is for the values of one step.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(ROOM)
    }
}

impl Room {
    /// Returns what is kept of a value, and whether that is less than all of it: the beginning of its JSON as a text,
    /// or null where there is no room left.
    pub(super) fn keep(&mut self, value: &Value) -> (Value, bool) {
        let mut json = Beginning(Vec::new());
        // It ends with an error where the value is cut.
        let is_whole = serde_json::to_writer(&mut json, value).is_ok();
        let length = json.0.len();
        if length > self.0 {
            return (Value::Null, true);
        }
        self.0 -= length;
        if is_whole {
            return (value.clone(), false);
        }
        let text = String::from_utf8_lossy(&json.0).into_owned();
        (Value::String(text), true)
    }
}

/// Takes the first [`KEPT`] bytes and no more.
struct Beginning(Vec<u8>);

impl Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = KEPT - self.0.len();
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let taken = bytes.len().min(room);
        self.0.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_whole_up_to_64_kib_and_then_the_beginning_of_its_json() {
        let mut room = Room::default();
        let fits = json!("x".repeat(KEPT - 2));
        assert_eq!(room.keep(&fits), (fits, false));
        let (kept, is_cut) = room.keep(&json!(["x".repeat(KEPT)]));
        assert!(is_cut);
        let text = kept.as_str().expect("a text");
        assert!(text.starts_with("[\"xxx") && text.len() == KEPT);
    }

    #[test]
    fn a_step_keeps_so_much_and_no_more() {
        let mut room = Room::default();
        let value = json!("x".repeat(KEPT / 2));
        let kept = (0..1_000).filter(|_| !room.keep(&value).1).count();
        assert_eq!(kept, ROOM / (KEPT / 2 + 2));
        assert_eq!(room.keep(&value), (Value::Null, true));
        assert_eq!(room.keep(&json!(1)), (json!(1), false));
    }
}
