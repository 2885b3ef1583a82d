//! Contacts: the registered senders of the app doors.

use super::workspace::read_id;
use super::{Around, Fields, value};
use std::collections::HashMap;
use store::Contact;
use wire::{ContactId, Instant, SourceId, WorkspaceId};

/// A few at each source. The ledger has the same number, and keeps no more of one contact.
const MOST_ADDRESSES: usize = 100;

/// By which ids the platforms know a sender, each at one source.
type Addresses = Vec<(SourceId, String)>;

/// Whose an address is already, as far as is known: an address belongs to one contact alone.
pub(crate) type Taken = HashMap<(SourceId, String), String>;

/// A contact as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<ContactId>,
    name: String,
    addresses: Addresses,
}

/// Reads a contact; over `base`, what the document leaves out stays as it is. Notes its addresses in `taken`.
pub(crate) fn read(
    fields: &mut Fields<'_>,
    around: Around<'_>,
    base: Option<&Contact>,
    taken: &mut Taken,
) -> Option<Draft> {
    let id = read_id(fields, base.map(|base| &base.id));
    let (name, mut addresses) = match base {
        Some(base) => {
            let mut name = base.name.clone();
            fields.set("name", &mut name, value::name);
            (Some(name), base.addresses.clone())
        }
        None => (fields.required("name", value::name), Addresses::new()),
    };
    let given = fields.objects("addresses", |address| {
        let source = address.required("source", |value| around.directory.source(value));
        let id = address.required("id", value::address);
        let key = (source?, id?);
        let path = address.path().to_owned();
        if let Some(other) = taken.insert(key.clone(), path) {
            address.refuse("id", format!("is the address of {other}, too"));
        }
        Some(key)
    });
    if let Some(given) = given {
        if given.len() > MOST_ADDRESSES {
            fields.refuse("addresses", format!("may be at most {MOST_ADDRESSES}"));
        }
        addresses = given;
    }
    // As the ledger lists them.
    addresses.sort();
    Some(Draft {
        id,
        name: name?,
        addresses,
    })
}

impl Draft {
    /// The row: `existing` with what the draft says, or a new one.
    pub(crate) fn build(
        self,
        id: ContactId,
        workspace_id: &WorkspaceId,
        existing: Option<&Contact>,
        now: Instant,
    ) -> Contact {
        Contact {
            id,
            workspace_id: workspace_id.clone(),
            name: self.name,
            addresses: self.addresses,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        }
    }
}
