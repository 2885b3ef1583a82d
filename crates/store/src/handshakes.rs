//! What the handshakes of the sources' senders came to. The gateway counts them in batches; the secrets that come with
//! some wait here, sealed, until an operator accepts them.

use crate::catalog::{ASKED, HandshakesRow, listed};
use crate::connect::{read, write};
use crate::{Error, Handshakes, NewHandshakes, Store};
use wire::{SourceId, WorkspaceId};

impl Store {
    /// Adds handshakes to what is known of their sources, in one transaction. Those of a source that is gone are dropped.
    ///
    /// A secret that comes with one takes the place of an earlier one that nobody accepted: the sender knows the last.
    pub async fn record_handshakes(&self, new: Vec<NewHandshakes>) -> Result<(), Error> {
        let mut new = new;
        // In one order, or two gateways with the same sources would wait for each other.
        new.sort_by(|one, other| one.source_id.as_str().cmp(other.source_id.as_str()));
        let rows: Vec<HandshakesRow> = new
            .iter()
            .map(|new| HandshakesRow::of(new, &self.keyring))
            .collect::<Result<_, _>>()?;
        write!(self, |conn, queries| rows
            .iter()
            .try_for_each(|row| queries::handshakes::add(conn, row)))
    }

    /// What a source's handshakes came to; nothing before the first.
    pub async fn handshakes(&self, source: &SourceId) -> Result<Option<Handshakes>, Error> {
        let source = source.clone();
        let row = read!(self, |conn, queries| queries::handshakes::find(conn, &source))?;
        row.map(|row| row.open(&self.keyring)).transpose()
    }

    /// What the handshakes of a workspace's sources came to.
    pub async fn all_handshakes(&self, workspace: &WorkspaceId) -> Result<Vec<Handshakes>, Error> {
        let workspace = workspace.clone();
        let rows = read!(self, |conn, queries| queries::handshakes::list(
            conn, &workspace, ASKED
        ))?;
        let rows = listed(rows, "sources")?;
        rows.into_iter().map(|row| row.open(&self.keyring)).collect()
    }
}
