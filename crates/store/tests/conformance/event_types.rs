//! Event types: registered once, published where an environment says so, subscribed to by endpoints.

use crate::given::{endpoint, endpoint_id, environment, event_type, of, route, subscription, tenant};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Edit, Error, EventType};
use std::collections::HashSet;
use std::time::Duration;
use wire::resource::Target;
use wire::{EnvironmentId, EventTypeId, Instant, RouteId};

async fn edit(yard: &Yard, edits: Vec<Edit>) -> Result<(), Error> {
    yard.store.edit(edits, Instant::now()).await
}

fn type_id(name: &str) -> EventTypeId {
    EventTypeId::from_stored(format!("evt_{name}"))
}

/// The tenant `acme` with the types `paid` and `refunded`, the endpoints `one` and `two`, and three subscriptions.
async fn subscribed(yard: &Yard) {
    let mut edits = tenant("acme");
    edits.extend([
        Edit::EventType(event_type("acme", "paid")),
        Edit::EventType(event_type("acme", "refunded")),
        Edit::Endpoint(endpoint("acme", "one")),
        Edit::Endpoint(endpoint("acme", "two")),
        Edit::Route(route("acme", "plain", 1, Target::Endpoint(endpoint_id("one")))),
    ]);
    edit(yard, edits).await.unwrap();
    let now = Instant::now();
    for (age, from, to) in [(1, "paid", "one"), (2, "refunded", "one"), (3, "paid", "two")] {
        let mut row = subscription("acme", from, to);
        row.created_at = now - Duration::from_mins(age);
        edit(yard, vec![Edit::Route(row)]).await.unwrap();
    }
}

async fn subscriptions(yard: &Yard, endpoint: &str) -> Vec<RouteId> {
    let routes = yard.store.subscriptions(&endpoint_id(endpoint)).await.unwrap();
    routes.into_iter().map(|route| route.id).collect()
}

fn route_id(name: &str) -> RouteId {
    RouteId::from_stored(format!("rt_{name}"))
}

