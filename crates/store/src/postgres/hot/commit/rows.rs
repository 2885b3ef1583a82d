//! What is kept beside a run's own row: its steps, what it emitted, what it waits for, what it took in.

use crate::sql::{Stamp, Uid};
use crate::{RunCommit, Unwaited};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sql_types::{Array, Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid};

/// The steps of a batch, one array a column.
#[derive(Default)]
pub(super) struct Steps<'a> {
    runs: Vec<Uid>,
    numbers: Vec<i32>,
    pointers: Vec<&'a str>,
    names: Vec<&'a str>,
    kinds: Vec<&'a str>,
    statuses: Vec<&'a str>,
    attempts: Vec<i32>,
    inputs: Vec<&'a [u8]>,
    outputs: Vec<Option<&'a [u8]>>,
    cut: Vec<bool>,
    errors: Vec<Option<&'a str>>,
    started_at: Vec<Stamp>,
    ended_at: Vec<Stamp>,
}

impl<'a> Steps<'a> {
    pub(super) fn push(&mut self, commit: &'a RunCommit) {
        for step in &commit.steps {
            self.runs.push(commit.id.into());
            self.numbers.push(step.number);
            self.pointers.push(&step.pointer);
            self.names.push(&step.name);
            self.kinds.push(&step.kind);
            self.statuses.push(step.status.as_str());
            self.attempts.push(step.attempt);
            self.inputs.push(&step.input);
            self.outputs.push(step.output.as_deref());
            self.cut.push(step.is_cut);
            self.errors.push(step.error.as_deref());
            self.started_at.push(step.started_at.into());
            self.ended_at.push(step.ended_at.into());
        }
    }

    /// `, journaled AS (INSERT …)`.
    pub(super) fn insert<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            ", journaled AS (INSERT INTO steps (run_id, number, pointer, name, kind, status, attempt, input, output, is_cut, \
             error, started_at, ended_at) SELECT row.* FROM unnest(",
        );
        out.push_bind_param::<Array<Uuid>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.numbers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.pointers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.names)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.kinds)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.statuses)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.attempts)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.inputs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.outputs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.cut)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.errors)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.started_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.ended_at)?;
        // `IS TRUE` keeps the look-up a hash table; a bare IN becomes a join, row by row.
        out.push_sql(
            ") AS row (run_id, number, pointer, name, kind, status, attempt, input, output, is_cut, error, started_at, \
             ended_at) WHERE (row.run_id IN (SELECT id FROM kept)) IS TRUE)",
        );
        Ok(())
    }
}

/// The events that the runs of a batch emitted, one array a column.
#[derive(Default)]
pub(super) struct Emitted<'a> {
    runs: Vec<Uid>,
    ids: Vec<Uid>,
    workspaces: Vec<&'a str>,
    event_types: Vec<Option<&'a str>>,
    received_at: Vec<Stamp>,
    methods: Vec<&'a str>,
    headers: Vec<&'a [u8]>,
    content_types: Vec<Option<&'a str>>,
    bodies: Vec<&'a [u8]>,
    traceparents: Vec<Option<&'a str>>,
}

impl<'a> Emitted<'a> {
    pub(super) fn push(&mut self, commit: &'a RunCommit) {
        for event in &commit.emitted {
            self.runs.push(commit.id.into());
            self.ids.push(event.id.into());
            self.workspaces.push(event.workspace_id.as_str());
            self.event_types.push(event.event_type.as_deref());
            self.received_at.push(event.received_at.into());
            self.methods.push(&event.method);
            self.headers.push(&event.headers);
            self.content_types.push(event.content_type.as_deref());
            self.bodies.push(&event.body);
            self.traceparents.push(event.traceparent.as_deref());
        }
    }

    /// `, emitted AS (INSERT …)`.
    pub(super) fn insert<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            ", emitted AS (INSERT INTO events (id, workspace_id, event_type, state, received_at, method, headers, \
             content_type, body, traceparent) SELECT row.id, row.workspace_id, row.event_type, 'accepted', row.received_at, \
             row.method, row.headers, row.content_type, row.body, row.traceparent FROM unnest(",
        );
        out.push_bind_param::<Array<Uuid>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.event_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.received_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.methods)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.headers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.content_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.bodies)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.traceparents)?;
        out.push_sql(
            ") AS row (run_id, id, workspace_id, event_type, received_at, method, headers, content_type, body, traceparent) \
             WHERE (row.run_id IN (SELECT id FROM kept)) IS TRUE ON CONFLICT (id) DO NOTHING)",
        );
        Ok(())
    }
}

