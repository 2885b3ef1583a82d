//! Databases and broker namespaces of the real servers.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use hookyard_testkit::{broker, database};
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

#[test]
fn a_postgres_database_is_gone_after_its_test_though_a_client_is_connected() {
    let database = database::postgres();
    let url = database.url().to_owned();
    let mut connected = PgConnection::establish(&url).unwrap();
    connected.batch_execute("CREATE TABLE events (id int)").unwrap();
    drop(database);
    assert!(connected.batch_execute("SELECT 1").is_err());
    assert!(PgConnection::establish(&url).is_err());
}

#[test]
fn a_template_is_prepared_once_and_copied_for_each_test() {
    let fingerprint = Uuid::new_v4().simple().to_string();
    let prepared = AtomicUsize::new(0);
    let prepare = |url: &str| {
        prepared.fetch_add(1, Ordering::SeqCst);
        let mut connection = PgConnection::establish(url).unwrap();
        connection.batch_execute("CREATE TABLE events (id int)").unwrap();
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let database = database::postgres_prepared(&fingerprint, prepare);
                let mut connection = PgConnection::establish(database.url()).unwrap();
                connection.batch_execute("INSERT INTO events VALUES (1)").unwrap();
            });
        }
    });
    assert_eq!(prepared.load(Ordering::SeqCst), 1);
}

#[test]
fn disconnecting_all_ends_a_clients_session() {
    let database = database::postgres();
    let mut connected = PgConnection::establish(database.url()).unwrap();
    database.disconnect_all();
    assert!(connected.batch_execute("SELECT 1").is_err());
}

#[test]
fn two_sqlite_databases_are_two_files() {
    let (one, two) = (database::sqlite(), database::sqlite());
    assert_ne!(one.url(), two.url());
    let folder = std::path::Path::new(one.url()).parent().unwrap().to_owned();
    assert!(folder.exists());
    drop(one);
    assert!(!folder.exists());
}

#[test]
fn two_tests_have_two_namespaces_at_one_broker() {
    let (one, two) = (broker::rabbitmq(), broker::rabbitmq());
    assert_eq!(one.address(), two.address());
    assert_ne!(one.namespace(), two.namespace());
    let through = one.url_through("127.0.0.1:1".parse().unwrap());
    assert!(through.contains("@127.0.0.1:1/"), "{through}");
}
