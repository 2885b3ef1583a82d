//! Tables: for a terminal, for a program, and for `docs/performance.md`.

mod goal;
mod memory;
mod row;
mod table;

pub(crate) use goal::Goal;
pub(crate) use memory::{Memory, Samples};
pub(crate) use row::Row;
pub(crate) use table::{CpuUnit, Table};

use crate::effort::Effort;
use crate::machine::Machine;
use serde::Serialize;
use std::fmt::Write as _;
use table::Grid;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    is_quick: bool,
    tables: Vec<Table>,
}

impl Report {
    pub(crate) fn begin(machine: Machine, effort: Effort) -> Self {
        Self {
            machine,
            is_quick: effort.quick,
            tables: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, tables: Vec<Table>) {
        self.tables.extend(tables);
    }

    fn circumstances(&self) -> String {
        let Machine {
            commit,
            at,
            processor,
            cores,
            memory_gib,
            kernel,
            postgres,
            rabbitmq,
            load_before,
            is_release,
        } = &self.machine;
        let mut text = format!(
            "Commit {commit}, {at}. {cores} cores of {processor}, {memory_gib:.0} GiB, Linux {kernel}; Postgres {postgres} \
             (fsync and synchronous_commit on), RabbitMQ {rabbitmq}. Load before: {load_before}."
        );
        if !is_release {
            text.push_str(" A debug build: the figures mean nothing.");
        }
        if self.is_quick {
            text.push_str(" A quick run: to see that it works, not to compare.");
        }
        text
    }

    pub(crate) fn text(&self) -> String {
        let tables: String = self.tables.iter().map(Table::text).collect();
        let goals = self.goals().map(|goals| format!("\nGoals\n{}", goals.text()));
        format!("{}\n{tables}{}", self.circumstances(), goals.unwrap_or_default())
    }

    /// The goals of all tables, where there are any.
    fn goals(&self) -> Option<Grid> {
        let goals = self.tables.iter().flat_map(|table| &table.goals);
        let lines: Vec<_> = goals.map(|goal| goal.cells().to_vec()).collect();
        (!lines.is_empty()).then(|| Grid {
            heads: Goal::HEADS.to_vec(),
            words: vec![0, 4, 5],
            lines,
            bare: Vec::new(),
        })
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(HEAD);
        let written = write!(text, "\n{}\n", self.circumstances());
        written.expect("a text can be written to, because it grows");
        if let Some(goals) = self.goals() {
            text.push_str(GOALS);
            text.push_str(&goals.markdown());
        }
        text.extend(self.tables.iter().map(Table::markdown));
        text
    }
}

const HEAD: &str = "# Performance

Written by `cargo build --release && cargo run --release -p hookyard-bench -- all`. Everything runs on one machine: database,
broker, services, load and receiver. So read the ratios: each stands beside a bare part, in *italics*, that was measured in the
same minute.

- *the bare handler*: actix-web, which reads a body, checks its HMAC and forgets it;
- *bare inserts*: batches of 128 rows over one connection, each committed; its latencies are a batch's;
- *the bare client*: reqwest, 64 tasks that each post one signed body after the other to the receiver;
- *the bare receiver*: the same load straight at the receiver.

Latency counts from when a request was due, not from when it could be sent. CPU and memory are a process's with its children's;
memory is its peak, of Postgres what is resident at the end, each page once. `--full` adds what takes hours: ten million rows,
and an hour of steady load.
";

const GOALS: &str = "
## Goals

What is to be reached on two cores that hold everything, and what was. The tables below say how.

";
