//! Everything that can keep a process from starting.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a process did not start. Each names the thing, the cause and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that the settings name cannot be read.
    #[error("{what} cannot be read from {}", path.display())]
    ReadFile {
        /// What the file is for.
        what: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The settings file is no TOML.
    #[error("{file} is not valid TOML: {reason}")]
    ParseFile {
        /// Its path.
        file: String,
        /// The parser's words, without the line in question.
        reason: String,
    },
    /// Keys that no setting has.
    #[error("{}", listed(.0))]
    UnknownKeys(Vec<UnknownKey>),
    /// A variable of the environment is not Unicode.
    #[error("{variable} is not valid UTF-8")]
    NotText {
        /// Its name.
        variable: String,
    },
    /// A setting has a value that it cannot have.
    #[error("{key} (from {origin}): {reason}")]
    Setting {
        /// `section.key`.
        key: String,
        /// The file, the variable or the layer that set it.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that has no default is not set.
    #[error("{key} is not set: {way_out}")]
    Missing {
        /// `section.key`.
        key: &'static str,
        /// How to set it.
        way_out: &'static str,
    },
    /// A server cannot have its address.
    #[error("cannot listen on {address} for {server}{}", in_use(source, setting))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Which server.
        server: &'static str,
        /// The setting that says where.
        setting: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Logs, traces or metrics cannot be set up.
    #[error("telemetry cannot start: {reason}")]
    Telemetry {
        /// What is in the way.
        reason: String,
    },
    /// The ledger cannot be used, and waiting will not help.
    #[error("the ledger (database.url) cannot be used")]
    Ledger(#[source] store::Error),
    /// The keys for what is encrypted at rest are not keys.
    #[error("secrets.master_keys cannot be used")]
    MasterKeys(#[source] store::KeyRingError),
    /// The conveyor cannot be used, and waiting will not help.
    #[error("the conveyor (broker.url) cannot be used")]
    Conveyor(#[source] broker::Error),
    /// The operating system refused threads, signals or the like.
    #[error("the runtime cannot start")]
    Runtime(#[source] io::Error),
}

/// A key that no setting has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// As it was written, as `section.key`.
    pub key: String,
    /// The file, the variable or the layer that has it.
    pub origin: String,
    /// A setting that is spelt almost so.
    pub nearest: Option<String>,
}

fn listed(keys: &[UnknownKey]) -> String {
    let one = |unknown: &UnknownKey| {
        let UnknownKey { key, origin, nearest } = unknown;
        match nearest {
            Some(nearest) => format!("unknown setting `{key}` (from {origin}): did you mean `{nearest}`?"),
            None => {
                format!("unknown setting `{key}` (from {origin}): config/default.toml lists all there are")
            }
        }
    };
    keys.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn in_use(source: &io::Error, setting: &str) -> String {
    if source.kind() == io::ErrorKind::AddrInUse {
        let variable = format!("HOOKYARD__{}", setting.to_ascii_uppercase().replace('.', "__"));
        format!(": another process does; stop it, or set {setting} ({variable}) to another address")
    } else {
        format!(" (from {setting})")
    }
}
