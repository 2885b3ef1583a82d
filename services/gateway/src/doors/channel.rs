//! Door 1: RakerOne's direct channel ingest, `POST /api/channels/orgs/{orgSlug}/{channelSlug}`.

use super::{json, look_up, lookup_failed};
use crate::accept::{self, Key, Offer, Receipt, Replay};
use crate::arrival::{Arrival, Refused};
use crate::problem::Problem;
use crate::sources::OpenSource;
use crate::{Gateway, body, identity, key};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use boot::metrics::{self, Ingest};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::RoutingTable;
use subtle::ConstantTimeEq;
use wire::{Door, EventId, Instant};

const DOOR: &str = "channel";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    event_id: EventId,
    status: &'static str,
    timestamp: Instant,
}

#[derive(Serialize)]
struct Skipped {
    status: &'static str,
    reason: &'static str,
}

/// Takes a JSON text under the channel's secret and a required key.
pub(super) async fn post(
    gateway: Data<Gateway>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (workspace, channel) = path.into_inner();
    let found = look_up(&gateway, gateway.sources.by_slugs(&workspace, &channel)).await?;
    let answered = match &found {
        Some(open) if open.source.spec.channel.is_some() => {
            let taken = take(&gateway, &request, open, payload).await;
            // The body stays out of it: nobody was authenticated, or it was too large.
            let nothing = Bytes::new();
            let arrival = Arrival::now(request.head(), &nothing);
            taken.map_err(|refused| gateway.rejections.refuse(Door::Channel, open, arrival, refused))
        }
        _ => Err(Problem::NotFound),
    };
    if let Err(problem) = &answered {
        metrics::ingest(
            DOOR,
            found.map_or("none", |open| open.provider),
            Ingest::Rejected(problem.code()),
        );
    }
    answered
}

async fn take(
    gateway: &Gateway,
    request: &HttpRequest,
    open: &OpenSource,
    payload: Payload,
) -> Result<HttpResponse, Refused> {
    if !is_authentic(request, open) {
        return Err(Refused::unauthorized());
    }
    if !open
        .source
        .spec
        .channel
        .as_ref()
        .is_some_and(|channel| channel.direct_ingest)
    {
        return Err(Problem::DirectIngestDisabled.into());
    }
    let limit = open.body_limit(gateway.settings.body_limit, gateway.settings.max_body_limit);
    let body = body::read_of_source(request, payload, open, (limit, gateway.settings.body_timeout))
        .await
        .map_err(Problem::in_issues)?;
    gateway.in_time(record(gateway, request, open, body)).await
}

/// Records what was sent, or skips it.
async fn record(
    gateway: &Gateway,
    request: &HttpRequest,
    open: &OpenSource,
    body: Bytes,
) -> Result<HttpResponse, Refused> {
    let received_at = Instant::now();
    json::check(&body).map_err(Problem::InvalidBody)?;
    let key = key::from_header(request.headers(), "x-idempotency-key")?.ok_or(Problem::MissingKey)?;
    let event_type = identity::event_type(gateway, request.head(), open, &body).await?;
    let table = gateway
        .targets
        .routes(&open.source.workspace_id)
        .await
        .map_err(|error| lookup_failed(&error))?;
    if cannot_match(&table, open, event_type.as_deref()).is_some()
        && let Some(reason) = cannot_match_now(gateway, open, event_type.as_deref()).await?
        && !may_be_awaited(gateway, open, event_type.as_deref()).await?
    {
        return Ok(skip(gateway, open, &key, &body, reason).await?);
    }
    let offer = Offer {
        request: request.head(),
        workspace_id: &open.source.workspace_id,
        source: Some(open),
        key: Some(Key::of_source(open, key, &body)),
        body,
        event_type,
        verified: None,
        received_at,
    };
    Ok(answer(open, &accept::accept(gateway, offer).await?)?)
}

