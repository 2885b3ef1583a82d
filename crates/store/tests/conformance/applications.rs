//! A workspace's customers: their endpoints, how many they may have, and their visits to the portal.

use crate::given::{application, endpoint, endpoint_id, event_type, of, subscription, tenant};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Application, Edit, Endpoint, Error, PortalSession};
use secrecy::ExposeSecret;
use std::time::Duration;
use wire::resource::{PortalRole, PortalSpec};
use wire::{ApplicationId, Instant, PortalSessionId};

async fn edit(yard: &Yard, edits: Vec<Edit>) -> Result<(), Error> {
    yard.store.edit(edits, Instant::now()).await
}

fn app(name: &str) -> ApplicationId {
    ApplicationId::from_stored(format!("app_{name}"))
}

/// The tenant `acme` with the application `buyer`.
async fn customer(yard: &Yard) {
    let mut edits = tenant("acme");
    edits.push(Edit::Application(application("acme", "buyer")));
    edit(yard, edits).await.unwrap();
}

/// An endpoint of the application `buyer`, which wants a password.
fn owned(name: &str) -> Endpoint {
    Endpoint {
        application_id: Some(app("buyer")),
        credential: Some("correct horse".into()),
        client_key: Some("battery staple".into()),
        ..endpoint("acme", name)
    }
}

/// What makes an endpoint of an application: the endpoint itself, and then the count.
fn within_limit(endpoint: Endpoint) -> Vec<Edit> {
    vec![Edit::Endpoint(endpoint), Edit::CheckLimit(app("buyer"))]
}

/// A visit that ends in an hour.
fn visit(name: &str, now: Instant) -> PortalSession {
    PortalSession {
        id: PortalSessionId::from_stored(format!("ps_{name}")),
        application_id: app("buyer"),
        workspace_id: of("acme"),
        spec: PortalSpec {
            role: PortalRole::Viewer,
            metadata: [("user".to_owned(), "ada".to_owned())].into(),
        },
        created_at: now,
        expires_at: now + Duration::from_hours(1),
    }
}

