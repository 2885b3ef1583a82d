//! Runs: what they did, and what operators want of them.

use crate::on_both;
use crate::yard::{TOKEN, Yard, definition, workspace};
use bytes::Bytes;
use serde_json::{Value, json};
use store::{Committed, HeldRun, Hold, QueueOptions, RunCommit, StepRow, Unwaited};
use uuid::Uuid;
use wire::{Instant, RunState, StepState};

/// A new run of `greet`, which is made if it is not there.
async fn started(yard: &Yard) -> String {
    let body = json!({"slug": "greet", "definition": definition("greet")}).to_string();
    let made = yard.ask("POST", "playbooks", body).await;
    assert!(matches!(made.status.as_u16(), 201 | 409), "{}", made.text);
    let run = yard
        .post("playbooks/greet/runs", &json!({"input": {"n": 1}}))
        .await
        .expect(201);
    run["id"].as_str().unwrap().to_owned()
}

/// A step as a runner records it.
fn step(number: i32, status: StepState) -> StepRow {
    let now = Instant::now();
    StepRow {
        number,
        pointer: format!("/do/{number}/keep"),
        name: "keep".to_owned(),
        kind: "set".to_owned(),
        status,
        attempt: 1,
        input: br#"{"n":1.00}"#.to_vec(),
        output: (status == StepState::Completed).then(|| br#"{"seen":true}"#.to_vec()),
        is_cut: number == 2,
        error: (status == StepState::Faulted).then(|| r#"{"type":"a","status":500}"#.to_owned()),
        started_at: now,
        ended_at: now,
    }
}

/// Does with a run what a runner would: takes it, and keeps it in this state with these steps.
async fn kept(yard: &Yard, id: &str, state: RunState, steps: Vec<StepRow>) {
    let (owner, now) = (Uuid::from_u128(7), Instant::now());
    let held: Vec<HeldRun> = yard
        .store
        .claim_named(owner, now, vec![id.parse().unwrap()])
        .await
        .unwrap();
    let run = &held[0];
    let commits = yard.store.commit_queue(QueueOptions::default()).unwrap();
    let commit = RunCommit {
        id: run.id,
        workspace_id: run.workspace_id.clone(),
        playbook_id: run.playbook_id.clone(),
        owner,
        epoch: run.epoch,
        revision: run.revision,
        state,
        engine: Some(Bytes::from_static(b"{}")),
        output: (state == RunState::Completed).then(|| Bytes::from_static(br#"{"total":1.50}"#)),
        error: (state == RunState::Faulted)
            .then(|| r#"{"type":"a","status":500,"instance":"/do/0/keep"}"#.to_owned()),
        steps_total: i32::try_from(steps.len()).unwrap(),
        hold: Hold::Parked(None),
        steps,
        emitted: Vec::new(),
        waits: Vec::new(),
        unwaited: Unwaited::NOTHING,
        taken: Vec::new(),
        limit: None,
        at: now,
    };
    assert!(matches!(
        commits.commit(commit).await.unwrap(),
        Committed::Kept(_)
    ));
}

/// What a run of the workspace was told and has not taken in.
async fn told(yard: &Yard, id: &str) -> usize {
    let inbox = yard.store.inbox(vec![id.parse().unwrap()]).await.unwrap();
    inbox.len()
}

fn ids(page: &Value) -> Vec<&str> {
    let runs = page["runs"].as_array().unwrap().iter();
    runs.map(|run| run["id"].as_str().unwrap()).collect()
}

on_both! {
    async fn a_run_shows_its_version_its_steps_and_what_came_of_it(yard: &Yard) {
        let id = started(yard).await;
        let new = yard.get(&format!("runs/{id}")).await.expect(200);
        assert_eq!((&new["version"], &new["steps"], &new["output"], &new["queued"]), (&json!(1), &json!(0), &Value::Null, &json!(false)));
        assert_eq!(yard.get(&format!("runs/{id}/steps")).await.expect(200), json!({"steps": [], "nextCursor": null}));
        let steps = vec![step(1, StepState::Completed), step(2, StepState::Faulted), step(3, StepState::Completed)];
        kept(yard, &id, RunState::Completed, steps).await;

        let run = yard.get(&format!("runs/{id}")).await;
        assert!(run.text.contains(r#""output":{"total":1.50}"#), "{}", run.text);
        let run = run.expect(200);
        assert_eq!((&run["status"], &run["steps"]), (&json!("completed"), &json!(3)));
        assert!(run["startedAt"].is_string() && run["endedAt"].is_string());
        let page = yard.get(&format!("runs/{id}/steps?limit=2")).await.expect(200);
        let first = &page["steps"][0];
        for (field, value) in [
            ("number", json!(1)), ("pointer", json!("/do/1/keep")), ("name", json!("keep")), ("kind", json!("set")),
            ("status", json!("completed")), ("attempt", json!(1)), ("output", json!({"seen": true})), ("truncated", json!(false)),
            ("error", Value::Null),
        ] {
            assert_eq!(first[field], value, "{field}");
        }
        let second = &page["steps"][1];
        assert_eq!((&second["status"], &second["error"]["status"], &second["output"]), (&json!("faulted"), &json!(500), &Value::Null));
        assert_eq!(second["truncated"], json!(true));
        let rest = yard.get(&format!("runs/{id}/steps?cursor={}", page["nextCursor"].as_str().unwrap())).await.expect(200);
        assert_eq!((&rest["steps"][0]["number"], &rest["nextCursor"]), (&json!(3), &Value::Null));
        // Another list's cursor is no use here.
        let runs = yard.get("runs?limit=1").await.expect(200);
        assert_eq!(runs["runs"][0]["output"], Value::Null);
        yard.get(&format!("runs/{id}/steps?cursor=x")).await.refused(400, "invalid_query");
        yard.get(&format!("runs/{id}/steps?limit=101")).await.refused(400, "invalid_query");
        yard.get(&format!("runs/{id}/steps?after=1")).await.refused(400, "invalid_query");
    }

    async fn runs_are_listed_by_their_state(yard: &Yard) {
        let (done, open) = (started(yard).await, started(yard).await);
        kept(yard, &done, RunState::Completed, Vec::new()).await;
        for list in ["runs", "playbooks/greet/runs"] {
            for (status, expected) in [("completed", vec![done.as_str()]), ("pending", vec![&open]), ("faulted", vec![])] {
                let page = yard.get(&format!("{list}?status={status}")).await.expect(200);
                assert_eq!(ids(&page), expected, "{list} {status}");
            }
            let details = yard.get(&format!("{list}?status=done")).await.refused(400, "invalid_query");
            assert!(details[0].starts_with("status: "), "{details:?}");
        }
    }

    async fn what_operators_want_is_written_down_once_and_the_runner_is_told(yard: &Yard) {
        let id = started(yard).await;
        let mut runs = yard.conveyor.consume(wire::Queue::Run, std::num::NonZeroU16::MIN);
        let next = async |runs: &mut broker::Consumer| {
            let told = tokio::time::timeout(testkit::DEADLINE, runs.next()).await.unwrap().unwrap();
            let refs = told.message.refs.clone();
            told.ack();
            refs
        };
        let expected = [wire::Reference::Run { id: id.parse().unwrap() }];
        assert_eq!(next(&mut runs).await, expected, "of its start");
        for control in ["resume", "retry"] {
            yard.ask("POST", &format!("runs/{id}/{control}"), "").await.refused(409, "invalid_state");
        }
        assert_eq!(told(yard, &id).await, 0);
        for (control, count) in [("pause", 1), ("pause", 1), ("cancel", 2)] {
            let run = yard.ask("POST", &format!("runs/{id}/{control}"), "").await.expect(202);
            assert_eq!(run["id"], json!(id));
            assert_eq!(told(yard, &id).await, count, "{control}");
            assert_eq!(next(&mut runs).await, expected, "{control}");
        }
    }

    async fn an_ended_run_refuses_everything_but_a_retry_after_a_fault(yard: &Yard) {
        for state in [RunState::Completed, RunState::Cancelled, RunState::Faulted] {
            let id = started(yard).await;
            kept(yard, &id, state, vec![step(1, StepState::Completed)]).await;
            for control in ["cancel", "pause", "resume"] {
                yard.ask("POST", &format!("runs/{id}/{control}"), "").await.refused(409, "run_ended");
            }
            let retry = yard.post(&format!("runs/{id}/retry"), &json!({"keys": "fresh"})).await;
            if state == RunState::Faulted {
                retry.expect(202);
                let inbox = yard.store.inbox(vec![id.parse().unwrap()]).await.unwrap();
                assert_eq!(inbox[0].what, store::Telling::Control(store::Control::Retry { fresh_keys: true }));
            } else {
                retry.refused(409, "run_ended");
            }
        }
    }

    async fn a_run_of_a_removed_playbook_is_not_tried_again(yard: &Yard) {
        let faulted = started(yard).await;
        kept(yard, &faulted, RunState::Faulted, Vec::new()).await;
        assert_eq!(yard.delete("playbooks/greet").await.status.as_u16(), 204);
        yard.post(&format!("runs/{faulted}/retry"), &json!({})).await.refused(409, "invalid_state");
        assert_eq!(told(yard, &faulted).await, 0);
    }

    async fn a_closed_workspace_lets_runs_go_on_unless_it_is_told_to_cancel_them(yard: &Yard) {
        let (one, other, done) = (started(yard).await, started(yard).await, started(yard).await);
        kept(yard, &done, RunState::Completed, Vec::new()).await;
        let bearer = format!("Bearer {TOKEN}");
        let close = async |body: Value| {
            let headers = [("Authorization", bearer.as_str())];
            yard.send("PATCH", "/management/v1/workspaces/acme", &headers, body.to_string()).await
        };
        let details = close(json!({"runs": "cancel"})).await.refused(400, "invalid_request");
        assert!(details[0].starts_with("runs: cannot be cancelled while the workspace accepts"), "{details:?}");
        close(json!({"accepting": false, "runs": "stop"})).await.refused(400, "invalid_request");
        close(json!({"accepting": false, "runs": "drain"})).await.expect(200);
        assert_eq!((told(yard, &one).await, told(yard, &other).await), (0, 0));
        close(json!({"runs": "cancel"})).await.expect(200);
        close(json!({"accepting": false, "runs": "cancel"})).await.expect(200);
        assert_eq!((told(yard, &one).await, told(yard, &other).await, told(yard, &done).await), (1, 1, 0));
    }

    async fn the_kill_switch_stays_on_until_the_workspace_accepts_again(yard: &Yard) {
        let faulted = started(yard).await;
        kept(yard, &faulted, RunState::Faulted, Vec::new()).await;
        let bearer = format!("Bearer {TOKEN}");
        let change = async |body: Value| {
            let headers = [("Authorization", bearer.as_str())];
            let changed = yard.send("PATCH", "/management/v1/workspaces/acme", &headers, body.to_string()).await;
            changed.expect(200)["runs"].clone()
        };
        let start = async || yard.post("playbooks/greet/runs", &json!({"input": {"n": 1}})).await;
        let retry = async || yard.post(&format!("runs/{faulted}/retry"), &json!({})).await;
        assert_eq!(change(json!({"accepting": false, "runs": "cancel"})).await, json!("cancel"));
        assert_eq!(change(json!({"name": "Acme"})).await, json!("cancel"));
        start().await.refused(409, "invalid_state");
        retry().await.refused(409, "invalid_state");
        assert_eq!(change(json!({"accepting": true})).await, json!("drain"));
        start().await.expect(201);
        // Closed again, it does what it says now.
        assert_eq!(change(json!({"accepting": false})).await, json!("drain"));
        retry().await.expect(202);
    }

    async fn a_playbook_is_switched_off_with_its_runs(yard: &Yard) {
        let id = started(yard).await;
        let details = yard.patch("playbooks/greet", &json!({"runs": "cancel"})).await.refused(400, "invalid_request");
        assert!(details[0].starts_with("runs: cannot be cancelled while the playbook is enabled"), "{details:?}");
        yard.patch("playbooks/greet", &json!({"enabled": false})).await.expect(200);
        assert_eq!(told(yard, &id).await, 0);
        let off = yard.patch("playbooks/greet", &json!({"runs": "cancel"})).await.expect(200);
        assert_eq!((&off["runs"], told(yard, &id).await), (&json!("cancel"), 1));
        let on = yard.patch("playbooks/greet", &json!({"enabled": true})).await.expect(200);
        assert_eq!(on["runs"], json!("drain"));
        let other = started(yard).await;
        let file = "workspace: {slug: acme, accepting: false, runs: cancel}\n";
        yard.apply("", file).await.expect(200);
        assert_eq!(told(yard, &other).await, 1);
    }

    async fn a_playbook_that_goes_takes_its_runs_with_it(yard: &Yard) {
        let id = started(yard).await;
        assert_eq!(yard.delete("playbooks/greet").await.status.as_u16(), 204);
        assert_eq!(told(yard, &id).await, 1);
        let again = started(yard).await;
        let file = "workspace: {slug: acme}\nplaybooks: []\n";
        yard.apply("?prune=true", file).await.expect(200);
        assert_eq!(told(yard, &again).await, 1);
        // The run is still there to be looked at, under the playbook's id.
        let run = yard.get(&format!("runs/{again}")).await.expect(200);
        assert!(run["playbook"].as_str().unwrap().starts_with("pb_"), "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_run_is_not_found_and_what_is_no_wish_is_refused() {
    let yard = Yard::on_sqlite().await;
    let id = started(&yard).await;
    for missing in ["run_00000000000000000000000001", "run_1", "msg_1", "%00"] {
        yard.get(&format!("runs/{missing}/steps"))
            .await
            .refused(404, "not_found");
        for control in ["cancel", "pause", "resume", "retry"] {
            yard.ask("POST", &format!("runs/{missing}/{control}"), "")
                .await
                .refused(404, "not_found");
        }
    }
    yard.ask("GET", &format!("runs/{id}/cancel"), "")
        .await
        .refused(405, "method_not_allowed");
    for (body, expected) in [
        (json!({"keys": "new"}), "keys: must be `same` or `fresh`"),
        (json!({"keys": 7}), "keys: "),
        (json!({"key": "same"}), "key: is not a field here"),
        (json!([]), ": must be an object"),
    ] {
        let details = yard
            .post(&format!("runs/{id}/retry"), &body)
            .await
            .refused(400, "invalid_request");
        assert!(details[0].starts_with(expected), "{details:?}");
    }
    yard.ask("POST", &format!("runs/{id}/retry"), "{")
        .await
        .refused(400, "invalid_body");
    // Another workspace's run is nobody's business.
    let found = yard
        .store
        .run(&wire::WorkspaceId::from_stored("ws_other"), id.parse().unwrap())
        .await
        .unwrap();
    assert!(found.is_none() && workspace().as_str() == "ws_acme");
}
