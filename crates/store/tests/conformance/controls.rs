//! What operators want of runs: written down once, for whoever runs them.

use crate::given::workspace;
use crate::on_both;
use crate::runs::started;
use crate::yard::Yard;
use hookyard_store::{Control, Controlled, RunsOf};
use wire::{Instant, PlaybookId, RunState, WorkspaceId};

const RETRY: Control = Control::Retry { fresh_keys: true };

fn open(yard: &Yard) -> Vec<Option<String>> {
    yard.texts("SELECT kind AS value FROM run_inbox WHERE taken_at IS NULL ORDER BY id")
}

fn unready(yard: &Yard) -> i64 {
    yard.number("SELECT count(*) AS value FROM runs WHERE ready_at IS NULL")
}

on_both! {
    async fn a_wish_is_written_once_and_wakes_the_run(yard: &Yard) {
        let id = started(yard, 1).await[0];
        yard.execute("UPDATE runs SET ready_at = NULL, state = 'waiting'");
        let of = of();
        let wish = |control| yard.store.on_record(vec![]).control_run(&of, id, control, Instant::now());
        for _ in 0..2 {
            assert_eq!(wish(Control::Pause).await.unwrap(), Controlled::Wished);
        }
        assert_eq!((open(yard), unready(yard)), (vec![Some("pause".to_owned())], 0));
        assert_eq!(wish(RETRY).await.unwrap(), Controlled::Refused(RunState::Waiting));
        assert_eq!(wish(Control::Resume).await.unwrap(), Controlled::Wished);
        assert_eq!(open(yard).len(), 2);
    }

    async fn a_run_that_ended_refuses_all_but_a_retry_of_its_fault(yard: &Yard) {
        let id = started(yard, 1).await[0];
        let of = of();
        let wish = |control| yard.store.on_record(vec![]).control_run(&of, id, control, Instant::now());
        for (word, state) in [("completed", RunState::Completed), ("cancelled", RunState::Cancelled), ("faulted", RunState::Faulted)] {
            yard.execute(&format!("UPDATE runs SET state = '{word}', ready_at = NULL"));
            for control in [Control::Cancel, Control::Pause, Control::Resume] {
                assert_eq!(wish(control).await.unwrap(), Controlled::Refused(state), "{control:?} of {word}");
            }
            let expected = if state == RunState::Faulted { Controlled::Wished } else { Controlled::Refused(state) };
            assert_eq!(wish(RETRY).await.unwrap(), expected);
        }
        assert_eq!((open(yard), unready(yard)), (vec![Some("retry".to_owned())], 0));
        let fresh = if yard.is_postgres() { "fresh_keys::int::bigint" } else { "fresh_keys" };
        assert_eq!(yard.number(&format!("SELECT {fresh} AS value FROM run_inbox")), 1);
    }

    async fn a_strangers_run_is_missing(yard: &Yard) {
        let id = started(yard, 1).await[0];
        let other = WorkspaceId::from_stored("ws_other");
        let wished = yard.store.on_record(vec![]).control_run(&other, id, Control::Cancel, Instant::now()).await.unwrap();
        assert_eq!((wished, open(yard)), (Controlled::Missing, vec![]));
        assert!(yard.store.steps(&other, id, None, 10).await.unwrap().rows.is_empty());
    }

    async fn wishes_at_the_same_time_are_one(yard: &Yard) {
        let id = started(yard, 1).await[0];
        let wishes = (0..8).map(|_| {
            let store = yard.store.clone();
            tokio::spawn(async move { store.on_record(vec![]).control_run(&of(), id, Control::Cancel, Instant::now()).await })
        });
        for wish in wishes.collect::<Vec<_>>() {
            assert_eq!(wish.await.unwrap().unwrap(), Controlled::Wished);
        }
        assert_eq!(open(yard).len(), 1);
    }

    async fn all_runs_that_have_not_ended_are_cancelled_page_by_page(yard: &Yard) {
        let ids = started(yard, 5).await;
        yard.execute("UPDATE runs SET state = 'completed' WHERE id = (SELECT id FROM runs ORDER BY id LIMIT 1)");
        let at = Instant::now();
        yard.store.on_record(vec![]).control_run(&of(), ids[2], Control::Cancel, at).await.unwrap();
        let first = yard.store.cancel_runs(RunsOf::Workspace(of()), None, 3, at).await.unwrap();
        assert_eq!(first, ids[1..4]);
        let rest = yard.store.cancel_runs(RunsOf::Workspace(of()), first.last().copied(), 3, at).await.unwrap();
        assert_eq!((rest, open(yard).len()), (ids[4..].to_vec(), 4));
        let playbook = PlaybookId::from_stored("pb_onboarding");
        assert_eq!(yard.store.cancel_runs(RunsOf::Playbook(playbook), None, 9, at).await.unwrap(), ids[1..]);
        assert_eq!(open(yard).len(), 4, "nothing is wished twice");
        let other = PlaybookId::from_stored("pb_other");
        assert!(yard.store.cancel_runs(RunsOf::Playbook(other), None, 9, at).await.unwrap().is_empty());
    }

    async fn steps_come_in_order_and_in_pages(yard: &Yard) {
        let id = started(yard, 1).await[0];
        let at = yard.literal(Instant::now());
        let uuid = if yard.is_postgres() { format!("'{}'", id.uuid()) } else { format!("x'{}'", id.uuid().simple()) };
        for number in [2, 1, 3] {
            yard.execute(&format!(
                "INSERT INTO steps (run_id, number, pointer, name, kind, status, attempt, input, is_cut, started_at, ended_at) \
                 VALUES ({uuid}, {number}, '/do/0/a', 'a', 'set', 'completed', 1, '{{}}', false, {at}, {at})"
            ));
        }
        let page = yard.store.steps(&of(), id, None, 2).await.unwrap();
        assert_eq!((page.rows.iter().map(|step| step.number).collect::<Vec<_>>(), page.more), (vec![1, 2], true));
        let rest = yard.store.steps(&of(), id, Some(2), 2).await.unwrap();
        assert_eq!((rest.rows[0].number, rest.rows[0].kind.as_str(), rest.more), (3, "set", false));
    }
}

fn of() -> WorkspaceId {
    workspace()
}
