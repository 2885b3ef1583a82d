//! Who sends: API keys, found by their hashes, and contacts, found by their addresses.

use crate::given::{environment, of, source, tenant};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{ApiKey, Contact, Edit, Error};
use wire::resource::{ApiKeySpec, KeyScope, RateLimit};
use wire::{ApiKeyId, ContactId, EnvironmentId, Instant, SourceId};

/// An API key of the tenant, whose hash is `byte` over and over.
fn key(tenant: &str, name: &str, byte: u8) -> ApiKey {
    let now = Instant::now();
    ApiKey {
        id: ApiKeyId::from_stored(format!("key_{name}")),
        workspace_id: of(tenant),
        environment_id: None,
        name: name.to_owned(),
        key_hash: [byte; 32],
        spec: ApiKeySpec {
            enabled: true,
            scopes: vec![KeyScope::Ingest],
            rate_limit: None,
            hint: "x7Qz".to_owned(),
        },
        created_at: now,
        updated_at: now,
    }
}

fn contact(tenant: &str, name: &str, addresses: &[(&str, &str)]) -> Contact {
    let now = Instant::now();
    Contact {
        id: ContactId::from_stored(format!("con_{name}")),
        workspace_id: of(tenant),
        name: name.to_owned(),
        addresses: addresses
            .iter()
            .map(|(source, address)| {
                (
                    SourceId::from_stored(format!("so_{source}")),
                    (*address).to_owned(),
                )
            })
            .collect(),
        created_at: now,
        updated_at: now,
    }
}

async fn edit(yard: &Yard, edits: Vec<Edit>) -> Result<(), Error> {
    yard.store.edit(edits, Instant::now()).await
}

/// The tenants `acme` and `other`; the first has the sources `slack` and `whatsapp`, the second `elsewhere`.
async fn two_tenants(yard: &Yard) {
    let mut edits = tenant("acme");
    edits.extend(tenant("other"));
    edits.extend([
        Edit::Source(source("acme", "slack")),
        Edit::Source(source("acme", "whatsapp")),
        Edit::Source(source("other", "elsewhere")),
    ]);
    edit(yard, edits).await.unwrap();
}

async fn at(yard: &Yard, source: &str, address: &str) -> Option<ContactId> {
    let source = SourceId::from_stored(format!("so_{source}"));
    yard.store.contact_at(&source, address).await.unwrap()
}