on_both! {
    async fn sixteen_who_register_one_type_at_once_get_one_id(yard: &Yard) {
        edit(yard, tenant("acme")).await.unwrap();
        let stores = [yard.another_process().await, yard.another_process().await];
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..16 {
            let store = stores[number % 2].clone();
            let row = EventType { id: type_id(&number.to_string()), ..event_type("acme", "payment.succeeded") };
            tasks.spawn(async move { store.register_event_type(row).await.unwrap() });
        }
        let registered = tasks.join_all().await;
        let ids: HashSet<EventTypeId> = registered.iter().map(|row| row.id.clone()).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let there = yard.store.event_types(&of("acme")).await.unwrap();
        assert_eq!(there.len(), 1);
        assert!(registered.iter().all(|row| row == &there[0]), "what is answered is what is there");
    }

    async fn registering_again_changes_nothing(yard: &Yard) {
        edit(yard, tenant("acme")).await.unwrap();
        let mut first = event_type("acme", "paid");
        first.spec.description = Some("money came".to_owned());
        first.created_at = "2026-11-21T12:00:00Z".parse().unwrap();
        first.updated_at = first.created_at;
        assert_eq!(yard.store.register_event_type(first.clone()).await.unwrap(), first);
        let again = EventType { id: type_id("second"), ..event_type("acme", "paid") };
        assert_eq!(yard.store.register_event_type(again).await.unwrap(), first);
        assert_eq!(yard.store.event_types(&of("acme")).await.unwrap(), [first]);
    }

    async fn a_type_is_registered_by_its_name_also_when_that_reads_like_anothers_id(yard: &Yard) {
        edit(yard, tenant("acme")).await.unwrap();
        yard.store.register_event_type(event_type("acme", "paid")).await.unwrap();
        let odd = EventType { id: type_id("odd"), ..event_type("acme", "evt_paid") };
        assert_eq!(yard.store.register_event_type(odd.clone()).await.unwrap(), odd);
    }

    async fn a_type_is_found_by_its_id_or_its_name_in_its_own_workspace(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend(tenant("other"));
        let mut paid = EventType { name: "payment.succeeded".to_owned(), ..event_type("acme", "paid") };
        paid.spec.schema = Some(serde_json::json!({"type": "object"}));
        edits.extend([Edit::EventType(paid.clone()), Edit::EventType(event_type("acme", "a"))]);
        edit(yard, edits).await.unwrap();
        for name in ["evt_paid", "payment.succeeded"] {
            assert_eq!(yard.store.event_type(&of("acme"), name).await.unwrap().as_ref(), Some(&paid), "{name}");
            assert_eq!(yard.store.event_type(&of("other"), name).await.unwrap(), None, "{name}");
        }
        assert_eq!(yard.store.event_type(&of("acme"), "payment").await.unwrap(), None);
        let listed = yard.store.event_types(&of("acme")).await.unwrap();
        assert_eq!(listed.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["a", "payment.succeeded"]);

        let twin = EventType { id: type_id("twin"), ..paid.clone() };
        let taken = edit(yard, vec![Edit::EventType(twin)]).await.unwrap_err();
        assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains("name")), "{taken}");
        let stolen = EventType { workspace_id: of("other"), ..paid };
        let taken = edit(yard, vec![Edit::EventType(stolen)]).await.unwrap_err();
        assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains("`evt_paid`")), "{taken}");
    }

    async fn a_type_is_shown_where_it_is_published(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend([
            environment("acme", "staging"),
            Edit::EventType(event_type("acme", "paid")),
            Edit::EventType(event_type("acme", "refunded")),
        ]);
        edit(yard, edits).await.unwrap();
        let publish = |environment: &str, name: &str, published| Edit::Publish {
            environment: EnvironmentId::from_stored(format!("env_{environment}")),
            event_type: type_id(name),
            published,
        };
        let shown = |environment: &str| {
            let environment = EnvironmentId::from_stored(format!("env_{environment}"));
            async move {
                let mut shown = yard.store.published_event_types(&environment).await.unwrap();
                shown.sort();
                shown
            }
        };
        assert!(shown("acme").await.is_empty());
        let twice = publish("acme", "paid", true);
        edit(yard, vec![twice.clone(), twice, publish("acme", "refunded", true), publish("staging", "paid", true)]).await.unwrap();
        assert_eq!(shown("acme").await, [type_id("paid"), type_id("refunded")]);
        assert_eq!(shown("staging").await, [type_id("paid")]);
        let hide = publish("acme", "paid", false);
        edit(yard, vec![hide.clone(), hide]).await.unwrap();
        assert_eq!((shown("acme").await, shown("staging").await), (vec![type_id("refunded")], vec![type_id("paid")]));
        for dangling in [publish("none", "paid", true), publish("acme", "none", true)] {
            let refused = edit(yard, vec![dangling]).await.unwrap_err();
            assert!(matches!(refused, Error::Dangling { .. }), "{refused}");
        }
        edit(yard, vec![
            Edit::RemoveEnvironment(EnvironmentId::from_stored("env_staging")), Edit::RemoveEventType(type_id("refunded")),
        ])
        .await
        .unwrap();
        assert_eq!(yard.number("SELECT count(*) AS value FROM published_event_types"), 0);
    }

    async fn subscriptions_are_listed_by_their_endpoint_oldest_first(yard: &Yard) {
        subscribed(yard).await;
        assert_eq!(subscriptions(yard, "one").await, [route_id("refunded_one"), route_id("paid_one")]);
        assert_eq!(subscriptions(yard, "two").await, [route_id("paid_two")]);
        assert!(subscriptions(yard, "none").await.is_empty());
        let listed = yard.store.subscriptions(&endpoint_id("two")).await.unwrap();
        assert_eq!(listed[0].subscription, Some((type_id("paid"), endpoint_id("two"))));
    }

    async fn a_router_sees_subscriptions_and_a_list_of_routes_does_not(yard: &Yard) {
        subscribed(yard).await;
        let table = yard.store.routing_table(&of("acme")).await.unwrap();
        let all: HashSet<RouteId> = table.routes.iter().map(|route| route.id.clone()).collect();
        let expected = ["paid_one", "refunded_one", "paid_two", "plain"].map(route_id);
        assert_eq!(all, HashSet::from(expected));
        let listed = yard.store.routes(&of("acme")).await.unwrap();
        assert_eq!(listed.iter().map(|route| &route.id).collect::<Vec<_>>(), [&route_id("plain")]);
        assert_eq!(listed[0].subscription, None);
    }

    async fn an_endpoint_subscribes_to_a_type_once(yard: &Yard) {
        subscribed(yard).await;
        let mut twin = subscription("acme", "paid", "one");
        twin.id = route_id("twin");
        twin.spec.name = "twin".into();
        let taken = edit(yard, vec![Edit::Route(twin)]).await.unwrap_err();
        // SQLite names the columns.
        let names = |constraint: &str| constraint.contains("subscription") || constraint.contains("routes.event_type_id");
        assert!(matches!(&taken, Error::Taken { constraint } if names(constraint)), "{taken}");
        let unsubscribe = |from: &'static str| {
            let (endpoint, from) = (endpoint_id("one"), type_id(from));
            async move { yard.store.on_record(vec![]).unsubscribe(&endpoint, &from).await.unwrap() }
        };
        assert!(unsubscribe("paid").await);
        assert!(!unsubscribe("paid").await, "it is ended already");
        assert_eq!(subscriptions(yard, "one").await, [route_id("refunded_one")]);
        assert_eq!(subscriptions(yard, "two").await, [route_id("paid_two")], "another's is another's");
    }

    async fn a_subscription_that_is_saved_again_is_replaced_whole(yard: &Yard) {
        subscribed(yard).await;
        let mut moved = subscription("acme", "refunded", "two");
        moved.id = route_id("paid_one");
        edit(yard, vec![Edit::Route(moved)]).await.unwrap();
        assert_eq!(subscriptions(yard, "one").await, [route_id("refunded_one")]);
        assert_eq!(subscriptions(yard, "two").await.len(), 2);
        let mut plain = route("acme", "paid_two", 7, Target::Endpoint(endpoint_id("two")));
        plain.id = route_id("paid_two");
        edit(yard, vec![Edit::Route(plain)]).await.unwrap();
        assert_eq!(subscriptions(yard, "two").await, [route_id("paid_one")]);
        let listed = yard.store.routes(&of("acme")).await.unwrap();
        assert_eq!(listed.iter().map(|route| &route.id).collect::<Vec<_>>(), [&route_id("plain"), &route_id("paid_two")]);
    }

    async fn subscriptions_go_with_their_type(yard: &Yard) {
        subscribed(yard).await;
        edit(yard, vec![Edit::RemoveEventType(type_id("paid"))]).await.unwrap();
        assert_eq!(subscriptions(yard, "one").await, [route_id("refunded_one")]);
        assert!(subscriptions(yard, "two").await.is_empty());
        assert_eq!(yard.store.event_type(&of("acme"), "paid").await.unwrap(), None);
        assert_eq!(yard.store.routes(&of("acme")).await.unwrap().len(), 1);
    }

    async fn subscriptions_go_with_their_endpoint(yard: &Yard) {
        subscribed(yard).await;
        edit(yard, vec![Edit::RemoveEndpoint(endpoint_id("one"))]).await.unwrap();
        assert!(subscriptions(yard, "one").await.is_empty());
        assert_eq!(subscriptions(yard, "two").await, [route_id("paid_two")]);
        let table = yard.store.routing_table(&of("acme")).await.unwrap();
        let left: HashSet<RouteId> = table.routes.into_iter().map(|route| route.id).collect();
        assert_eq!(left, HashSet::from(["paid_two", "plain"].map(route_id)));
    }
}
