//! What one scenario came to.

use super::goal::Goal;
use super::memory::Memory;
use super::row::{Row, number};
use serde::Serialize;

/// What one scenario came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// What a row is, and where latency counts from.
    pub(crate) about: String,
    pub(crate) cpu: CpuUnit,
    pub(crate) rows: Vec<Row>,
    /// What processes kept in memory, where it was watched.
    pub(crate) memory: Vec<Memory>,
    /// What the rows are held against.
    pub(crate) goals: Vec<Goal>,
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
            memory: Vec::new(),
            goals: Vec::new(),
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
        let mut text = format!("\n{}\n{}\n", self.title, self.about);
        for grid in self.grids() {
            text.push_str(&grid.text());
        }
        text.extend(self.notes.iter().map(|note| format!("{note}\n")));
        text
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = format!("\n## {}\n\n{}\n", self.title, self.about);
        for grid in self.grids() {
            text.push('\n');
            text.push_str(&grid.markdown());
        }
        text.extend(self.notes.iter().map(|note| format!("\n{note}\n")));
        text
    }

    /// What it has of rows, and of memory.
    fn grids(&self) -> Vec<Grid> {
        let mut grids = Vec::new();
        if !self.rows.is_empty() {
            grids.push(Grid {
                heads: self.heads().to_vec(),
                words: [0, 6, 7, 8].into(),
                lines: self.rows.iter().map(|row| row.cells().to_vec()).collect(),
                bare: self.rows.iter().map(|row| row.is_bare).collect(),
            });
        }
        if !self.memory.is_empty() {
            grids.push(Grid {
                heads: vec!["", "peak MiB", "MiB after it", "MiB per hour, second half"],
                words: [0].into(),
                lines: self.memory.iter().map(remembered).collect(),
                bare: Vec::new(),
            });
        }
        grids
    }
}

fn remembered(memory: &Memory) -> Vec<String> {
    vec![
        memory.part.clone(),
        number(Some(memory.peak_mib), 1),
        number(Some(memory.after_mib), 1),
        number(memory.mib_per_hour, 2),
    ]
}

/// Lines of cells, under heads.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) heads: Vec<&'static str>,
    /// The columns of words; the others are of figures.
    pub(super) words: Vec<usize>,
    pub(super) lines: Vec<Vec<String>>,
    /// Which lines are what the yard is compared with.
    pub(super) bare: Vec<bool>,
}

impl Grid {
    /// Without the columns that are empty: terminals are narrow. Where they are too narrow still, words are broken and figures
    /// are not.
    pub(super) fn text(&self) -> String {
        let is_used = |column: &usize| {
            let mut cells = self.lines.iter().filter_map(|line| line.get(*column));
            cells.any(|cell| !cell.is_empty())
        };
        let columns: Vec<usize> = (0..self.heads.len()).filter(is_used).collect();
        let mut table = comfy_table::Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
            .set_header(columns.iter().filter_map(|column| self.heads.get(*column)));
        for line in &self.lines {
            table.add_row(columns.iter().filter_map(|column| line.get(*column)));
        }
        for (place, column) in columns.iter().enumerate() {
            if !self.words.contains(column)
                && let Some(figures) = table.column_mut(place)
            {
                figures.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
            }
        }
        format!("{table}\n")
    }

    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        let mut text = line(&heads);
        let rules = (0..heads.len()).map(|column| {
            if self.words.contains(&column) {
                "---|"
            } else {
                "--:|"
            }
        });
        text.push('|');
        text.extend(rules);
        text.push('\n');
        for (place, cells) in self.lines.iter().enumerate() {
            let mut cells = cells.clone();
            if let Some(first) = cells.first_mut()
                && self.bare.get(place).is_some_and(|bare| *bare)
            {
                *first = format!("*{first}*");
            }
            text.push_str(&line(&cells));
        }
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

    #[test]
    fn a_terminal_gets_no_column_that_is_empty() {
        let mut table = Table::new("Title", "About.");
        table.rows.push(Row {
            p50_ms: Some(1.5),
            ..Row::new("a row")
        });
        let text = table.text();
        assert!(text.contains("p50 ms") && text.contains("1.50"), "{text}");
        assert!(!text.contains("p99 ms") && !text.contains("memory"), "{text}");
    }
}