/// What the runs of a batch wait for, and do not wait for any more, one array a column.
#[derive(Default)]
pub(super) struct Waits<'a> {
    runs: Vec<Uid>,
    effects: Vec<i32>,
    filters: Vec<i32>,
    workspaces: Vec<&'a str>,
    event_types: Vec<&'a str>,
    shapes: Vec<&'a [u8]>,
    correlations: Vec<&'a [u8]>,
    specs: Vec<&'a str>,
    any: Vec<bool>,
    broadcast: Vec<bool>,
    created_at: Vec<Stamp>,
    ended_runs: Vec<Uid>,
    /// None: whatever the run waits for.
    ended_effects: Vec<Option<i32>>,
}

impl<'a> Waits<'a> {
    pub(super) fn push(&mut self, commit: &'a RunCommit) {
        for wait in &commit.waits {
            self.runs.push(commit.id.into());
            self.effects.push(wait.effect);
            self.filters.push(wait.filter);
            self.workspaces.push(commit.workspace_id.as_str());
            self.event_types.push(&wait.event_type);
            self.shapes.push(&wait.shape);
            self.correlations.push(&wait.correlation);
            self.specs.push(&wait.spec);
            self.any.push(wait.is_any);
            self.broadcast.push(wait.is_broadcast);
            self.created_at.push(commit.at.into());
        }
        match &commit.unwaited {
            Unwaited::Every => {
                self.ended_runs.push(commit.id.into());
                self.ended_effects.push(None);
            }
            Unwaited::These(effects) => {
                for effect in effects {
                    self.ended_runs.push(commit.id.into());
                    self.ended_effects.push(Some(*effect));
                }
            }
        }
    }

    /// `, unwaited AS (DELETE …)`.
    pub(super) fn delete<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(", unwaited AS (DELETE FROM run_waits AS wait USING unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ended_runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Integer>>, _>(&self.ended_effects)?;
        out.push_sql(
            ") AS row (run_id, effect) WHERE wait.run_id = row.run_id AND (row.effect IS NULL OR wait.effect = row.effect) \
             AND (row.run_id IN (SELECT id FROM kept)) IS TRUE)",
        );
        Ok(())
    }

    /// `, waited AS (INSERT …)`.
    pub(super) fn insert<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            ", waited AS (INSERT INTO run_waits (run_id, effect, filter, workspace_id, event_type, shape, correlation, spec, \
             is_any, is_broadcast, created_at) SELECT row.* FROM unnest(",
        );
        out.push_bind_param::<Array<Uuid>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.effects)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.filters)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.event_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.shapes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.correlations)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.specs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.any)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.broadcast)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.created_at)?;
        out.push_sql(
            ") AS row (run_id, effect, filter, workspace_id, event_type, shape, correlation, spec, is_any, is_broadcast, \
             created_at) \
             WHERE (row.run_id IN (SELECT id FROM kept)) IS TRUE ON CONFLICT (run_id, effect, filter) DO NOTHING)",
        );
        Ok(())
    }
}

/// What the runs of a batch took in, one array a column.
#[derive(Default)]
pub(super) struct Inbox {
    ids: Vec<Uid>,
    at: Vec<Stamp>,
}

impl Inbox {
    pub(super) fn push(&mut self, commit: &RunCommit) {
        for id in &commit.taken {
            self.ids.push(Uid(*id));
            self.at.push(commit.at.into());
        }
    }

    /// `, taken AS (UPDATE …)`.
    pub(super) fn take<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(", taken AS (UPDATE run_inbox AS told SET taken_at = row.at FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.at)?;
        out.push_sql(
            ") AS row (id, at) WHERE told.id = row.id AND (told.run_id IN (SELECT id FROM kept)) IS TRUE)",
        );
        Ok(())
    }
}
