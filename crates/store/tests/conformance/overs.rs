//! Saving over what was read: nobody undoes what somebody else did in between.

use crate::given::{endpoint, endpoint_id, of, playbook, route, source, tenant};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Edit, Error};
use std::time::Duration;
use wire::resource::Target;
use wire::{EndpointId, Instant, PlaybookId, RouteId, SourceId};

async fn edit(yard: &Yard, edits: Vec<Edit>) -> Result<(), Error> {
    yard.store.edit(edits, Instant::now()).await
}

const EPOCH: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

/// So many seconds after they all were made.
fn at(seconds: u64) -> Instant {
    EPOCH + Duration::from_secs(seconds)
}

fn target() -> Target {
    Target::Endpoint(EndpointId::from_stored("ep_billing"))
}

/// Each thing that operators change most, called `name` and last changed then.
fn things(name: &str, changed_at: Instant) -> [Edit; 4] {
    let mut endpoint = endpoint("acme", "billing");
    endpoint.updated_at = changed_at;
    let mut source = source("acme", "stripe");
    source.spec.event_type = None;
    source.updated_at = changed_at;
    let mut route = route("acme", "paid", 1, target());
    route.spec.name = name.to_owned();
    route.updated_at = changed_at;
    let mut playbook = playbook("acme", "onboarding", 1);
    playbook.spec.definition = name.to_owned();
    playbook.updated_at = changed_at;
    [
        Edit::Endpoint(endpoint),
        Edit::Source(source),
        Edit::Route(route),
        Edit::Playbook(playbook),
    ]
}

fn over(edits: [Edit; 4], since: Option<Instant>) -> [Edit; 4] {
    edits.map(|edit| edit.over(since))
}

fn removals() -> [Edit; 4] {
    [
        Edit::RemoveEndpoint(endpoint_id("billing")),
        Edit::RemoveSource(SourceId::from_stored("so_stripe")),
        Edit::RemoveRoute(RouteId::from_stored("rt_paid")),
        Edit::RemovePlaybook(PlaybookId::from_stored("pb_onboarding")),
    ]
}

/// When each was last changed, as far as it is there.
async fn changed_at(yard: &Yard) -> Vec<Instant> {
    let (store, acme) = (&yard.store, of("acme"));
    let mut times: Vec<Instant> = store
        .endpoints(&acme)
        .await
        .unwrap()
        .iter()
        .map(|row| row.updated_at)
        .collect();
    times.extend(
        store
            .sources(&acme)
            .await
            .unwrap()
            .iter()
            .map(|row| row.updated_at),
    );
    times.extend(
        store
            .routes(&acme)
            .await
            .unwrap()
            .iter()
            .map(|row| row.updated_at),
    );
    times.extend(
        store
            .playbooks(&acme)
            .await
            .unwrap()
            .iter()
            .map(|row| row.updated_at),
    );
    times
}

async fn made(yard: &Yard) {
    let mut edits = tenant("acme");
    edits.extend(over(things("first", at(0)), None));
    edit(yard, edits).await.unwrap();
    assert_eq!(changed_at(yard).await, [at(0); 4]);
}

on_both! {
    async fn what_somebody_else_changed_in_between_is_not_undone(yard: &Yard) {
        made(yard).await;
        // Two read the same, and one of them is faster.
        edit(yard, over(things("faster", at(1)), Some(at(0))).to_vec()).await.unwrap();
        for stale in over(things("slower", at(2)), Some(at(0))) {
            let refused = edit(yard, vec![stale]).await;
            assert!(matches!(refused, Err(Error::Changed { .. })), "{refused:?}");
        }
        assert_eq!(changed_at(yard).await, [at(1); 4]);
        assert_eq!(yard.store.routes(&of("acme")).await.unwrap()[0].spec.name, "faster");
        // Whoever reads again can save.
        edit(yard, over(things("slower", at(2)), Some(at(1))).to_vec()).await.unwrap();
        assert_eq!(changed_at(yard).await, [at(2); 4]);
    }

    async fn what_somebody_else_removed_in_between_does_not_come_back(yard: &Yard) {
        made(yard).await;
        edit(yard, removals().to_vec()).await.unwrap();
        for stale in over(things("slower", at(2)), Some(at(0))) {
            let refused = edit(yard, vec![stale]).await;
            assert!(matches!(refused, Err(Error::Changed { .. })), "{refused:?}");
        }
        assert_eq!(changed_at(yard).await, []);
        // The ids are free again.
        edit(yard, over(things("anew", at(3)), None).to_vec()).await.unwrap();
        assert_eq!(changed_at(yard).await, [at(3); 4]);
    }

    async fn a_new_thing_is_not_saved_over_another_of_its_id(yard: &Yard) {
        made(yard).await;
        for other in over(things("other", at(1)), None) {
            let refused = edit(yard, vec![other]).await;
            assert!(matches!(refused, Err(Error::Taken { .. })), "{refused:?}");
        }
        assert_eq!(changed_at(yard).await, [at(0); 4]);
    }

    async fn one_of_many_who_save_over_the_same_at_once_is_kept(yard: &Yard) {
        made(yard).await;
        let stores = [yard.another_process().await, yard.another_process().await];
        for kind in 0..4 {
            let (mut saving, mut making) = (tokio::task::JoinSet::new(), tokio::task::JoinSet::new());
            for number in 1..=8_u32 {
                let store = stores[number as usize % 2].clone();
                let row = things(&format!("{number}"), at(number.into()))[kind].clone();
                saving.spawn(async move { store.edit(vec![row.over(Some(at(0)))], Instant::now()).await });
            }
            let saved = saving.join_all().await;
            assert_eq!(saved.iter().filter(|saved| saved.is_ok()).count(), 1, "{saved:?}");
            let lost = saved.iter().filter(|saved| matches!(saved, Err(Error::Changed { .. }))).count();
            assert_eq!(lost, 7, "{saved:?}");
            edit(yard, vec![removals()[kind].clone()]).await.unwrap();
            for number in 1..=8_u32 {
                let store = stores[number as usize % 2].clone();
                let row = things(&format!("{number}"), at(number.into()))[kind].clone();
                making.spawn(async move { store.edit(vec![row.over(None)], Instant::now()).await });
            }
            let made = making.join_all().await;
            assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
            let taken = made.iter().filter(|made| matches!(made, Err(Error::Taken { .. }))).count();
            assert_eq!(taken, 7, "{made:?}");
        }
    }

    async fn a_list_that_is_too_long_says_so(yard: &Yard) {
        edit(yard, tenant("acme")).await.unwrap();
        let now = yard.literal(at(0));
        let insert = |from: u32, to: u32| {
            yard.execute(&format!(
                "INSERT INTO projects (id, workspace_id, slug, spec, created_at, updated_at) \
                 WITH RECURSIVE g (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM g WHERE n < {to}) \
                 SELECT 'prj_' || n, 'ws_acme', 'p' || n, '{{\"name\":\"p\"}}', {now}, {now} FROM g"
            ));
        };
        insert(1, 10_000);
        assert_eq!(yard.store.projects(&of("acme")).await.unwrap().len(), 10_000);
        insert(10_001, 10_001);
        let refused = yard.store.projects(&of("acme")).await;
        assert!(matches!(refused, Err(Error::Unbounded { what: "projects", most: 10_000 })), "{refused:?}");
        // By its name each is found.
        assert_eq!(yard.store.names(&of("acme")).await.unwrap().projects.len(), 10_001);
    }
}
