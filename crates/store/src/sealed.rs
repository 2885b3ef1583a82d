//! Which master keys the ledger's secrets are sealed under, and sealing them all under the first.
//!
//! # Theory of operation
//!
//! A master key is retired in four steps: the new key is put before it, every process is restarted with both, all values
//! are sealed anew, and the old key is taken out. Sealing anew walks through every column that holds sealed values
//! (`queries/sealed.rs` lists them), page by page in the order of the keys. A value is replaced only while it is the one
//! that was opened, so an edit in between wins, and whatever was interrupted is simply begun again.

use crate::catalog::place;
use crate::connect::{read, write};
use crate::sql::Uid;
use crate::{Error, KeyRing, KeyRingError, Store};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::RejectionId;

/// Values that are looked at, and replaced, together.
const PAGE: i64 = 100;

/// How often a page is tried while others hold its rows.
const TRIES: u32 = 5;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// How many values that do not open are named.
const NAMED: usize = 100;

/// What a master key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key's id.
    pub id: String,
    /// Where it stands in the ring, from 0; the first seals. `None`: the ring lacks it, so what it holds is lost.
    pub position: Option<usize>,
    /// How many sealed values are under it.
    pub values: u64,
}

/// What sealing anew came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values that are under the first key now, and were not before.
    pub resealed: u64,
    /// Values that do not open, and stay as they are.
    pub failed: u64,
    /// Why, for the first hundred of them.
    pub failures: Vec<KeyRingError>,
}

/// A sealed value's row, and the beginning of the value.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) key: String,
    pub(crate) head: Vec<u8>,
}

/// A row's key as part of a sealed value's place, and as the ledger stores it.
pub(crate) trait RowKey: Sized {
    type Stored;

    fn stored(text: &str) -> Option<Self::Stored>;

    fn text(stored: Self::Stored) -> String;
}

impl RowKey for String {
    type Stored = Self;

    fn stored(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn text(stored: Self) -> Self {
        stored
    }
}

impl RowKey for RejectionId {
    type Stored = Uid;

    fn stored(text: &str) -> Option<Uid> {
        Some(Uid::from(text.parse::<Self>().ok()?))
    }

    fn text(stored: Uid) -> String {
        Self::from(stored).to_string()
    }
}

/// The column at `index` of the list, of the database at hand.
macro_rules! column {
    ($queries:ident, $index:expr) => {
        $queries::sealed::COLUMNS
            .get($index)
            .expect("both databases have the same list, and the index is within it")
    };
}

impl Store {
    /// How many sealed values each master key holds: the keys of the ring in their order, then those that it lacks.
    pub async fn key_uses(&self) -> Result<Vec<KeyUse>, Error> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for index in 0..columns() {
            let mut after = None;
            while let Some(page) = self.heads(index, after).await? {
                for head in &page {
                    *counts.entry(key_of(head).to_owned()).or_default() += 1;
                }
                after = page.into_iter().next_back().map(|head| head.key);
            }
        }
        let ring = self.keyring.ids().enumerate().map(|(position, id)| KeyUse {
            id: id.to_owned(),
            position: Some(position),
            values: counts.remove(id).unwrap_or_default(),
        });
        let mut uses: Vec<KeyUse> = ring.collect();
        uses.extend(counts.into_iter().map(|(id, values)| KeyUse {
            id,
            position: None,
            values,
        }));
        Ok(uses)
    }

    /// Seals everything under the first master key. `seen` is told after each page how many values were looked at.
    ///
    /// Safe to repeat, to interrupt, and to run beside everything else. Values that do not open are counted and left.
    pub async fn reseal(&self, mut seen: impl FnMut(u64)) -> Result<Resealed, Error> {
        let first = self.keyring.ids().next().ok_or(KeyRingError::Empty)?.to_owned();
        let mut done = Resealed::default();
        for index in 0..columns() {
            let mut after = None;
            while let Some(page) = self.heads(index, after).await? {
                let stale = page.iter().filter(|head| key_of(head) != first);
                let stale: Vec<String> = stale.map(|head| head.key.clone()).collect();
                if !stale.is_empty() {
                    done.add(self.reseal_page(index, &stale).await?);
                }
                seen(page.len() as u64);
                after = page.into_iter().next_back().map(|head| head.key);
            }
        }
        Ok(done)
    }

