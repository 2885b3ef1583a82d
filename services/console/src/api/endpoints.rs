//! Where webhooks go out.

use super::body::{Document, Parameters, query};
use super::{created, directory, gone, ok, workspace_settings};
use crate::access::Opened;
use crate::again::again;
use crate::check::{Around, Fields, addresses, endpoint};
use crate::secret::{Rotation, Signing};
use crate::show::{EndpointView, LaneView};
use crate::{Console, Error, Problem};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use store::{AuditEntry, DeliveryFilter, Edit, Endpoint};
use wire::resource::{DeliverySpec, EffectivePolicy};
use wire::{ApplicationId, EndpointId, Instant};

/// `?include=lane`
pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let with_lanes = includes_lane(&mut parameters)?;
    parameters.finish()?;
    let rows = console.store().endpoints(opened.id()).await?;
    if !with_lanes {
        return listed(&console, &opened, &rows).await;
    }
    let settings = workspace_settings(&console, opened.id()).await?;
    let mut ailing = console.store().ailing(opened.id()).await?;
    let views = rows.iter().map(|row| {
        let lane = LaneView::of_ailing(ailing.remove(&row.id), row.spec.concurrency);
        EndpointView::with_lane(row, lane).under(&effective(&settings, row))
    });
    Ok(ok(views.collect::<Vec<_>>()))
}

/// Each of them as it would be shown alone.
pub(super) async fn listed(
    console: &Console,
    opened: &Opened,
    rows: &[Endpoint],
) -> Result<HttpResponse, Error> {
    let settings = workspace_settings(console, opened.id()).await?;
    let views = rows
        .iter()
        .map(|row| EndpointView::of(row).under(&effective(&settings, row)));
    Ok(ok(views.collect::<Vec<_>>()))
}

fn includes_lane(parameters: &mut Parameters) -> Result<bool, Error> {
    match parameters.take("include")?.as_deref() {
        None => Ok(false),
        Some("lane") => Ok(true),
        Some(_) => Err(query("include", "must be lane")),
    }
}

/// The answer, and no other, has the secret.
pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    make(&console, &opened, body, None).await
}

/// The same for an endpoint of the customer whose address was asked.
pub(super) async fn make(
    console: &Console,
    opened: &Opened,
    body: Document,
    owner: Option<ApplicationId>,
) -> Result<HttpResponse, Error> {
    let directory = directory(console, opened.id()).await?;
    let around = Around {
        policy: console.checks().policy(),
        directory: &directory,
    };
    let mut draft = body
        .read(console.checks(), |fields| endpoint::read(fields, around, None))
        .await?;
    if let Some(owner) = owner {
        if draft.application_id.as_ref().is_some_and(|said| *said != owner) {
            let message = "is not the application whose address this is; leave it out";
            return Err(Error::Invalid(vec![Problem::new("applicationId", message)]));
        }
        draft.application_id = Some(owner);
    }
    let id = draft.id.clone().unwrap_or_else(EndpointId::generate);
    super::refuse_taken(directory.endpoints.find(id.as_str()).is_some())?;
    let row = draft.build(id, opened.id(), None, Instant::now()).row;
    addresses::check(console.checks(), &addresses::of_endpoint(&row, None)).await?;
    save(console, did(opened, "endpoint.create", &row), &row, None).await?;
    Ok(created(EndpointView::with_secret(&row)))
}

/// `?include=lane`
pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let with_lane = includes_lane(&mut parameters)?;
    parameters.finish()?;
    let row = find(&console, &opened, &path.1).await?;
    if with_lane {
        return shown(&console, row).await;
    }
    let settings = workspace_settings(&console, opened.id()).await?;
    Ok(ok(EndpointView::of(&row).under(&effective(&settings, &row))))
}

/// What holds of its deliveries that no route says otherwise of.
fn effective(of_workspace: &DeliverySpec, row: &Endpoint) -> EffectivePolicy {
    EffectivePolicy::of(of_workspace, &row.spec.delivery, None)
}

/// The endpoint with what its deliveries are up to.
async fn shown(console: &Console, row: Endpoint) -> Result<HttpResponse, Error> {
    let lane = console.store().lane(row.id.clone()).await?;
    let lane = LaneView::of(lane, row.spec.concurrency);
    let settings = workspace_settings(console, &row.workspace_id).await?;
    Ok(ok(
        EndpointView::with_lane(&row, lane).under(&effective(&settings, &row))
    ))
}

