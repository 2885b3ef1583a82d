//! Refused requests: kept whole but sealed, until they are accepted by hand.

use crate::given::workspace;
use crate::on_both;
use crate::yard::{Yard, connect_with, keyring};
use bytes::Bytes;
use hookyard_store::{Error, KeyRingError, NewRejection, RejectedRequest, RejectionFilter};
use wire::{Door, EventId, Instant, RejectionId, SourceId, WorkspaceId};

const SECRET: &str = "t0psecret_9f3b1c";

fn source() -> SourceId {
    SourceId::from_stored("so_stripe")
}

/// A request with a secret in each of its parts.
fn request() -> RejectedRequest {
    RejectedRequest {
        method: "POST".to_owned(),
        target: format!("/ingest/{SECRET}?a=b%00"),
        headers: vec![
            ("authorization".to_owned(), SECRET.as_bytes().to_vec()),
            ("x-odd".to_owned(), b"\xff\0".to_vec()),
            ("x-odd".to_owned(), vec![]),
        ],
        body: Bytes::from(format!("\0\u{1f642}{SECRET}")),
        remote_address: Some("192.0.2.7".to_owned()),
    }
}

fn rejection(request: Option<RejectedRequest>) -> NewRejection {
    let received_at = Instant::now();
    NewRejection {
        id: RejectionId::new(received_at, rand::random()),
        workspace_id: workspace(),
        source_id: Some(source()),
        cause: "signature_mismatch".to_owned(),
        detail: "no signature matched".to_owned(),
        received_at,
        method: "POST".to_owned(),
        query: None,
        remote_address: None,
        headers: Bytes::from_static(b"[]"),
        body_preview: Bytes::from_static(b"{}"),
        door: Door::App,
        request,
    }
}

on_both! {
    async fn a_refused_request_comes_back_whole(yard: &Yard) {
        let row = rejection(Some(request()));
        let (id, at) = (row.id, row.received_at);
        yard.store.reject(row).await.unwrap();
        assert_eq!(yard.store.rejected_request(id).await.unwrap(), Some((source(), at, request())));
        let shown = yard.store.rejection(&workspace(), id).await.unwrap().unwrap();
        assert_eq!((shown.id, shown.door, shown.is_whole, shown.event_id), (id, Door::App, true, None));
        let listed = yard.store.rejections(&workspace(), RejectionFilter::default(), None, 10).await.unwrap().rows;
        assert_eq!(listed.iter().map(|row| (row.id, row.is_whole)).collect::<Vec<_>>(), [(id, true)]);
        let stranger = WorkspaceId::from_stored("ws_other");
        assert!(yard.store.rejection(&stranger, id).await.unwrap().is_none());
        assert!(yard.store.rejected_request(RejectionId::generate()).await.unwrap().is_none());
    }

    async fn a_large_refused_request_is_kept(yard: &Yard) {
        let body: Vec<u8> = (0..2 * 1024 * 1024_u32).map(|at| (at % 251) as u8).collect();
        let large = RejectedRequest { body: body.into(), ..request() };
        let row = rejection(Some(large.clone()));
        let id = row.id;
        yard.store.reject(row).await.unwrap();
        let (_, _, found) = yard.store.rejected_request(id).await.unwrap().unwrap();
        assert!(found == large);
    }

    async fn a_refused_request_does_not_lie_in_the_clear(yard: &Yard) {
        let row = rejection(Some(request()));
        let id = row.id;
        yard.store.reject(row).await.unwrap();
        let stolen = yard.everything();
        let listed: Vec<String> = SECRET.bytes().map(|byte| byte.to_string()).collect();
        for form in [SECRET.to_owned(), hex::encode(SECRET), listed.join(",")] {
            assert!(!stolen.contains(&form), "{form}");
        }
        assert!(stolen.contains("no signature matched"), "everything was looked at");
        assert!(!format!("{:?}", request()).contains(SECRET));
        let stranger = connect_with(&yard.url(), keyring(&[("test", 8)])).await.unwrap();
        let refused = stranger.rejected_request(id).await.unwrap_err();
        let place = format!("rejections/{id}/request_sealed");
        assert!(matches!(&refused, Error::KeyRing(KeyRingError::Broken { place: at }) if *at == place), "{refused}");
    }

    async fn a_sealed_request_opens_in_its_own_row_alone(yard: &Yard) {
        let (one, two) = (rejection(Some(request())), rejection(None));
        let (own, other) = (one.id, two.id);
        yard.store.reject(one).await.unwrap();
        yard.store.reject(two).await.unwrap();
        yard.execute("UPDATE rejections SET request_sealed = (SELECT request_sealed FROM rejections WHERE request_sealed IS NOT NULL)");
        assert!(yard.store.rejected_request(own).await.unwrap().is_some());
        let moved = yard.store.rejected_request(other).await.unwrap_err();
        assert!(matches!(moved, Error::KeyRing(KeyRingError::Broken { .. })), "{moved}");
    }

    async fn an_accepted_rejection_shows_its_event_and_lets_its_request_go(yard: &Yard) {
        let (row, other) = (rejection(Some(request())), rejection(Some(request())));
        let (id, other_id, event) = (row.id, other.id, EventId::generate());
        yard.store.reject(row).await.unwrap();
        yard.store.reject(other).await.unwrap();
        assert!(yard.store.accept_rejection(id, event).await.unwrap());
        let shown = yard.store.rejection(&workspace(), id).await.unwrap().unwrap();
        assert_eq!((shown.event_id, shown.is_whole), (Some(event), false));
        assert_eq!(shown.detail, "no signature matched", "what is shown of it stays");
        assert_eq!(yard.store.rejected_request(id).await.unwrap(), None);
        assert!(yard.store.rejected_request(other_id).await.unwrap().is_some());
        assert!(!yard.store.accept_rejection(RejectionId::generate(), event).await.unwrap());
    }

    async fn a_rejection_becomes_one_event(yard: &Yard) {
        let row = rejection(Some(request()));
        let (id, first, second) = (row.id, EventId::generate(), EventId::generate());
        yard.store.reject(row).await.unwrap();
        assert!(yard.store.accept_rejection(id, first).await.unwrap());
        assert!(yard.store.accept_rejection(id, first).await.unwrap(), "the same again is no harm");
        assert!(!yard.store.accept_rejection(id, second).await.unwrap());
        let shown = yard.store.rejection(&workspace(), id).await.unwrap().unwrap();
        assert_eq!(shown.event_id, Some(first));
    }

    async fn without_a_key_a_rejection_is_kept_and_its_request_is_not(yard: &Yard) {
        let store = connect_with(&yard.url(), keyring(&[])).await.unwrap();
        let row = rejection(Some(request()));
        let id = row.id;
        store.reject(row).await.unwrap();
        let shown = store.rejection(&workspace(), id).await.unwrap().unwrap();
        assert_eq!((shown.cause.as_str(), shown.is_whole), ("signature_mismatch", false));
        assert_eq!(store.rejected_request(id).await.unwrap(), None);
        assert!(!yard.everything().contains(SECRET));
        assert_eq!(yard.number("SELECT count(request_sealed) AS value FROM rejections"), 0);
    }
}
