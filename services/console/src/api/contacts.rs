//! The registered senders of the app doors.

use super::body::Document;
use super::{created, directory, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::{Around, Fields, contact};
use crate::show::ContactView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use store::{Contact, Edit};
use wire::{ContactId, Instant};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().contacts(opened.id()).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(rows
        .iter()
        .map(|row| ContactView::of(row, &directory))
        .collect::<Vec<_>>()))
}

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
    let mut taken = contact::Taken::new();
    let read = |fields: &mut Fields<'_>| contact::read(fields, around, None, &mut taken);
    let draft = body.read(console.checks(), read).await?;
    let rows = console.store().contacts(opened.id()).await?;
    let id = draft.id.clone().unwrap_or_else(ContactId::generate);
    super::refuse_taken(rows.iter().any(|row| row.id == id))?;
    let row = draft.build(id, opened.id(), None, Instant::now());
    let entry = opened.did("contact.create", &row.id).named(&row.name);
    console
        .edit(entry, vec![Edit::Contact(row.clone()).over(None)])
        .await?;
    Ok(created(ContactView::of(&row, &directory)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(ContactView::of(&row, &directory)))
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
        let mut taken = contact::Taken::new();
        let read = |fields: &mut Fields<'_>| contact::read(fields, around, Some(&existing), &mut taken);
        let draft = body.read(console.checks(), read).await?;
        let row = draft.build(existing.id.clone(), opened.id(), Some(&existing), Instant::now());
        let entry = opened.did("contact.update", &row.id).named(&row.name);
        console
            .edit(
                entry.with("fields", body.fields()),
                vec![Edit::Contact(row.clone()).over(Some(existing.updated_at))],
            )
            .await?;
        Ok(ok(ContactView::of(&row, &directory)))
    })
    .await
}

pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let entry = opened.did("contact.delete", &row.id).named(&row.name);
    console.edit(entry, vec![Edit::RemoveContact(row.id)]).await?;
    Ok(gone())
}

/// The contact with this id or name in the caller's workspace.
async fn find(console: &Console, opened: &Opened, id_or_name: &str) -> Result<Contact, Error> {
    let rows = console.store().contacts(opened.id()).await?;
    let found = rows
        .into_iter()
        .find(|row| row.id.as_str() == id_or_name || row.name == id_or_name);
    found.ok_or(Error::NotFound { what: "contact" })
}
