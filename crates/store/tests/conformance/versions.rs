//! The versions of playbooks: one for each definition that was saved, never changed, never lost.

use crate::given::{playbook, tenant};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Edit, Playbook, Store};
use std::collections::BTreeSet;
use wire::{Instant, PlaybookId, WorkspaceId};

async fn save(store: &Store, row: &Playbook) {
    store
        .edit(vec![Edit::Playbook(row.clone())], Instant::now())
        .await
        .unwrap();
}

async fn found(store: &Store) -> Playbook {
    let workspace = WorkspaceId::from_stored("ws_acme");
    store.playbook(&workspace, "greet").await.unwrap().unwrap()
}

fn with(row: &Playbook, definition: &str) -> Playbook {
    let mut row = row.clone();
    definition.clone_into(&mut row.spec.definition);
    row
}

/// All there are, newest first.
async fn numbers(store: &Store, id: &PlaybookId) -> Vec<i32> {
    let page = store.playbook_versions(id, None, 100).await.unwrap();
    page.rows.into_iter().map(|(version, _)| version).collect()
}

on_both! {
    async fn a_new_definition_makes_a_version_and_nothing_else_does(yard: &Yard) {
        let store = &yard.store;
        store.edit(tenant("acme"), Instant::now()).await.unwrap();
        let first = Playbook { operations: Some(r#"{"a":{}}"#.to_owned()), ..playbook("acme", "greet", 1) };
        save(store, &first).await;
        let row = found(store).await;
        assert_eq!((row.version, &row.operations), (1, &None));
        let kept = store.playbook_version(&row.id, 1).await.unwrap().unwrap();
        assert_eq!((kept.definition.as_str(), kept.operations.as_str()), (row.spec.definition.as_str(), r#"{"a":{}}"#));

        let mut other_settings = row.clone();
        other_settings.spec.enabled = false;
        save(store, &other_settings).await;
        assert_eq!(numbers(store, &row.id).await, [1]);
        save(store, &with(&row, "second")).await;
        let row = found(store).await;
        assert_eq!((row.version, row.spec.definition.as_str()), (2, "second"));
        // What was read before goes back to its own version, and makes none.
        save(store, &first).await;
        assert_eq!((found(store).await.version, numbers(store, &row.id).await), (1, vec![2, 1]));
        save(store, &with(&row, "third")).await;
        assert_eq!(found(store).await.version, 3);
        assert_eq!(store.playbook_version(&row.id, 1).await.unwrap().unwrap(), kept);
        for none in [0, 4, -1, i32::MAX] {
            assert_eq!(store.playbook_version(&row.id, none).await.unwrap(), None);
        }
        let page = store.playbook_versions(&row.id, Some(3), 1).await.unwrap();
        assert_eq!((page.rows[0].0, page.more), (2, true));
        let page = store.playbook_versions(&row.id, Some(2), 1).await.unwrap();
        assert_eq!((page.rows[0].0, page.more), (1, false));
    }

    async fn a_playbook_that_is_removed_leaves_its_versions_to_its_runs(yard: &Yard) {
        let store = &yard.store;
        store.edit(tenant("acme"), Instant::now()).await.unwrap();
        let first = playbook("acme", "greet", 1);
        save(store, &first).await;
        store.edit(vec![Edit::RemovePlaybook(first.id.clone())], Instant::now()).await.unwrap();
        assert_eq!(numbers(store, &first.id).await, [1]);
        // A pinned id comes back, with another definition.
        save(store, &with(&first, "another")).await;
        assert_eq!((found(store).await.version, numbers(store, &first.id).await), (2, vec![2, 1]));
        let kept = store.playbook_version(&first.id, 1).await.unwrap().unwrap();
        assert_eq!(kept.definition, first.spec.definition);
    }

    async fn versions_that_are_saved_at_once_have_no_gaps(yard: &Yard) {
        let store = &yard.store;
        store.edit(tenant("acme"), Instant::now()).await.unwrap();
        let first = playbook("acme", "greet", 1);
        save(store, &first).await;
        let saves = (0..8).map(|n| {
            let (store, row) = (store.clone(), with(&first, &format!("definition {n}")));
            tokio::spawn(async move { save(&store, &row).await })
        });
        for saving in saves.collect::<Vec<_>>() {
            saving.await.unwrap();
        }
        assert_eq!(numbers(store, &first.id).await, (1..=9).rev().collect::<Vec<_>>());
        let mut definitions = BTreeSet::new();
        for version in 2..=9 {
            definitions.insert(store.playbook_version(&first.id, version).await.unwrap().unwrap().definition);
        }
        assert_eq!(definitions.len(), 8);
        let row = found(store).await;
        let active = store.playbook_version(&first.id, row.version).await.unwrap().unwrap();
        assert_eq!(active.definition, row.spec.definition);
    }
}
