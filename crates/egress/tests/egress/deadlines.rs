//! Receivers that take their time.

use std::time::Duration;

use hookyard_egress::{Deadlines, Kind, Phase, SendError};

use crate::receiver::{Connection, OK, Receiver};
use crate::{SOON, client, post_within};

fn head_within(first_byte: Duration) -> Deadlines {
    Deadlines {
        first_byte,
        ..Deadlines::default()
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_a_timeout() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.request().await;
        connection.wait_for_close().await;
    })
    .await;
    for deadlines in [head_within(SOON), Deadlines::within(SOON)] {
        let error = client()
            .send(post_within(receiver.url(), deadlines))
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                SendError::Timeout {
                    phase: Phase::FirstByte,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(error.kind(), Kind::Timeout);
    }
}

#[tokio::test]
async fn a_head_that_trickles_is_a_timeout() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\n").await;
        while connection.send("x-more: 1\r\n").await {
            tokio::time::sleep(SOON / 10).await;
        }
    })
    .await;
    let error = client()
        .send(post_within(receiver.url(), head_within(SOON)))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Timeout {
                phase: Phase::FirstByte,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn interim_answers_without_end_are_a_timeout() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.request().await;
        while connection
            .send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
            .await
        {}
    })
    .await;
    let error = client()
        .send(post_within(receiver.url(), head_within(SOON)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error:?}");
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_and_the_status_decides() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.request().await;
        connection
            .send("HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n")
            .await;
        connection.wait_for_close().await;
    })
    .await;
    let deadlines = Deadlines {
        total: SOON * 2,
        ..Deadlines::default()
    };
    let answer = client()
        .send(post_within(receiver.url(), deadlines))
        .await
        .unwrap();
    assert_eq!(
        (answer.status.as_u16(), &*answer.body, answer.body_truncated),
        (202, &b"yes"[..], true)
    );
}

#[tokio::test]
async fn a_handshake_that_hangs_is_a_timeout() {
    let receiver = Receiver::start(Connection::wait_for_close).await;
    let url = receiver.url().replace("http:", "https:");
    let deadlines = Deadlines {
        connect: SOON,
        ..Deadlines::default()
    };
    let error = client().send(post_within(url, deadlines)).await.unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Timeout {
                phase: Phase::Connect,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.kind(), Kind::Timeout);
}

#[tokio::test]
async fn a_receiver_that_reads_nothing_is_a_timeout() {
    let receiver = Receiver::start(|connection| async move {
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(connection);
    })
    .await;
    let mut request = post_within(receiver.url(), head_within(SOON));
    request.body = vec![b'x'; 16 * 1024 * 1024].into();
    assert_eq!(client().send(request).await.unwrap_err().kind(), Kind::Timeout);
}

#[tokio::test]
async fn a_slow_receiver_within_its_time_is_answered() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.request().await;
        for piece in OK.split_inclusive('\n') {
            tokio::time::sleep(SOON / 10).await;
            connection.send(piece).await;
        }
        connection.wait_for_close().await;
    })
    .await;
    let answer = client()
        .send(post_within(receiver.url(), Deadlines::default()))
        .await
        .unwrap();
    assert_eq!((&*answer.body, answer.body_truncated), (&b"ok"[..], false));
}
