//! Named workflow documents, and the doors that they open.

use super::body::Document;
use super::{created, directory, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::playbooks::{Draft, HOOK_PREFIX, read as read_draft};
use crate::check::{Around, Built, Directory, Fields, Made, value};
use crate::show::PlaybookView;
use crate::{Console, Error, secret};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use secrecy::ExposeSecret;
use serde_json::Value;
use store::{AuditEntry, Edit, Playbook, RunsOf};
use wire::resource::Ending;
use wire::{Instant, PlaybookId, WorkspaceId};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().playbooks(opened.id()).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(rows
        .iter()
        .map(|row| PlaybookView::of(row, &directory))
        .collect::<Vec<_>>()))
}

/// A new playbook has the next number unless it says one. The answer, and no other, has the token that was made.
pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let directory = directory(&console, opened.id()).await?;
    let draft = read(&console, &directory, &body, None).await?;
    let rows = console.store().playbooks(opened.id()).await?;
    let id = draft.id.clone().unwrap_or_else(PlaybookId::generate);
    super::refuse_taken(rows.iter().any(|row| row.id == id))?;
    // Where it says none, it gets one when it is saved.
    let number = draft.number;
    let built = draft.build(id, opened.id(), number.unwrap_or_default(), None, Instant::now());
    let Built { mut row, made } = built;
    define(&console, &mut row, None).await?;
    let entry = opened.did("playbook.create", &row.id).named(&row.spec.slug);
    let row = match number {
        Some(_) => save(&console, entry, row, None).await?,
        None => save_next(&console, entry, row).await?,
    };
    Ok(created(PlaybookView::with_made(&row, &made, &directory)))
}

/// By slug or id.
pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(PlaybookView::of(&row, &directory)))
}

/// Changes what the body names; the rest stays. Saving a definition, `PUT`, is the same with one in it: one that differs
/// is the next version, which runs begin with from now on. `runs: cancel` with `enabled: false` ends all that go on, and
/// every run that is made until the playbook is enabled again.
pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let existing = find(&console, &opened, &path.1).await?;
        let directory = directory(&console, opened.id()).await?;
        let draft = read(&console, &directory, &body, Some(&existing)).await?;
        let number = draft.number.unwrap_or(existing.number);
        let id = existing.id.clone();
        let built = draft.build(id, opened.id(), number, Some(&existing), Instant::now());
        let Built { mut row, made } = built;
        define(&console, &mut row, Some(&existing)).await?;
        let entry = opened.did("playbook.update", &existing.id);
        let entry = entry.named(&row.spec.slug).with("fields", body.fields());
        let row = save(&console, entry, row, Some(&existing)).await?;
        if row.spec.runs == Ending::Cancel {
            console.cancel_runs(RunsOf::Playbook(row.id.clone())).await?;
        }
        Ok(ok(PlaybookView::with_made(&row, &made, &directory)))
    })
    .await
}

/// Its runs stay, and those that go on end: what they keep secret is gone. Routes to it stay, too, and start nothing.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let edit = Edit::RemovePlaybook(row.id.clone());
    let entry = opened.did("playbook.delete", &row.id).named(&row.spec.slug);
    console.edit(entry, vec![edit]).await?;
    console.cancel_runs(RunsOf::Playbook(row.id)).await?;
    Ok(gone())
}

/// Which of a playbook's secrets is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rotated {
    /// Door 2's.
    Secret,
    /// The token in door 6's path.
    Hook,
}

impl Rotated {
    fn read(value: &Value) -> Result<Self, value::Refused> {
        match value::any_text(value)? {
            "secret" => Ok(Self::Secret),
            "hook" => Ok(Self::Hook),
            _ => Err(value::Refused::new("must be `secret` or `hook`")),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Hook => "hook",
        }
    }
}

