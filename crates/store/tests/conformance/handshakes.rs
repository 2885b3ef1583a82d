//! Handshakes: counted by source, and the secret that came with the last one until it is accepted.

use crate::given::{source, tenant};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Captured, Edit, Handshakes, NewHandshakes};
use secrecy::ExposeSecret;
use std::time::Duration;
use wire::{Instant, SourceId, WorkspaceId};

fn id(source: &str) -> SourceId {
    SourceId::from_stored(format!("so_{source}"))
}

fn new(source: &str, answered: i64, at: Instant) -> NewHandshakes {
    NewHandshakes {
        source_id: id(source),
        answered,
        last_at: at,
        captured: None,
    }
}

fn with_secret(source: &str, secret: &str, at: Instant) -> NewHandshakes {
    NewHandshakes {
        captured: Some(Captured {
            secret: secret.into(),
            at,
            remote_address: Some("192.0.2.7".to_owned()),
        }),
        ..new(source, 1, at)
    }
}

async fn of(yard: &Yard, source: &str) -> Option<Handshakes> {
    yard.store.handshakes(&id(source)).await.unwrap()
}

/// The secret that waits, and when it came.
fn waiting(of: Option<Handshakes>) -> Option<(String, Instant)> {
    let captured = of?.captured?;
    Some((captured.secret.expose_secret().to_owned(), captured.at))
}

async fn two_sources(yard: &Yard) {
    let mut edits = tenant("acme");
    edits.extend([
        Edit::Source(source("acme", "notion")),
        Edit::Source(source("acme", "asana")),
    ]);
    edits.extend(tenant("other"));
    edits.push(Edit::Source(source("other", "box")));
    yard.store.edit(edits, Instant::now()).await.unwrap();
}

on_both! {
    async fn they_add_up_by_source(yard: &Yard) {
        two_sources(yard).await;
        let (first, last) = (Instant::now(), Instant::now() + Duration::from_secs(5));
        assert!(of(yard, "notion").await.is_none());
        let together = vec![new("notion", 2, first), new("box", 1, first), new("gone", 9, first)];
        yard.store.record_handshakes(together).await.unwrap();
        yard.store.record_handshakes(vec![new("notion", 3, last)]).await.unwrap();
        let notion = of(yard, "notion").await.unwrap();
        assert_eq!((notion.answered, notion.last_at, notion.captured.is_none()), (5, last, true));
        assert!(of(yard, "gone").await.is_none() && of(yard, "asana").await.is_none());

        let acme = WorkspaceId::from_stored("ws_acme");
        let listed = yard.store.all_handshakes(&acme).await.unwrap();
        assert_eq!(listed.iter().map(|known| &known.source_id).collect::<Vec<_>>(), [&id("notion")]);
    }

    async fn the_last_secret_waits_until_it_is_accepted(yard: &Yard) {
        two_sources(yard).await;
        let (first, last) = (Instant::now(), Instant::now() + Duration::from_secs(5));
        yard.store.record_handshakes(vec![with_secret("notion", "secret_one", first)]).await.unwrap();
        yard.store.record_handshakes(vec![new("notion", 1, last)]).await.unwrap();
        assert_eq!(waiting(of(yard, "notion").await), Some(("secret_one".to_owned(), first)));
        yard.store.record_handshakes(vec![with_secret("notion", "secret_two", last)]).await.unwrap();
        assert_eq!(waiting(of(yard, "notion").await), Some(("secret_two".to_owned(), last)));

        // What was looked at is gone; what came since stays.
        let forget = async |at| yard.store.edit(vec![Edit::RemoveCaptured(id("notion"), at)], Instant::now()).await;
        forget(first).await.unwrap();
        assert_eq!(waiting(of(yard, "notion").await), Some(("secret_two".to_owned(), last)));
        forget(last).await.unwrap();
        let notion = of(yard, "notion").await.unwrap();
        assert_eq!((notion.answered, notion.captured.is_none()), (3, true));
    }

    async fn they_go_with_their_source(yard: &Yard) {
        two_sources(yard).await;
        yard.store.record_handshakes(vec![with_secret("notion", "secret", Instant::now())]).await.unwrap();
        yard.store.edit(vec![Edit::RemoveSource(id("notion"))], Instant::now()).await.unwrap();
        assert!(of(yard, "notion").await.is_none());
    }
}
