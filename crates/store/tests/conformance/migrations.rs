//! Bringing the schema up to date.

use crate::on_both;
use crate::yard::{Yard, connect, migrations, names};
use hookyard_store::Store;
use testkit::database;

/// Every migration's name, in order.
fn all() -> Vec<String> {
    names(&migrations().join("postgres"))
}

async fn from_nothing(store: Store) {
    assert_eq!(store.pending_migrations().await.unwrap(), all());
    assert_eq!(store.migrate().await.unwrap(), all());
    assert!(store.pending_migrations().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_what_is_pending_is_listed_and_then_run() {
    let database = database::postgres();
    from_nothing(connect(database.url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_what_is_pending_is_listed_and_then_run() {
    let database = database::sqlite();
    from_nothing(connect(&format!("sqlite:{}", database.url())).await).await;
}

/// Each migration is run by exactly one of several processes that start together.
async fn together(url: String) {
    let mut processes = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = connect(&url).await;
        processes.spawn(async move { store.migrate().await.unwrap() });
    }
    let mut done = processes.join_all().await.concat();
    done.sort();
    assert_eq!(done, all());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_several_processes_may_migrate_at_once() {
    let database = database::postgres();
    together(database.url().to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_several_processes_may_migrate_at_once() {
    let database = database::sqlite();
    together(format!("sqlite:{}", database.url())).await;
}

on_both! {
    async fn migrating_again_does_nothing(yard: &Yard) {
        assert!(yard.store.migrate().await.unwrap().is_empty());
        assert!(yard.store.pending_migrations().await.unwrap().is_empty());
    }
}

#[test]
fn both_folders_have_the_same_migrations() {
    assert_eq!(all(), names(&migrations().join("sqlite")));
}

#[test]
fn no_migration_can_be_undone_and_each_has_its_sql() {
    for folder in ["postgres", "sqlite"] {
        for name in names(&migrations().join(folder)) {
            let files = names(&migrations().join(folder).join(&name));
            assert_eq!(files, ["up.sql"], "{folder}/{name}");
        }
    }
}