/// Compares in constant time, and hashes first, so that the length tells nothing either.
fn is_authentic(request: &HttpRequest, open: &OpenSource) -> bool {
    let mut values = request.headers().get_all("x-channel-secret");
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Some(expected) = &open.source.channel_secret_hash else {
        return false;
    };
    let presented: [u8; 32] = Sha256::digest(value.as_bytes()).into();
    presented.ct_eq(expected).into()
}

/// Why nothing can take an event of this source and type, if nothing can.
fn cannot_match(table: &RoutingTable, open: &OpenSource, event_type: Option<&str>) -> Option<&'static str> {
    if table.doorkeepers.contains_key(&open.source.id) {
        return None;
    }
    let mut possible = table.routes.iter().map(|route| &route.spec).filter(|route| {
        (route.from.is_empty() || route.from.contains(&open.source.id))
            && (route.event_types.is_empty()
                || route
                    .event_types
                    .iter()
                    .any(|pattern| pattern.matches(event_type)))
    });
    match possible.next() {
        None => Some("no_routes"),
        Some(first) if first.enabled || possible.any(|route| route.enabled) => None,
        Some(_) => Some("paused"),
    }
}

/// The same of the routes that there are at this very moment: a sender is not told that nothing can match while the route
/// that was just made for it is still unknown here.
async fn cannot_match_now(
    gateway: &Gateway,
    open: &OpenSource,
    event_type: Option<&str>,
) -> Result<Option<&'static str>, Problem> {
    let table = gateway.targets.routes_now(&open.source.workspace_id).await;
    let table = table.map_err(|error| lookup_failed(&error))?;
    Ok(cannot_match(&table, open, event_type))
}

/// Whether a run may be there that takes the event by its `listen`, now or when it comes to it: it looks back.
async fn may_be_awaited(
    gateway: &Gateway,
    open: &OpenSource,
    event_type: Option<&str>,
) -> Result<bool, Problem> {
    if event_type.is_none() {
        // Every `listen` names a type.
        return Ok(false);
    }
    let listening = gateway.store.may_listen(&open.source.workspace_id).await;
    listening.map_err(|error| lookup_failed(&error.into()))
}

/// Nothing can match, so nothing is recorded and no key is used up; a request that was accepted before is still a replay.
async fn skip(
    gateway: &Gateway,
    open: &OpenSource,
    key: &str,
    body: &Bytes,
    reason: &'static str,
) -> Result<HttpResponse, Problem> {
    let claim = gateway.store.claim(open.source.id.as_str(), key).await;
    let claim = claim.map_err(|error| lookup_failed(&error.into()))?;
    let Some(claim) = claim.filter(|claim| claim.expires_at > Instant::now()) else {
        metrics::ingest(DOOR, open.provider, Ingest::Rejected(reason));
        return Ok(HttpResponse::Ok().json(Skipped {
            status: "skipped",
            reason,
        }));
    };
    let fingerprint: [u8; 32] = Sha256::digest(body).into();
    let same = claim.fingerprint.is_none_or(|first| first == fingerprint);
    answer(
        open,
        &Receipt {
            event_id: claim.event_id,
            accepted_at: claim.accepted_at,
            replay: Some(Replay { same }),
        },
    )
}

fn answer(open: &OpenSource, receipt: &Receipt) -> Result<HttpResponse, Problem> {
    let body = |status| Answer {
        event_id: receipt.event_id,
        status,
        timestamp: receipt.accepted_at,
    };
    match &receipt.replay {
        None => {
            metrics::ingest(DOOR, open.provider, Ingest::Accepted);
            Ok(HttpResponse::Accepted().json(body("accepted")))
        }
        Some(Replay { same: true }) => {
            metrics::ingest(DOOR, open.provider, Ingest::Duplicate);
            Ok(HttpResponse::Ok()
                .insert_header(("Idempotent-Replayed", "true"))
                .json(body("replayed")))
        }
        Some(Replay { same: false }) => Err(Problem::Conflict),
    }
}
