//! `hookyard config` and what it takes.

use super::SettingsFrom;
use clap::Subcommand;

/// `hookyard config`
#[derive(Debug, Clone, Subcommand)]
pub enum Config {
    /// Show every setting in force. Secrets are not shown.
    Show {
        /// Where the settings come from.
        #[command(flatten)]
        settings: SettingsFrom,
        /// Say where each comes from: the built-in default, the file, or a variable.
        #[arg(long)]
        origin: bool,
    },
    /// Check the settings as a service does at its start, and name everything that is wrong with them.
    ///
    /// No server is asked; `hookyard doctor` does that.
    Check(SettingsFrom),
    /// Print the JSON Schema (draft 2020-12) of a settings file, for editors.
    Schema,
}
