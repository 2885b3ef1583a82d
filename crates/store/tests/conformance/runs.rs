//! Runs: recorded with the event that starts them, taken once.

use crate::given::{accepted, routed, workspace};
use crate::on_both;
use crate::yard::Yard;
use bytes::Bytes;
use hookyard_store::{NewRun, QueueOptions, RoutedEvent};
use wire::{Instant, PlaybookId, RouteId, RunId, RunState};

/// Starts `count` runs of as many events, oldest first.
pub(crate) async fn started(yard: &Yard, count: usize) -> Vec<RunId> {
    let events = accepted(&yard.store, count, Instant::now()).await;
    let playbook_id = PlaybookId::from_stored("pb_onboarding");
    let decisions: Vec<RoutedEvent> = events
        .iter()
        .map(|event| RoutedEvent {
            runs: vec![NewRun {
                project: None,
                template: None,
                generation: 0,
                trigger: wire::Trigger::Route,
                id: RunId::of(*event, &playbook_id, 0),
                workspace_id: workspace(),
                playbook_id: playbook_id.clone(),
                route_id: Some(RouteId::from_stored("rt_paid")),
                input: Bytes::from_static(b"{\"a\":1}"),
            }],
            ..routed(*event, vec![])
        })
        .collect();
    let ids = decisions.iter().map(|decision| decision.runs[0].id).collect();
    let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
    routing.route(decisions).await.unwrap();
    ids
}

on_both! {
    async fn runs_are_read_whole_and_listed_by_their_state(yard: &Yard) {
        let ids = started(yard, 3).await;
        let run = yard.store.run(&workspace(), ids[0]).await.unwrap().unwrap();
        assert_eq!((run.state, run.input.as_slice(), run.version), (RunState::Pending, &b"{\"a\":1}"[..], 1));
        let stranger = wire::WorkspaceId::from_stored("ws_other");
        assert!(yard.store.run(&stranger, ids[0]).await.unwrap().is_none());
        for (state, count) in [(None, 3), (Some(RunState::Pending), 3), (Some(RunState::Completed), 0), (Some(RunState::Faulted), 0)] {
            let found = yard.store.runs(&workspace(), state, None, 9).await.unwrap();
            assert_eq!(found.rows.len(), count, "{state:?}");
        }
        let page = yard.store.runs(&workspace(), None, None, 2).await.unwrap();
        assert_eq!(page.rows.iter().map(|run| run.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
        assert!(page.more);
        let rest = yard.store.runs(&workspace(), None, Some(ids[1]), 2).await.unwrap();
        assert_eq!((rest.rows.len(), rest.more), (1, false));
    }

    async fn the_runs_of_one_playbook_are_listed_newest_first(yard: &Yard) {
        let ids = started(yard, 3).await;
        let playbook = PlaybookId::from_stored("pb_onboarding");
        let page = yard.store.runs_of(&playbook, None, None, 2).await.unwrap();
        assert_eq!(page.rows.iter().map(|run| run.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
        let rest = yard.store.runs_of(&playbook, None, Some(ids[1]), 2).await.unwrap();
        assert_eq!((rest.rows[0].id, rest.rows.len(), rest.more), (ids[0], 1, false));
        let other = PlaybookId::from_stored("pb_other");
        assert!(yard.store.runs_of(&other, None, None, 2).await.unwrap().rows.is_empty());
    }
}
