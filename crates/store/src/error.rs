//! What can go wrong between a service and its ledger.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// A failure of the ledger, in terms that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address names no database that this program knows.
    #[error("`{scheme}` is no ledger; use postgres://user:password@host/database or sqlite:path/to/file.db")]
    Scheme {
        /// What stood before the colon.
        scheme: String,
    },
    /// The database does not answer. Trying again may help.
    #[error("the ledger does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection became free in time. Trying again may help.
    #[error("no connection to the ledger became free within {waited_ms} ms")]
    Busy {
        /// Milliseconds.
        waited_ms: u64,
    },
    /// A row with this key exists already.
    #[error("{constraint} is taken")]
    Taken {
        /// The unique constraint or index.
        constraint: String,
    },
    /// Another row still refers to it, or it refers to nothing.
    #[error("{constraint} would dangle")]
    Dangling {
        /// The foreign key.
        constraint: String,
    },
    /// The database refused the statement; that is a fault of ours.
    #[error("the ledger refused a statement")]
    Statement(#[source] DieselError),
    /// A row holds what no release of ours wrote.
    #[error("{what} in the ledger is unreadable")]
    Corrupt {
        /// Which column of which thing.
        what: &'static str,
        /// What its reader said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A migration failed.
    #[error("migrating the ledger failed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    KeyRing(#[from] crate::KeyRingError),
    /// A writer's thread could not be started.
    #[error("the operating system refused a thread")]
    Thread(#[source] std::io::Error),
    /// The process is stopping.
    #[error("the ledger is closing")]
    Closing,
}

impl Error {
    /// Whether the same call may succeed in a moment.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy { .. } | Self::Closing)
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match classify(&error) {
            Failure::Connection => Self::Unavailable(Box::new(error)),
            Failure::Row | Failure::Collision | Failure::Other => match &error {
                DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, about) => Self::Taken {
                    constraint: constraint(about.as_ref()),
                },
                DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, about) => Self::Dangling {
                    constraint: constraint(about.as_ref()),
                },
                _ => Self::Statement(error),
            },
        }
    }
}

/// Postgres names the constraint; SQLite says `UNIQUE constraint failed: table.column, …`.
fn constraint(about: &(dyn diesel::result::DatabaseErrorInformation + Send + Sync)) -> String {
    about.constraint_name().map_or_else(
        || {
            about
                .message()
                .rsplit("failed: ")
                .next()
                .unwrap_or_default()
                .to_owned()
        },
        ToOwned::to_owned,
    )
}

/// What a failed statement means for the batch it carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection is gone and the outcome unknown: reconnect, and run the same ids again.
    Connection,
    /// Two transactions were in each other's way: run the same ids again.
    Collision,
    /// A row is bad (SQLSTATE classes 22 and 23): write the rows one by one.
    Row,
    /// Anything else.
    Other,
}

/// Sorts a failure. Diesel does not expose the SQLSTATE, so what it has no kind for is told by Postgres's stable
/// English texts; the connections of this crate set `lc_messages` to `C`.
pub(crate) fn classify(error: &DieselError) -> Failure {
    const GONE: [&str; 9] = [
        "server closed the connection",
        "connection not open",
        "no connection to the server",
        "terminating connection",
        "the database system is",
        "could not receive data",
        "could not send data",
        "connection refused",
        "ssl connection has been closed",
    ];
    const COLLIDED: [&str; 6] = [
        "deadlock detected",
        "could not serialize access",
        "lock timeout",
        "statement timeout",
        "database is locked",
        "database table is locked",
    ];
    match error {
        DieselError::DatabaseError(kind, about) => {
            let message = about.message().to_ascii_lowercase();
            match kind {
                DatabaseErrorKind::ClosedConnection => Failure::Connection,
                DatabaseErrorKind::SerializationFailure => Failure::Collision,
                _ if GONE.iter().any(|text| message.contains(text)) => Failure::Connection,
                _ if COLLIDED.iter().any(|text| message.contains(text)) => Failure::Collision,
                DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::RestrictViolation
                | DatabaseErrorKind::ExclusionViolation => Failure::Row,
                _ if [
                    "invalid byte sequence",
                    "out of range",
                    "no partition of relation",
                    "cannot affect row",
                    "value too long",
                ]
                .iter()
                .any(|text| message.contains(text)) =>
                {
                    Failure::Row
                }
                _ => Failure::Other,
            }
        }
        DieselError::BrokenTransactionManager => Failure::Connection,
        DieselError::SerializationError(_) => Failure::Row,
        _ => Failure::Other,
    }
}
