//! The workspace itself: its name, its limit and its kill switch.

use super::body::Document;
use super::ok;
use crate::access::Opened;
use crate::cancel::Of;
use crate::check::{Fields, delivery, value, workspace};
use crate::show::WorkspaceView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::Value;
use store::{Edit, Workspace};
use wire::Instant;

pub(super) async fn one(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    Ok(ok(WorkspaceView::of(&find(&console, &opened).await?)))
}

/// `accepting: false` closes every door, everywhere within a second. What runs goes on to its end, unless `runs` says
/// `cancel`: it has all of them end, once, and may be sent again.
pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let mut row = find(&console, &opened).await?;
    let read = |fields: &mut Fields<'_>| {
        fields.set("name", &mut row.name, value::name);
        fields.set("accepting", &mut row.accepting, value::boolean);
        workspace::read_rate_limit(fields, &mut row.spec.rate_limit);
        workspace::read_retention(fields, &mut row.spec.retention);
        delivery::read_section(fields, &mut row.spec.delivery);
        let cancels = fields.optional("runs", is_cancel).unwrap_or(false);
        if cancels && row.accepting {
            fields.refuse(
                "runs",
                "cannot be cancelled while the workspace accepts; close it, too",
            );
        }
        Some(cancels)
    };
    let cancels = body.read(console.checks(), read).await?;
    row.updated_at = Instant::now();
    console
        .edit(opened.id(), vec![Edit::Workspace(row.clone())])
        .await?;
    if cancels {
        console.cancel_runs(Of::Workspace(opened.id())).await?;
    }
    Ok(ok(WorkspaceView::of(&row)))
}

fn is_cancel(runs: &Value) -> Result<bool, value::Refused> {
    match value::any_text(runs)? {
        "cancel" => Ok(true),
        "drain" => Ok(false),
        _ => Err(value::Refused::new("must be `drain` or `cancel`")),
    }
}

/// As the ledger has it: what came with the token may be a second old.
async fn find(console: &Console, opened: &Opened) -> Result<Workspace, Error> {
    let row = console.store().workspace(opened.id().as_str()).await?;
    row.ok_or(Error::NotFound { what: "workspace" })
}
