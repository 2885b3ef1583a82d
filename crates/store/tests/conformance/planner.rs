//! Asks the databases for the plans of the store's statements.
//!
//! The statements are caught on their way to the database, with what their connections have set for themselves. Postgres
//! plans them over tables with rows, SQLite as always without statistics.

use crate::recorder::{Recorder, Statement};
use crate::yard::{Yard, connect};
use hookyard_store::Store;
use uuid::Uuid;
use wire::{EventId, Instant};

/// The tables that grow.
const GROWING: [&str; 6] = ["events", "claims", "deliveries", "attempts", "runs", "rejections"];

/// A ledger with rows and a store whose statements are watched.
pub(crate) struct Planner<'a> {
    pub(crate) yard: &'a Yard,
    recorder: Recorder,
    pub(crate) store: Store,
}

impl<'a> Planner<'a> {
    pub(crate) async fn over(yard: &'a Yard) -> Self {
        fill(yard);
        Self::as_it_is(yard).await
    }

    /// The same over a ledger that is left as it is.
    pub(crate) async fn as_it_is(yard: &'a Yard) -> Self {
        let recorder = Recorder::start(yard.database.url());
        let store = connect(&yard.url()).await;
        recorder.take();
        Self {
            yard,
            recorder,
            store,
        }
    }

    /// The plan of the one statement since the last time whose text has `part`, as its own connection would plan it.
    pub(crate) fn plan(&self, part: &str) -> Plan {
        self.explain(part, &Asked::default())
    }

    /// The statements since the last time whose text has `part`, in order.
    pub(crate) fn statements_of(&self, part: &str) -> Vec<Statement> {
        let mut run = self.recorder.take().run;
        run.retain(|statement| statement.sql.contains(part));
        run
    }

    pub(crate) fn explain(&self, part: &str, asked: &Asked<'_>) -> Plan {
        let mut run = self.statements_of(part);
        run.dedup();
        let [Statement { sql, session }] = run.as_slice() else {
            panic!("not one statement with {part}: {run:#?}")
        };
        let mut raw = self.yard.raw();
        let text = if self.yard.is_postgres() {
            assert!(session.contains("plan_cache_mode"), "{session}");
            raw.execute(&format!("{session}; PREPARE statement {} AS {sql}", asked.types));
            let types = raw.texts("SELECT unnest(parameter_types)::text AS value FROM pg_prepared_statements WHERE name = 'statement'");
            let arguments = asked.arguments(&types);
            raw.plan(&format!("EXPLAIN (COSTS OFF) EXECUTE statement {arguments}"))
        } else {
            raw.plan(&format!("EXPLAIN QUERY PLAN {sql}"))
        };
        self.recorder.take();
        Plan {
            sql: sql.clone(),
            text,
            is_postgres: self.yard.is_postgres(),
        }
    }
}

/// What Postgres is to plan for.
pub(crate) struct Asked<'a> {
    /// The parameters' types where the text does not tell them: `unnest` takes any.
    pub(crate) types: &'a str,
    pub(crate) text: &'a str,
    /// In turn.
    pub(crate) uuids: Vec<Uuid>,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            types: "",
            // Nobody's id, and a state that events are in.
            text: "accepted",
            uuids: vec![EventId::generate().uuid()],
        }
    }
}

impl Asked<'_> {
    fn arguments(&self, types: &[Option<String>]) -> String {
        let mut uuids = self.uuids.iter().cycle();
        let arguments: Vec<String> = types
            .iter()
            .flatten()
            .map(|kind| self.argument(kind, &mut uuids))
            .collect();
        if arguments.is_empty() {
            String::new()
        } else {
            format!("({})", arguments.join(", "))
        }
    }

    fn argument<'b>(&self, kind: &str, uuids: &mut impl Iterator<Item = &'b Uuid>) -> String {
        let mut uuid = || uuids.next().copied().unwrap_or_default();
        match kind {
            "uuid" => format!("'{}'", uuid()),
            "uuid[]" => format!("'{{{}}}'", uuid()),
            "text" => format!("'{}'", self.text),
            "bigint" | "integer" => "51".to_owned(),
            "bytea" => "''".to_owned(),
            "timestamp with time zone" => "now()".to_owned(),
            array if array.ends_with("[]") => format!("'{{}}'::{array}"),
            other => panic!("a parameter of type {other}"),
        }
    }
}

/// What a database means to do.
pub(crate) struct Plan {
    sql: String,
    pub(crate) text: String,
    is_postgres: bool,
}

impl Plan {
    /// One of the two is used: the index's name on SQLite, and on Postgres, where partitions name theirs themselves, a
    /// part of the plan.
    #[track_caller]
    pub(crate) fn uses(self, sqlite: &str, postgres: &str) -> Self {
        let expected = if self.is_postgres { postgres } else { sqlite }.replace("{today}", &today());
        assert!(
            self.text.contains(&expected),
            "no {expected} in\n{}\nof {}",
            self.text,
            self.sql
        );
        for table in GROWING {
            // The other days' partitions are empty, and it does not matter how nothing is read.
            let wholes = if self.is_postgres {
                [
                    format!("Seq Scan on {table} "),
                    format!("Seq Scan on {table}_{}", today()),
                ]
            } else {
                [
                    format!("SCAN {table} \n"),
                    format!("SCAN {table} USING INDEX sqlite_autoindex"),
                ]
            };
            let text = format!("{} \n", self.text.replace('\n', " \n"));
            assert!(
                !wholes.iter().any(|whole| text.contains(whole)),
                "all of {table} is read in\n{}\nof {}",
                self.text,
                self.sql
            );
        }
        self
    }

