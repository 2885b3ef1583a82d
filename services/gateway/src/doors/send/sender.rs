//! Who sends at door 3, and what becomes of one item.

use super::fields::{Fields, check_metadata, idempotency_key, malformed, missing, wrong};
use super::{FRAME, MOST_DELIVERIES, Sent, Triggered, WINDOW};
use crate::accept::{self, Draft, Key, Offer, Receipt};
use crate::doors::{json, lookup_failed};
use crate::keys::KnownKey;
use crate::limits::Allowance;
use crate::problem::Problem;
use crate::{Gateway, body};
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::try_join;
use routing::{Named, Resolved};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{DeliveryFilter, Event, NewEvent, RoutedEvent, RoutingTable};
use uuid::Uuid;
use wire::resource::{KeyScope, OrderSpec, Target};
use wire::{DeliveryId, EndpointId, EventState, EventTypeName, Instant};

/// Who sends, and what of the limit is left.
pub(super) struct Sender<'a> {
    gateway: &'a Gateway,
    request: &'a HttpRequest,
    known: Arc<KnownKey>,
    allowance: Option<Allowance>,
    /// When the last byte was read.
    received_at: Instant,
}

/// The endpoint that a sender named.
struct Addressed {
    endpoint: EndpointId,
    is_enabled: bool,
    first_wait: Duration,
    order: Option<OrderSpec>,
}

impl<'a> Sender<'a> {
    /// Authenticates, counts the request against the key's limit, and reads a body of at most `items` payloads.
    pub(super) async fn read(
        gateway: &'a Gateway,
        request: &'a HttpRequest,
        payload: Payload,
        items: u64,
    ) -> Result<(Self, Bytes), Problem> {
        let known = gateway
            .in_time(gateway.keys.authenticate(request, KeyScope::Ingest))
            .await?;
        let allowance = gateway.limits.spend(&known.key, 1)?;
        let limit = (gateway.settings.body_limit.bytes() as u64).saturating_mul(items) + FRAME;
        let body = body::read(request, payload, limit, gateway.settings.body_timeout).await?;
        let sender = Self {
            gateway,
            request,
            known,
            allowance,
            received_at: Instant::now(),
        };
        Ok((sender, body))
    }

