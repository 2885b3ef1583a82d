//! Runs from their beginning to their end.

use crate::yard::{Yard, playbook, workspace};
use serde_json::{Value, json};
use std::time::Duration;
use store::{Edit, Project};
use testkit::receiver::Reply;
use testkit::until;
use wire::resource::ProjectSpec;
use wire::{Instant, ProjectId, RunState};

/// Something of everything.
const EVERYTHING: &str = r"
- greet: {set: {hello: '${ .name }'}}
- ask:
    call: http
    with: {method: post, endpoint: '{url}/ask', body: {who: '${ .hello }'}}
- careful:
    try:
      - fails: {call: http, with: {method: get, endpoint: '{url}/fails'}}
    catch:
      errors: {with: {status: 500}}
      do: [{caught: {set: {caught: true}}}]
- rest: {wait: {milliseconds: 20}}
- both:
    fork:
      branches:
        - one: {call: http, with: {method: post, endpoint: '{url}/one', body: {n: 1}}}
        - two: {call: http, with: {method: post, endpoint: '{url}/two', body: {n: 2}}}
- tell: {emit: {event: {with: {type: order.told, source: /orders, data: {n: 3}}}}}
- last: {set: {done: true}}
";

async fn a_run_of_everything_completes(yard: Yard) {
    let json = |text: &str| {
        Reply::status(200)
            .header("content-type", "application/json")
            .body(text)
    };
    for (path, text) in [("/ask", "{\"a\":1}"), ("/one", "1"), ("/two", "2")] {
        yard.receiver.answer_all_at(path, json(text));
    }
    yard.receiver.answer_all_at("/fails", Reply::status(500));
    yard.save(EVERYTHING).await;
    let _runner = yard.start();
    let id = yard.run(&json!({"name": "Ada"})).await;
    assert_eq!(yard.completed(id).await, json!({"done": true}));
    let names: Vec<String> = yard.steps(id).await.into_iter().map(|step| step.name).collect();
    for name in [
        "greet", "ask", "careful", "fails", "caught", "rest", "one", "two", "both", "tell", "last",
    ] {
        assert_eq!(
            names.iter().filter(|step| *step == name).count(),
            1,
            "{name} in {names:?}"
        );
    }
    let requests = yard.receiver.requests();
    assert_eq!(requests.len(), 4);
    for request in &requests {
        assert_eq!(request.header("x-hookyard-run"), Some(id.to_string().as_str()));
        assert_eq!(request.header("x-hookyard-attempt"), Some("1"));
    }
    assert_eq!(requests[0].json(), json!({"who": "Ada"}));
    yard.assert_one_body_for_each_key();
    let (events, _) = yard
        .store
        .unrouted_events(Instant::now() + Duration::from_mins(1), vec![], 10)
        .await
        .unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.event_type.as_deref(), event.source_id.clone()))
        .collect();
    assert_eq!(told, [(Some("order.told"), None)]);
    assert_eq!(
        serde_json::from_slice::<Value>(&events[0].body).unwrap(),
        json!({"n": 3})
    );
    let run = yard.read(id).await;
    assert_eq!((run.version, run.queued, run.error), (1, false, None));
    assert!(run.started_at.is_some() && run.ended_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_everything_completes_on_sqlite() {
    a_run_of_everything_completes(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_everything_completes_on_postgres_and_rabbitmq() {
    a_run_of_everything_completes(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_no_message_names_are_swept() {
    let yard = Yard::embedded().await;
    yard.save("- a: {set: {n: '${ .n + 1 }'}}").await;
    let mut ids = Vec::new();
    for n in 0..130 {
        ids.push((n, yard.record(&json!({"n": n})).await));
    }
    let _runner = yard.start();
    for (n, id) in ids {
        assert_eq!(yard.completed(id).await, json!({"n": n + 1}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_is_let_go_of_and_comes_back_in_time() {
    let yard = Yard::embedded().await;
    yard.save("- rest: {wait: {milliseconds: 1500}}\n- last: {set: {done: true}}")
        .await;
    let runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.in_state(id, RunState::Waiting).await;
    // Nobody has it.
    runner.kill();
    let _other = yard.start();
    yard.completed(id).await;
    let steps = yard.steps(id).await;
    assert!(steps[0].ended_at.since(steps[0].started_at) >= Duration::from_millis(1_500));
}

async fn a_run_keeps_to_the_version_that_it_began_with(yard: Yard) {
    yard.receiver.answer_next([Reply::hang()]);
    let first = yard
        .save("- a: {call: http, with: {method: get, endpoint: '{url}/'}}\n- b: {set: {version: one}}")
        .await;
    let runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    let mut second = first.clone();
    second.spec.definition = yard.definition("- b: {set: {version: two}}");
    assert_eq!(yard.save_as(second).await.version, 2);
    runner.kill();
    yard.forget_the_dead().await;
    let _other = yard.start();
    assert_eq!(yard.completed(id).await, json!({"version": "one"}));
    let next = yard.run(&json!({})).await;
    assert_eq!(yard.completed(next).await, json!({"version": "two"}));
    assert_eq!(yard.read(next).await.version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_keeps_to_the_version_that_it_began_with_on_sqlite() {
    a_run_keeps_to_the_version_that_it_began_with(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_a_playbook_that_is_switched_off_and_a_closed_workspace() {
    let yard = Yard::embedded().await;
    let playbook = yard
        .save("- rest: {wait: {milliseconds: 1200}}\n- last: {set: {done: true}}")
        .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.in_state(id, RunState::Waiting).await;
    let mut closed = workspace();
    closed.accepting = false;
    let mut off = playbook;
    off.spec.enabled = false;
    let edits = vec![Edit::Playbook(off), Edit::Workspace(closed)];
    yard.store.edit(edits, Instant::now()).await.unwrap();
    yard.completed(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_definition_is_faulted_and_says_so() {
    let yard = Yard::embedded().await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    let run = yard.in_state(id, RunState::Faulted).await;
    assert!(run.error.unwrap().contains("not in the ledger any more"));
}

async fn an_event_that_came_before_the_wait_is_found(yard: Yard) {
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(300)));
    yard.save(
        "- ask: {call: http, with: {method: get, endpoint: '{url}/'}}\n\
         - hear: {listen: {to: {one: {with: {type: order.paid}}}}}\n\
         - last: {set: {paid: '${ .[0].n }'}}",
    )
    .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    yard.accept("order.paid", &json!({"n": 7})).await;
    assert_eq!(yard.completed(id).await, json!({"paid": 7}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_came_before_the_wait_is_found_on_sqlite() {
    an_event_that_came_before_the_wait_is_found(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_came_before_the_wait_is_found_on_postgres() {
    an_event_that_came_before_the_wait_is_found(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_listens_costs_rows_alone_until_its_time_is_up() {
    let yard = Yard::embedded().await;
    yard.save(
        "- careful:\n    try:\n      - hear: {listen: {to: {one: {with: {type: order.paid}}}}, timeout: {after: {milliseconds: 1500}}}\n\
         \x20   catch: {as: error, do: [{late: {set: {late: '${ $error.status }'}}}]}",
    )
    .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.in_state(id, RunState::Waiting).await;
    yard.parked().await;
    assert_eq!(yard.number("SELECT count(*) AS value FROM run_waits"), 1);
    assert_eq!(yard.completed(id).await, json!({"late": 408}));
    assert_eq!(yard.number("SELECT count(*) AS value FROM run_waits"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_names_no_project_has_its_playbooks() {
    let yard = Yard::embedded().await;
    let now = Instant::now();
    let project = Project {
        id: ProjectId::from_stored("prj_website"),
        workspace_id: workspace().id,
        slug: "website".to_owned(),
        spec: ProjectSpec {
            name: Some("The website".to_owned()),
            enabled: true,
        },
        created_at: now,
        updated_at: now,
    };
    let edits = vec![Edit::Project(project.clone())];
    yard.store.edit(edits, now).await.unwrap();
    let mut targeted = playbook(&yard.definition("- see: {set: '${ $context }'}"));
    targeted.spec.target.project = Some(project.id);
    yard.save_as(targeted).await;
    let _runner = yard.start();
    // As of a route, which knows only the playbook.
    let id = yard.run(&json!({})).await;
    let shown = json!({"id": "prj_website", "slug": "website", "name": "The website", "enabled": true});
    assert_eq!(yard.completed(id).await, json!({ "project": shown }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_run_was_given_comes_before_an_answer_that_came_later() {
    let yard = Yard::embedded().await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_secs(1)));
    yard.save(
        "- race: {fork: {compete: true, branches: [\
           {hear: {listen: {to: {one: {with: {type: order.paid}}}}}}, \
           {ask: {call: http, with: {method: get, endpoint: '{url}/'}}}]}}\n\
         - last: {set: {first: '${ .[0].n? // \"the answer\" }'}}",
    )
    .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    until("it waits", async || {
        yard.number("SELECT count(*) AS value FROM run_waits") == 1
    })
    .await;
    give_unheard(&yard, "order.paid", 7).await;
    assert_eq!(yard.completed(id).await, json!({"first": 7}));
}

/// Gives an event to the one run that waits, as a router does whose bell is still on its way.
async fn give_unheard(yard: &Yard, event_type: &str, n: u32) {
    let event = yard.accept(event_type, &json!({ "n": n })).await;
    yard.execute(&format!(
        "INSERT INTO run_inbox (id, run_id, kind, event_id, effect, filter, exclusive, created_at) \
         SELECT x'{}', run_id, 'message', x'{}', effect, filter, TRUE, 0 FROM run_waits",
        uuid::Uuid::now_v7().simple(),
        event.uuid().simple()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_while_an_event_of_before_is_heard() {
    let yard = Yard::embedded().await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_secs(1)));
    yard.save(
        "- both: {fork: {branches: [\
           {hear: {do: [{one: {listen: {to: {one: {with: {type: order.paid}}}}}}, {two: {listen: {to: {one: {with: {type: order.sent}}}}}}]}}, \
           {ask: {call: http, with: {method: get, endpoint: '{url}/'}}}]}}\n\
         - last: {set: {done: true}}",
    )
    .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    let waits = || yard.number("SELECT count(*) AS value FROM run_waits WHERE event_type = 'order.paid'");
    until("it waits", async || waits() == 1).await;
    give_unheard(&yard, "order.paid", 1).await;
    // The answer comes, and the event of before it is heard first: then the run waits for another one.
    until("it waits for the second", async || {
        yard.number("SELECT count(*) AS value FROM run_waits WHERE event_type = 'order.sent'") == 1
    })
    .await;
    until("the answer is taken in", async || {
        yard.steps(id).await.iter().any(|step| step.name == "ask")
    })
    .await;
    give_unheard(&yard, "order.sent", 2).await;
    yard.tell(id).await;
    assert_eq!(yard.completed(id).await, json!({"done": true}));
    assert_eq!(yard.receiver.requests().len(), 1);
}
