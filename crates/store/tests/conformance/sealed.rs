//! Retiring a master key: every sealed value moves to the first one, and none is lost on the way.

use crate::given::{endpoint, endpoint_id, playbook, secret, source, tenant};
use crate::on_both;
use crate::yard::{Yard, connect_with, keyring};
use bytes::Bytes;
use hookyard_store::{
    AppSecrets, Captured, Edit, Error, KeyRingError, KeyUse, NewHandshakes, NewRejection, RejectedRequest,
    Resealed, Store,
};
use secrecy::ExposeSecret;
use wire::{Door, Instant, PlaybookId, RejectionId, SourceId, WorkspaceId};

async fn with(yard: &Yard, keys: &[(&str, u8)]) -> Store {
    connect_with(&yard.url(), keyring(keys)).await.unwrap()
}

fn so(name: &str) -> SourceId {
    SourceId::from_stored(format!("so_{name}"))
}

/// One value in every sealed column, under the yard's key `test`; returns the rejection.
async fn everywhere(yard: &Yard) -> RejectionId {
    let mut sealed = source("acme", "stripe");
    sealed.verify_token = Some("a verify token".into());
    sealed.app_secrets = AppSecrets {
        signing: vec![secret("an app's")],
        verify_token: None,
    };
    let mut receiver = endpoint("acme", "billing");
    receiver.credential = Some("a credential".into());
    receiver.client_key = Some("a client's key".into());
    let mut with_secrets = playbook("acme", "onboarding", 1);
    with_secrets.secrets = Some(r#"{"slack":"a token"}"#.into());
    let mut edits = tenant("acme");
    edits.extend([
        Edit::Source(sealed),
        Edit::Endpoint(receiver),
        Edit::Playbook(with_secrets),
    ]);
    yard.store.edit(edits, Instant::now()).await.unwrap();
    let at = Instant::now();
    let captured = Captured {
        secret: "handed over".into(),
        at,
        remote_address: None,
    };
    let handshake = NewHandshakes {
        source_id: so("stripe"),
        answered: 1,
        last_at: at,
        captured: Some(captured),
    };
    yard.store.record_handshakes(vec![handshake]).await.unwrap();
    let id = RejectionId::new(at, 7);
    yard.store.reject(rejection(id, at)).await.unwrap();
    id
}

fn rejection(id: RejectionId, at: Instant) -> NewRejection {
    NewRejection {
        id,
        workspace_id: WorkspaceId::from_stored("ws_acme"),
        source_id: Some(so("stripe")),
        cause: "signature_mismatch".to_owned(),
        detail: "no secret matches".to_owned(),
        received_at: at,
        method: "POST".to_owned(),
        query: None,
        remote_address: None,
        headers: Bytes::from_static(b"[]"),
        body_preview: Bytes::new(),
        door: Door::Token,
        request: Some(RejectedRequest {
            method: "POST".to_owned(),
            target: "/ingest/src_acme_stripe".to_owned(),
            headers: Vec::new(),
            body: Bytes::from_static(b"whole"),
            remote_address: None,
        }),
    }
}

fn held(id: &str, position: Option<usize>, values: u64) -> KeyUse {
    KeyUse {
        id: id.to_owned(),
        position,
        values,
    }
}

on_both! {
    async fn everything_moves_to_the_first_key_and_opens_with_it_alone(yard: &Yard) {
        let rejected = everywhere(yard).await;
        let both = with(yard, &[("new", 1), ("test", 7)]).await;
        assert_eq!(both.key_uses().await.unwrap(), [held("new", Some(0), 0), held("test", Some(1), 8)]);
        let mut seen = 0;
        let done = both.reseal(|values| seen += values).await.unwrap();
        assert_eq!((done.resealed, done.failed, seen), (8, 0, 8));
        assert_eq!(both.key_uses().await.unwrap(), [held("new", Some(0), 8), held("test", Some(1), 0)]);
        assert_eq!(both.reseal(|_| {}).await.unwrap(), Resealed::default(), "again: there is nothing left");

        let new = with(yard, &[("new", 1)]).await;
        let found = new.source(&so("stripe")).await.unwrap().unwrap();
        assert_eq!(found.secrets[0].value.expose_secret(), "whsec_of_a_source");
        assert_eq!(found.verify_token.unwrap().expose_secret(), "a verify token");
        assert_eq!(found.app_secrets.signing[0].value.expose_secret(), "an app's");
        let found = new.endpoint(&endpoint_id("billing")).await.unwrap().unwrap();
        assert_eq!(found.secrets[0].value.expose_secret(), "whsec_of_an_endpoint");
        assert_eq!(found.credential.unwrap().expose_secret(), "a credential");
        assert_eq!(found.client_key.unwrap().expose_secret(), "a client's key");
        let found = new.playbooks(&WorkspaceId::from_stored("ws_acme")).await.unwrap();
        assert_eq!(found[0].id, PlaybookId::from_stored("pb_onboarding"));
        assert_eq!(found[0].secrets.as_ref().unwrap().expose_secret(), r#"{"slack":"a token"}"#);
        let found = new.handshakes(&so("stripe")).await.unwrap().unwrap();
        assert_eq!(found.captured.unwrap().secret.expose_secret(), "handed over");
        let (_, _, request) = new.rejected_request(rejected).await.unwrap().unwrap();
        assert_eq!(request.body, "whole");
    }

    async fn more_than_a_page_is_sealed_anew(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend((0..230).map(|index| Edit::Source(source("acme", &format!("s{index}")))));
        yard.store.edit(edits, Instant::now()).await.unwrap();
        for index in 0..120 {
            let at = Instant::now();
            yard.store.reject(rejection(RejectionId::new(at, index), at)).await.unwrap();
        }
        let both = with(yard, &[("new", 1), ("test", 7)]).await;
        let mut pages = Vec::new();
        let done = both.reseal(|values| pages.push(values)).await.unwrap();
        assert_eq!((done.resealed, done.failed), (350, 0));
        assert_eq!(pages, [100, 100, 30, 100, 20]);
        assert_eq!(both.key_uses().await.unwrap(), [held("new", Some(0), 350), held("test", Some(1), 0)]);
    }

    async fn what_does_not_open_is_named_and_stays_as_it_is(yard: &Yard) {
        everywhere(yard).await;
        // Copied from another row, as somebody who tampers would.
        yard.execute("UPDATE endpoints SET sealed = (SELECT sealed FROM sources)");
        let both = with(yard, &[("new", 1), ("test", 7)]).await;
        let done = both.reseal(|_| {}).await.unwrap();
        assert_eq!((done.resealed, done.failed), (7, 1));
        let place = "endpoints/ep_billing/sealed".to_owned();
        assert_eq!(done.failures, [KeyRingError::Broken { place }]);

        let stranger = with(yard, &[("other", 3)]).await;
        let uses = stranger.key_uses().await.unwrap();
        assert_eq!(uses, [held("other", Some(0), 0), held("new", None, 7), held("test", None, 1)]);
        let done = stranger.reseal(|_| {}).await.unwrap();
        assert_eq!((done.resealed, done.failed), (0, 8));
        assert!(done.failures.iter().all(|failure| matches!(failure, KeyRingError::Unknown { .. })));
        assert_eq!(stranger.key_uses().await.unwrap(), uses);
    }

    async fn an_edit_while_it_is_sealed_anew_is_not_undone(yard: &Yard) {
        everywhere(yard).await;
        let both = with(yard, &[("new", 1), ("test", 7)]).await;
        let mut edited = source("acme", "stripe");
        edited.secrets = vec![secret("whsec_edited")];
        let edit = yard.store.edit(vec![Edit::Source(edited)], Instant::now());
        let (edit, done) = tokio::join!(edit, both.reseal(|_| {}));
        edit.unwrap();
        assert_eq!(done.unwrap().failed, 0);
        let found = both.source(&so("stripe")).await.unwrap().unwrap();
        assert_eq!(found.secrets[0].value.expose_secret(), "whsec_edited");
    }

    async fn without_a_key_there_is_nothing_to_seal_with(yard: &Yard) {
        let none = with(yard, &[]).await;
        let refused = none.reseal(|_| {}).await.unwrap_err();
        assert!(matches!(refused, Error::KeyRing(KeyRingError::Empty)), "{refused}");
    }
}
