//! What becomes of events: their deliveries and runs, inserted in the statement that routes or accepts the events.

use super::unless_there;
use crate::routing::{NewDelivery, NewRun};
use crate::sql::{Stamp, Uid};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sql_types::{Array, Binary, Integer, Nullable, Text, Timestamptz, Uuid};
use wire::{EventId, Instant, RouteId};

/// The deliveries of a batch of events, one array a column.
#[derive(Default)]
pub(super) struct Deliveries<'a> {
    ids: Vec<Uid>,
    workspaces: Vec<&'a str>,
    events: Vec<Uid>,
    endpoints: Vec<&'a str>,
    routes: Vec<Option<&'a str>>,
    event_types: Vec<Option<&'a str>>,
    states: Vec<&'a str>,
    reasons: Vec<Option<&'a str>>,
    due_at: Vec<Option<Stamp>>,
    lease_until: Vec<Option<Stamp>>,
    lease_tokens: Vec<Option<Uid>>,
    bodies: Vec<Option<&'a [u8]>>,
    replay_of: Vec<Option<Uid>>,
    order_keys: Vec<Option<&'a str>>,
    created_at: Vec<Stamp>,
}

/// The runs of a batch of events, one array a column.
#[derive(Default)]
pub(super) struct Runs<'a> {
    ids: Vec<Uid>,
    workspaces: Vec<&'a str>,
    playbooks: Vec<&'a str>,
    events: Vec<Uid>,
    routes: Vec<Option<&'a str>>,
    inputs: Vec<&'a [u8]>,
    triggers: Vec<&'a str>,
    projects: Vec<Option<&'a str>>,
    templates: Vec<Option<&'a str>>,
    generations: Vec<i32>,
    created_at: Vec<Stamp>,
}

impl<'a> Deliveries<'a> {
    /// Adds a delivery of `event`, made at `at`.
    pub(super) fn push(&mut self, event: EventId, at: Instant, delivery: &'a NewDelivery) {
        self.ids.push(delivery.id.into());
        self.workspaces.push(delivery.workspace_id.as_str());
        self.events.push(event.into());
        self.endpoints.push(delivery.endpoint_id.as_str());
        self.routes.push(delivery.route_id.as_ref().map(RouteId::as_str));
        self.event_types.push(delivery.event_type.as_deref());
        self.states.push(delivery.state.as_str());
        self.reasons.push(delivery.reason.as_deref());
        self.due_at.push(delivery.due_at.map(Stamp));
        self.lease_until
            .push(delivery.lease.map(|(_, until)| Stamp(until)));
        self.lease_tokens
            .push(delivery.lease.map(|(token, _)| Uid(token)));
        self.bodies.push(delivery.body.as_deref());
        self.replay_of.push(delivery.replay_of.map(Uid::from));
        let key = delivery.order_key.as_deref();
        self.order_keys.push(key.filter(|_| delivery.goes_in_turn()));
        self.created_at.push(at.into());
    }
}

impl<'a> Runs<'a> {
    /// Adds a run that `event` starts, made at `at`.
    pub(super) fn push(&mut self, event: EventId, at: Instant, run: &'a NewRun) {
        self.ids.push(run.id.into());
        self.workspaces.push(run.workspace_id.as_str());
        self.playbooks.push(run.playbook_id.as_str());
        self.events.push(event.into());
        self.routes.push(run.route_id.as_ref().map(RouteId::as_str));
        self.inputs.push(run.input.as_ref());
        self.triggers.push(run.trigger.as_str());
        self.projects.push(run.project.as_deref());
        self.templates.push(run.template.as_deref());
        self.generations.push(run.generation);
        self.created_at.push(at.into());
    }
}

