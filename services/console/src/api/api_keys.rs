//! What authenticates senders at doors 3 and 7. A key is shown once, in the answer that makes it.

use super::body::Document;
use super::{created, directory, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::{Around, Fields, api_key};
use crate::show::ApiKeyView;
use crate::{Console, Error, secret};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use store::{ApiKey, Edit};
use wire::{ApiKeyId, Instant};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().api_keys(opened.id()).await?;
    Ok(ok(rows.iter().map(ApiKeyView::of).collect::<Vec<_>>()))
}

/// The answer, and no other, has the key.
pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let directory = directory(&console, opened.id()).await?;
    let around = Around {
        policy: console.checks().policy(),
        directory: &directory,
    };
    let read = |fields: &mut Fields<'_>| api_key::read(fields, around, None);
    let draft = body.read(console.checks(), read).await?;
    let rows = console.store().api_keys(opened.id()).await?;
    let id = draft.id.clone().unwrap_or_else(ApiKeyId::generate);
    super::refuse_taken(rows.iter().any(|row| row.id == id))?;
    let given = draft.token.clone();
    let built = draft.build(id, opened.id(), None, Instant::now());
    let made = built.made.first().map(|made| made.value.clone());
    let entry = opened.did("api_key.create", &built.row.id).named(&built.row.name);
    console
        .edit(entry, vec![Edit::ApiKey(built.row.clone()).over(None)])
        .await?;
    let token = given.or(made).unwrap_or_default();
    Ok(created(ApiKeyView::with_token(&built.row, &token)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    Ok(ok(ApiKeyView::of(&find(&console, &opened, &path.1).await?)))
}

pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let existing = find(&console, &opened, &path.1).await?;
        let directory = directory(&console, opened.id()).await?;
        let around = Around {
            policy: console.checks().policy(),
            directory: &directory,
        };
        let read = |fields: &mut Fields<'_>| api_key::read(fields, around, Some(&existing));
        let draft = body.read(console.checks(), read).await?;
        let built = draft.build(existing.id.clone(), opened.id(), Some(&existing), Instant::now());
        let entry = opened.did("api_key.update", &built.row.id).named(&built.row.name);
        console
            .edit(
                entry.with("fields", body.fields()),
                vec![Edit::ApiKey(built.row.clone()).over(Some(existing.updated_at))],
            )
            .await?;
        Ok(ok(ApiKeyView::of(&built.row)))
    })
    .await
}

/// A new key in the place of the old one, which is of no use from now on.
pub(super) async fn rotate(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    again(async || {
        let mut row = find(&console, &opened, &path.1).await?;
        let since = Some(row.updated_at);
        let token = secret::generate_token(api_key::PREFIX);
        (row.key_hash, row.spec.hint) = api_key::kept(&token);
        row.updated_at = Instant::now();
        let entry = opened.did("api_key.rotate", &row.id).named(&row.name);
        console
            .edit(entry, vec![Edit::ApiKey(row.clone()).over(since)])
            .await?;
        Ok(ok(ApiKeyView::with_token(&row, &token)))
    })
    .await
}

pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let entry = opened.did("api_key.delete", &row.id).named(&row.name);
    console.edit(entry, vec![Edit::RemoveApiKey(row.id)]).await?;
    Ok(gone())
}

/// The key with this id or name in the caller's workspace.
async fn find(console: &Console, opened: &Opened, id_or_name: &str) -> Result<ApiKey, Error> {
    let rows = console.store().api_keys(opened.id()).await?;
    let found = rows
        .into_iter()
        .find(|row| row.id.as_str() == id_or_name || row.name == id_or_name);
    found.ok_or(Error::NotFound { what: "API key" })
}
