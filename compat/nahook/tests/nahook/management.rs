//! `management_integration_test.rs` of the crate, with deliveries that were really made.

use crate::running::{ENDPOINT, Running, WORKSPACE, refused, unique, until};
use nahook::NahookManagement;
use nahook::types::{
    CreateApplicationOptions, CreateEndpointOptions, CreateEnvironmentOptions, CreateEventTypeOptions,
    CreatePortalSessionOptions, CreateSubscriptionOptions, Delivery, EventType, GetDeliveryOptions,
    ListDeliveriesOptions, ListOptions, PayloadEnvelope, SetVisibilityOptions, UpdateApplicationOptions,
    UpdateEndpointOptions, UpdateEnvironmentOptions, UpdateEventTypeOptions,
};
use serde_json::{Value, json};
use std::collections::HashMap;

const NOT_FOUND: (u16, &str) = (404, "not_found");

fn to(url: &str) -> CreateEndpointOptions {
    CreateEndpointOptions {
        url: url.to_owned(),
        ..CreateEndpointOptions::default()
    }
}

async fn event_type(mgmt: &NahookManagement, name: &str) -> EventType {
    let options = CreateEventTypeOptions {
        name: format!("{name}.{}", unique()),
        description: Some("for a test".to_owned()),
    };
    mgmt.event_types().create(WORKSPACE, options).await.unwrap()
}

/// Compares a refusal.
fn is(refusal: &(u16, String), expected: (u16, &str)) -> bool {
    (refusal.0, refusal.1.as_str()) == expected
}

