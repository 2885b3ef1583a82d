//! What one scenario came to.

use super::row::Row;
use serde::Serialize;

/// What one scenario came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// What a row is, and where latency counts from.
    pub(crate) about: String,
    pub(crate) cpu: CpuUnit,
    pub(crate) rows: Vec<Row>,
    /// What does not fit in a row, and what could not be measured.
    pub(crate) notes: Vec<String>,
}

/// What the figures of processor time are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CpuUnit {
    SecondsPerThousand,
    PercentOfACore,
}

impl Table {
    pub(crate) fn new(title: &str, about: &str) -> Self {
        Self {
            title: title.to_owned(),
            about: about.to_owned(),
            cpu: CpuUnit::SecondsPerThousand,
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn heads(&self) -> [&'static str; 9] {
        let cpu = match self.cpu {
            CpuUnit::SecondsPerThousand => "CPU s per 1,000",
            CpuUnit::PercentOfACore => "CPU, % of a core",
        };
        [
            "",
            "per s",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "refused",
            "ratio",
            cpu,
            "memory, MiB",
        ]
    }

    pub(super) fn text(&self) -> String {
        let notes = self.notes.join("\n");
        if self.rows.is_empty() {
            return format!("\n{}\n{notes}\n", self.title);
        }
        let mut table = comfy_table::Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
            .set_header(self.heads());
        for row in &self.rows {
            table.add_row(row.cells());
        }
        format!("\n{}\n{}\n{table}\n{notes}\n", self.title, self.about)
    }

    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("\n## {}\n\n{}\n\n", self.title, self.about);
        if !self.rows.is_empty() {
            text.push_str(&line(&self.heads().map(str::to_owned)));
            text.push_str("|---|--:|--:|--:|--:|--:|---|---|---|\n");
        }
        for row in &self.rows {
            let mut cells = row.cells();
            if row.is_bare {
                cells[0] = format!("*{}*", row.what);
            }
            text.push_str(&line(&cells));
        }
        text.extend(self.notes.iter().map(|note| format!("\n{note}\n")));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_table_has_as_many_cells_as_its_head() {
        let mut table = Table::new("Title", "About.");
        table.rows.push(Row::new("bare").bare());
        table.notes.push("A note.".to_owned());
        let text = table.markdown();
        let bars: Vec<usize> = text
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.matches('|').count())
            .collect();
        assert_eq!(bars, [10, 10, 10]);
        assert!(text.contains("| *bare* |"), "{text}");
        table.rows.clear();
        assert!(!table.markdown().contains('|'));
    }
}