    /// The next values of a column; nothing behind the last.
    async fn heads(&self, index: usize, after: Option<String>) -> Result<Option<Vec<Head>>, Error> {
        let page = read!(self, |conn, queries| {
            let heads = column!(queries, index).heads;
            heads(conn, after.as_deref(), PAGE)
        })?;
        Ok((!page.is_empty()).then_some(page))
    }

    /// Waits shortly for whoever holds a row just now.
    async fn reseal_page(&self, index: usize, rows: &[String]) -> Result<Resealed, Error> {
        let mut tries = 1;
        loop {
            match self.try_reseal(index, rows.to_vec()).await {
                Err(error) if error.is_transient() && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn try_reseal(&self, index: usize, rows: Vec<String>) -> Result<Resealed, Error> {
        let keyring = self.keyring.clone();
        write!(self, |conn, queries| {
            let column = column!(queries, index);
            let mut done = Resealed::default();
            for row in &rows {
                let Some(old) = (column.value)(conn, row)? else {
                    continue;
                };
                match anew(&keyring, &place(column.table, row, column.name), &old) {
                    Ok(new) => done.resealed += u64::from((column.replace)(conn, row, &old, &new)?),
                    Err(error) => done.fail(error),
                }
            }
            Ok(done)
        })
    }
}

impl Resealed {
    fn fail(&mut self, error: KeyRingError) {
        self.failed += 1;
        if self.failures.len() < NAMED {
            self.failures.push(error);
        }
    }

    fn add(&mut self, more: Self) {
        self.resealed += more.resealed;
        self.failed += more.failed;
        let room = NAMED.saturating_sub(self.failures.len());
        self.failures.extend(more.failures.into_iter().take(room));
    }
}

fn anew(keyring: &KeyRing, place: &str, old: &[u8]) -> Result<Vec<u8>, KeyRingError> {
    let secret = keyring.open(place, old)?;
    keyring.seal(place, &secret, rand::random())
}

/// The id of the key that a value is under; what is no sealed value is under none.
fn key_of(head: &Head) -> &str {
    KeyRing::key_of(&head.head).unwrap_or_default()
}

fn columns() -> usize {
    crate::sqlite::queries::sealed::COLUMNS.len()
}

#[cfg(test)]
mod tests {
    /// `table.column` of every column whose name says that it is sealed.
    fn declared() -> Vec<String> {
        let mut table = "";
        let mut columns = Vec::new();
        for line in include_str!("schema.rs").lines().map(str::trim) {
            if let Some((name, _)) = line.split_once(" (") {
                table = name;
            } else if let Some((column, _)) = line.split_once(" -> ")
                && column.ends_with("sealed")
            {
                columns.push(format!("{table}.{column}"));
            }
        }
        columns
    }

    #[test]
    fn every_sealed_column_of_the_schema_is_in_the_list() {
        let declared = declared();
        assert!(declared.len() >= 7, "the schema was read: {declared:?}");
        let sqlite = crate::sqlite::queries::sealed::COLUMNS.iter();
        let sqlite: Vec<String> = sqlite
            .map(|column| format!("{}.{}", column.table, column.name))
            .collect();
        let postgres = crate::postgres::queries::sealed::COLUMNS.iter();
        let postgres: Vec<String> = postgres
            .map(|column| format!("{}.{}", column.table, column.name))
            .collect();
        assert_eq!(sqlite, postgres);
        for column in &declared {
            assert!(
                sqlite.contains(column),
                "{column} is missing in queries/sealed.rs"
            );
        }
        assert_eq!(sqlite.len(), declared.len(), "{sqlite:?}");
    }
}
