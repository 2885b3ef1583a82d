//! The workspace itself: its name, its limit and its kill switch.

use super::body::Document;
use super::ok;
use crate::access::Opened;
use crate::again::again;
use crate::check::{Fields, delivery, value, workspace};
use crate::show::WorkspaceView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::Data;
use store::{Edit, RunsOf, Workspace};
use wire::Instant;
use wire::resource::Ending;

pub(super) async fn one(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    Ok(ok(WorkspaceView::of(&find(&console, &opened).await?)))
}

/// `accepting: false` closes every door, everywhere within a second. What runs goes on to its end, unless `runs` says
/// `cancel`: then all of it ends, and so does every run that is made until the workspace accepts again.
pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let mut row = find(&console, &opened).await?;
        let read = |fields: &mut Fields<'_>| {
            fields.set("name", &mut row.name, value::name);
            fields.set("accepting", &mut row.accepting, value::boolean);
            workspace::read_rate_limit(fields, &mut row.spec.rate_limit);
            workspace::read_retention(fields, &mut row.spec.retention);
            delivery::read_section(fields, &mut row.spec.delivery);
            workspace::read_ending(fields, &mut row.spec.runs, row.accepting, "the workspace accepts");
            Some(())
        };
        body.read(console.checks(), read).await?;
        let since = Some(std::mem::replace(&mut row.updated_at, Instant::now()));
        let entry = opened.did("workspace.update", &row.id).named(&row.slug);
        console
            .edit(
                entry.with("fields", body.fields()),
                vec![Edit::Workspace(row.clone()).over(since)],
            )
            .await?;
        if row.spec.runs == Ending::Cancel {
            console.cancel_runs(RunsOf::Workspace(row.id.clone())).await?;
        }
        Ok(ok(WorkspaceView::of(&row)))
    })
    .await
}

/// As the ledger has it: what came with the token may be a second old.
async fn find(console: &Console, opened: &Opened) -> Result<Workspace, Error> {
    let row = console.store().workspace(opened.id().as_str()).await?;
    row.ok_or(Error::NotFound { what: "workspace" })
}
