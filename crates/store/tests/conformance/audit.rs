//! Who did what, in the transaction in which it was done.

use crate::given::{accepted, delivery, endpoint, routed, tenant, workspace};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Actor, ActorKind, AuditEntry, Edit, Error, QueueOptions, Steering};
use wire::{AuditId, Instant, ManagementTokenId, PortalSessionId, RecoveryId, WorkspaceId};

fn entry(action: &str, id: &str) -> AuditEntry {
    let token = Actor::token(&ManagementTokenId::from_stored("mt_ci"), "ci");
    AuditEntry::new(&workspace(), &token, action, &id)
}

/// By the alphabet: of entries of one moment, which comes first is left to chance.
async fn actions(yard: &Yard) -> Vec<String> {
    let page = yard.store.audit(&workspace(), None, 100).await.unwrap();
    let mut actions: Vec<String> = page.rows.into_iter().map(|entry| entry.action).collect();
    actions.sort_unstable();
    actions
}

on_both! {
    async fn an_entry_is_read_as_it_was_written(yard: &Yard) {
        let now = Instant::now();
        let actors = [
            Actor::token(&ManagementTokenId::from_stored("mt_ci"), "ci"),
            Actor::operator(),
            Actor::portal(&PortalSessionId::from_stored("ps_one"), "Customer \u{1f355}"),
            Actor::command("hookyard apply"),
        ];
        let written: Vec<_> = actors
            .iter()
            .enumerate()
            .map(|(number, actor)| AuditEntry {
                id: AuditId::numbered(now, number, rand::random()),
                ..AuditEntry::new(&workspace(), actor, "endpoint.create", &"ep_a").named("a").with("fields", vec!["url"])
            })
            .collect();
        yard.store.on_record(written.clone()).keep().await.unwrap();
        let mut read = yard.store.audit(&workspace(), None, 100).await.unwrap().rows;
        read.reverse();
        assert_eq!(read, written);
        assert_eq!((read[0].target_kind(), read[2].actor.kind), ("endpoint", ActorKind::Portal));
        let stranger = WorkspaceId::from_stored("ws_other");
        assert!(yard.store.audit(&stranger, None, 100).await.unwrap().rows.is_empty());

        let first = yard.store.audit(&workspace(), None, 3).await.unwrap();
        assert!(first.more && first.rows.len() == 3);
        let rest = yard.store.audit(&workspace(), Some(first.rows[2].id), 3).await.unwrap();
        assert_eq!((rest.rows.as_slice(), rest.more), (&written[..1], false));
    }

    async fn no_change_is_made_without_its_entry_and_no_entry_without_its_change(yard: &Yard) {
        let (store, now) = (&yard.store, Instant::now());
        let edit = async |action: &str, edits: Vec<Edit>| {
            store.on_record(vec![entry(action, "ep_a")]).edit(edits, now).await
        };
        edit("workspace.create", tenant("acme")).await.unwrap();
        let saved = endpoint("acme", "a");
        edit("endpoint.create", vec![Edit::Endpoint(saved.clone()).over(None)]).await.unwrap();
        let again = edit("endpoint.refused", vec![Edit::Endpoint(saved.clone()).over(None)]).await;
        assert!(matches!(again, Err(Error::Taken { .. })), "{again:?}");

        // Two entries of one id: the second is refused by the ledger, and takes the change with it.
        let twin = store.audit(&workspace(), None, 1).await.unwrap().rows;
        let removed = store.on_record(twin).edit(vec![Edit::RemoveEndpoint(saved.id.clone())], now).await;
        assert!(removed.is_err());
        assert!(store.endpoint(&saved.id).await.unwrap().unwrap().deleted_at.is_none());
        assert_eq!(actions(yard).await, ["endpoint.create", "workspace.create"]);
    }

    async fn what_could_not_be_done_to_what_was_recorded_is_not_told(yard: &Yard) {
        let (store, now) = (&yard.store, Instant::now());
        let event = accepted(store, 1, now).await[0];
        let row = delivery(event, "one", now);
        let id = row.id;
        let routing = store.routing_queue(QueueOptions::default()).unwrap();
        routing.route(vec![routed(event, vec![row])]).await.unwrap();
        let record = |action: &str| store.on_record(vec![entry(action, &id.to_string())]);
        assert!(record("delivery.cancel").cancel_delivery(&workspace(), id, now).await.unwrap());
        assert!(!record("delivery.cancel").cancel_delivery(&workspace(), id, now).await.unwrap());
        assert!(record("delivery.retry").retry_delivery(&workspace(), id, now).await.unwrap());
        assert!(!record("delivery.retry").retry_delivery(&WorkspaceId::from_stored("ws_other"), id, now).await.unwrap());
        let replay = || hookyard_store::NewDelivery {
            id: wire::DeliveryId::of(event, &delivery(event, "one", now).endpoint_id, 7),
            replay_of: Some(id),
            ..delivery(event, "one", now)
        };
        assert!(record("event.replay").replay(event, (vec![replay()], vec![]), now).await.unwrap());
        let gone = wire::EventId::generate();
        assert!(!record("event.replay").replay(gone, (vec![replay()], vec![]), now).await.unwrap());
        let recovery = RecoveryId::generate();
        let steered = record("recovery.pause").steer_recovery(&workspace(), recovery, Steering::Pause, now).await;
        assert!(!steered.unwrap());
        record("source.test").keep().await.unwrap();
        assert_eq!(actions(yard).await, ["delivery.cancel", "delivery.retry", "event.replay", "source.test"]);
    }
}