/// A new secret in the place of the old one, which is of no use from now on: only hashes are kept, and one of each. `of`
/// says which: `secret`, with which door 2 opens if it was closed, or `hook`. The answer, and no other, has the new one.
pub(super) async fn rotate(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let mut row = find(&console, &opened, &path.1).await?;
        let read = |fields: &mut Fields<'_>| {
            let of = fields.optional("of", Rotated::read);
            Some(of.unwrap_or(Rotated::Secret))
        };
        let of = body.read_optional(console.checks(), read).await?;
        let value = match of {
            Rotated::Secret => secret::generate_token("pbs_"),
            Rotated::Hook => secret::generate_token(HOOK_PREFIX),
        };
        let hash = secret::hash(value.expose_secret());
        match of {
            Rotated::Secret => row.secret_hash = Some(hash),
            Rotated::Hook if row.spec.hook.is_none() => {
                return Err(Error::State("this playbook has no hook; give it one first"));
            }
            Rotated::Hook => row.hook_hash = Some(hash),
        }
        let since = Some(std::mem::replace(&mut row.updated_at, Instant::now()));
        let entry = opened
            .did("playbook.rotate_secret", &row.id)
            .with("of", of.as_str());
        let edits = vec![Edit::Playbook(row.clone()).over(since)];
        console.edit(entry.named(&row.spec.slug), edits).await?;
        let directory = directory(&console, opened.id()).await?;
        let made = Made {
            field: "secret",
            value,
        };
        Ok(ok(PlaybookView::with_made(&row, &[made], &directory)))
    })
    .await
}

async fn read(
    console: &Console,
    directory: &Directory,
    body: &Document,
    base: Option<&Playbook>,
) -> Result<Draft, Error> {
    let around = Around {
        policy: console.checks().policy(),
        directory,
    };
    let read = |fields: &mut Fields<'_>| Some(read_draft(fields, around, base));
    body.read(console.checks(), read).await
}

/// Fails unless a playbook's definition can be kept.
async fn define(console: &Console, row: &mut Playbook, existing: Option<&Playbook>) -> Result<(), Error> {
    let issues = console.checks().define(row, existing).await?;
    if issues.is_empty() {
        Ok(())
    } else {
        Err(Error::InvalidDefinition(issues))
    }
}

/// How many can make a playbook at the same time: one of them gets the number that all try, and the rest try the next.
const AT_ONCE: u32 = 16;

/// Saves a new playbook under the next number. It is looked up only now that the definition is checked, which may take its
/// time, and anew whenever somebody else gets it first.
async fn save_next(console: &Console, entry: AuditEntry, mut row: Playbook) -> Result<Playbook, Error> {
    row.number = next_number(console, &row.workspace_id).await?;
    for _ in 1..AT_ONCE {
        let saved = save(console, entry.clone(), row.clone(), None).await;
        if !matches!(saved, Err(Error::Taken { .. })) {
            return saved;
        }
        let next = next_number(console, &row.workspace_id).await?;
        if next == row.number {
            // It is free, so something else is taken, such as the slug.
            return saved;
        }
        row.number = next;
    }
    save(console, entry, row, None).await
}

/// The number after the last.
async fn next_number(console: &Console, workspace: &WorkspaceId) -> Result<i32, Error> {
    let rows = console.store().playbooks(workspace).await?;
    let last = rows.iter().map(|row| row.number).max().unwrap_or(0);
    Ok(last.saturating_add(1))
}

/// Saves a playbook over what it was made of, and gives it as it is now, with its version.
async fn save(
    console: &Console,
    entry: AuditEntry,
    row: Playbook,
    existing: Option<&Playbook>,
) -> Result<Playbook, Error> {
    let (id, workspace) = (row.id.clone(), row.workspace_id.clone());
    let edit = Edit::Playbook(row).over(existing.map(|existing| existing.updated_at));
    console.edit(entry, vec![edit]).await?;
    let row = console.store().playbook(&workspace, id.as_str()).await?;
    row.ok_or(Error::NotFound { what: "playbook" })
}

/// The playbook with this id or slug in the caller's workspace.
pub(super) async fn find(console: &Console, opened: &Opened, id_or_slug: &str) -> Result<Playbook, Error> {
    let row = console.store().playbook(opened.id(), id_or_slug).await?;
    row.ok_or(Error::NotFound { what: "playbook" })
}
