//! Reading a body: counted, and not for ever.

use crate::problem::Problem;
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::Instant;

/// The least rate of a body, in bytes per second, once the grace is over.
const LEAST_RATE: u64 = 1_024;

/// How long a body may take to get going.
const GRACE: Duration = Duration::from_secs(5);

/// Reads the whole body.
///
/// Counts the bytes whatever `Content-Length` says: one over `limit` is [`Problem::TooLarge`]. A body that is slower than
/// 1 KiB/s or takes longer than `patience` is [`Problem::BodyTimeout`].
pub(crate) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    limit: u64,
    patience: Duration,
) -> Result<Bytes, Problem> {
    if is_encoded(request) {
        return Err(Problem::UnsupportedEncoding);
    }
    let promised = promised(request).unwrap_or(0);
    if promised > limit {
        return Err(Problem::TooLarge(limit));
    }
    let started = Instant::now();
    let mut first = None;
    let mut rest = BytesMut::new();
    loop {
        let received = first.as_ref().map_or(0, Bytes::len) + rest.len();
        let deadline = started + patience.min(GRACE + Duration::from_secs(received as u64 / LEAST_RATE));
        let chunk = match tokio::time::timeout_at(deadline, payload.next()).await {
            Err(_elapsed) => return Err(Problem::BodyTimeout),
            Ok(Some(Err(error))) => {
                tracing::debug!(error = %error, "a body broke off");
                return Err(Problem::BodyBroken);
            }
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => break,
        };
        if (received + chunk.len()) as u64 > limit {
            return Err(Problem::TooLarge(limit));
        }
        // Nearly every body comes in one piece, which then needs no copy.
        match first.take() {
            None if rest.is_empty() => first = Some(chunk),
            None => rest.extend_from_slice(&chunk),
            Some(one) => {
                rest.reserve(
                    usize::try_from(promised)
                        .unwrap_or(0)
                        .max(one.len() + chunk.len()),
                );
                rest.extend_from_slice(&one);
                rest.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

fn is_encoded(request: &HttpRequest) -> bool {
    request.headers().get_all(CONTENT_ENCODING).any(|value| {
        !value.as_bytes().trim_ascii().is_empty()
            && !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")
    })
}

fn promised(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