on_both! {
    async fn an_api_key_is_found_by_its_hash_and_with_it_whether_its_workspace_accepts(yard: &Yard) {
        two_tenants(yard).await;
        let mut limited = key("acme", "limited", 2);
        limited.environment_id = Some(EnvironmentId::from_stored("env_acme"));
        limited.spec.rate_limit = Some(RateLimit { per_second: 5.0, burst: None });
        edit(yard, vec![Edit::ApiKey(key("acme", "ci", 1)), Edit::ApiKey(limited.clone())]).await.unwrap();
        let (found, accepting) = yard.store.api_key([2; 32]).await.unwrap().unwrap();
        assert_eq!((found, accepting), (limited, true));
        assert!(yard.store.api_key([3; 32]).await.unwrap().is_none());

        let mut closed = tenant("acme");
        closed.truncate(1);
        if let Some(Edit::Workspace(workspace)) = closed.first_mut() {
            workspace.accepting = false;
        }
        edit(yard, closed).await.unwrap();
        let (found, accepting) = yard.store.api_key([1; 32]).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.environment_id, accepting), ("ci", None, false));
    }

    async fn api_keys_are_listed_by_name_replaced_and_removed(yard: &Yard) {
        two_tenants(yard).await;
        let edits = ["b", "a", "c"].map(|name| Edit::ApiKey(key("acme", name, name.as_bytes()[0])));
        edit(yard, edits.into()).await.unwrap();
        let names = || async {
            let keys = yard.store.api_keys(&of("acme")).await.unwrap();
            keys.into_iter().map(|key| key.name).collect::<Vec<_>>()
        };
        assert_eq!(names().await, ["a", "b", "c"]);
        assert!(yard.store.api_keys(&of("other")).await.unwrap().is_empty());

        let mut rotated = key("acme", "a", 9);
        rotated.name = "rotated".into();
        rotated.spec.enabled = false;
        edit(yard, vec![Edit::ApiKey(rotated.clone())]).await.unwrap();
        assert!(yard.store.api_key([b'a'; 32]).await.unwrap().is_none(), "the old key opens nothing");
        let (found, _) = yard.store.api_key([9; 32]).await.unwrap().unwrap();
        assert_eq!((found.id, found.spec), (rotated.id.clone(), rotated.spec));
        edit(yard, vec![Edit::RemoveApiKey(rotated.id)]).await.unwrap();
        assert!(yard.store.api_key([9; 32]).await.unwrap().is_none());
        assert_eq!(names().await, ["b", "c"]);
    }

    async fn a_key_that_is_limited_to_an_environment_goes_with_it(yard: &Yard) {
        two_tenants(yard).await;
        let staging = EnvironmentId::from_stored("env_staging");
        let mut limited = key("acme", "limited", 1);
        limited.environment_id = Some(staging.clone());
        edit(yard, vec![
            environment("acme", "staging"), Edit::ApiKey(limited), Edit::ApiKey(key("acme", "everywhere", 2)),
        ])
        .await
        .unwrap();
        edit(yard, vec![Edit::RemoveEnvironment(staging)]).await.unwrap();
        assert!(yard.store.api_key([1; 32]).await.unwrap().is_none());
        assert!(yard.store.api_key([2; 32]).await.unwrap().is_some());
        let mut nowhere = key("acme", "nowhere", 3);
        nowhere.environment_id = Some(EnvironmentId::from_stored("env_none"));
        let refused = edit(yard, vec![Edit::ApiKey(nowhere)]).await.unwrap_err();
        assert!(matches!(refused, Error::Dangling { .. }), "{refused}");
    }

    async fn a_keys_name_hash_and_id_are_taken_once(yard: &Yard) {
        two_tenants(yard).await;
        edit(yard, vec![Edit::ApiKey(key("acme", "ci", 1))]).await.unwrap();
        let (mut name, mut hash) = (key("acme", "ci", 2), key("other", "other", 1));
        name.id = ApiKeyId::from_stored("key_second");
        hash.name = "ci".into();
        for (what, twin) in [("name", name), ("key_hash", hash), ("`key_ci`", key("other", "ci", 2))] {
            let taken = edit(yard, vec![Edit::ApiKey(twin)]).await.unwrap_err();
            assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains(what)), "{what}: {taken}");
        }
        let (kept, _) = yard.store.api_key([1; 32]).await.unwrap().unwrap();
        assert_eq!(kept.workspace_id, of("acme"));
    }

    async fn a_contact_is_found_by_its_address_at_its_source(yard: &Yard) {
        two_tenants(yard).await;
        let ada = contact("acme", "ada", &[("whatsapp", "+1555"), ("slack", "U1"), ("slack", "U0")]);
        edit(yard, vec![
            Edit::Contact(ada.clone()),
            Edit::Contact(contact("acme", "bob", &[])),
            Edit::Contact(contact("other", "eve", &[("elsewhere", "U1")])),
        ])
        .await
        .unwrap();
        assert_eq!(at(yard, "slack", "U1").await, Some(ada.id.clone()));
        assert_eq!(at(yard, "whatsapp", "+1555").await, Some(ada.id.clone()));
        assert_eq!(at(yard, "elsewhere", "U1").await, Some(ContactId::from_stored("con_eve")));
        assert_eq!((at(yard, "whatsapp", "U1").await, at(yard, "slack", "u1").await), (None, None));

        let listed = yard.store.contacts(&of("acme")).await.unwrap();
        assert_eq!(listed.iter().map(|contact| contact.name.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
        let mut addresses = ada.addresses;
        addresses.sort();
        assert_eq!((&listed[0].addresses, listed[1].addresses.len()), (&addresses, 0));
    }

    async fn an_address_is_one_contacts_at_its_source(yard: &Yard) {
        two_tenants(yard).await;
        edit(yard, vec![Edit::Contact(contact("acme", "ada", &[("slack", "U1")]))]).await.unwrap();
        let twin = contact("acme", "bob", &[("whatsapp", "U1"), ("slack", "U1")]);
        let taken = edit(yard, vec![Edit::Contact(twin)]).await.unwrap_err();
        assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains("contact_addresses")), "{taken}");
        assert_eq!(at(yard, "whatsapp", "U1").await, None, "all or none");
        assert_eq!(yard.store.contacts(&of("acme")).await.unwrap().len(), 1);
        let nowhere = contact("acme", "bob", &[("none", "U1")]);
        let dangling = edit(yard, vec![Edit::Contact(nowhere)]).await.unwrap_err();
        assert!(matches!(dangling, Error::Dangling { .. }), "{dangling}");
        for (what, twin) in [("name", "ada"), ("`con_ada`", "eve")] {
            let mut row = contact(if what == "name" { "acme" } else { "other" }, twin, &[]);
            row.id = ContactId::from_stored(if what == "name" { "con_second" } else { "con_ada" });
            let taken = edit(yard, vec![Edit::Contact(row)]).await.unwrap_err();
            assert!(matches!(&taken, Error::Taken { constraint } if constraint.contains(what)), "{what}: {taken}");
        }
    }

    async fn saving_a_contact_again_replaces_its_addresses(yard: &Yard) {
        two_tenants(yard).await;
        edit(yard, vec![Edit::Contact(contact("acme", "ada", &[("slack", "U1"), ("slack", "U2")]))]).await.unwrap();
        edit(yard, vec![Edit::Contact(contact("acme", "ada", &[("slack", "U2"), ("slack", "U3")]))]).await.unwrap();
        let ada = Some(ContactId::from_stored("con_ada"));
        assert_eq!((at(yard, "slack", "U1").await, at(yard, "slack", "U2").await, at(yard, "slack", "U3").await), (None, ada.clone(), ada));
        edit(yard, vec![Edit::Contact(contact("acme", "bob", &[("slack", "U1")]))]).await.unwrap();
        edit(yard, vec![Edit::RemoveContact(ContactId::from_stored("con_ada"))]).await.unwrap();
        assert_eq!((at(yard, "slack", "U2").await, at(yard, "slack", "U1").await), (None, Some(ContactId::from_stored("con_bob"))));
        assert_eq!(yard.number("SELECT count(*) AS value FROM contact_addresses"), 1);
    }

    async fn a_contacts_addresses_go_with_their_source(yard: &Yard) {
        two_tenants(yard).await;
        edit(yard, vec![Edit::Contact(contact("acme", "ada", &[("slack", "U1"), ("whatsapp", "+1555")]))]).await.unwrap();
        edit(yard, vec![Edit::RemoveSource(SourceId::from_stored("so_slack"))]).await.unwrap();
        let listed = yard.store.contacts(&of("acme")).await.unwrap();
        assert_eq!(listed[0].addresses, [(SourceId::from_stored("so_whatsapp"), "+1555".to_owned())]);
        edit(yard, vec![Edit::Source(source("acme", "slack"))]).await.unwrap();
        assert_eq!(at(yard, "slack", "U1").await, None, "a source of the same id starts without contacts");
    }

    async fn a_contact_has_a_hundred_addresses_at_most_and_every_one_is_listed(yard: &Yard) {
        two_tenants(yard).await;
        let texts: Vec<String> = (0..101).map(|number| format!("U{number:03}")).collect();
        let addresses: Vec<(&str, &str)> = texts.iter().map(|text| ("slack", text.as_str())).collect();
        edit(yard, vec![Edit::Contact(contact("acme", "ada", &addresses[..100]))]).await.unwrap();
        let full = edit(yard, vec![Edit::Contact(contact("acme", "ada", &addresses))]).await.unwrap_err();
        assert!(matches!(&full, Error::Full { most: 100, .. }), "{full}");
        assert_eq!(yard.store.contacts(&of("acme")).await.unwrap()[0].addresses.len(), 100);
    }
}
