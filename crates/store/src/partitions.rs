//! The daily partitions of `events` and `attempts` on Postgres, made ahead of time, and dropped when nothing in them is
//! needed any more.
//!
//! The key is a UUIDv7, so a day is a range of keys. A partition is made aside and then attached, which locks the parent
//! against other changes of its shape but against no reader and no writer.

use crate::connect::Ledger;
use crate::{Error, Store};
use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use std::time::Duration;
use uuid::Uuid;
use wire::Instant;

const DAY: Duration = Duration::from_hours(24);

/// Serialises whoever makes partitions or migrates: the bytes of "hookyard".
pub(crate) const ADVISORY_LOCK: i64 = 0x686f_6f6b_7961_7264;

/// In days. Every partition costs a little at every statement, so nobody makes a century of them by mistake.
const FURTHEST: u32 = 366;

const PARTITIONED: [&str; 2] = ["events", "attempts"];

impl Store {
    /// Makes the partitions from the day before `now` to `days` after it that do not exist; returns their names.
    ///
    /// There is no default partition, so a missing day refuses every insert: services call this when they start and
    /// from time to time.
    pub async fn make_partitions(&self, now: Instant, days: u32) -> Result<Vec<String>, Error> {
        match &*self.ledger {
            Ledger::Postgres(ledger) => ledger.read(move |conn| make(conn, now, days)).await,
            Ledger::Sqlite(_) => Ok(Vec::new()),
        }
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Partitions that are dropped at once; the others wait for the next time.
const DROPPED_AT_ONCE: usize = 50;

/// How often in one pass the parent is locked in vain: whoever accepts or records waits for that.
const MISSED: usize = 3;

/// Drops the partitions of days that end before `before` and in which nothing is needed.
pub(crate) fn drop_old(conn: &mut PgConnection, before: Instant) -> Result<Vec<String>, Error> {
    let existing = existing(conn)?;
    let mut dropped = Vec::new();
    for table in PARTITIONED {
        let last = Partition::of(table, before - DAY).name;
        // Their names sort as their days do, for the next 7,973 years.
        let is_old = |row: &&Name| row.name.starts_with(&format!("{table}_")) && row.name <= last;
        let (mut count, mut missed) = (0, 0);
        for Name { name } in existing.iter().filter(is_old) {
            if count >= DROPPED_AT_ONCE || missed >= MISSED {
                break;
            }
            let Some(partition) = Partition::named(table, name) else {
                continue;
            };
            match drop_one(conn, &partition) {
                Ok(true) => {
                    count += 1;
                    dropped.push(partition.name);
                }
                Ok(false) => {}
                // Somebody reads it, or it takes too long to know whether it is needed.
                Err(error) if error.is_transient() => missed += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(dropped)
}

/// Drops a partition unless something in it is needed; says whether it did.
///
/// Looks first, for as long as that takes, with no lock that anybody waits for. Then it locks the parent, which is what
/// everybody locks first, so that nobody waits in a circle; accepts and routers wait for that, so it gives up soon.
fn drop_one(conn: &mut PgConnection, partition: &Partition) -> Result<bool, Error> {
    if is_needed(conn, partition)? {
        return Ok(false);
    }
    conn.transaction(|conn| {
        let Partition { table, name, .. } = partition;
        conn.batch_execute(&format!(
            "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '250ms'; \
             LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE"
        ))?;
        // Somebody may have made a replay of an event in it. From here on nobody can.
        if is_needed(conn, partition)? {
            return Ok(false);
        }
        conn.batch_execute(&format!(
            "ALTER TABLE {table} DETACH PARTITION {name}; DROP TABLE {name}"
        ))?;
        Ok(true)
    })
}

fn is_needed(conn: &mut PgConnection, partition: &Partition) -> Result<bool, Error> {
    let asked: Vec<Name> = diesel::sql_query(partition.needed_by()).load(conn)?;
    Ok(!asked.is_empty())
}

fn existing(conn: &mut PgConnection) -> Result<Vec<Name>, Error> {
    Ok(diesel::sql_query(
        "SELECT child.relname::text AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid \
         JOIN pg_class parent ON parent.oid = inhparent WHERE parent.relname IN ('events', 'attempts') \
         AND parent.relnamespace = quote_ident(current_schema())::regnamespace ORDER BY 1 LIMIT 10000",
    )
    .load(conn)?)
}

fn make(conn: &mut PgConnection, now: Instant, days: u32) -> Result<Vec<String>, Error> {
    let existing = existing(conn)?;
    let missing: Vec<Partition> = wanted(now, days)
        .filter(|partition| !existing.iter().any(|row| row.name == partition.name))
        .collect();
    for partition in &missing {
        conn.transaction::<_, Error, _>(|conn| {
            conn.batch_execute(&format!(
                "SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"
            ))?;
            Ok(conn.batch_execute(&partition.sql())?)
        })?;
    }
    Ok(missing.into_iter().map(|partition| partition.name).collect())
}

/// From the day before, for events whose clock was behind.
fn wanted(now: Instant, days: u32) -> impl Iterator<Item = Partition> {
    let days = 0..=days.min(FURTHEST) + 1;
    PARTITIONED.into_iter().flat_map(move |table| {
        days.clone()
            .map(move |day| Partition::of(table, now - DAY + DAY * day))
    })
}

struct Partition {
    table: &'static str,
    name: String,
    day: Instant,
    from: Uuid,
    to: Uuid,
}

impl Partition {
    /// The partition of the UTC day that holds `at`.
    fn of(table: &'static str, at: Instant) -> Self {
        let day = Instant::from_unix_micros(at.unix_micros().div_euclid(86_400_000_000) * 86_400_000_000);
        let date: String = day
            .to_string()
            .chars()
            .take(10)
            .filter(char::is_ascii_digit)
            .collect();
        Self {
            table,
            name: format!("{table}_{date}"),
            day,
            from: first_of(day),
            to: first_of(day + DAY),
        }
    }

    /// The partition of this name, `events_20261121`.
    fn named(table: &'static str, name: &str) -> Option<Self> {
        let date = name.strip_prefix(table)?.strip_prefix('_')?;
        let (year, rest) = date.split_at_checked(4)?;
        let (month, day) = rest.split_at_checked(2)?;
        let at: Instant = format!("{year}-{month}-{day}T00:00:00Z").parse().ok()?;
        Some(Self::of(table, at)).filter(|partition| partition.name == name)
    }

    /// Yields one row where something in it is needed. Ids of deliveries carry their event's time, so those of the day's
    /// events are a range of theirs. Attempts are needed with their delivery, which may be of any earlier day, and, as clocks
    /// disagree, of the next: one look-up for each of those that are left and were tried, which are few.
    fn needed_by(&self) -> String {
        let Self {
            table,
            name,
            from,
            to,
            ..
        } = self;
        if *table == "attempts" {
            let to = first_of(self.day + DAY * 2);
            return format!(
                "SELECT id::text AS name FROM deliveries WHERE id < '{to}' AND first_attempt_at IS NOT NULL AND (SELECT made.id FROM {name} AS made \
                 WHERE made.delivery_id = deliveries.id LIMIT 1) IS NOT NULL LIMIT 1"
            );
        }
        let unfinished = "state IN ('pending', 'running', 'waiting', 'paused')";
        format!(
            "(SELECT id::text AS name FROM deliveries WHERE id >= '{from}' AND id < '{to}' LIMIT 1) UNION ALL \
             (SELECT id::text FROM {name} WHERE state = 'accepted' LIMIT 1) UNION ALL \
             (SELECT id::text FROM runs WHERE event_id >= '{from}' AND event_id < '{to}' AND {unfinished} LIMIT 1) UNION ALL \
             (SELECT run_id::text FROM run_inbox WHERE event_id >= '{from}' AND event_id < '{to}' AND EXISTS \
             (SELECT FROM runs WHERE runs.id = run_id AND {unfinished}) LIMIT 1) LIMIT 1"
        )
    }

    /// Another process may have made it since; `IF NOT EXISTS` and the look at `pg_inherits` make that harmless.
    fn sql(&self) -> String {
        let Self {
            table,
            name,
            from,
            to,
            ..
        } = self;
        format!(
            "CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL); \
             DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = '{name}'::regclass) THEN \
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{to}'); END IF; END $$"
        )
    }
}

/// The least UUID with this millisecond.
pub(crate) fn first_of(at: Instant) -> Uuid {
    Uuid::from_u128(u128::from(at.unix_millis()) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::EventId;

    #[test]
    fn every_key_of_a_day_falls_into_its_partition() {
        let noon: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        let partition = Partition::of("events", noon);
        assert_eq!(partition.name, "events_20261121");
        let holds = |at: &str, random| {
            let key = EventId::new(at.parse().unwrap(), random).uuid();
            partition.from <= key && key < partition.to
        };
        assert!(holds("2026-11-21T00:00:00Z", 0) && holds("2026-11-21T23:59:59.999Z", u128::MAX));
        assert!(!holds("2026-11-20T23:59:59.999Z", u128::MAX) && !holds("2026-11-22T00:00:00Z", 0));
    }

    #[test]
    fn partitions_follow_each_other_without_a_gap_from_yesterday_for_a_year_at_the_most() {
        let noon: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        let events: Vec<Partition> = wanted(noon, 1).filter(|it| it.table == "events").collect();
        let names: Vec<&str> = events.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["events_20261120", "events_20261121", "events_20261122"]);
        assert!(events.array_windows().all(|[one, next]| one.to == next.from));
        assert_eq!(wanted(noon, u32::MAX).count(), 2 * (1 + 1 + 366));
    }
}
