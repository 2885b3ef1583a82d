//! Runs that wait for events, as a runner would leave them.

use crate::yard::{Yard, workspace};
use bytes::Bytes;
use playbook::{Awaited, ListenRequest};
use serde_json::Value;
use store::{Committed, Hold, NewRun, QueueOptions, RoutedEvent, RunCommit, Unwaited};
use uuid::Uuid;
use wire::{EventId, EventState, Instant, PlaybookId, RunId, RunState, Trigger};

/// A listen to one event of a type.
pub(crate) fn one(event_type: &str) -> ListenRequest {
    ListenRequest {
        filters: vec![(0, awaited(event_type))],
        is_any: true,
        broadcast: false,
    }
}

pub(crate) fn awaited(event_type: &str) -> Awaited {
    Awaited {
        event_type: event_type.to_owned(),
        source: None,
        data: None,
        correlate: Vec::new(),
    }
}

/// The same, for the event of one order.
pub(crate) fn of_order(event_type: &str, order: impl Into<Value>) -> ListenRequest {
    let mut request = one(event_type);
    request.filters[0].1.correlate = vec![(".data.order".to_owned(), order.into())];
    request
}

impl Yard {
    /// A run that began and has no state yet, with the worker that has it.
    pub(crate) async fn begun(&self) -> (RunId, EventId, Uuid) {
        let event = self.accept("begin", b"{}").await;
        let playbook_id = PlaybookId::from_stored("pb_onboarding");
        let id = RunId::of(event, &playbook_id, 0);
        let run = NewRun {
            id,
            workspace_id: workspace().id,
            playbook_id,
            route_id: None,
            input: Bytes::from_static(b"{}"),
            trigger: Trigger::Route,
            project: None,
            template: None,
            generation: 0,
        };
        let routed = RoutedEvent {
            id: event,
            state: EventState::Routed,
            trace: Bytes::from_static(b"{}"),
            deliveries: Vec::new(),
            runs: vec![run],
            gifts: Vec::new(),
            is_taken: false,
            at: Instant::now(),
        };
        let queue = self.store().routing_queue(QueueOptions::default()).unwrap();
        queue.route(vec![routed]).await.unwrap();
        let worker = Uuid::new_v4();
        let held = self.store().claim_named(worker, Instant::now(), vec![id]).await;
        assert_eq!(held.unwrap().len(), 1);
        (id, event, worker)
    }

    /// Parks a run that waits.
    pub(crate) async fn listen(&self, (run, _, worker): (RunId, EventId, Uuid), request: &ListenRequest) {
        let commit = RunCommit {
            id: run,
            workspace_id: workspace().id,
            playbook_id: PlaybookId::from_stored("pb_onboarding"),
            owner: worker,
            epoch: 1,
            revision: 0,
            state: RunState::Waiting,
            engine: None,
            output: None,
            error: None,
            steps_total: 0,
            hold: Hold::Parked(None),
            steps: Vec::new(),
            emitted: Vec::new(),
            waits: waitbox::waits_of(request)
                .iter()
                .map(|wait| routing::wait_row(1, wait))
                .collect(),
            unwaited: Unwaited::NOTHING,
            taken: Vec::new(),
            limit: None,
            at: Instant::now(),
        };
        let queue = self.store().commit_queue(QueueOptions::default()).unwrap();
        let committed = queue.commit(commit).await.unwrap();
        assert_eq!(committed, Committed::Kept(Vec::new()));
    }

    /// A run that waits.
    pub(crate) async fn listener(&self, request: &ListenRequest) -> RunId {
        let begun = self.begun().await;
        self.listen(begun, request).await;
        begun.0
    }

    /// The events that a run was told of and has not taken in.
    pub(crate) async fn inbox(&self, run: RunId) -> Vec<EventId> {
        let told = self.store().inbox(vec![run]).await.unwrap().into_iter();
        told.filter_map(|told| match told.what {
            store::Telling::Message { event_id, .. } => Some(event_id),
            store::Telling::Control(_) => None,
        })
        .collect()
    }
}
