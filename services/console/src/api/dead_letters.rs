//! Dead letters that no recovery has sent again since, by endpoint, kind of error and event type.

use super::body::{Parameters, query};
use super::{directory, ok};
use crate::access::Opened;
use crate::show::DeadLettersView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

#[derive(Serialize)]
struct Groups {
    groups: Vec<DeadLettersView>,
    /// Whether all were counted and all groups are shown.
    complete: bool,
}

/// `?endpointId=`
pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let asked = parameters.take("endpointId")?;
    parameters.finish()?;
    let endpoint = match asked {
        None => None,
        Some(asked) => {
            let directory = directory(&console, opened.id()).await?;
            let by_name = directory.endpoints.find(&asked).cloned();
            // A deleted endpoint has no name any more, and its dead letters are still there.
            let id = by_name.map_or_else(|| asked.parse(), Ok);
            Some(id.map_err(|error: wire::ParseIdError| query("endpointId", &error.to_string()))?)
        }
    };
    let (groups, complete) = console.store().dead_letters(opened.id(), endpoint).await?;
    Ok(ok(Groups {
        groups: groups.into_iter().map(DeadLettersView::of).collect(),
        complete,
    }))
}
