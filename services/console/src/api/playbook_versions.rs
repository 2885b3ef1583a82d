//! The definitions that a playbook has and had, and looking at one before it is saved.

use super::body::{Document, Parameters};
use super::page::{Key, Page, next_cursor};
use super::playbooks::find;
use super::{directory, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::playbooks::definition;
use crate::check::{Fields, value};
use crate::show::{CheckedView, PlaybookView, VersionView};
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use store::{Edit, Playbook, PlaybookVersion};
use uuid::Uuid;
use wire::Instant;

/// The number of a version, as a place in a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(i32);

impl Key for Number {
    const KIND: u8 = b'n';

    fn uuid(self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.unsigned_abs()))
    }

    fn of(uuid: Uuid) -> Self {
        // Whoever made a cursor up gets a page of theirs.
        Self(i32::try_from(uuid.as_u128()).unwrap_or(i32::MAX))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    versions: Vec<VersionView>,
    next_cursor: Option<String>,
}

/// Newest first, without the definitions.
pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<Number>::take(&mut parameters)?;
    parameters.finish()?;
    let playbook = find(&console, &opened, &path.1).await?;
    let before = page.before.map(|number| number.0);
    let found = console
        .store()
        .playbook_versions(&playbook.id, before, page.limit)
        .await?;
    Ok(ok(Versions {
        next_cursor: next_cursor(&found, |(version, _)| Number(*version)),
        versions: found
            .rows
            .iter()
            .map(|(version, created_at)| VersionView::new(*version, &playbook, *created_at))
            .collect(),
    }))
}

/// One version, with its definition.
pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let playbook = find(&console, &opened, &path.1).await?;
    let version = version(&console, &playbook, &path.2).await?;
    Ok(ok(VersionView::of(version, &playbook)))
}

/// Lets new runs begin with this version again. What it calls stays as it was pinned, and no version is made.
pub(super) async fn activate(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    again(async || {
        let mut row = find(&console, &opened, &path.1).await?;
        let version = version(&console, &row, &path.2).await?;
        let outline = console.checks().outline(&version).await?;
        let outline = outline.map_err(Error::InvalidDefinition)?;
        if outline.name != row.spec.slug {
            return Err(Error::State(
                "that version bears another name than the playbook's slug; save its definition under this one",
            ));
        }
        row.version = version.version;
        row.spec.definition = version.definition;
        row.spec.input_schema = outline.input_schema;
        row.spec.secret_names = outline.secrets;
        let since = Some(std::mem::replace(&mut row.updated_at, Instant::now()));
        let entry = opened.did("playbook.activate_version", &row.id);
        let entry = entry.named(&row.spec.slug).with("version", row.version);
        console
            .edit(entry, vec![Edit::Playbook(row.clone()).over(since)])
            .await?;
        let directory = directory(&console, opened.id()).await?;
        Ok(ok(PlaybookView::of(&row, &directory)))
    })
    .await
}

/// Checks a definition as saving it would, and keeps nothing.
pub(super) async fn validate(
    console: Data<Console>,
    _opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let read = |fields: &mut Fields<'_>| {
        let slug = fields.optional("slug", value::slug);
        Some((fields.required("definition", definition)?, slug))
    };
    let (definition, slug) = body.read(console.checks(), read).await?;
    let checked = console.checks().definition(&definition, slug.as_deref()).await?;
    let definition = checked.map_err(Error::InvalidDefinition)?;
    Ok(ok(CheckedView::of(definition.outline)))
}

async fn version(console: &Console, playbook: &Playbook, number: &str) -> Result<PlaybookVersion, Error> {
    let missing = || Error::NotFound {
        what: "version of this playbook",
    };
    let number = number.parse().map_err(|_no_number| missing())?;
    let found = console.store().playbook_version(&playbook.id, number).await?;
    found.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_found_again_in_its_cursor(number in 0..=i32::MAX) {
            prop_assert_eq!(Number::of(Number(number).uuid()).0, number);
        }

        #[test]
        fn no_cursor_makes_reading_it_panic(value: u128) {
            prop_assert!(Number::of(Uuid::from_u128(value)).0 >= 0);
        }
    }
}
