//! What operators configure: all or none, secrets sealed, nobody's but their own.

use crate::given::{
    self, deliveries, delivery, endpoint, endpoint_id, of, playbook, route, secret, source, tenant,
};
use crate::on_both;
use crate::yard::{Yard, connect_with, keyring};
use hookyard_store::{Edit, Environment, Error, KeyRingError, NewManagementToken, Route, Store};
use secrecy::ExposeSecret;
use wire::resource::Target;
use wire::{
    EndpointId, EnvironmentId, Instant, ManagementTokenId, PlaybookId, RouteId, SourceId, WorkspaceId,
};

async fn edit(store: &Store, edits: Vec<Edit>) -> Result<(), Error> {
    store.edit(edits, Instant::now()).await
}

fn token(tenant: &str, name: &str, hash: [u8; 32]) -> NewManagementToken {
    NewManagementToken {
        id: ManagementTokenId::from_stored(format!("mt_{tenant}_{name}")),
        workspace_id: WorkspaceId::from_stored(format!("ws_{tenant}")),
        name: name.to_owned(),
        token_hash: hash,
        created_at: Instant::now(),
    }
}

on_both! {
    async fn what_is_saved_is_found_again(yard: &Yard) {
        let store = &yard.store;
        let mut edits = tenant("acme");
        edits.extend([
            Edit::Source(source("acme", "stripe")),
            Edit::Endpoint(endpoint("acme", "billing")),
            Edit::Playbook(playbook("acme", "onboarding", 42)),
            Edit::Route(route("acme", "second", 2, Target::Playbook(PlaybookId::from_stored("pb_onboarding")))),
            Edit::Route(route("acme", "first", 1, Target::Endpoint(endpoint_id("billing")))),
            Edit::ManagementToken(token("acme", "ci", [1; 32])),
        ]);
        edit(store, edits).await.unwrap();

        let workspace = store.workspace("acme").await.unwrap().unwrap();
        assert_eq!(store.workspace("ws_acme").await.unwrap(), Some(workspace.clone()));
        assert_eq!(store.workspaces(10).await.unwrap(), [workspace]);
        assert_eq!(store.environments(&of("acme")).await.unwrap().len(), 1);
        let (found, accepting) = store.source_by_token("src_acme_stripe").await.unwrap().unwrap();
        assert_eq!((found.spec.slug.as_str(), found.channel_secret_hash, accepting), ("stripe", Some([3; 32]), true));
        assert_eq!(found.secrets[0].value.expose_secret(), "whsec_of_a_source");
        let (same, _) = store.source_by_slugs("acme", "stripe").await.unwrap().unwrap();
        assert_eq!(same.id, found.id);
        assert_eq!(store.source(&found.id).await.unwrap().unwrap().spec, found.spec);
        assert!(store.source_by_token("src_").await.unwrap().is_none());
        assert!(store.source_by_slugs("stripe", "acme").await.unwrap().is_none());
        let endpoint = store.endpoint(&endpoint_id("billing")).await.unwrap().unwrap();
        assert_eq!(endpoint.secrets[0].value.expose_secret(), "whsec_of_an_endpoint");
        let routes: Vec<String> = store.routes(&of("acme")).await.unwrap().into_iter().map(|route| route.spec.name).collect();
        assert_eq!(routes, ["first", "second"]);
        let table = store.routing_table(&of("acme")).await.unwrap();
        assert_eq!(table.endpoints.get(&endpoint_id("billing")), Some(&true));
        assert_eq!(table.playbooks.get(&PlaybookId::from_stored("pb_onboarding")), Some(&true));
        assert_eq!(table.routes.len(), 2);
        assert!(table.doorkeepers.is_empty());
        assert_eq!(store.playbooks(&of("acme")).await.unwrap()[0].number, 42);
        let holder = store.management_token([1; 32]).await.unwrap().unwrap();
        assert_eq!((holder.workspace_id, holder.name.as_str()), (of("acme"), "ci"));
        assert_eq!(store.management_tokens(&of("acme")).await.unwrap()[0].token_hash, [1; 32]);
        assert!(store.management_token([2; 32]).await.unwrap().is_none());
        let names = store.names(&of("acme")).await.unwrap();
        assert_eq!(names.endpoints, [(endpoint_id("billing"), Some("billing".to_owned()))]);
        assert_eq!(names.sources, [(SourceId::from_stored("so_stripe"), "stripe".to_owned())]);
    }

    async fn a_routing_table_has_every_endpoint_however_many_there_are(yard: &Yard) {
        let store = &yard.store;
        edit(store, tenant("acme")).await.unwrap();
        let names: Vec<String> = (0..10_001).map(|number| format!("e{number}")).collect();
        for names in names.chunks(2_000) {
            let edits = names.iter().map(|name| Edit::Endpoint(endpoint("acme", name)));
            edit(store, edits.collect()).await.unwrap();
        }
        let table = store.routing_table(&of("acme")).await.unwrap();
        assert_eq!(table.endpoints.len(), names.len());
    }

    async fn saving_again_replaces(yard: &Yard) {
        let store = &yard.store;
        let mut edits = tenant("acme");
        edits.push(Edit::Source(source("acme", "stripe")));
        edit(store, edits).await.unwrap();
        let mut changed = source("acme", "stripe");
        changed.token = "src_rotated".into();
        changed.spec.slug = "renamed".into();
        changed.secrets = vec![];
        changed.verify_token = Some("shown by a handshake".into());
        edit(store, vec![Edit::Source(changed)]).await.unwrap();
        assert!(store.source_by_token("src_acme_stripe").await.unwrap().is_none());
        let (found, _) = store.source_by_token("src_rotated").await.unwrap().unwrap();
        assert_eq!((found.spec.slug.as_str(), found.secrets.len()), ("renamed", 0));
        assert_eq!(found.verify_token.unwrap().expose_secret(), "shown by a handshake");
        assert_eq!(store.sources(&of("acme")).await.unwrap().len(), 1);
    }

    async fn edits_are_carried_out_all_or_none(yard: &Yard) {
        let store = &yard.store;
        edit(store, tenant("acme")).await.unwrap();
        let mut twin = source("acme", "other");
        twin.spec.slug = "stripe".into();
        let failed = edit(store, vec![
            Edit::Endpoint(endpoint("acme", "billing")),
            Edit::Source(source("acme", "stripe")),
            Edit::Source(twin),
        ])
        .await
        .unwrap_err();
        assert!(matches!(&failed, Error::Taken { constraint } if constraint.contains("slug")), "{failed}");
        assert!(store.endpoints(&of("acme")).await.unwrap().is_empty());
        assert!(store.sources(&of("acme")).await.unwrap().is_empty());
    }

    async fn a_slug_a_token_a_name_or_a_number_is_taken_once(yard: &Yard) {
        let store = &yard.store;
        let to = || Target::Endpoint(endpoint_id("billing"));
        let mut edits = tenant("acme");
        edits.extend([
            Edit::Source(source("acme", "stripe")),
            Edit::Endpoint(endpoint("acme", "billing")),
            Edit::Playbook(playbook("acme", "onboarding", 1)),
            Edit::Route(route("acme", "paid", 1, to())),
            Edit::ManagementToken(token("acme", "ci", [1; 32])),
        ]);
        edits.extend(tenant("other"));
        edit(store, edits).await.unwrap();

        let mut second_source = source("other", "second");
        second_source.token = "src_acme_stripe".into();
        let mut second_endpoint = endpoint("acme", "second");
        second_endpoint.spec.slug = Some("billing".to_owned());
        let mut second_route = route("acme", "second", 2, to());
        second_route.spec.name = "paid".into();
        let mut second_workspace = tenant("third").remove(0);
        if let Edit::Workspace(workspace) = &mut second_workspace {
            workspace.slug = "acme".into();
        }
        let second_default = Edit::Environment(Environment { name: None,
            id: EnvironmentId::from_stored("env_second"),
            workspace_id: of("acme"),
            slug: "staging".to_owned(),
            is_default: true,
            created_at: Instant::now(),
            updated_at: Instant::now(),
        });
        for (what, twin) in [
            ("token", Edit::Source(second_source)),
            ("slug", Edit::Endpoint(second_endpoint)),
            ("number", Edit::Playbook(playbook("acme", "second", 1))),
            ("name", Edit::Route(second_route)),
            ("slug", second_workspace),
            ("token_hash", Edit::ManagementToken(token("other", "ci", [1; 32]))),
            ("environments", second_default),
        ] {
            let failed = edit(store, vec![twin.clone()]).await.unwrap_err();
            assert!(matches!(&failed, Error::Taken { constraint } if constraint.contains(what)), "{failed}: {twin:?}");
        }
        // Unique in a workspace is not unique in the yard.
        let mut elsewhere = endpoint("other", "elsewhere");
        elsewhere.spec.slug = Some("billing".to_owned());
        edit(store, vec![Edit::Endpoint(elsewhere)]).await.unwrap();
    }

    async fn the_id_of_what_was_removed_stays_its_workspaces(yard: &Yard) {
        let store = &yard.store;
        let mut edits = tenant("acme");
        edits.extend(tenant("thief"));
        let made = [
            Edit::Source(source("acme", "stripe")),
            Edit::Playbook(playbook("acme", "onboarding", 1)),
            Edit::EventType(given::event_type("acme", "order.paid")),
        ];
        edits.extend(made.clone());
        edit(store, edits).await.unwrap();
        edit(store, vec![
            Edit::RemoveSource(source("acme", "stripe").id),
            Edit::RemovePlaybook(playbook("acme", "onboarding", 1).id),
            Edit::RemoveEventType(given::event_type("acme", "order.paid").id),
        ])
        .await
        .unwrap();
        let mut others = [source("acme", "stripe"), source("acme", "stripe")];
        others[0].workspace_id = of("thief");
        others[0].environment_id = source("thief", "stripe").environment_id;
        let mut other_playbook = playbook("acme", "onboarding", 1);
        other_playbook.workspace_id = of("thief");
        let mut other_type = given::event_type("acme", "order.paid");
        other_type.workspace_id = of("thief");
        for twin in [Edit::Source(others[0].clone()), Edit::Playbook(other_playbook), Edit::EventType(other_type)] {
            let failed = edit(store, vec![twin.clone()]).await.unwrap_err();
            assert!(matches!(&failed, Error::Taken { constraint } if constraint.contains("the id")), "{failed}: {twin:?}");
        }
        // Whose they were may have them again, and remove them again.
        edit(store, made.to_vec()).await.unwrap();
        edit(store, vec![Edit::RemoveSource(source("acme", "stripe").id)]).await.unwrap();
    }

    async fn a_pinned_id_never_reaches_into_another_workspace(yard: &Yard) {
        let store = &yard.store;
        let to = || Target::Endpoint(endpoint_id("victim"));
        let mut edits = tenant("acme");
        edits.extend(tenant("thief"));
        edits.extend([
            Edit::Endpoint(endpoint("acme", "victim")),
            Edit::Source(source("acme", "victim")),
            Edit::Playbook(playbook("acme", "victim", 1)),
            Edit::Route(route("acme", "victim", 1, to())),
            Edit::ManagementToken(token("acme", "victim", [1; 32])),
        ]);
        edit(store, edits).await.unwrap();

        let mut stolen = endpoint("thief", "victim");
        stolen.spec.url = "https://thief.example/".into();
        let mut stolen_token = token("thief", "victim", [2; 32]);
        stolen_token.id = ManagementTokenId::from_stored("mt_acme_victim");
        let mut stolen_environment = tenant("acme").remove(1);
        if let Edit::Environment(environment) = &mut stolen_environment {
            environment.workspace_id = of("thief");
            environment.slug = "stolen".into();
            environment.is_default = false;
        }
        let mut stolen_source = source("thief", "victim");
        stolen_source.token = "src_stolen".into();
        for theft in [
            Edit::Endpoint(stolen),
            Edit::Source(stolen_source),
            Edit::Playbook(playbook("thief", "victim", 9)),
            Edit::Route(Route { position: 9, ..route("thief", "victim", 1, to()) }),
            Edit::ManagementToken(stolen_token),
            stolen_environment,
        ] {
            let failed = edit(store, vec![theft.clone()]).await.unwrap_err();
            assert!(matches!(&failed, Error::Taken { constraint } if constraint.contains('`')), "{failed}: {theft:?}");
        }
        let kept = store.endpoint(&endpoint_id("victim")).await.unwrap().unwrap();
        assert_eq!((kept.workspace_id, kept.spec.url.as_str()), (of("acme"), "https://receiver.example/hooks"));
        assert!(store.source_by_token("src_stolen").await.unwrap().is_none());
        assert_eq!(store.routes(&of("acme")).await.unwrap()[0].position, 1);
        assert!(store.management_token([2; 32]).await.unwrap().is_none());
    }

    async fn nothing_is_left_dangling(yard: &Yard) {
        let store = &yard.store;
        let orphan = edit(store, vec![Edit::Source(source("acme", "stripe"))]).await.unwrap_err();
        assert!(matches!(orphan, Error::Dangling { .. }), "{orphan}");
        let mut edits = tenant("acme");
        edits.push(Edit::Source(source("acme", "stripe")));
        edit(store, edits).await.unwrap();
        let environment = EnvironmentId::from_stored("env_acme");
        let used = edit(store, vec![Edit::RemoveEnvironment(environment.clone())]).await.unwrap_err();
        assert!(matches!(used, Error::Dangling { .. }), "{used}");
        edit(store, vec![
            Edit::RemoveSource(SourceId::from_stored("so_stripe")),
            Edit::RemoveEnvironment(environment),
        ])
        .await
        .unwrap();
        assert!(store.environments(&of("acme")).await.unwrap().is_empty());
    }

    async fn a_deleted_endpoint_keeps_no_environment_alive(yard: &Yard) {
        let store = &yard.store;
        let staging = EnvironmentId::from_stored("env_staging");
        let mut edits = tenant("acme");
        edits.push(Edit::Environment(Environment { name: None,
            id: staging.clone(),
            workspace_id: of("acme"),
            slug: "staging".to_owned(),
            is_default: false,
            created_at: Instant::now(),
            updated_at: Instant::now(),
        }));
        let mut staged = endpoint("acme", "staged");
        staged.environment_id = staging.clone();
        edits.push(Edit::Endpoint(staged));
        edit(store, edits).await.unwrap();
        let used = edit(store, vec![Edit::RemoveEnvironment(staging.clone())]).await.unwrap_err();
        assert!(matches!(used, Error::Dangling { .. }), "{used}");
        edit(store, vec![Edit::RemoveEndpoint(endpoint_id("staged")), Edit::RemoveEnvironment(staging)]).await.unwrap();
        let deleted = store.endpoint(&endpoint_id("staged")).await.unwrap().unwrap();
        assert_eq!(deleted.environment_id.as_str(), "env_acme");
    }

    async fn what_is_removed_is_gone(yard: &Yard) {
        let store = &yard.store;
        let mut edits = tenant("acme");
        edits.extend([
            Edit::Playbook(playbook("acme", "onboarding", 1)),
            Edit::Route(route("acme", "paid", 1, Target::Endpoint(endpoint_id("billing")))),
            Edit::ManagementToken(token("acme", "ci", [1; 32])),
        ]);
        edit(store, edits).await.unwrap();
        let removals = || vec![
            Edit::RemovePlaybook(PlaybookId::from_stored("pb_onboarding")),
            Edit::RemoveRoute(RouteId::from_stored("rt_paid")),
            Edit::RemoveManagementToken(ManagementTokenId::from_stored("mt_acme_ci")),
            Edit::RemoveEndpoint(EndpointId::from_stored("ep_none")),
        ];
        edit(store, removals()).await.unwrap();
        edit(store, removals()).await.unwrap();
        assert!(store.playbooks(&of("acme")).await.unwrap().is_empty());
        assert!(store.routes(&of("acme")).await.unwrap().is_empty());
        assert!(store.management_token([1; 32]).await.unwrap().is_none());
    }

    async fn a_removed_endpoint_keeps_its_deliveries_and_gives_up_its_slug_and_secrets(yard: &Yard) {
        let store = &yard.store;
        let mut edits = tenant("acme");
        edits.push(Edit::Endpoint(endpoint("acme", "billing")));
        edit(store, edits).await.unwrap();
        let made = deliveries(store, |event| vec![delivery(event, "billing", Instant::now())]).await;
        edit(store, vec![Edit::RemoveEndpoint(endpoint_id("billing"))]).await.unwrap();
        assert!(store.delivery(&given::workspace(), made[0]).await.unwrap().is_some());
        let removed = store.endpoint(&endpoint_id("billing")).await.unwrap().unwrap();
        assert!(removed.deleted_at.is_some() && removed.secrets.is_empty());
        assert!(store.endpoints(&of("acme")).await.unwrap().is_empty());
        assert!(store.routing_table(&of("acme")).await.unwrap().endpoints.is_empty());
        let mut successor = endpoint("acme", "successor");
        successor.spec.slug = Some("billing".to_owned());
        edit(store, vec![Edit::Endpoint(successor)]).await.unwrap();
    }

    async fn a_closed_workspace_is_seen_with_its_sources(yard: &Yard) {
        let mut edits = tenant("acme");
        if let Some(Edit::Workspace(workspace)) = edits.first_mut() {
            workspace.accepting = false;
        }
        edits.push(Edit::Source(source("acme", "stripe")));
        edit(&yard.store, edits).await.unwrap();
        let (_, accepting) = yard.store.source_by_token("src_acme_stripe").await.unwrap().unwrap();
        assert!(!accepting);
        let (_, accepting) = yard.store.source_by_slugs("acme", "stripe").await.unwrap().unwrap();
        assert!(!accepting);
    }

    async fn a_slug_that_reads_like_another_workspaces_id_does_not_stand_for_it(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend(tenant("other"));
        if let Some(Edit::Workspace(workspace)) = edits.get_mut(2) {
            workspace.slug = "ws_acme".into();
        }
        edit(&yard.store, edits).await.unwrap();
        let found = yard.store.workspace("ws_acme").await.unwrap().unwrap();
        assert_eq!(found.id, of("acme"));
    }

    async fn secrets_lie_sealed_and_open_with_their_key_alone(yard: &Yard) {
        const CANARY: &str = "whsec_canary_9f3b1c";
        let mut edits = tenant("acme");
        let (mut sealed_source, mut sealed_endpoint) = (source("acme", "stripe"), endpoint("acme", "billing"));
        sealed_source.secrets = vec![secret(CANARY)];
        sealed_source.verify_token = Some(CANARY.into());
        sealed_endpoint.secrets = vec![secret(CANARY), secret("second")];
        edits.extend([Edit::Source(sealed_source), Edit::Endpoint(sealed_endpoint)]);
        edit(&yard.store, edits).await.unwrap();
        let captured = hookyard_store::Captured { secret: CANARY.into(), at: Instant::now(), remote_address: None };
        let handshake = hookyard_store::NewHandshakes {
            source_id: SourceId::from_stored("so_stripe"),
            answered: 1,
            last_at: Instant::now(),
            captured: Some(captured),
        };
        yard.store.record_handshakes(vec![handshake]).await.unwrap();
        let stolen = yard.everything();
        let hexadecimal = hex::encode(CANARY);
        assert!(!stolen.contains(CANARY) && !stolen.contains(&hexadecimal), "a secret lies open");
        assert!(stolen.contains("src_acme_stripe"), "everything was looked at");

        let read = |keys: &[(&str, u8)]| {
            let (url, keys) = (yard.url(), keyring(keys));
            async move {
                let store = connect_with(&url, keys).await.unwrap();
                let (source, _) = store.source_by_token("src_acme_stripe").await?.unwrap();
                let endpoint = store.endpoint(&endpoint_id("billing")).await?.unwrap();
                Ok::<_, Error>((source, endpoint))
            }
        };
        let (source, endpoint) = read(&[("new", 1), ("test", 7)]).await.unwrap();
        assert_eq!(source.secrets[0].value.expose_secret(), CANARY);
        assert_eq!(source.verify_token.as_ref().unwrap().expose_secret(), CANARY);
        assert_eq!(endpoint.secrets[0].value.expose_secret(), CANARY);
        assert!(!format!("{source:?}{endpoint:?}").contains(CANARY));
        let unknown = read(&[("new", 1)]).await.unwrap_err();
        assert!(matches!(&unknown, Error::KeyRing(KeyRingError::Unknown { id, .. }) if id == "test"), "{unknown}");
        let wrong = read(&[("test", 8)]).await.unwrap_err();
        assert!(matches!(&wrong, Error::KeyRing(KeyRingError::Broken { place }) if place == "sources/so_stripe/sealed"));
    }

    async fn without_a_key_nothing_secret_is_kept_but_everything_else_is(yard: &Yard) {
        let store = connect_with(&yard.url(), keyring(&[])).await.unwrap();
        let mut edits = tenant("acme");
        let mut open = source("acme", "stripe");
        open.secrets = vec![];
        edits.push(Edit::Source(open));
        edit(&store, edits).await.unwrap();
        let refused = edit(&store, vec![Edit::Source(source("acme", "signed"))]).await.unwrap_err();
        assert!(matches!(refused, Error::KeyRing(KeyRingError::Empty)), "{refused}");
    }
}
