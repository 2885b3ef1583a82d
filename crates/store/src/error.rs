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
    /// Somebody else changed or removed it since it was read, or made it. Nothing was done; read it again.
    #[error("`{what}` changed meanwhile")]
    Changed {
        /// Its id.
        what: String,
    },
    /// It holds as much as it may.
    #[error("{what} is full: it may have {most}")]
    Full {
        /// Which thing.
        what: String,
        /// How many it may have.
        most: u64,
    },
    /// There is more of it than this program holds at once, and part of it would be wrong.
    #[error(
        "the workspace has more than {most} {what}, too many to be looked through at once; remove those that are not used"
    )]
    Unbounded {
        /// Which things.
        what: &'static str,
        /// How many it may have.
        most: u64,
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
            Failure::Connection | Failure::Collision | Failure::Unfit => Self::Unavailable(Box::new(error)),
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
    /// The ledger has no room or no right for anything of the kind: nothing of it can be written now.
    Unfit,
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

/// Whoever looks after the ledger must see to it, and no row is to blame.
const UNFIT: [&str; 8] = [
    "no space left",
    "could not extend file",
    "could not write",
    "disk is full",
    "disk i/o error",
    "out of memory",
    "out of shared memory",
    "permission denied",
];

/// A value that its column cannot hold.
const MISFIT: [&str; 8] = [
    "invalid byte sequence",
    "invalid input syntax",
    "out of range",
    "value too long",
    "index row size",
    "index row requires",
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
        _ if says(&UNFIT) => Failure::Unfit,
        _ if says(&MISFIT) => Failure::Row,
        _ => Failure::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection, SqliteConnection};
    use testkit::database::{self, TestDatabase};

    fn postgres() -> (TestDatabase, PgConnection) {
        let database = database::postgres();
        let conn = PgConnection::establish(database.url()).unwrap();
        (database, conn)
    }

    fn failure(conn: &mut impl SimpleConnection, sql: &str) -> Failure {
        let error = conn.batch_execute(sql).expect_err(sql);
        classify(&error)
    }

    #[test]
    fn a_row_that_postgres_refuses_spoils_no_other() {
        let (_database, mut conn) = postgres();
        conn.batch_execute(
            "CREATE TABLE parents (id INT PRIMARY KEY CHECK (id < 10)); \
             CREATE TABLE children (parent INT NOT NULL REFERENCES parents, name VARCHAR(3)); \
             CREATE TABLE days (id INT PRIMARY KEY) PARTITION BY RANGE (id)",
        )
        .unwrap();
        for sql in [
            "INSERT INTO parents VALUES (1), (1)",
            "INSERT INTO parents VALUES (11)",
            "INSERT INTO parents VALUES (99999999999)",
            "INSERT INTO parents SELECT 2147483647 + 1",
            "INSERT INTO children VALUES (5, 'a')",
            "INSERT INTO children VALUES (NULL, 'a')",
            "INSERT INTO children VALUES (NULL, 'abcd')",
            "INSERT INTO days VALUES (1)",
            "SELECT convert_from('\\xff', 'UTF8')",
            "SELECT 'x'::uuid",
            "SELECT now() + 9000000000000 * interval '1 day'",
            "INSERT INTO parents VALUES (1), (1) ON CONFLICT (id) DO UPDATE SET id = 2",
        ] {
            assert_eq!(failure(&mut conn, sql), Failure::Row, "{sql}");
        }
    }

    #[test]
    fn a_ledger_without_room_or_right_is_no_rows_fault() {
        let (_database, mut conn) = postgres();
        for told in [
            "could not extend file \"base/1/2\": No space left on device",
            "out of shared memory",
            "permission denied for table deliveries",
        ] {
            let sql = format!("DO $$ BEGIN RAISE EXCEPTION '{told}'; END $$");
            let error = conn.batch_execute(&sql).unwrap_err();
            assert_eq!(classify(&error), Failure::Unfit, "{told}");
            assert!(Error::from(error).is_transient(), "{told}");
        }
        let odd = "DO $$ BEGIN RAISE EXCEPTION 'something odd'; END $$";
        assert_eq!(failure(&mut conn, odd), Failure::Other);
    }

    #[test]
    fn transactions_that_were_in_each_others_way_are_run_again() {
        let (database, mut one) = postgres();
        let mut two = PgConnection::establish(database.url()).unwrap();
        one.batch_execute("CREATE TABLE rows (id INT PRIMARY KEY); INSERT INTO rows VALUES (1), (2)")
            .unwrap();
        one.batch_execute("BEGIN; UPDATE rows SET id = id WHERE id = 1")
            .unwrap();
        let blocked = "SET lock_timeout = '10ms'; UPDATE rows SET id = id WHERE id = 1";
        assert_eq!(failure(&mut two, blocked), Failure::Collision);
        let slow = "SET statement_timeout = '10ms'; SELECT pg_sleep(60)";
        assert_eq!(failure(&mut two, slow), Failure::Collision);

        let mut three = PgConnection::establish(database.url()).unwrap();
        three
            .batch_execute("BEGIN; UPDATE rows SET id = id WHERE id = 2")
            .unwrap();
        let deadlocked = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| one.batch_execute("UPDATE rows SET id = id WHERE id = 2"));
            // Whichever of the two waits for longer is chosen to fail.
            let mine = three.batch_execute("UPDATE rows SET id = id WHERE id = 1");
            drop(three);
            [mine, waiting.join().unwrap()]
        });
        let failed: Vec<Failure> = deadlocked
            .iter()
            .filter_map(|it| it.as_ref().err())
            .map(classify)
            .collect();
        assert_eq!(failed, [Failure::Collision]);

        let serializable = "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(id) FROM rows";
        let (mut four, mut five) = (
            PgConnection::establish(database.url()).unwrap(),
            PgConnection::establish(database.url()).unwrap(),
        );
        drop(one);
        for conn in [&mut four, &mut five] {
            conn.batch_execute(serializable).unwrap();
        }
        four.batch_execute("INSERT INTO rows VALUES (3); COMMIT").unwrap();
        assert_eq!(
            failure(&mut five, "INSERT INTO rows VALUES (4); COMMIT"),
            Failure::Collision
        );
    }

    #[test]
    fn a_server_that_is_going_away_is_a_broken_connection() {
        let (database, mut conn) = postgres();
        database.disconnect_all();
        assert_eq!(failure(&mut conn, "SELECT 1"), Failure::Connection);
        assert_eq!(failure(&mut conn, "SELECT 1"), Failure::Connection);

        let mut conn = PgConnection::establish(database.url()).unwrap();
        let killed = "SELECT pg_terminate_backend(pg_backend_pid())";
        assert_eq!(failure(&mut conn, killed), Failure::Connection);

        let mut conn = PgConnection::establish(database.url()).unwrap();
        let standby = "SET default_transaction_read_only = on; CREATE TABLE t ()";
        conn.batch_execute("SET default_transaction_read_only = on")
            .unwrap();
        assert_eq!(
            failure(&mut conn, standby),
            Failure::Connection,
            "a standby takes no writes"
        );
    }

    #[test]
    fn a_mistake_of_ours_is_neither() {
        let (_database, mut conn) = postgres();
        for sql in ["SELECT * FROM nowhere", "SELECT 1 +", "SELECT 1 / 0"] {
            assert_eq!(failure(&mut conn, sql), Failure::Other, "{sql}");
        }
    }

    #[test]
    fn sqlite_is_told_by_its_texts_too() {
        let database = database::sqlite();
        let mut one = SqliteConnection::establish(database.url()).unwrap();
        let mut two = SqliteConnection::establish(database.url()).unwrap();
        one.batch_execute("CREATE TABLE rows (id INTEGER PRIMARY KEY CHECK (id < 10)) STRICT")
            .unwrap();
        for sql in ["INSERT INTO rows VALUES (1), (1)", "INSERT INTO rows VALUES (11)"] {
            assert_eq!(failure(&mut one, sql), Failure::Row, "{sql}");
        }
        one.batch_execute("BEGIN IMMEDIATE").unwrap();
        assert_eq!(failure(&mut two, "BEGIN IMMEDIATE"), Failure::Collision);
        assert_eq!(failure(&mut two, "SELECT * FROM nowhere"), Failure::Other);
    }

    #[test]
    fn what_is_taken_or_dangling_is_named() {
        let named = |kind, message: &str| {
            Error::from(DieselError::DatabaseError(kind, Box::new(message.to_owned()))).to_string()
        };
        let taken = named(
            DatabaseErrorKind::UniqueViolation,
            "UNIQUE constraint failed: sources.token",
        );
        assert_eq!(taken, "sources.token is taken");
        let dangling = named(
            DatabaseErrorKind::ForeignKeyViolation,
            "FOREIGN KEY constraint failed",
        );
        assert_eq!(dangling, "a reference would dangle");
    }
}