impl Deliveries<'_> {
    /// `, gates AS (SELECT …), made AS (INSERT …)`: inserts those whose event is among the ids of the earlier part `of`;
    /// `is_again`: and that are not there yet.
    pub(super) fn insert<'b>(
        &'b self,
        out: &mut AstPass<'_, 'b, Pg>,
        of: &str,
        is_again: bool,
    ) -> QueryResult<()> {
        // One look-up by key for each endpoint of the batch: every endpoint that is disabled is gated for ever, so going
        // through those would become slower with each.
        out.push_sql(", gates AS MATERIALIZED (SELECT asked.endpoint_id FROM (SELECT DISTINCT one.endpoint_id FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.endpoints)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(
            ") AS one (endpoint_id, state) WHERE one.state = 'delivering') AS asked \
             WHERE (SELECT lane.is_gated FROM endpoint_lanes AS lane WHERE lane.endpoint_id = asked.endpoint_id))",
        );
        out.push_sql(
            ", made AS (INSERT INTO deliveries (id, workspace_id, event_id, endpoint_id, route_id, event_type, state, reason, \
             due_at, turn_due_at, order_key, lease_until, lease_token, body, replay_of, created_at, updated_at) \
             SELECT row.id, row.workspace_id, row.event_id, row.endpoint_id, row.route_id, row.event_type, \
             CASE WHEN gate.is_shut THEN 'pending' ELSE row.state END, row.reason, \
             CASE WHEN row.order_key IS NULL THEN row.due_at END, CASE WHEN row.order_key IS NOT NULL THEN row.due_at END, \
             row.order_key, \
             CASE WHEN NOT gate.is_shut THEN row.lease_until END, CASE WHEN NOT gate.is_shut THEN row.lease_token END, \
             row.body, row.replay_of, row.created_at, row.created_at FROM ",
        );
        self.walk(out)?;
        // `IS TRUE` keeps a look-up a hash table; a bare IN becomes a join, row by row. Where the gate is shut a delivery
        // waits for its turn, and so its lane is touched, whether or not there is anything to change in it (see `lane`). So is
        // that of one which goes after others: whose turn it is, is settled in a later statement.
        out.push_sql(
            ", LATERAL (SELECT row.state = 'delivering' AND (row.order_key IS NOT NULL OR (row.endpoint_id IN \
             (SELECT endpoint_id FROM gates)) IS TRUE) AS is_shut) AS gate \
             WHERE (row.event_id IN (SELECT id FROM ",
        );
        out.push_sql(of);
        out.push_sql(")) IS TRUE");
        out.push_sql(unless_there(is_again));
        out.push_sql(
            " RETURNING endpoint_id, workspace_id, state, due_at, created_at), \
             woken AS (INSERT INTO endpoint_lanes AS lane (endpoint_id, workspace_id, ready_at, updated_at) \
             SELECT endpoint_id, min(workspace_id), min(due_at), max(created_at) FROM made WHERE state = 'pending' \
             GROUP BY endpoint_id ORDER BY endpoint_id \
             ON CONFLICT (endpoint_id) DO UPDATE SET ready_at = least(lane.ready_at, excluded.ready_at))",
        );
        Ok(())
    }

    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.endpoints)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.routes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.event_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.reasons)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.due_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.lease_until)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.lease_tokens)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.bodies)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.replay_of)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.order_keys)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.created_at)?;
        out.push_sql(
            ") AS row (id, workspace_id, event_id, endpoint_id, route_id, event_type, state, reason, due_at, lease_until, \
             lease_token, body, replay_of, order_key, created_at)",
        );
        Ok(())
    }
}

impl Runs<'_> {
    /// `, started AS (INSERT …)`: inserts those whose event is among the ids of the earlier part `of`;
    /// `is_again`: and that are not there yet.
    pub(super) fn insert<'b>(
        &'b self,
        out: &mut AstPass<'_, 'b, Pg>,
        of: &str,
        is_again: bool,
    ) -> QueryResult<()> {
        out.push_sql(
            ", started AS (INSERT INTO runs (id, workspace_id, playbook_id, event_id, route_id, input, trigger, project, \
             template, generation, state, version, ready_at, created_at, updated_at) \
             SELECT row.id, row.workspace_id, row.playbook_id, row.event_id, row.route_id, row.input, row.trigger, \
             row.project, row.template, row.generation, 'pending', \
             coalesce((SELECT version FROM playbooks WHERE playbooks.id = row.playbook_id), 1), row.created_at, \
             row.created_at, row.created_at FROM ",
        );
        self.walk(out)?;
        out.push_sql(" WHERE (row.event_id IN (SELECT id FROM ");
        out.push_sql(of);
        out.push_sql(")) IS TRUE");
        out.push_sql(unless_there(is_again));
        out.push_sql(")");
        Ok(())
    }

    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.playbooks)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.routes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.inputs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.triggers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.projects)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.templates)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.generations)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.created_at)?;
        out.push_sql(
            ") AS row (id, workspace_id, playbook_id, event_id, route_id, input, trigger, project, template, generation, \
             created_at)",
        );
        Ok(())
    }
}
