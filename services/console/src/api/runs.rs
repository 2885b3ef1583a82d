//! Executions of playbooks.

use super::body::Parameters;
use super::page::{Page, next_cursor};
use super::{directory, ok};
use crate::access::Opened;
use crate::show::RunView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use wire::RunId;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Runs {
    pub(super) runs: Vec<RunView>,
    pub(super) next_cursor: Option<String>,
}

pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<RunId>::take(&mut parameters)?;
    parameters.finish()?;
    let found = console.store().runs(opened.id(), None, page.before, page.limit).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(Runs {
        next_cursor: next_cursor(&found, |row| row.id),
        runs: found
            .rows
            .iter()
            .map(|row| RunView::of(row, &directory))
            .collect(),
    }))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let missing = Error::NotFound { what: "run" };
    let Ok(id) = path.1.parse() else {
        return Err(missing);
    };
    let row = console.store().run(opened.id(), id).await?.ok_or(missing)?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(RunView::of(&row, &directory)))
}
