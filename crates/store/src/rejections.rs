//! Refused requests: kept to be looked at, and whole, encrypted, while they can still be accepted by hand.

use crate::catalog::place;
use crate::connect::{read, write};
use crate::{
    Error, KeyRing, KeyRingError, NewRejection, Page, RejectedRequest, Rejection, RejectionFilter, Store,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wire::{EventId, Instant, RejectionId, SourceId, WorkspaceId};
use zeroize::Zeroizing;

/// The most rejections in one page.
const LONGEST_PAGE: i64 = 1_000;

/// A request before its sealing: the head as JSON behind its length (4 bytes, the largest first), then the body.
#[derive(Serialize, Deserialize)]
struct Head {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    remote_address: Option<String>,
}

impl RejectedRequest {
    /// None without a master key.
    fn seal(&self, id: RejectionId, keyring: &KeyRing) -> Result<Option<Vec<u8>>, Error> {
        match keyring.seal(&request_place(id), &self.to_bytes(), rand::random()) {
            Ok(sealed) => Ok(Some(sealed)),
            Err(KeyRingError::Empty) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn open(id: RejectionId, sealed: &[u8], keyring: &KeyRing) -> Result<Self, Error> {
        let bytes = keyring.open(&request_place(id), sealed)?;
        Self::from_bytes(&bytes).ok_or(Error::Corrupt {
            what: "the request of a rejection",
            source: "it is cut short".into(),
        })
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let head = serde_json::to_vec(&Head {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            remote_address: self.remote_address.clone(),
        })
        .expect("texts and lists of bytes serialise");
        let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(4 + head.len() + self.body.len());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&self.body);
        Zeroizing::new(bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (head, body) = rest.split_at_checked(length)?;
        let head: Head = serde_json::from_slice(head).ok()?;
        Some(Self {
            method: head.method,
            target: head.target,
            headers: head.headers,
            remote_address: head.remote_address,
            body: Bytes::copy_from_slice(body),
        })
    }
}

impl Store {
    /// Keeps a refused request. Without a master key, what is secret in it is not kept.
    pub async fn reject(&self, rejection: NewRejection) -> Result<(), Error> {
        let keyring = self.keyring.clone();
        // Sealed where it is written, on a thread that may block: a request may have 25 MiB.
        write!(self, |conn, queries| {
            let request = rejection.request.as_ref();
            let sealed = request.map(|request| request.seal(rejection.id, &keyring));
            queries::rejections::insert(conn, &rejection, sealed.transpose()?.flatten().as_deref())
        })
    }

    /// A workspace's rejections before `before`, newest first.
    pub async fn rejections(
        &self,
        workspace: &WorkspaceId,
        filter: RejectionFilter,
        before: Option<RejectionId>,
        limit: i64,
    ) -> Result<Page<Rejection>, Error> {
        let workspace = workspace.clone();
        let limit = limit.clamp(0, LONGEST_PAGE);
        let rows = read!(self, |conn, queries| queries::rejections::list(
            conn,
            &workspace,
            &filter,
            before,
            limit + 1
        ))?;
        Ok(Page::of(rows, limit))
    }

    /// One rejection.
    pub async fn rejection(
        &self,
        workspace: &WorkspaceId,
        id: RejectionId,
    ) -> Result<Option<Rejection>, Error> {
        let workspace = workspace.clone();
        read!(self, |conn, queries| queries::rejections::find(
            conn, &workspace, id
        ))
    }

    /// The whole of a refused request, when it came and at which source, where it is still kept.
    pub async fn rejected_request(
        &self,
        id: RejectionId,
    ) -> Result<Option<(SourceId, Instant, RejectedRequest)>, Error> {
        let keyring = self.keyring.clone();
        read!(self, |conn, queries| {
            let Some((Some(source), received_at, Some(sealed))) = queries::rejections::sealed(conn, id)?
            else {
                return Ok(None);
            };
            let request = RejectedRequest::open(id, &sealed, &keyring)?;
            Ok(Some((source, received_at.into(), request)))
        })
    }

    /// Notes which event a rejection became, and lets the whole request go; false when there is no such rejection, or when
    /// it became another event before.
    pub async fn accept_rejection(&self, id: RejectionId, event: EventId) -> Result<bool, Error> {
        write!(self, |conn, queries| queries::rejections::accepted(
            conn, id, event
        ))
    }
}

fn request_place(id: RejectionId) -> String {
    place("rejections", &id.to_string(), "request_sealed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_survives_its_bytes(
            target: String,
            headers: Vec<(String, Vec<u8>)>,
            body: Vec<u8>,
            remote_address: Option<String>,
        ) {
            let request = RejectedRequest {
                method: "POST".to_owned(),
                target,
                headers,
                body: body.into(),
                remote_address,
            };
            prop_assert!(RejectedRequest::from_bytes(&request.to_bytes()).as_ref() == Some(&request));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = RejectedRequest::from_bytes(&bytes);
        }
    }
}