    /// Counts the items of a batch but the first, which is counted already. Together they are a burst at the most: a batch that
    /// is larger would be refused for ever.
    pub(super) fn charge<T>(&mut self, items: Vec<T>) -> Result<Vec<T>, Problem> {
        let most = self
            .allowance
            .map_or(u32::MAX, Allowance::burst)
            .saturating_sub(1);
        let more = u32::try_from(items.len().saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(most);
        if more > 0 {
            self.allowance = self.gateway.limits.spend(&self.known.key, more)?;
        }
        Ok(items)
    }

    pub(super) fn head(&self, status: StatusCode, is_replay: bool) -> HttpResponseBuilder {
        let mut head = HttpResponse::build(status);
        if is_replay {
            head.insert_header(("Idempotent-Replayed", "true"));
        }
        if let Some(allowance) = self.allowance {
            allowance.show(&mut head);
        }
        head
    }

    /// The fields of a batch's item, which has the limit of a request of its own.
    pub(super) fn item<'b>(&self, item: &'b RawValue) -> Result<Fields<'b>, Problem> {
        let limit = self.gateway.settings.body_limit.bytes() as u64;
        if item.get().len() as u64 > limit + FRAME {
            return Err(Problem::TooLarge(limit));
        }
        json::object(item.get().as_bytes()).map_err(|error| malformed(&error))
    }

    /// One delivery to the endpoint that is named.
    pub(super) async fn send(
        &self,
        body: &Bytes,
        fields: &Fields<'_>,
        endpoint: &str,
        event_type: Option<String>,
    ) -> Result<Sent, Problem> {
        let payload = self.payload(body, fields)?;
        let key = idempotency_key(fields)?.unwrap_or_else(|| Uuid::new_v4().to_string());
        let Addressed {
            endpoint,
            is_enabled,
            first_wait,
            order,
        } = self.endpoint(endpoint).await?.ok_or(Problem::NotFound)?;
        let claim = Key {
            scope: endpoint.to_string(),
            text: key.clone(),
            fingerprint: None,
            window: WINDOW,
        };
        let draft = self.draft(payload, event_type, Some(claim));
        let order_key = self.order_key(&draft.event, order.as_ref()).await?;
        let moment = accept::moment(self.gateway, self.received_at);
        let named = Named {
            endpoint: endpoint.clone(),
            is_enabled,
            first_wait,
            order_key,
        };
        let routed = routing::direct(&draft.event, named, moment);
        let receipt = accept::accept_draft(self.gateway, draft, Some(routed)).await?;
        Ok(Sent {
            delivery_id: DeliveryId::of(receipt.event_id, &endpoint, 0),
            idempotency_key: key,
            status: "accepted",
            is_replay: receipt.replay.is_some(),
        })
    }

    /// A delivery to each endpoint whose routes take the event.
    pub(super) async fn trigger(
        &self,
        body: &Bytes,
        fields: &Fields<'_>,
        event_type: &str,
    ) -> Result<Triggered, Problem> {
        let name: EventTypeName = event_type
            .parse()
            .map_err(|_malformed| Problem::InvalidEventTypeName)?;
        let payload = self.payload(body, fields)?;
        check_metadata(fields)?;
        let key = idempotency_key(fields)?;
        let workspace = &self.known.key.workspace_id;
        let event_type_id = self.gateway.targets.event_type(workspace, &name).await?;
        let claim = key.map(|key| Key {
            scope: event_type_id.to_string(),
            text: key,
            fingerprint: None,
            window: WINDOW,
        });
        let mut draft = self.draft(payload, Some(name.as_str().to_owned()), claim);
        if let Some(metadata) = fields.metadata {
            keep_metadata(&mut draft.event, metadata);
        }
        let (mut routed, is_awaited) = try_join!(self.resolve(&draft.event), self.may_be_awaited())?;
        if is_awaited {
            // What the routes make of it is in the answer; the router offers it to the runs that wait.
            routed.state = EventState::Accepted;
        }
        let mut made: Vec<DeliveryId> = routed.deliveries.iter().map(|delivery| delivery.id).collect();
        made.sort();
        let receipt = accept::accept_draft(self.gateway, draft, Some(routed)).await?;
        let delivery_ids = if receipt.replay.is_some() {
            self.deliveries_of(&receipt).await?
        } else {
            made
        };
        Ok(Triggered {
            event_type_id,
            delivery_ids,
            status: "accepted",
            is_replay: receipt.replay.is_some(),
        })
    }

    /// The payload's bytes as they stood in the request.
    fn payload(&self, body: &Bytes, fields: &Fields<'_>) -> Result<Bytes, Problem> {
        let payload = fields.payload.ok_or_else(|| missing("payload"))?.get();
        if !payload.starts_with('{') {
            return Err(wrong("payload", "must be an object"));
        }
        let limit = self.gateway.settings.body_limit.bytes() as u64;
        if payload.len() as u64 > limit {
            return Err(Problem::TooLarge(limit));
        }
        Ok(body.slice_ref(payload.as_bytes()))
    }

    fn draft(&self, payload: Bytes, event_type: Option<String>, key: Option<Key>) -> Draft {
        let offer = Offer {
            request: self.request.head(),
            workspace_id: &self.known.key.workspace_id,
            source: None,
            body: payload,
            event_type,
            verified: None,
            key,
            received_at: self.received_at,
        };
        let mut draft = accept::draft(self.gateway, offer);
        draft.event.content_type = Some("application/json".to_owned());
        draft
    }

    /// What the delivery shares with those that it goes after.
    async fn order_key(
        &self,
        event: &NewEvent,
        order: Option<&OrderSpec>,
    ) -> Result<Option<String>, Problem> {
        let found = routing::order_key(&self.gateway.jail, order, &event.headers, &event.body).await;
        found.map_err(|failure| {
            tracing::error!(
                error.chain = &failure as &dyn std::error::Error,
                "what an endpoint orders its deliveries by cannot be evaluated now"
            );
            Problem::Unavailable
        })
    }

    /// The endpoint of this id in the key's workspace and environment.
    async fn endpoint(&self, id: &str) -> Result<Option<Addressed>, Problem> {
        let Ok(id) = id.parse::<EndpointId>() else {
            return Ok(None);
        };
        let (targets, workspace) = (&self.gateway.targets, &self.known.key.workspace_id);
        let failed = |error| lookup_failed(&error);
        let mut table = targets.routes(workspace).await.map_err(failed)?;
        if !table.endpoints.contains_key(&id) {
            table = targets.routes_now(workspace).await.map_err(failed)?;
        }
        let Some(is_enabled) = table.endpoints.get(&id).copied() else {
            return Ok(None);
        };
        Ok(self.is_inside(&table, &id).then(|| Addressed {
            is_enabled,
            first_wait: table.first_wait(&id, None),
            order: table.orders.get(&id).cloned(),
            endpoint: id,
        }))
    }

    fn is_inside(&self, table: &RoutingTable, endpoint: &EndpointId) -> bool {
        let of_key = self.known.key.environment_id.as_ref();
        of_key.is_none_or(|environment| table.environments.get(endpoint) == Some(environment))
    }

    /// What becomes of an event. When nobody seems to be subscribed, whoever subscribed a moment ago is asked for.
    async fn resolve(&self, event: &NewEvent) -> Result<RoutedEvent, Problem> {
        let (targets, workspace) = (&self.gateway.targets, &self.known.key.workspace_id);
        let failed = |error| lookup_failed(&error);
        let table = targets.routes(workspace).await.map_err(failed)?;
        let routed = self.decide(event, &table).await?;
        if !routed.deliveries.is_empty() || !routed.runs.is_empty() {
            return Ok(routed);
        }
        let table = targets.routes_now(workspace).await.map_err(failed)?;
        self.decide(event, &table).await
    }

    /// Whether a run may be there that takes an event by its `listen`. One that begins later takes none that came before it.
    async fn may_be_awaited(&self) -> Result<bool, Problem> {
        let workspace = &self.known.key.workspace_id;
        let awaited = self.gateway.targets.may_be_awaited(workspace).await;
        awaited.map_err(|error| lookup_failed(&error))
    }

    async fn decide(&self, event: &NewEvent, table: &RoutingTable) -> Result<RoutedEvent, Problem> {
        let outside = |route: &store::Route| match &route.spec.to {
            Target::Endpoint(id) => table.endpoints.contains_key(id) && !self.is_inside(table, id),
            Target::Playbook(_) => false,
        };
        // A key that is limited to an environment does not see the others.
        let limited = table.routes.iter().any(outside).then(|| RoutingTable {
            routes: table
                .routes
                .iter()
                .filter(|route| !outside(route))
                .cloned()
                .collect(),
            ..table.clone()
        });
        let table = limited.as_ref().unwrap_or(table);
        let moment = || accept::moment(self.gateway, self.received_at);
        let events = [Event::from(event)];
        let resolved = routing::resolve(&self.gateway.jail, &events, table, BTreeMap::new(), moment).await;
        let Ok(mut decided) = resolved else {
            tracing::error!("the expressions of a workspace's routes cannot be evaluated now");
            return Err(Problem::Unavailable);
        };
        // The answer names the deliveries, so it is decided now or never.
        decided.pop().map(Resolved::now).ok_or(Problem::Internal)
    }

    /// The deliveries of the first request with the key, in the order of its answer: by their ids.
    async fn deliveries_of(&self, receipt: &Receipt) -> Result<Vec<DeliveryId>, Problem> {
        let filter = DeliveryFilter {
            event_id: Some(receipt.event_id),
            ..DeliveryFilter::default()
        };
        let workspace = &self.known.key.workspace_id;
        let page = self
            .gateway
            .store
            .deliveries(workspace, filter, None, MOST_DELIVERIES)
            .await;
        let page = page.map_err(|error| lookup_failed(&Arc::new(error)))?;
        let mut made: Vec<_> = page
            .rows
            .into_iter()
            .filter(|row| row.replay_of.is_none())
            .collect();
        made.sort_by_key(|row| row.id);
        Ok(made.into_iter().map(|row| row.id).collect())
    }
}

/// The metadata goes with the event's kept headers: it is about the event and not of it.
fn keep_metadata(event: &mut NewEvent, metadata: &RawValue) {
    let kept = serde_json::from_slice::<Vec<(String, String)>>(&event.headers);
    let mut lines = kept.unwrap_or_default();
    lines.push(("x-hookyard-metadata".to_owned(), metadata.get().to_owned()));
    event.headers = serde_json::to_vec(&lines)
        .expect("a list of pairs of texts serialises")
        .into();
}
