//! What can go wrong between a service and its ledger.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// A failure of the ledger, in terms that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address names no database that this program knows.
    #[error("`{scheme}` is no ledger; use postgres://user:password@host/database or sqlite:path/to/file.db")]
    Scheme {
        /// What stood before the colon.
        scheme: String,
    },
    /// The address is not one that can be dialled. Tells the fault and never a part of the address, which has a password.
    #[error("the ledger's address {fault}")]
    Address {
        /// What is wrong and how to write it instead.
        fault: &'static str,
    },
    /// The database does not answer, or others were in the way for too long. Trying again may help.
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
            Failure::Connection | Failure::Collision => Self::Unavailable(Box::new(error)),
            Failure::Row | Failure::Other => match &error {
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

/// Postgres names the constraint. SQLite says `UNIQUE constraint failed: table.column, …`, and of a foreign key nothing.
fn constraint(about: &(dyn DatabaseErrorInformation + Send + Sync)) -> String {
    let named = about.constraint_name();
    let listed = || about.message().split_once("failed: ").map(|(_, columns)| columns);
    named.or_else(listed).unwrap_or("a reference").to_owned()
}

/// What a failed statement means for the batch it carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection is of no use any more and the outcome unknown: reconnect, and run the same ids again.
    Connection,
    /// Two transactions were in each other's way, and this one was rolled back: run the same ids again.
    Collision,
    /// A row is bad (SQLSTATE classes 22 and 23): write the rows one by one.
    Row,
    /// Anything else.
    Other,
}

/// The server is going away, or is gone.
const GONE: [&str; 10] = [
    "server closed the connection",
    "connection not open",
    "connection to server",
    "no connection to the server",
    "terminating connection",
    "the database system is",
    "could not receive data",
    "could not send data",
    "connection refused",
    "ssl connection has been closed",
];

/// Somebody else held a lock, or the server stopped the statement.
const COLLIDED: [&str; 5] = [
    "deadlock detected",
    "could not serialize access",
    "canceling statement due to",
    "database is locked",
    "database table is locked",
];

/// A value that its column cannot hold.
const MISFIT: [&str; 7] = [
    "invalid byte sequence",
    "invalid input syntax",
    "out of range",
    "value too long",
    "index row size",
    "string or blob too big",
    "cannot affect row a second time",
];

/// Sorts a failure. Diesel does not expose the SQLSTATE, so what it has no kind for is told by Postgres's stable
/// English texts; the connections of this crate set `lc_messages` to `C` where they may.
pub(crate) fn classify(error: &DieselError) -> Failure {
    use DatabaseErrorKind as Kind;
    let (kind, about) = match error {
        DieselError::DatabaseError(kind, about) => (kind, about),
        // A transaction that can be neither committed nor rolled back goes with its connection.
        DieselError::BrokenTransactionManager
        | DieselError::AlreadyInTransaction
        | DieselError::RollbackErrorOnCommit { .. } => return Failure::Connection,
        DieselError::SerializationError(_) => return Failure::Row,
        _ => return Failure::Other,
    };
    let message = about.message().to_ascii_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    match kind {
        // A server that became a standby refuses writes: the primary is elsewhere.
        Kind::ClosedConnection | Kind::ReadOnlyTransaction => Failure::Connection,
        Kind::SerializationFailure => Failure::Collision,
        Kind::UniqueViolation
        | Kind::ForeignKeyViolation
        | Kind::NotNullViolation
        | Kind::CheckViolation
        | Kind::RestrictViolation
        | Kind::ExclusionViolation => Failure::Row,
        _ if says(&GONE) => Failure::Connection,
        _ if says(&COLLIDED) => Failure::Collision,
        _ if says(&MISFIT) => Failure::Row,
        _ => Failure::Other,
    }
}
