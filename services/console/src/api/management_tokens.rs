//! What authenticates operators' programs here. A token is shown once, in the answer that makes it.

use super::body::Document;
use super::{created, gone, ok};
use crate::access::{Opened, Shown};
use crate::check::{Fields, workspace};
use crate::show::ManagementTokenView;
use crate::{Console, Error, secret};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use secrecy::ExposeSecret;
use store::{Edit, NewManagementToken};
use wire::{Instant, ManagementTokenId};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().management_tokens(opened.id()).await?;
    Ok(ok(rows.iter().map(ManagementTokenView::of).collect::<Vec<_>>()))
}

/// The answer, and no other, has the token.
pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let read = |fields: &mut Fields<'_>| workspace::read_token(fields);
    let draft = body.read(console.checks(), read).await?;
    let rows = console.store().management_tokens(opened.id()).await?;
    let id = draft.id.clone().unwrap_or_else(ManagementTokenId::generate);
    super::refuse_taken(rows.iter().any(|row| row.id == id))?;
    let token = draft.token.unwrap_or_else(|| secret::generate_token("nhm_"));
    let row = NewManagementToken {
        id,
        workspace_id: opened.id().clone(),
        name: draft.name,
        token_hash: secret::hash(token.expose_secret()),
        created_at: Instant::now(),
    };
    let entry = opened.did("management_token.create", &row.id).named(&row.name);
    console
        .edit(entry, vec![Edit::ManagementToken(row.clone())])
        .await?;
    Ok(created(ManagementTokenView::with_token(&row, &token)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let rows = console.store().management_tokens(opened.id()).await?;
    Ok(ok(ManagementTokenView::of(find(&rows, &path.1)?)))
}

/// The token with this id or name.
fn find<'r>(rows: &'r [NewManagementToken], name: &str) -> Result<&'r NewManagementToken, Error> {
    let found = rows
        .iter()
        .find(|row| row.id.as_str() == name || row.name == name);
    found.ok_or(Error::NotFound {
        what: "management token",
    })
}

/// Nobody locks themselves out: the token that a request shows can go only while there is another one.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    shown: Shown,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let rows = console.store().management_tokens(opened.id()).await?;
    let row = find(&rows, &path.1)?;
    if shown.is(row.token_hash) && rows.len() == 1 {
        return Err(Error::InUse {
            what: format!("the management token `{}`", row.name),
            by: "this request shows it, and the workspace has no other".to_owned(),
        });
    }
    let entry = opened.did("management_token.delete", &row.id).named(&row.name);
    console
        .edit(entry, vec![Edit::RemoveManagementToken(row.id.clone())])
        .await?;
    Ok(gone())
}