/// Lets it hold its deliveries: those that wait, and new ones. What is under way is finished.
pub(super) async fn hold(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    again(async || {
        let mut row = find(&console, &opened, &path.1).await?;
        row.spec.enabled = false;
        let since = Some(std::mem::replace(&mut row.updated_at, Instant::now()));
        let hold = Edit::Hold {
            endpoint: row.id.clone(),
            workspace: row.workspace_id.clone(),
            reason: "paused",
        };
        let edits = vec![hold, Edit::Endpoint(row.clone()).over(since)];
        console.edit(did(&opened, "endpoint.hold", &row), edits).await?;
        shown(&console, row).await
    })
    .await
}

/// Lets what it holds go, whoever made it hold that, and whatever its circuit is: one first, and more as they succeed.
pub(super) async fn drain(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    again(async || {
        let mut row = find(&console, &opened, &path.1).await?;
        row.spec.enabled = true;
        let since = Some(std::mem::replace(&mut row.updated_at, Instant::now()));
        let edits = vec![
            Edit::Endpoint(row.clone()).over(since),
            Edit::Drain(row.id.clone()),
        ];
        console.edit(did(&opened, "endpoint.drain", &row), edits).await?;
        shown(&console, row).await
    })
    .await
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
        let read = |fields: &mut Fields<'_>| endpoint::read(fields, around, Some(&existing));
        let draft = body.read(console.checks(), read).await?;
        let built = draft.build(existing.id.clone(), opened.id(), Some(&existing), Instant::now());
        let new = addresses::of_endpoint(&built.row, Some(&existing));
        addresses::check(console.checks(), &new).await?;
        let entry = did(&opened, "endpoint.update", &built.row).with("fields", body.fields());
        save(&console, entry, &built.row, Some(&existing)).await?;
        Ok(ok(if built.made.is_empty() {
            EndpointView::of(&built.row)
        } else {
            EndpointView::with_secret(&built.row)
        }))
    })
    .await
}

/// Saves an endpoint over what it was made of; where its application changes, the new one must have room for it.
async fn save(
    console: &Console,
    entry: AuditEntry,
    row: &Endpoint,
    before: Option<&Endpoint>,
) -> Result<(), Error> {
    let since = before.map(|before| before.updated_at);
    let mut edits = vec![Edit::Endpoint(row.clone()).over(since)];
    let owner = before.and_then(|before| before.application_id.as_ref());
    if let Some(application) = row.application_id.as_ref().filter(|now| Some(*now) != owner) {
        edits.push(Edit::CheckLimit(application.clone()));
    }
    console.edit(entry, edits).await
}

/// That the caller does this to an endpoint. Its URL may hold a token, so it is not what it is called.
pub(super) fn did(opened: &Opened, action: &'static str, row: &Endpoint) -> AuditEntry {
    let entry = opened.did(action, &row.id);
    match &row.spec.slug {
        Some(slug) => entry.named(slug),
        None => entry,
    }
}

/// Its deliveries stay; those that wait are given up. Routes to it stay, too, and match nothing.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let entry = did(&opened, "endpoint.delete", &row);
    console.edit(entry, vec![Edit::RemoveEndpoint(row.id)]).await?;
    Ok(gone())
}

pub(super) async fn deliveries(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let filter = DeliveryFilter {
        endpoint_id: Some(row.id),
        ..DeliveryFilter::default()
    };
    super::deliveries::list_of(&console, &opened, filter, parameters).await
}

/// A new secret, of the kind that `signing` names, else of the present one's; the old one goes on signing beside it for
/// the overlap. The answer, and no other, has the new one.
pub(super) async fn rotate(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let mut row = find(&console, &opened, &path.1).await?;
        let read = |fields: &mut Fields<'_>| {
            let signing = fields.optional("signing", Signing::read);
            Some((signing, Rotation::read(fields)))
        };
        let (signing, rotation) = body.read_optional(console.checks(), read).await?;
        let now = Instant::now();
        let signing = signing.unwrap_or_else(|| Signing::current(&row.secrets));
        row.secrets = rotation.rotate(row.secrets, signing.generate(), now);
        let since = Some(std::mem::replace(&mut row.updated_at, now));
        let edits = vec![Edit::Endpoint(row.clone()).over(since)];
        console
            .edit(did(&opened, "endpoint.rotate_secret", &row), edits)
            .await?;
        Ok(ok(EndpointView::with_secret(&row)))
    })
    .await
}

/// The endpoint with this id or slug in the caller's workspace.
pub(super) async fn find(console: &Console, opened: &Opened, id_or_slug: &str) -> Result<Endpoint, Error> {
    let missing = Error::NotFound { what: "endpoint" };
    let directory = directory(console, opened.id()).await?;
    let Some(id) = directory.endpoints.find(id_or_slug) else {
        return Err(missing);
    };
    console.store().endpoint(id).await?.ok_or(missing)
}