#[tokio::test(flavor = "multi_thread")]
async fn event_types_are_made_listed_changed_and_removed() {
    let running = Running::start();
    let mgmt = running.management();
    let types = mgmt.event_types();
    let created = event_type(&mgmt, "test.mgmt.evt").await;
    assert!(created.id.starts_with("evt_"));
    assert_eq!(created.description.as_deref(), Some("for a test"));
    let list = types.list(WORKSPACE).await.unwrap();
    assert!(list.data.iter().any(|one| one.id == created.id));
    let fetched = types.get(WORKSPACE, &created.id).await.unwrap();
    assert_eq!((&fetched.id, &fetched.name), (&created.id, &created.name));
    let options = UpdateEventTypeOptions {
        description: Some("updated".to_owned()),
    };
    let updated = types.update(WORKSPACE, &created.id, options).await.unwrap();
    assert_eq!(updated.id, created.id);
    assert_eq!(updated.description.as_deref(), Some("updated"));
    types.delete(WORKSPACE, &created.id).await.unwrap();
    assert!(is(&refused(types.get(WORKSPACE, &created.id).await), NOT_FOUND));
    let malformed = CreateEventTypeOptions {
        name: "!!!invalid event type!!!".to_owned(),
        description: None,
    };
    assert_eq!(refused(types.create(WORKSPACE, malformed).await).0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_made_listed_changed_and_removed() {
    let running = Running::start();
    let mgmt = running.management();
    let endpoints = mgmt.endpoints();
    let url = format!("https://example.com/webhook/{}", unique());
    let metadata = HashMap::from([("team".to_owned(), "pay".to_owned())]);
    let options = CreateEndpointOptions {
        description: Some("integration test endpoint".to_owned()),
        endpoint_type: Some("webhook".to_owned()),
        metadata: Some(metadata.clone()),
        config: Some(json!({"channel": "#alerts"})),
        auth_username: Some("ada".to_owned()),
        auth_password: Some("secret".to_owned()),
        ..to(&url)
    };
    let created = endpoints.create(WORKSPACE, options).await.unwrap();
    assert!(created.id.starts_with("ep_"));
    assert!(created.secret.unwrap().starts_with("whsec_"));
    assert_eq!(
        (created.url.as_str(), created.endpoint_type.as_str()),
        (url.as_str(), "webhook")
    );
    assert_eq!(
        (&created.metadata, &created.config),
        (&Some(metadata), &json!({"channel": "#alerts"}))
    );
    assert!(created.is_active);
    let list = endpoints.list(WORKSPACE).await.unwrap();
    assert!(list.data.iter().any(|one| one.id == created.id));
    let fetched = endpoints.get(WORKSPACE, &created.id).await.unwrap();
    assert_eq!(
        (&fetched.id, &fetched.url, &fetched.secret),
        (&created.id, &url, &None)
    );
    let options = UpdateEndpointOptions {
        description: Some("updated".to_owned()),
        is_active: Some(false),
        ..UpdateEndpointOptions::default()
    };
    let updated = endpoints.update(WORKSPACE, &created.id, options).await.unwrap();
    assert_eq!(updated.description.as_deref(), Some("updated"));
    assert!(!updated.is_active);
    endpoints.delete(WORKSPACE, &created.id).await.unwrap();
    assert!(is(
        &refused(endpoints.get(WORKSPACE, &created.id).await),
        NOT_FOUND
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_are_made_listed_changed_and_removed() {
    let running = Running::start();
    let mgmt = running.management();
    let applications = mgmt.applications();
    let external_id = format!("ext-{}", unique());
    let options = CreateApplicationOptions {
        name: "Test App".to_owned(),
        external_id: Some(external_id.clone()),
        ..CreateApplicationOptions::default()
    };
    let created = applications.create(WORKSPACE, options).await.unwrap();
    assert!(created.id.starts_with("app_"));
    assert_eq!(
        (created.name.as_str(), created.external_id.as_ref()),
        ("Test App", Some(&external_id))
    );
    let second = CreateApplicationOptions {
        name: "Second".to_owned(),
        ..CreateApplicationOptions::default()
    };
    let second = applications.create(WORKSPACE, second).await.unwrap();
    let list = applications.list(WORKSPACE, None).await.unwrap();
    assert!(list.data.iter().any(|one| one.id == created.id));
    let page = ListOptions {
        limit: Some(1),
        offset: Some(1),
    };
    let page = applications.list(WORKSPACE, Some(page)).await.unwrap();
    assert_eq!((page.data.len(), &page.data[0].id), (1, &second.id));
    let fetched = applications.get(WORKSPACE, &created.id).await.unwrap();
    assert_eq!(
        (fetched.id, fetched.name),
        (created.id.clone(), "Test App".to_owned())
    );
    let options = UpdateApplicationOptions {
        name: Some("Updated App".to_owned()),
        ..UpdateApplicationOptions::default()
    };
    let updated = applications
        .update(WORKSPACE, &created.id, options)
        .await
        .unwrap();
    assert_eq!(
        (updated.id, updated.name),
        (created.id.clone(), "Updated App".to_owned())
    );
    applications.delete(WORKSPACE, &created.id).await.unwrap();
    assert!(is(
        &refused(applications.get(WORKSPACE, &created.id).await),
        NOT_FOUND
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_limit_is_set_kept_enforced_and_cleared() {
    const FULL: (u16, &str) = (403, "application_endpoint_limit_reached");
    let running = Running::start();
    let mgmt = running.management();
    let applications = mgmt.applications();
    let options = CreateApplicationOptions {
        name: "Cap Test App".to_owned(),
        max_endpoints: Some(2),
        show_event_types: Some(false),
        ..CreateApplicationOptions::default()
    };
    let created = applications.create(WORKSPACE, options).await.unwrap();
    assert_eq!(
        (created.max_endpoints, created.show_event_types),
        (Some(2), false)
    );
    let fetched = applications.get(WORKSPACE, &created.id).await.unwrap();
    assert_eq!(
        (fetched.max_endpoints, fetched.show_event_types),
        (Some(2), false)
    );
    let options = UpdateApplicationOptions {
        max_endpoints: Some(Some(1)),
        show_event_types: Some(true),
        ..UpdateApplicationOptions::default()
    };
    let updated = applications
        .update(WORKSPACE, &created.id, options)
        .await
        .unwrap();
    assert_eq!((updated.max_endpoints, updated.show_event_types), (Some(1), true));
    let fetched = applications.get(WORKSPACE, &created.id).await.unwrap();
    assert_eq!((fetched.max_endpoints, fetched.show_event_types), (Some(1), true));

    let one_more = || applications.create_endpoint(WORKSPACE, &created.id, to("https://httpbin.org/post"));
    let first = one_more().await.unwrap();
    assert!(is(&refused(one_more().await), FULL));
    let disabled = UpdateEndpointOptions {
        is_active: Some(false),
        ..UpdateEndpointOptions::default()
    };
    mgmt.endpoints()
        .update(WORKSPACE, &first.id, disabled)
        .await
        .unwrap();
    assert!(is(&refused(one_more().await), FULL));

    let options = UpdateApplicationOptions {
        max_endpoints: Some(None),
        ..UpdateApplicationOptions::default()
    };
    let cleared = applications
        .update(WORKSPACE, &created.id, options)
        .await
        .unwrap();
    assert_eq!(cleared.max_endpoints, None);
    let second = one_more().await.unwrap();
    let list = applications.list_endpoints(WORKSPACE, &created.id).await.unwrap();
    let ids: Vec<&str> = list.data.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, [&first.id, &second.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_subscribes_and_unsubscribes() {
    let running = Running::start();
    let mgmt = running.management();
    let url = format!("https://example.com/webhook/{}", unique());
    let endpoint = mgmt.endpoints().create(WORKSPACE, to(&url)).await.unwrap();
    let event_type = event_type(&mgmt, "test.sub.lifecycle").await;
    let subscriptions = mgmt.subscriptions();
    let options = CreateSubscriptionOptions {
        event_type_ids: vec![event_type.id.clone()],
    };
    let result = subscriptions
        .create(WORKSPACE, &endpoint.id, options.clone())
        .await
        .unwrap();
    assert_eq!(result.subscribed, 1);
    let again = subscriptions
        .create(WORKSPACE, &endpoint.id, options)
        .await
        .unwrap();
    assert_eq!(again.subscribed, 1);
    let list = subscriptions.list(WORKSPACE, &endpoint.id).await.unwrap();
    assert_eq!(list.data.len(), 1);
    assert!(list.data[0].id.starts_with("sub_"));
    assert_eq!(list.data[0].event_type_id, event_type.id);
    assert_eq!(list.data[0].event_type_name, event_type.name);
    let unknown = CreateSubscriptionOptions {
        event_type_ids: vec!["evt_nobody_knows".to_owned()],
    };
    assert_eq!(
        refused(subscriptions.create(WORKSPACE, &endpoint.id, unknown).await).0,
        400
    );
    subscriptions
        .delete(WORKSPACE, &endpoint.id, &event_type.id)
        .await
        .unwrap();
    assert!(
        subscriptions
            .list(WORKSPACE, &endpoint.id)
            .await
            .unwrap()
            .data
            .is_empty()
    );
    let twice = subscriptions
        .delete(WORKSPACE, &endpoint.id, &event_type.id)
        .await;
    assert!(is(&refused(twice), NOT_FOUND));
    mgmt.endpoints().delete(WORKSPACE, &endpoint.id).await.unwrap();
    mgmt.event_types()
        .delete(WORKSPACE, &event_type.id)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_are_made_listed_changed_and_removed() {
    let running = Running::start();
    let mgmt = running.management();
    let environments = mgmt.environments();
    let slug = format!("test-env-{}", unique());
    let options = CreateEnvironmentOptions {
        name: "Test Env".to_owned(),
        slug: slug.clone(),
    };
    let created = environments.create(WORKSPACE, options).await.unwrap();
    assert_eq!((created.name.as_str(), &created.slug), ("Test Env", &slug));
    assert!(!created.id.is_empty() && !created.is_default);
    let list = environments.list(WORKSPACE).await.unwrap();
    assert!(list.data.len() >= 2);
    assert!(list.data.iter().any(|one| one.id == created.id));
    let fetched = environments.get(WORKSPACE, &created.id).await.unwrap();
    assert_eq!(
        (fetched.id, fetched.name, fetched.slug),
        (created.id.clone(), "Test Env".to_owned(), slug)
    );
    let options = UpdateEnvironmentOptions {
        name: Some("Updated Env".to_owned()),
    };
    let updated = environments
        .update(WORKSPACE, &created.id, options)
        .await
        .unwrap();
    assert_eq!(
        (updated.id, updated.name),
        (created.id.clone(), "Updated Env".to_owned())
    );
    environments.delete(WORKSPACE, &created.id).await.unwrap();
    assert!(is(
        &refused(environments.get(WORKSPACE, &created.id).await),
        NOT_FOUND
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_shows_an_event_type_or_hides_it() {
    let running = Running::start();
    let mgmt = running.management();
    let environments = mgmt.environments();
    let options = CreateEnvironmentOptions {
        name: "Vis Env".to_owned(),
        slug: format!("vis-env-{}", unique()),
    };
    let environment = environments.create(WORKSPACE, options).await.unwrap();
    let event_type = event_type(&mgmt, "test.visibility").await;
    let is_shown = async || {
        let list = environments
            .list_event_type_visibility(WORKSPACE, &environment.id)
            .await
            .unwrap();
        let found = list
            .data
            .into_iter()
            .find(|one| one.event_type_id == event_type.id);
        found.map(|one| one.published)
    };
    assert_eq!(is_shown().await, Some(false));
    for published in [true, false] {
        let options = SetVisibilityOptions { published };
        let set = environments.set_event_type_visibility(WORKSPACE, &environment.id, &event_type.id, options);
        let set = set.await.unwrap();
        assert_eq!(
            (&set.event_type_id, &set.event_type_name),
            (&event_type.id, &event_type.name)
        );
        assert_eq!(set.published, published);
        assert_eq!(is_shown().await, Some(published));
    }
    environments.delete(WORKSPACE, &environment.id).await.unwrap();
    mgmt.event_types()
        .delete(WORKSPACE, &event_type.id)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_into_the_portal_is_made() {
    let running = Running::start();
    let mgmt = running.management();
    let options = CreateApplicationOptions {
        name: "Customer".to_owned(),
        ..CreateApplicationOptions::default()
    };
    let application = mgmt.applications().create(WORKSPACE, options).await.unwrap();
    let sessions = mgmt.portal_sessions();
    let session = sessions.create(WORKSPACE, &application.id, None).await.unwrap();
    assert!(!session.code.is_empty() && !session.expires_at.is_empty());
    assert!(session.url.starts_with(&running.url), "{}", session.url);
    let page = reqwest::get(&session.url).await.unwrap();
    assert_eq!(page.status(), 200);
    let options = CreatePortalSessionOptions {
        metadata: Some(HashMap::from([("user".to_owned(), "ada".to_owned())])),
        role: Some("viewer".to_owned()),
        expires_in_minutes: Some(5),
    };
    let other = sessions
        .create(WORKSPACE, &application.id, Some(options))
        .await
        .unwrap();
    assert_ne!(other.code, session.code);
    let unknown = CreatePortalSessionOptions {
        role: Some("owner".to_owned()),
        ..CreatePortalSessionOptions::default()
    };
    assert_eq!(
        refused(sessions.create(WORKSPACE, &application.id, Some(unknown)).await).0,
        400
    );
}

/// Sends an event, and waits until its delivery has this status.
async fn delivered(running: &Running, payload: &Value, status: &str) -> Delivery {
    let client = reqwest::Client::new();
    let door = format!("{}/ingest/src_shop", running.url);
    let answer = client.post(door).json(payload).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let mgmt = running.management();
    until(&format!("{payload} is {status}"), async || {
        let list = mgmt.deliveries().list(WORKSPACE, ENDPOINT, None).await.unwrap();
        let newest = list.data.into_iter().next()?;
        let options = GetDeliveryOptions {
            include_payload: true,
        };
        let with = mgmt
            .deliveries()
            .get(WORKSPACE, &newest.id, Some(options))
            .await
            .unwrap();
        let is_it = matches!(&with.payload, Some(PayloadEnvelope::Available { data, .. }) if data == payload);
        (is_it && newest.status == status).then_some(newest)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_filtered_and_shown_with_payload_and_attempts() {
    let running = Running::start();
    let mgmt = running.management();
    let deliveries = mgmt.deliveries();
    let first = json!({"orderId": "ord_1"});
    let done = delivered(&running, &first, "delivered").await;
    // Two failures, and a receiver that wants no more.
    running.receiver.answer_next([502, 502, 410]);
    let failed = delivered(&running, &json!({"orderId": "ord_2"}), "failed").await;
    // Nobody delivers to it now.
    let held = delivered(&running, &json!({"orderId": "ord_3"}), "pending").await;
    assert_eq!(
        (done.total_attempts, failed.total_attempts, held.total_attempts),
        (1, 3, 0)
    );

    let page = async |cursor: Option<String>, status: Option<&str>| {
        let options = ListDeliveriesOptions {
            limit: Some(2),
            cursor,
            status: status.map(str::to_owned),
        };
        deliveries.list(WORKSPACE, ENDPOINT, Some(options)).await.unwrap()
    };
    let newest = page(None, None).await;
    let ids: Vec<&str> = newest.data.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, [&held.id, &failed.id]);
    let cursor = newest.next_cursor.unwrap();
    assert!(!cursor.starts_with("del_"), "{cursor}");
    let oldest = page(Some(cursor), None).await;
    assert_eq!((oldest.data.len(), &oldest.data[0].id), (1, &done.id));
    assert_eq!(oldest.next_cursor, None);
    let found = page(None, Some("failed")).await;
    assert_eq!((found.data.len(), &found.data[0].id), (1, &failed.id));
    assert_eq!(found.data[0].total_attempts, 3);

    let one = deliveries.get(WORKSPACE, &done.id, None).await.unwrap();
    assert_eq!(
        (one.id.as_str(), one.endpoint_id.as_str()),
        (done.id.as_str(), ENDPOINT)
    );
    assert_eq!(one.status, "delivered");
    assert!(one.has_payload && one.payload.is_none() && one.delivered_at.is_some());
    let options = GetDeliveryOptions {
        include_payload: true,
    };
    let one = deliveries.get(WORKSPACE, &done.id, Some(options)).await.unwrap();
    let Some(PayloadEnvelope::Available { data, content_type }) = one.payload else {
        panic!("no payload: {:?}", one.payload);
    };
    assert_eq!((data, content_type.as_str()), (first, "application/json"));

    let attempts = deliveries.get_attempts(WORKSPACE, &failed.id).await.unwrap();
    let told: Vec<_> = attempts
        .iter()
        .map(|one| (one.attempt_number, one.response_status_code, one.status.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, Some(502), "failed"),
            (2, Some(502), "failed"),
            (3, Some(410), "failed")
        ]
    );
    assert!(
        attempts
            .iter()
            .all(|one| one.id.starts_with("att_") && one.error_message.is_some())
    );
    let succeeded = deliveries.get_attempts(WORKSPACE, &done.id).await.unwrap();
    assert_eq!(
        (succeeded[0].status.as_str(), &succeeded[0].error_message),
        ("success", &None)
    );
    let missing = deliveries
        .get(WORKSPACE, "del_does_not_exist_anywhere", None)
        .await;
    assert!(is(&refused(missing), NOT_FOUND));
    let missing = deliveries
        .get_attempts(WORKSPACE, "del_does_not_exist_anywhere")
        .await;
    assert!(is(&refused(missing), NOT_FOUND));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_a_401() {
    let running = Running::start();
    let mgmt = running.management_with("nhm_invalid_token_that_does_not_exist");
    let refusal = refused(mgmt.event_types().list(WORKSPACE).await);
    assert!(is(&refusal, (401, "unauthorized")));
    // A right token of another workspace tells as little.
    let refusal = refused(running.management().event_types().list("ws_other").await);
    assert!(is(&refusal, (401, "unauthorized")));
}
