//! What a request of door 3 says, or an item of a batch.

use super::MOST_ITEMS;
use crate::doors::json;
use crate::key;
use crate::problem::{Issue, Problem};
use actix_web::web::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The fields of an item, or of a whole request for one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields<'a> {
    #[serde(borrow)]
    pub(super) payload: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) idempotency_key: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) endpoint_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) event_type: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

pub(super) fn fields(body: &Bytes) -> Result<Fields<'_>, Problem> {
    json::check(body).map_err(Problem::InvalidBody)?;
    json::object(body).map_err(|error| malformed(&error))
}

/// 1 to 20 items.
pub(super) fn items(body: &Bytes) -> Result<Vec<&RawValue>, Problem> {
    json::check(body).map_err(Problem::InvalidBody)?;
    let batch: Batch<'_> = json::object(body).map_err(|error| malformed(&error))?;
    let items = batch.items.ok_or_else(|| missing("items"))?;
    if (1..=MOST_ITEMS).contains(&items.len()) {
        Ok(items)
    } else {
        Err(wrong(
            "items",
            &format!("must be a list of 1 to {MOST_ITEMS} items"),
        ))
    }
}

/// A field that is a text; null is none.
pub(super) fn text(raw: Option<&RawValue>, name: &str) -> Result<Option<String>, Problem> {
    let Some(raw) = raw else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|_other| wrong(name, "must be a text"))
}

pub(super) fn idempotency_key(fields: &Fields<'_>) -> Result<Option<String>, Problem> {
    text(fields.idempotency_key, "idempotencyKey")?
        .map(|key| key::check(&key))
        .transpose()
}

/// An object of texts.
pub(super) fn check_metadata(fields: &Fields<'_>) -> Result<(), Problem> {
    let Some(raw) = fields.metadata else { return Ok(()) };
    serde_json::from_str::<Option<BTreeMap<String, String>>>(raw.get())
        .map(|_metadata| ())
        .map_err(|_other| wrong("metadata", "must be an object of texts"))
}

pub(super) fn malformed(error: &serde_json::Error) -> Problem {
    wrong(
        "",
        &format!("the request is not of the documented shape: {error}"),
    )
}

pub(super) fn missing(name: &str) -> Problem {
    wrong(name, "is missing")
}

pub(super) fn wrong(name: &str, message: &str) -> Problem {
    let path = if name.is_empty() {
        String::new()
    } else {
        format!("/{name}")
    };
    Problem::InvalidBody(Issue {
        path,
        message: message.to_owned(),
    })
}
