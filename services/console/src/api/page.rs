//! Pages of lists that grow: newest first, with an opaque cursor to what is older.

use super::body::{Parameters, query};
use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use wire::{AuditId, DeliveryId, EventId, RecoveryId, RejectionId, RunId};

/// The most that a page has.
const MOST: i64 = 100;
/// What a page has unless it is asked for more or less.
const USUAL: i64 = 50;
/// Cursors of another version are refused.
const VERSION: u8 = 1;

/// What a list is ordered by. Its kind stands in the cursor, so that the cursor of one list is no use to another.
pub(super) trait Key: Copy {
    /// Told apart from all other kinds.
    const KIND: u8;

    fn uuid(self) -> Uuid;
    fn of(uuid: Uuid) -> Self;
}

macro_rules! keys {
    ($($id:ident = $kind:literal),+) => {$(
        impl Key for $id {
            const KIND: u8 = $kind;

            fn uuid(self) -> Uuid {
                Self::uuid(self)
            }

            fn of(uuid: Uuid) -> Self {
                Self::from_uuid(uuid)
            }
        }
    )+};
}
keys!(
    EventId = b'e',
    DeliveryId = b'd',
    RejectionId = b'j',
    RunId = b'r',
    RecoveryId = b'v',
    AuditId = b'a'
);

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<Id> {
    pub(super) limit: i64,
    pub(super) before: Option<Id>,
}

impl<Id: Key> Page<Id> {
    /// Takes `limit` and `cursor`.
    pub(super) fn take(parameters: &mut Parameters) -> Result<Self, Error> {
        let limit = match parameters.take("limit")? {
            None => USUAL,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MOST).contains(limit))
                .ok_or_else(|| query("limit", &format!("must be a whole number from 1 to {MOST}")))?,
        };
        let before = match parameters.take("cursor")? {
            None => None,
            Some(text) => {
                let id = decode::<Id>(&text)
                    .ok_or_else(|| query("cursor", "must be the nextCursor of this list"))?;
                Some(id)
            }
        };
        Ok(Self { limit, before })
    }
}

/// The cursor to what comes after `rows`, if anything does.
pub(super) fn next_cursor<Row, Id: Key>(
    page: &store::Page<Row>,
    id: impl FnOnce(&Row) -> Id,
) -> Option<String> {
    let last = page.rows.last().filter(|_| page.more)?;
    Some(encode(id(last)))
}

fn encode<Id: Key>(id: Id) -> String {
    let mut bytes = vec![VERSION, Id::KIND];
    bytes.extend_from_slice(id.uuid().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode<Id: Key>(text: &str) -> Option<Id> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    match bytes.split_at_checked(2)? {
        ([VERSION, kind], id) if *kind == Id::KIND => Uuid::from_slice(id).ok().map(Id::of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_row_and_into_no_other_list(value: u128) {
            let id = EventId::from_uuid(Uuid::from_u128(value));
            let cursor = encode(id);
            prop_assert_eq!(decode::<EventId>(&cursor), Some(id));
            prop_assert_eq!(decode::<DeliveryId>(&cursor), None);
        }

        #[test]
        fn no_text_makes_reading_a_cursor_panic(text: String) {
            let _ = decode::<EventId>(&text);
        }
    }
}
