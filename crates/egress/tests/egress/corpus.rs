//! Every URL of the corpora, when it is saved and when it is called.

use hookyard_egress::{Client, Kind};
use testkit::name_server::NameServer;
use testkit::ssrf::{self, Case, Expected};

use crate::{client_asking, post};

async fn check(case: &Case) {
    let says = case.says();
    let names = NameServer::start(says.iter().map(|(host, says)| (host.as_str(), says.clone())));
    let client = client_asking(&names, &[]);
    let line = &case.line;
    match case.expected {
        Expected::Rejected => {
            let error = client.policy().check_url(&case.url).expect_err(line);
            assert!(!error.is_address(), "{line}: {error}");
            cannot_be_called(&client, case).await;
            assert_eq!(names.queries(), 0, "refused without a look-up: {line}");
        }
        Expected::Blocked => {
            let error = client.check_url(&case.url).await.expect_err(line);
            assert!(error.is_address(), "{line}: {error}");
            cannot_be_called(&client, case).await;
        }
        Expected::Allowed => assert!(client.check_url(&case.url).await.is_ok(), "{line}"),
    }
}

async fn cannot_be_called(client: &Client, case: &Case) {
    let error = client.send(post(&case.url)).await.expect_err(&case.line);
    assert_eq!(error.kind(), Kind::Blocked, "{}: {error}", case.line);
}

#[tokio::test]
async fn our_own_corpus_is_refused_and_let_through_as_it_says() {
    for case in ssrf::own() {
        check(&case).await;
    }
}

#[tokio::test]
async fn the_shared_corpus_is_refused_and_let_through_as_it_says() {
    for case in ssrf::shared() {
        check(&case).await;
    }
}
