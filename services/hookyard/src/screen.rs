//! What commands print: text for people, JSON for programs, colours on terminals alone.
//!
//! Results go to standard output, everything else (progress, notes, errors) to standard error, so that a command can
//! stand in a pipe. What came over the network is shown without its control characters: an event type must not be able
//! to move the cursor of whoever looks at it.

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::ProgressBar;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Duration;

/// For what went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// For what failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// For what waits or deserves a look.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// For what matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// For headings.
pub(crate) const BOLD: Style = Style::new().bold();

/// Where a command's results go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// JSON instead of text.
    pub(crate) json: bool,
}

impl Screen {
    /// Prints a result: as one JSON document, or as the text that `text` makes of it.
    pub(crate) fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> io::Result<()> {
        if self.json {
            let json = serde_json::to_string_pretty(value)?;
            write(&json)
        } else {
            write(text(value).trim_end_matches('\n'))
        }
    }

    /// Prints one item of a stream: as one line of JSON, or as the text that `text` makes of it.
    pub(crate) fn stream<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> io::Result<()> {
        if self.json {
            let json = serde_json::to_string(value)?;
            write(&json)
        } else {
            write(&text(value))
        }
    }

    /// Says something beside the result; programs do not want it.
    pub(crate) fn note(self, text: impl Display) {
        if !self.json {
            // Where nobody listens there is nothing to say.
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// A spinner while something takes long; nothing where nobody looks at it.
    pub(crate) fn waiting(self, message: impl Into<Cow<'static, str>>) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        let spinner = ProgressBar::new_spinner().with_message(message);
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }

    /// A bar while something long goes on; nothing where nobody looks at it.
    pub(crate) fn progress(self, total: u64) -> ProgressBar {
        if self.json {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(total)
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A list with a heading over each column, as wide as the terminal at the most.
pub(crate) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(
            headings
                .iter()
                .map(|heading| heading.to_uppercase())
                .collect::<Vec<_>>(),
        );
    for row in rows {
        table.add_row(
            row.iter()
                .map(|cell| plain(cell).into_owned())
                .collect::<Vec<_>>(),
        );
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A text in a style.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A text from outside without its control characters.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(
            text.chars()
                .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
                .collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

/// The style of a state's word.
pub(crate) fn of_state(state: &str) -> Style {
    match state {
        "delivered" | "routed" | "completed" => GOOD,
        "dead_letter" | "failed" | "quarantined" | "faulted" => BAD,
        "scheduled_retry" | "skipped" | "accepted" | "paused" => WARN,
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = vec![
            vec!["msg_1".to_owned(), "push".to_owned()],
            vec!["msg_22".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["event", "type"], rows),
            "EVENT   TYPE\nmsg_1   push\nmsg_22"
        );
    }

    #[test]
    fn control_characters_of_strangers_do_not_reach_the_terminal() {
        assert_eq!(plain("push\u{1b}[2J"), "push\u{fffd}[2J");
        assert!(matches!(plain("push"), Cow::Borrowed(_)));
    }
}
