//! Apps: who may write to them, and what keeps their door.

use crate::given::{playbook, source, tenant};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Contact, Edit};
use std::collections::HashMap;
use wire::resource::{Adapter, AppSpec, ContactPolicy};
use wire::{AppId, ContactId, Instant, PlaybookId, SourceId, WorkspaceId};

fn app(id: &str, doorkeeper: Option<&str>) -> AppSpec {
    AppSpec {
        id: AppId::from_stored(format!("app_{id}")),
        adapter: Adapter::Slack,
        scheme: None,
        contacts: ContactPolicy::Required,
        doorkeeper: doorkeeper.map(|id| PlaybookId::from_stored(format!("pb_{id}"))),
    }
}

fn contact(id: &str, addresses: &[(&str, &str)]) -> Edit {
    let address = |(source, address): &(&str, &str)| {
        (
            SourceId::from_stored(format!("so_{source}")),
            (*address).to_owned(),
        )
    };
    let now = Instant::now();
    Edit::Contact(Contact {
        id: ContactId::from_stored(format!("con_{id}")),
        workspace_id: WorkspaceId::from_stored("ws_acme"),
        name: id.to_owned(),
        addresses: addresses.iter().map(address).collect(),
        created_at: now,
        updated_at: now,
    })
}

on_both! {
    async fn of_several_addresses_those_that_are_known_at_the_source_are_found(yard: &Yard) {
        let mut edits = tenant("acme");
        edits.extend([
            Edit::Source(source("acme", "support")),
            Edit::Source(source("acme", "sales")),
            contact("ada", &[("support", "U1"), ("support", "U2")]),
            contact("eve", &[("sales", "U3")]),
        ]);
        yard.store.edit(edits, Instant::now()).await.unwrap();
        let support = SourceId::from_stored("so_support");
        let asked = ["U1", "U2", "U3", "nobody", "nobody", ""].map(str::to_owned).to_vec();
        let found = yard.store.contacts_at(&support, asked).await.unwrap();
        let ada = ContactId::from_stored("con_ada");
        assert_eq!(found, HashMap::from([("U1".to_owned(), ada.clone()), ("U2".to_owned(), ada)]));
        assert!(yard.store.contacts_at(&support, Vec::new()).await.unwrap().is_empty());
    }

    async fn the_routing_table_knows_the_doorkeepers_of_apps(yard: &Yard) {
        let with = |name: &str, app: Option<AppSpec>| {
            let mut row = source("acme", name);
            row.spec.app = app;
            Edit::Source(row)
        };
        let mut edits = tenant("acme");
        edits.extend([
            Edit::Playbook(playbook("acme", "triage", 1)),
            with("kept", Some(app("kept", Some("triage")))),
            with("open", Some(app("open", None))),
            with("plain", None),
        ]);
        yard.store.edit(edits, Instant::now()).await.unwrap();
        let table = yard.store.routing_table(&WorkspaceId::from_stored("ws_acme")).await.unwrap();
        let kept = (SourceId::from_stored("so_kept"), PlaybookId::from_stored("pb_triage"));
        assert_eq!(table.doorkeepers, HashMap::from([kept]));
    }
}
