//! What becomes of names on the way to a connection.

use hookyard_egress::{Deadlines, DnsFailure, Error, Kind, Phase, SendError};

use crate::receiver::{OK, Receiver};
use crate::{SOON, client, client_asking, post, post_within};
use testkit::name_server::{NameServer, Says};

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    let receiver = Receiver::answering(OK).await;
    let names = NameServer::saying("flip.example.com", Says::parse("127.0.0.1>127.0.0.9"));
    let client = client_asking(&names, &["127.0.0.1/32"]);
    let url = format!("http://flip.example.com:{}/hooks", receiver.port());

    assert_eq!(client.send(post(&url)).await.unwrap().status, 200);
    assert_eq!(
        names.queries(),
        2,
        "one look-up for each family, and none between check and connection"
    );
    assert!(
        receiver
            .requests()
            .join("")
            .contains(&format!("host: flip.example.com:{}\r\n", receiver.port()))
    );

    let error = client.send(post(&url)).await.unwrap_err();
    assert_eq!(
        error.kind(),
        Kind::Blocked,
        "the kept connection is no way around a new answer"
    );
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_name_that_turns_to_a_forbidden_address_after_it_was_saved_is_not_called() {
    let receiver = Receiver::answering(OK).await;
    for later in ["127.0.0.1", "93.184.216.34,127.0.0.1", "::1", "64:ff9b::7f00:1"] {
        let says = Says::parse(&format!("93.184.216.34>{later}"));
        let names = NameServer::saying("flip.example.com", says);
        let client = client_asking(&names, &[]);
        let url = format!("http://flip.example.com:{}/hooks", receiver.port());
        let saved = client.check_url(&url).await.unwrap();
        let error = client.send(post(saved.as_str())).await.unwrap_err();
        assert!(
            matches!(&error, SendError::Refused(Error::Address { .. })),
            "{later}: {error}"
        );
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn one_forbidden_address_among_allowed_ones_refuses_the_host() {
    let receiver = Receiver::answering(OK).await;
    for answers in [
        "127.0.0.1,10.0.0.1",
        "127.0.0.1,::1",
        "10.0.0.1,127.0.0.1",
        "127.0.0.1,127.0.0.2",
    ] {
        let names = NameServer::saying("mix.example.com", Says::parse(answers));
        let client = client_asking(&names, &["127.0.0.1/32"]);
        let url = format!("http://mix.example.com:{}/", receiver.port());
        let error = client.send(post(&url)).await.unwrap_err();
        assert!(
            matches!(&error, SendError::Refused(Error::Address { .. })),
            "{answers}: {error}"
        );
        assert!(
            !error.to_string().contains("10.0.0.1"),
            "an address is nobody's business: {error}"
        );
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn an_address_that_refuses_is_passed_over_for_the_next() {
    let receiver = Receiver::start_on("127.0.0.3:0", |mut connection| async move {
        connection.request().await;
        connection.send(OK).await;
    })
    .await;
    let names = NameServer::saying("two.example.com", Says::parse("127.0.0.2,127.0.0.3"));
    let url = format!("http://two.example.com:{}/", receiver.port());
    let answer = client_asking(&names, &["127.0.0.0/8"])
        .send(post(url))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_receiver_that_moves_is_followed_although_its_old_connection_is_kept() {
    let old = Receiver::answering(OK).await;
    let new = Receiver::start_on(
        &format!("127.0.0.2:{}", old.port()),
        |mut connection| async move {
            connection.request().await;
            connection.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        },
    )
    .await;
    let names = NameServer::saying("moves.example.com", Says::parse("127.0.0.1>127.0.0.1>127.0.0.2"));
    let client = client_asking(&names, &["127.0.0.0/8"]);
    let url = format!("http://moves.example.com:{}/", old.port());

    for status in [200, 200, 204] {
        assert_eq!(client.send(post(&url)).await.unwrap().status, status);
    }
    assert_eq!((old.connections(), new.connections()), (1, 1));
}

#[tokio::test]
async fn a_name_without_addresses_says_why() {
    let names = NameServer::start([
        ("empty.example.com", Says::Addresses(vec![vec![]])),
        ("broken.example.com", Says::Failure),
    ]);
    let client = client_asking(&names, &[]);
    for (host, expected) in [
        ("missing.example.com", DnsFailure::NoSuchName),
        ("empty.example.com", DnsFailure::NoAddress),
        ("broken.example.com", DnsFailure::Unanswered),
    ] {
        let error = client.send(post(format!("https://{host}/"))).await.unwrap_err();
        assert!(
            matches!(&error, SendError::Dns { failure, .. } if *failure == expected),
            "{host}: {error:?}"
        );
        assert_eq!(error.kind(), Kind::Dns);
        assert!(error.to_string().contains(host), "{error}");
        assert!(
            client.check_url(&format!("https://{host}/")).await.is_ok(),
            "it may be there tomorrow"
        );
    }
}

#[tokio::test]
async fn a_name_server_that_says_nothing_is_not_waited_for() {
    let names = NameServer::saying("mute.example.com", Says::Nothing);
    let client = client_asking(&names, &[]);
    let error = client
        .send(post_within("https://mute.example.com/", Deadlines::within(SOON)))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Timeout {
                phase: Phase::LookUp,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.kind(), Kind::Dns);
}

#[tokio::test]
async fn localhost_is_found_where_the_operator_opened_loopback() {
    let receiver = Receiver::answering(OK).await;
    let url = format!("http://localhost:{}/", receiver.port());
    assert_eq!(client().send(post(url)).await.unwrap().status, 200);
}
