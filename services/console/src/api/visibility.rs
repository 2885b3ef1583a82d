//! Which event types an environment's portal shows.

use super::body::Document;
use super::{environments, event_types, ok};
use crate::access::Opened;
use crate::check::value;
use crate::show::VisibilityView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use std::collections::HashSet;
use store::Edit;

pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let environments = console.store().environments(opened.id()).await?;
    let environment = environments::find(&environments, &path.1)?;
    let published = console.store().published_event_types(&environment.id).await?;
    let published: HashSet<_> = published.into_iter().collect();
    let types = console.store().event_types(opened.id()).await?;
    let views: Vec<_> = types
        .iter()
        .map(|row| VisibilityView::of(row, published.contains(&row.id)))
        .collect();
    Ok(ok(views))
}

/// `{published: true}`
pub(super) async fn set(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let environments = console.store().environments(opened.id()).await?;
    let environment = environments::find(&environments, &path.1)?;
    let event_type = event_types::find(&console, &opened, &path.2).await?;
    let published = body
        .read(console.checks(), |fields| {
            fields.required("published", value::boolean)
        })
        .await?;
    let edit = Edit::Publish {
        environment: environment.id.clone(),
        event_type: event_type.id.clone(),
        published,
    };
    let entry = opened.did("event_type.publish", &event_type.id);
    let entry = entry.named(&event_type.name).with("published", published);
    let entry = entry.with("environmentId", environment.id.as_str());
    console.edit(entry, vec![edit]).await?;
    Ok(ok(VisibilityView::of(&event_type, published)))
}
