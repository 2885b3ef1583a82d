//! No workspace keeps the slots from the others.

use crate::yard::{EAGER, Ground, Yard, event, made, settings};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant as Stopwatch};
use store::{Edit, NewDelivery, NewEvent, Workspace};
use testkit::receiver::Reply;
use uuid::Uuid;
use wire::{DeliveryState, EndpointId, Instant, Reference, WorkspaceId};

const LARGE: usize = 40;

fn other() -> Workspace {
    Workspace {
        id: WorkspaceId::from_stored("ws_small"),
        slug: "small".to_owned(),
        ..crate::yard::workspace()
    }
}

/// A first attempt that the worker is told of.
async fn told(yard: &Yard, to: &EndpointId, workspace: &WorkspaceId) -> wire::DeliveryId {
    let event = NewEvent {
        workspace_id: workspace.clone(),
        ..event(br#"{"id":7}"#)
    };
    let token = Uuid::new_v4();
    let delivery = NewDelivery {
        workspace_id: workspace.clone(),
        lease: Some((token, Instant::now() + Duration::from_secs(20))),
        ..made(to, &event)
    };
    let id = yard.deliver(event, delivery).await;
    yard.tell(vec![Reference::Delivery { id, lease: token }]).await;
    id
}

/// A workspace whose receivers all hang has far more first attempts before it than there are slots.
#[tokio::test]
async fn first_attempts_of_one_workspace_keep_no_slot_from_anothers() {
    for ground in [Ground::embedded(), Ground::distributed()] {
        let mut settings = settings(EAGER);
        settings.delivery.slots = NonZeroUsize::new(16).unwrap();
        let yard = Yard::on(ground, settings).await;
        yard.edit(vec![Edit::Workspace(other())]).await;
        let mut hanging = Vec::new();
        for number in 0..LARGE {
            let name = format!("hangs{number}");
            yard.receiver.answer_all_at(&format!("/{name}"), Reply::hang());
            hanging.push(yard.with_endpoint(&name, |_| {}).await);
        }
        let to = yard
            .with_endpoint("works", |endpoint| endpoint.workspace_id = other().id)
            .await;
        for number in 0..300 {
            told(&yard, &hanging[number % LARGE], &crate::yard::workspace().id).await;
        }
        let mut small = Vec::new();
        for _ in 0..5 {
            small.push(told(&yard, &to, &other().id).await);
        }
        let began = Stopwatch::now();
        yard.start_worker();
        for id in small {
            let found = async || yard.store.delivery(&other().id, id).await.unwrap().unwrap();
            testkit::until("the small one is delivered", async || {
                found().await.state == DeliveryState::Delivered
            })
            .await;
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the timeout of those that hang was not waited for: {:?}",
            began.elapsed()
        );
        let held: usize = (0..LARGE)
            .map(|number| yard.requests_at(&format!("hangs{number}")))
            .sum();
        assert!(held <= 14, "an eighth of the slots is for others: {held}");
    }
}
