//! Who sends: API keys and contacts.

use super::super::Conn;
use super::super::schema::{api_keys, contact_addresses, contacts, workspaces};
use super::edits::saved;
use crate::catalog::{from_json, hash, json};
use crate::sql::{Maybe, Stamp, StoredText};
use crate::{ApiKey, Contact, Error};
use diesel::query_dsl::methods;
use diesel::upsert::excluded;
use diesel::{BoolExpressionMethods, ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::HashMap;
use wire::{ContactId, SourceId, WorkspaceId};

type KeyRow = (
    StoredText,
    StoredText,
    Maybe<StoredText>,
    String,
    Vec<u8>,
    String,
    Stamp,
    Stamp,
);

fn key(
    (id, workspace_id, environment_id, name, key_hash, spec, created_at, updated_at): KeyRow,
) -> Result<ApiKey, Error> {
    Ok(ApiKey {
        id: id.into(),
        workspace_id: workspace_id.into(),
        environment_id: environment_id.into(),
        name,
        key_hash: hash("key_hash of an API key", Some(key_hash))?.unwrap_or_default(),
        spec: from_json("spec of an API key", &spec)?,
        created_at: created_at.into(),
        updated_at: updated_at.into(),
    })
}

/// The key with this hash, and whether its workspace accepts.
pub(crate) fn key_by_hash(conn: &mut Conn, key_hash: &[u8]) -> Result<Option<(ApiKey, bool)>, Error> {
    let row: Option<(KeyRow, bool)> = api_keys::table
        .inner_join(workspaces::table.on(workspaces::id.eq(api_keys::workspace_id)))
        .filter(api_keys::key_hash.eq(key_hash))
        .select((api_keys::all_columns, workspaces::accepting))
        .first(conn)
        .optional()?;
    row.map(|(row, accepting)| Ok((key(row)?, accepting))).transpose()
}

/// By name.
pub(crate) fn keys(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Vec<ApiKey>, Error> {
    let rows: Vec<KeyRow> = QueryDsl::filter(api_keys::table, api_keys::workspace_id.eq(workspace.as_str()))
        .order(api_keys::name)
        .limit(limit)
        .load(conn)?;
    rows.into_iter().map(key).collect()
}

pub(crate) fn save_key(conn: &mut Conn, row: &ApiKey) -> Result<(), Error> {
    let insert = diesel::insert_into(api_keys::table)
        .values((
            api_keys::id.eq(row.id.as_str()),
            api_keys::workspace_id.eq(row.workspace_id.as_str()),
            api_keys::environment_id.eq(row.environment_id.as_ref().map(wire::EnvironmentId::as_str)),
            api_keys::name.eq(&row.name),
            api_keys::key_hash.eq(row.key_hash.as_slice()),
            api_keys::spec.eq(json(&row.spec)),
            api_keys::created_at.eq(Stamp(row.created_at)),
            api_keys::updated_at.eq(Stamp(row.updated_at)),
        ))
        .on_conflict(api_keys::id)
        .do_update()
        .set((
            api_keys::environment_id.eq(excluded(api_keys::environment_id)),
            api_keys::name.eq(excluded(api_keys::name)),
            api_keys::key_hash.eq(excluded(api_keys::key_hash)),
            api_keys::spec.eq(excluded(api_keys::spec)),
            api_keys::updated_at.eq(excluded(api_keys::updated_at)),
        ));
    let replaced = methods::FilterDsl::filter(
        insert,
        api_keys::workspace_id.eq(excluded(api_keys::workspace_id)),
    )
    .execute(conn)?;
    saved(replaced, &row.id)
}

/// The most addresses of one contact: a few at each source. The console's check has the same number, and tells of it.
const ADDRESSES: u16 = 100;

type ContactRow = (StoredText, StoredText, String, Stamp, Stamp);

/// By name, each with its addresses.
pub(crate) fn contacts(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Vec<Contact>, Error> {
    let rows: Vec<ContactRow> =
        QueryDsl::filter(contacts::table, contacts::workspace_id.eq(workspace.as_str()))
            .order(contacts::name)
            .limit(limit)
            .load(conn)?;
    let of_workspace = contacts::table
        .filter(contacts::workspace_id.eq(workspace.as_str()))
        .select(contacts::id);
    let found: Vec<(String, StoredText, String)> = QueryDsl::filter(
        contact_addresses::table,
        contact_addresses::contact_id.eq_any(of_workspace),
    )
    .limit(limit.saturating_mul(ADDRESSES.into()))
    .select((
        contact_addresses::contact_id,
        contact_addresses::source_id,
        contact_addresses::address,
    ))
    .load(conn)?;
    let mut addresses: HashMap<String, Vec<(SourceId, String)>> = HashMap::new();
    for (contact, source, address) in found {
        addresses
            .entry(contact)
            .or_default()
            .push((source.into(), address));
    }
    Ok(rows
        .into_iter()
        .map(|(id, workspace_id, name, created_at, updated_at)| {
            let id = ContactId::from(id);
            let mut addresses = addresses.remove(id.as_str()).unwrap_or_default();
            addresses.sort();
            Contact {
                addresses,
                id,
                workspace_id: workspace_id.into(),
                name,
                created_at: created_at.into(),
                updated_at: updated_at.into(),
            }
        })
        .collect())
}

/// Who is known by this address at this source.
pub(crate) fn contact_at(
    conn: &mut Conn,
    source: &SourceId,
    address: &str,
) -> Result<Option<ContactId>, Error> {
    let found: Option<StoredText> = contact_addresses::table
        .find((source.as_str(), address))
        .select(contact_addresses::contact_id)
        .first(conn)
        .optional()?;
    Ok(found.map(ContactId::from))
}

/// Who is known by these addresses at this source.
pub(crate) fn contacts_at(
    conn: &mut Conn,
    source: &SourceId,
    addresses: &[String],
) -> Result<HashMap<String, ContactId>, Error> {
    let found: Vec<(String, StoredText)> = QueryDsl::filter(
        contact_addresses::table,
        contact_addresses::source_id
            .eq(source.as_str())
            .and(contact_addresses::address.eq_any(addresses)),
    )
    .select((contact_addresses::address, contact_addresses::contact_id))
    .load(conn)?;
    Ok(found
        .into_iter()
        .map(|(address, contact)| (address, contact.into()))
        .collect())
}

pub(crate) fn save_contact(conn: &mut Conn, row: &Contact) -> Result<(), Error> {
    if row.addresses.len() > ADDRESSES.into() {
        return Err(Error::Full {
            what: format!("the contact `{}`", row.id),
            most: ADDRESSES.into(),
        });
    }
    let insert = diesel::insert_into(contacts::table)
        .values((
            contacts::id.eq(row.id.as_str()),
            contacts::workspace_id.eq(row.workspace_id.as_str()),
            contacts::name.eq(&row.name),
            contacts::created_at.eq(Stamp(row.created_at)),
            contacts::updated_at.eq(Stamp(row.updated_at)),
        ))
        .on_conflict(contacts::id)
        .do_update()
        .set((
            contacts::name.eq(excluded(contacts::name)),
            contacts::updated_at.eq(excluded(contacts::updated_at)),
        ));
    let replaced = methods::FilterDsl::filter(
        insert,
        contacts::workspace_id.eq(excluded(contacts::workspace_id)),
    )
    .execute(conn)?;
    saved(replaced, &row.id)?;
    diesel::delete(QueryDsl::filter(
        contact_addresses::table,
        contact_addresses::contact_id.eq(row.id.as_str()),
    ))
    .execute(conn)?;
    for (source, address) in &row.addresses {
        diesel::insert_into(contact_addresses::table)
            .values((
                contact_addresses::source_id.eq(source.as_str()),
                contact_addresses::address.eq(address),
                contact_addresses::contact_id.eq(row.id.as_str()),
            ))
            .execute(conn)?;
    }
    Ok(())
}