on_both! {
    async fn an_application_is_found_by_its_id_or_the_workspaces_own_name_for_it(yard: &Yard) {
        customer(yard).await;
        edit(yard, tenant("other")).await.unwrap();
        let mut pinned = application("acme", "pinned");
        pinned.external_id = Some("customer 7".to_owned());
        edit(yard, vec![Edit::Application(pinned.clone())]).await.unwrap();
        for name in ["app_pinned", "customer 7"] {
            assert_eq!(yard.store.application(&of("acme"), name).await.unwrap().as_ref(), Some(&pinned), "{name}");
            assert_eq!(yard.store.application(&of("other"), name).await.unwrap(), None, "{name}");
        }
        assert_eq!(yard.store.application(&of("acme"), "pinned").await.unwrap(), None);
        let names = yard.store.names(&of("acme")).await.unwrap();
        assert!(names.applications.contains(&(app("pinned"), Some("customer 7".to_owned()))));
    }

    async fn applications_are_listed_oldest_first_from_any_of_them_on(yard: &Yard) {
        edit(yard, tenant("acme")).await.unwrap();
        let now = Instant::now();
        for number in [3, 1, 2] {
            let mut row = application("acme", &number.to_string());
            row.created_at = now + Duration::from_secs(number);
            edit(yard, vec![Edit::Application(row)]).await.unwrap();
        }
        let list = |offset, limit| async move {
            let rows = yard.store.applications(&of("acme"), offset, limit).await.unwrap();
            rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(list(0, 10).await, ["app_1", "app_2", "app_3"]);
        assert_eq!(list(1, 1).await, ["app_2"]);
        assert!(list(3, 10).await.is_empty());
        assert_eq!(list(-1, i64::MAX).await.len(), 3);
        assert!(list(0, -1).await.is_empty());
        assert!(yard.store.applications(&of("other"), 0, 10).await.unwrap().is_empty());
    }

    async fn an_external_id_is_one_applications_in_its_workspace(yard: &Yard) {
        customer(yard).await;
        edit(yard, tenant("other")).await.unwrap();
        let named = |tenant: &str, id: &str, external: Option<&str>| Application {
            external_id: external.map(ToOwned::to_owned),
            ..application(tenant, id)
        };
        let taken = edit(yard, vec![Edit::Application(named("acme", "twin", Some("buyer")))]).await.unwrap_err();
        assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains("external_id")), "{taken}");
        let stolen = edit(yard, vec![Edit::Application(named("other", "buyer", None))]).await.unwrap_err();
        assert!(matches!(&stolen, Error::Taken { constraint } if constraint.contains("`app_buyer`")), "{stolen}");
        edit(yard, vec![
            Edit::Application(named("other", "elsewhere", Some("buyer"))),
            Edit::Application(named("acme", "nameless", None)),
            Edit::Application(named("acme", "nameless_too", None)),
            Edit::Application(named("acme", "buyer", Some("renamed"))),
            Edit::Application(named("acme", "heir", Some("buyer"))),
        ])
        .await
        .unwrap();
        let heir = yard.store.application(&of("acme"), "buyer").await.unwrap().unwrap();
        assert_eq!(heir.id, app("heir"));
    }

    async fn of_eight_endpoints_made_at_once_as_many_stay_as_the_limit_allows(yard: &Yard) {
        customer(yard).await;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..8 {
            let store = yard.another_process().await;
            tasks.spawn(async move {
                store.edit(within_limit(owned(&number.to_string())), Instant::now()).await
            });
        }
        let answers = tasks.join_all().await;
        let full = answers.iter().filter(|answer| matches!(answer, Err(Error::Full { most: 2, .. }))).count();
        assert_eq!((answers.iter().filter(|answer| answer.is_ok()).count(), full), (2, 6), "{answers:?}");
        assert_eq!(yard.store.endpoints_of(&app("buyer")).await.unwrap().len(), 2);
        assert_eq!(yard.store.endpoints(&of("acme")).await.unwrap().len(), 2);
    }

    async fn a_deleted_endpoint_makes_room_and_without_a_limit_there_is_always_room(yard: &Yard) {
        customer(yard).await;
        for name in ["one", "two"] {
            edit(yard, within_limit(owned(name))).await.unwrap();
        }
        let full = edit(yard, within_limit(owned("three"))).await.unwrap_err();
        assert!(matches!(&full, Error::Full { what, most: 2 } if what.contains("app_buyer")), "{full}");
        edit(yard, vec![Edit::RemoveEndpoint(endpoint_id("one"))]).await.unwrap();
        edit(yard, within_limit(owned("three"))).await.unwrap();
        let mut unlimited = application("acme", "buyer");
        unlimited.spec.max_endpoints = None;
        edit(yard, vec![Edit::Application(unlimited)]).await.unwrap();
        edit(yard, within_limit(owned("four"))).await.unwrap();
        let listed = yard.store.endpoints_of(&app("buyer")).await.unwrap();
        assert_eq!(listed.len(), 3);
        let nobody = edit(yard, vec![Edit::CheckLimit(app("nobody"))]).await.unwrap_err();
        assert!(matches!(&nobody, Error::Dangling { constraint } if constraint.contains("app_nobody")), "{nobody}");
    }

    async fn a_removed_application_takes_its_endpoints_along_and_nobody_elses(yard: &Yard) {
        customer(yard).await;
        edit(yard, vec![
            Edit::Application(application("acme", "other")),
            Edit::EventType(event_type("acme", "paid")),
            Edit::Endpoint(owned("one")),
            Edit::Endpoint(owned("two")),
            Edit::Endpoint(Endpoint { application_id: Some(app("other")), ..endpoint("acme", "others") }),
            Edit::Endpoint(endpoint("acme", "own")),
        ])
        .await
        .unwrap();
        let subscriptions = ["one", "two", "others", "own"].map(|to| Edit::Route(subscription("acme", "paid", to)));
        edit(yard, subscriptions.into()).await.unwrap();
        let first = yard.store.endpoint(&endpoint_id("one")).await.unwrap().unwrap();
        assert_eq!(first.credential.unwrap().expose_secret(), "correct horse");
        // It was deleted before, and keeps the time of that.
        let long_ago: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        yard.store.edit(vec![Edit::RemoveEndpoint(endpoint_id("two"))], long_ago).await.unwrap();

        let now = Instant::now();
        yard.store.edit(vec![Edit::RemoveApplication(app("buyer"))], now).await.unwrap();
        assert_eq!(yard.store.application(&of("acme"), "app_buyer").await.unwrap(), None);
        for (name, deleted_at) in [("one", now), ("two", long_ago)] {
            let gone = yard.store.endpoint(&endpoint_id(name)).await.unwrap().unwrap();
            assert_eq!((gone.deleted_at, gone.secrets.len()), (Some(deleted_at), 0), "{name}");
            assert!(gone.credential.is_none() && gone.client_key.is_none(), "{name}");
            assert!(yard.store.subscriptions(&endpoint_id(name)).await.unwrap().is_empty(), "{name}");
        }
        let table = yard.store.routing_table(&of("acme")).await.unwrap();
        let mut left: Vec<_> = table.endpoints.into_keys().collect();
        left.sort();
        assert_eq!(left, [endpoint_id("others"), endpoint_id("own")]);
        assert_eq!(table.routes.len(), 2);
        edit(yard, vec![Edit::RemoveApplication(app("buyer"))]).await.unwrap();
    }

    async fn a_code_opens_the_portal_once(yard: &Yard) {
        customer(yard).await;
        let now = Instant::now();
        yard.store.on_record(vec![]).begin_portal_session(visit("one", now), [1; 32]).await.unwrap();
        assert_eq!(yard.store.portal_session([2; 32], now).await.unwrap(), None, "the link was not used yet");
        assert!(!yard.store.open_portal_session([9; 32], [2; 32], now).await.unwrap(), "no such code");
        assert!(yard.store.open_portal_session([1; 32], [2; 32], now).await.unwrap());
        assert!(!yard.store.open_portal_session([1; 32], [3; 32], now).await.unwrap(), "it is used up");
        assert_eq!(yard.store.portal_session([2; 32], now).await.unwrap(), Some(visit("one", now)));
        for stranger in [[1; 32], [3; 32]] {
            assert_eq!(yard.store.portal_session(stranger, now).await.unwrap(), None, "a code is no cookie");
        }
    }

    async fn of_two_who_use_one_code_at_once_one_gets_in(yard: &Yard) {
        customer(yard).await;
        let now = Instant::now();
        for round in 0..10 {
            yard.store.on_record(vec![]).begin_portal_session(visit(&round.to_string(), now), [round; 32]).await.unwrap();
            let (one, two) = (yard.another_process().await, yard.another_process().await);
            let opened = tokio::join!(
                one.open_portal_session([round; 32], [100 + round; 32], now),
                two.open_portal_session([round; 32], [200 + round; 32], now),
            );
            let opened = [opened.0.unwrap(), opened.1.unwrap()];
            assert!(opened[0] != opened[1], "{opened:?}");
            let cookies = [[100 + round; 32], [200 + round; 32]];
            for (cookie, is_in) in cookies.into_iter().zip(opened) {
                assert_eq!(yard.store.portal_session(cookie, now).await.unwrap().is_some(), is_in);
            }
        }
    }

    async fn after_its_end_a_visit_neither_begins_nor_goes_on(yard: &Yard) {
        customer(yard).await;
        let now = Instant::now();
        let end = visit("one", now).expires_at;
        yard.store.on_record(vec![]).begin_portal_session(visit("one", now), [1; 32]).await.unwrap();
        yard.store.on_record(vec![]).begin_portal_session(visit("two", now), [2; 32]).await.unwrap();
        assert!(!yard.store.open_portal_session([1; 32], [3; 32], end).await.unwrap());
        let just_before = end - Duration::from_micros(1);
        assert!(yard.store.open_portal_session([2; 32], [4; 32], just_before).await.unwrap());
        assert!(yard.store.portal_session([4; 32], just_before).await.unwrap().is_some());
        assert_eq!(yard.store.portal_session([4; 32], end).await.unwrap(), None);
    }

    async fn visits_that_are_over_are_forgotten_a_few_at_a_time(yard: &Yard) {
        customer(yard).await;
        let now = Instant::now();
        for number in 0..3 {
            let begun = now - Duration::from_hours(2);
            yard.store.on_record(vec![]).begin_portal_session(visit(&number.to_string(), begun), [number; 32]).await.unwrap();
        }
        yard.store.on_record(vec![]).begin_portal_session(visit("fresh", now), [9; 32]).await.unwrap();
        let forget = |limit| yard.store.forget_portal_sessions(now, limit);
        assert_eq!((forget(-1).await.unwrap(), forget(0).await.unwrap()), (0, 0));
        assert_eq!((forget(2).await.unwrap(), forget(i64::MAX).await.unwrap(), forget(10).await.unwrap()), (2, 1, 0));
        assert!(yard.store.open_portal_session([9; 32], [1; 32], now).await.unwrap(), "what is not over stays");
    }

    async fn visits_end_with_their_application(yard: &Yard) {
        customer(yard).await;
        let now = Instant::now();
        yard.store.on_record(vec![]).begin_portal_session(visit("one", now), [1; 32]).await.unwrap();
        assert!(yard.store.open_portal_session([1; 32], [2; 32], now).await.unwrap());
        let twin = yard.store.on_record(vec![]).begin_portal_session(visit("two", now), [1; 32]).await.unwrap_err();
        assert!(matches!(&twin, Error::Taken { constraint } if constraint.contains("code_hash")), "{twin}");
        edit(yard, vec![Edit::RemoveApplication(app("buyer"))]).await.unwrap();
        assert_eq!(yard.store.portal_session([2; 32], now).await.unwrap(), None);
        let nobodys = yard.store.on_record(vec![]).begin_portal_session(visit("two", now), [1; 32]).await.unwrap_err();
        assert!(matches!(nobodys, Error::Dangling { .. }), "{nobodys}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_an_endpoint_made_while_its_application_is_removed_is_removed_too() {
    let yard = Yard::on_postgres().await;
    customer(&yard).await;
    edit(&yard, vec![Edit::Endpoint(owned("there"))]).await.unwrap();
    // Another process is making an endpoint, and has counted, but not committed yet.
    let mut making = yard.raw();
    making.execute(
        "BEGIN; \
         INSERT INTO endpoints (id, workspace_id, environment_id, enabled, spec, created_at, updated_at, application_id) \
         SELECT 'ep_late', workspace_id, environment_id, enabled, spec, created_at, updated_at, application_id FROM endpoints; \
         UPDATE applications SET updated_at = updated_at WHERE id = 'app_buyer'",
    );
    let removing = tokio::spawn({
        let store = yard.store.clone();
        async move {
            let edits = vec![Edit::RemoveApplication(app("buyer"))];
            store.edit(edits, Instant::now()).await
        }
    });
    let waiting = "SELECT count(*) AS value FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    testkit::until("the removal waits", async || yard.number(waiting) == 1).await;
    making.execute("COMMIT");
    removing.await.unwrap().unwrap();
    for name in ["there", "late"] {
        let endpoint = yard.store.endpoint(&endpoint_id(name)).await.unwrap().unwrap();
        assert!(endpoint.deleted_at.is_some(), "{name}");
    }
    let orphan = edit(&yard, within_limit(owned("orphan"))).await.unwrap_err();
    assert!(matches!(orphan, Error::Dangling { .. }), "{orphan}");
}