    /// Every table is entered by an index.
    #[track_caller]
    pub(crate) fn reads_no_table_whole(self) -> Self {
        let whole = |line: &str| {
            let line = line.trim_start();
            line.contains("Seq Scan") || (line.starts_with("SCAN ") && !line.contains("USING"))
        };
        assert!(!self.text.lines().any(whole), "{}\nof {}", self.text, self.sql);
        self
    }

    /// The index has the order, so that a page costs its rows and not the whole list.
    #[track_caller]
    pub(crate) fn sorts_nothing(self) -> Self {
        let is_sort = |line: &str| {
            if self.is_postgres {
                // Not "Sort Key", which an ordered append of partitions has as well.
                line.trim_start_matches([' ', '-', '>']).ends_with("Sort")
            } else {
                line.contains("USE TEMP B-TREE FOR")
            }
        };
        assert!(!self.text.lines().any(is_sort), "{}\nof {}", self.text, self.sql);
        self
    }
}

/// `20261121`.
fn today() -> String {
    Instant::now()
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .take(8)
        .collect()
}

fn fill(yard: &Yard) {
    let millis = Instant::now().unix_millis();
    let sql = if yard.is_postgres() {
        POSTGRES_ROWS
    } else {
        SQLITE_ROWS
    };
    yard.execute(&sql.replace("{millis}", &millis.to_string()));
}

/// Twenty workspaces with 200 endpoints; one row in a hundred is unfinished.
const POSTGRES_ROWS: &str = "
CREATE TEMPORARY TABLE numbered AS SELECT n, (lpad(to_hex({millis} - n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS id,
    'ws_' || n % 20 AS workspace, now() - n * interval '1 millisecond' AS at FROM generate_series(1, 20000) AS n;
INSERT INTO events (id, workspace_id, source_id, state, received_at, method, headers, body)
    SELECT id, workspace, 'so_' || n % 50, CASE WHEN n % 100 = 0 THEN 'accepted' ELSE 'routed' END, at, 'POST', '', '' FROM numbered;
INSERT INTO claims (scope, key_hash, key, event_id, accepted_at, expires_at)
    SELECT 'so_' || n % 50, sha256(n::text::bytea), n::text, id, at, at + interval '4 days' FROM numbered;
INSERT INTO rejections (id, workspace_id, source_id, cause, detail, received_at, method, headers, body_preview)
    SELECT id, workspace, 'so_' || n % 50, '', '', at, 'POST', '', '' FROM numbered;
INSERT INTO deliveries (id, workspace_id, event_id, endpoint_id, state, due_at, lease_until, created_at, updated_at)
    SELECT id, workspace, id, 'ep_' || n % 200,
    CASE n % 100 WHEN 0 THEN 'pending' WHEN 1 THEN 'scheduled_retry' WHEN 2 THEN 'delivering' ELSE 'delivered' END,
    CASE WHEN n % 100 < 2 THEN at END, CASE WHEN n % 100 = 2 THEN at END, at, at FROM numbered;
INSERT INTO endpoint_lanes (endpoint_id, workspace_id, ready_at, updated_at)
    SELECT endpoint_id, min(workspace_id), min(due_at), now() FROM deliveries GROUP BY endpoint_id;
INSERT INTO endpoint_lanes (endpoint_id, workspace_id, ready_at, updated_at)
    SELECT 'ep_idle_' || n, workspace, now() + interval '1 hour', now() FROM numbered;
INSERT INTO attempts (id, delivery_id, number, duration_ms, request_headers, response_headers, response_body, created_at)
    SELECT id, id, 1, 1, '', '', '', at FROM numbered;
INSERT INTO runs (id, workspace_id, playbook_id, event_id, state, input, created_at, updated_at)
    SELECT id, workspace, 'pb_' || n % 20, id, CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'completed' END, '', at, at FROM numbered;
DROP TABLE numbered;
ANALYZE";

const SQLITE_ROWS: &str = "
CREATE TEMPORARY TABLE numbered AS WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 500)
    SELECT n, unhex(printf('%012x70008000%012x', {millis} - n, n)) AS id, 'ws_' || n % 20 AS workspace, {millis} * 1000 - n AS at FROM g;
INSERT INTO events (id, workspace_id, source_id, state, received_at, method, headers, body)
    SELECT id, workspace, 'so_' || n % 50, CASE WHEN n % 100 = 0 THEN 'accepted' ELSE 'routed' END, at, 'POST', '', '' FROM numbered;
INSERT INTO deliveries (id, workspace_id, event_id, endpoint_id, state, due_at, created_at, updated_at)
    SELECT id, workspace, id, 'ep_' || n % 200, 'pending', at, at, at FROM numbered;
INSERT INTO endpoint_lanes (endpoint_id, workspace_id, ready_at, updated_at)
    SELECT endpoint_id, min(workspace_id), min(due_at), 0 FROM deliveries GROUP BY endpoint_id";
