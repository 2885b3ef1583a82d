//! Connections that are used again, and those that must not be.

use hookyard_egress::{Client, Deadlines, Request};

use crate::receiver::{OK, Receiver};
use crate::{SOON, client, post, post_within};

async fn send_in_turn(client: &Client, receiver: &Receiver, times: usize) {
    for _ in 0..times {
        assert_eq!(client.send(post(receiver.url())).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn requests_in_turn_share_a_connection() {
    let receiver = Receiver::answering(OK).await;
    send_in_turn(&client(), &receiver, 20).await;
    assert_eq!((receiver.connections(), receiver.requests().len()), (1, 20));
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each_and_keep_them() {
    let receiver = Receiver::answering(OK).await;
    let client = client();
    for _ in 0..5 {
        let at_once = (0..8).map(|_| client.send(post(receiver.url())));
        for answer in futures_util::future::join_all(at_once).await {
            assert_eq!(answer.unwrap().status, 200);
        }
    }
    // A connection comes back a moment after its answer, so how many had to be opened is a matter of luck.
    assert!(
        (8..40).contains(&receiver.connections()),
        "{}",
        receiver.connections()
    );
    assert_eq!(receiver.requests().len(), 40);
}

#[tokio::test]
async fn a_connection_that_the_receiver_closes_is_replaced() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.request().await;
        connection
            .send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
            .await;
    })
    .await;
    send_in_turn(&client(), &receiver, 5).await;
    assert_eq!(receiver.connections(), 5);
}

#[tokio::test]
async fn a_connection_with_the_rest_of_an_answer_on_it_is_not_used_again() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345").await;
    let client = client();
    for _ in 0..3 {
        let answer = client
            .send(Request {
                max_answer_bytes: 3,
                ..post(receiver.url())
            })
            .await
            .unwrap();
        assert_eq!(&*answer.body, b"123");
    }
    assert_eq!(receiver.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_timed_out_is_not_used_again() {
    let receiver = Receiver::start(|mut connection| async move {
        while connection
            .request()
            .await
            .is_some_and(|request| !request.contains("/hang"))
        {
            connection.send(OK).await;
        }
        connection.wait_for_close().await;
    })
    .await;
    let client = client();
    send_in_turn(&client, &receiver, 2).await;
    let hanging = post_within(format!("{}/hang", receiver.url()), Deadlines::within(SOON));
    assert!(client.send(hanging).await.is_err());
    send_in_turn(&client, &receiver, 2).await;
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn a_request_that_is_broken_off_takes_its_connection_along() {
    let receiver = Receiver::start(|mut connection| async move {
        while connection
            .request()
            .await
            .is_some_and(|request| !request.contains("/hang"))
        {
            connection.send(OK).await;
        }
        connection.wait_for_close().await;
    })
    .await;
    let client = client();
    send_in_turn(&client, &receiver, 1).await;
    let hanging = client.send(post(format!("{}/hang", receiver.url())));
    assert!(tokio::time::timeout(SOON, hanging).await.is_err());
    send_in_turn(&client, &receiver, 1).await;
    assert_eq!(receiver.connections(), 2);
}
