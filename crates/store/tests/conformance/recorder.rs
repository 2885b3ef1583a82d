//! Writes down the statements that a ledger's connections run, as the database gets them.

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// The databases that are watched, by a part of their address.
static WATCHED: Mutex<Option<HashMap<String, Record>>> = Mutex::new(None);

/// What was seen.
#[derive(Default, Clone)]
pub(crate) struct Record {
    /// The statements in the order of their beginning.
    pub(crate) run: Vec<Statement>,
    /// The texts of those that were prepared to be run again.
    pub(crate) prepared: Vec<String>,
}

/// One statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    /// What its connection had set for itself.
    pub(crate) session: String,
}

/// Watches the connections to `database` that are opened from now on.
pub(crate) struct Recorder {
    database: String,
}

impl Recorder {
    pub(crate) fn start(database: &str) -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            set_default_instrumentation(|| Some(Box::new(Connection::default()))).unwrap();
        });
        // The address of a Postgres gets parameters; what comes before them names the database. A file has its whole path
        // for a name: the files of tests at the same time differ in their folders.
        let database = match database.split_once("://") {
            Some((_, address)) => address.rsplit('/').next().unwrap_or_default().to_owned(),
            None => database.to_owned(),
        };
        watched(|all| all.insert(database.clone(), Record::default()));
        Self { database }
    }

    /// Takes what was seen since the last time.
    pub(crate) fn take(&self) -> Record {
        watched(|all| {
            all.get_mut(&self.database)
                .map(std::mem::take)
                .unwrap_or_default()
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        watched(|all| all.remove(&self.database));
    }
}

/// One connection's.
#[derive(Default)]
struct Connection {
    database: Option<String>,
    session: String,
}

impl Instrumentation for Connection {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                self.database = watched(|all| all.keys().find(|name| url.contains(name.as_str())).cloned());
            }
            InstrumentationEvent::StartQuery { query, .. } if self.database.is_some() => {
                let text = query.to_string();
                let sql = text.split(" -- binds: ").next().unwrap_or_default().to_owned();
                if sql.starts_with("SET ") {
                    if !self.session.is_empty() {
                        self.session.push_str("; ");
                    }
                    self.session.push_str(&sql);
                } else {
                    let session = self.session.clone();
                    self.note(|record| record.run.push(Statement { sql, session }));
                }
            }
            InstrumentationEvent::CacheQuery { sql, .. } => {
                self.note(|record| record.prepared.push(sql.to_owned()));
            }
            _ => {}
        }
    }
}

impl Connection {
    fn note(&self, note: impl FnOnce(&mut Record)) {
        if let Some(database) = &self.database {
            watched(|all| {
                if let Some(record) = all.get_mut(database) {
                    note(record);
                }
            });
        }
    }
}

fn watched<T>(look: impl FnOnce(&mut HashMap<String, Record>) -> T) -> T {
    let mut all: MutexGuard<'_, Option<HashMap<String, Record>>> =
        WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    look(all.get_or_insert_default())
}
