//! Reading a body: counted, and not for ever.

use crate::Gateway;
use crate::problem::Problem;
use crate::room::{Part, Room};
use crate::sources::OpenSource;
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use std::io::{self, Write};
use std::time::Duration;
use tokio::time::Instant;

/// The least rate of a body, in bytes per second, once the grace is over.
const LEAST_RATE: u64 = 1_024;

/// How long a body may take to get going.
const GRACE: Duration = Duration::from_secs(5);

/// How much is unpacked before others have their turn: it can be a thousand times as much when it is unpacked.
const UNPACKED_AT_ONCE: usize = 1_024;

/// Reads the whole body.
///
/// Counts the bytes whatever `Content-Length` says: one over `limit` is [`Problem::TooLarge`]. A body that is slower than
/// 1 KiB/s or takes longer than `patience` is [`Problem::BodyTimeout`].
pub(crate) async fn read(
    request: &HttpRequest,
    payload: Payload,
    limit: u64,
    patience: Duration,
) -> Result<Bytes, Problem> {
    match encoding(request) {
        Encoding::Identity => {
            let mut part = part(request);
            let body = gather(Arriving::of(request, payload, limit, patience)?, &mut part).await?;
            part.keep_with(request);
            Ok(body)
        }
        Encoding::Gzip | Encoding::Other => Err(Problem::UnsupportedEncoding),
    }
}

/// The same at a source's door: where the source takes gzip, a body may be compressed.
///
/// What is checked and kept is what was compressed, since senders sign before they compress. The limit is for that, and nothing
/// is unpacked beyond it.
pub(crate) async fn read_of_source(
    request: &HttpRequest,
    payload: Payload,
    open: &OpenSource,
    (limit, patience): (u64, Duration),
) -> Result<Bytes, Problem> {
    match encoding(request) {
        Encoding::Gzip if open.source.spec.gzip => {
            let mut part = part(request);
            let arriving = Arriving::of(request, payload, packed(limit), patience);
            let unpacked = async { unpack(arriving?, limit, &mut part).await };
            let body = unpacked.await.map_err(|problem| match problem {
                Problem::TooLarge(_) => Problem::TooLarge(limit),
                other => other,
            })?;
            part.keep_with(request);
            Ok(body)
        }
        _ => read(request, payload, limit, patience).await,
    }
}

/// The body's part of the room for bodies.
fn part(request: &HttpRequest) -> Part {
    let gateway = request.app_data::<Data<Gateway>>();
    gateway.map_or_else(|| Room::new(u64::MAX).part(), |gateway| gateway.room.part())
}

/// How many bytes a body within the limit has at the most when it is compressed: what cannot be compressed becomes longer, by
/// five bytes a block and a header (RFC 1951 §3.2.4, RFC 1952 §2.3), which a comment and a name may be part of.
fn packed(limit: u64) -> u64 {
    limit.saturating_add(limit / 256).saturating_add(1_024)
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    /// In a way that is not known here, or in several.
    Other,
}

fn encoding(request: &HttpRequest) -> Encoding {
    let mut named = request
        .headers()
        .get_all(CONTENT_ENCODING)
        .map(|value| value.as_bytes().trim_ascii())
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"));
    match (named.next(), named.next()) {
        (None, _) => Encoding::Identity,
        // RFC 9110 §8.4.1.3: the two names are one.
        (Some(name), None) if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
            Encoding::Gzip
        }
        _ => Encoding::Other,
    }
}

/// A body on its way.
struct Arriving {
    payload: Payload,
    limit: u64,
    patience: Duration,
    started: Instant,
    received: u64,
    /// What `Content-Length` says.
    promised: u64,
}

impl Arriving {
    /// Refuses at once what says itself that it is too large.
    fn of(request: &HttpRequest, payload: Payload, limit: u64, patience: Duration) -> Result<Self, Problem> {
        let promised = promised(request).unwrap_or(0);
        if promised > limit {
            return Err(Problem::TooLarge(limit));
        }
        Ok(Self {
            payload,
            limit,
            patience,
            started: Instant::now(),
            received: 0,
            promised,
        })
    }

    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let grace = GRACE + Duration::from_secs(self.received / LEAST_RATE);
        let deadline = self.started + self.patience.min(grace);
        let chunk = match tokio::time::timeout_at(deadline, self.payload.next()).await {
            Err(_elapsed) => return Err(Problem::BodyTimeout),
            Ok(Some(Err(error))) => {
                tracing::debug!(error = %error, "a body broke off");
                return Err(Problem::BodyBroken(None));
            }
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => return Ok(None),
        };
        self.received += chunk.len() as u64;
        if self.received > self.limit {
            return Err(Problem::TooLarge(self.limit));
        }
        Ok(Some(chunk))
    }
}

async fn gather(mut arriving: Arriving, part: &mut Part) -> Result<Bytes, Problem> {
    let mut first = None;
    let mut rest = BytesMut::new();
    while let Some(chunk) = arriving.next().await? {
        part.grow_to(arriving.received)?;
        // Nearly every body comes in one piece, which then needs no copy.
        match first.take() {
            None if rest.is_empty() => first = Some(chunk),
            None => rest.extend_from_slice(&chunk),
            Some(one) => {
                let promised = usize::try_from(arriving.promised).unwrap_or(0);
                rest.reserve(promised.max(one.len() + chunk.len()));
                rest.extend_from_slice(&one);
                rest.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

/// Unpacks up to `limit` bytes.
async fn unpack(mut arriving: Arriving, limit: u64, part: &mut Part) -> Result<Bytes, Problem> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => Problem::TooLarge(limit),
        _ => Problem::BodyBroken(None),
    };
    let unpacked = Limited {
        bytes: Vec::new(),
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let mut decoder = MultiGzDecoder::new(unpacked);
    while let Some(chunk) = arriving.next().await? {
        for piece in chunk.chunks(UNPACKED_AT_ONCE) {
            decoder.write_all(piece).map_err(refused)?;
            part.grow_to(decoder.get_ref().bytes.len() as u64)?;
            tokio::task::yield_now().await;
        }
    }
    if arriving.received == 0 {
        return Err(Problem::BodyBroken(None));
    }
    let unpacked = decoder.finish().map_err(refused)?;
    Ok(unpacked.bytes.into())
}

/// Bytes up to a limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.limit - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn promised(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn one_encoding_is_gzip_and_several_are_none_of_ours() {
        let of = |values: &[&str]| {
            let request = values.iter().fold(TestRequest::default(), |request, value| {
                request.append_header((CONTENT_ENCODING, *value))
            });
            encoding(&request.to_http_request())
        };
        for plain in [&[][..], &["identity"], &[""], &[" Identity "]] {
            assert_eq!(of(plain), Encoding::Identity, "{plain:?}");
        }
        for gzip in [&["gzip"][..], &["GZip"], &["x-gzip"], &["identity", "gzip"]] {
            assert_eq!(of(gzip), Encoding::Gzip, "{gzip:?}");
        }
        for other in [
            &["br"][..],
            &["gzip, gzip"],
            &["gzip", "gzip"],
            &["gzip, br"],
            &["deflate"],
        ] {
            assert_eq!(of(other), Encoding::Other, "{other:?}");
        }
    }

    #[test]
    fn nothing_is_kept_beyond_the_limit() {
        let mut limited = Limited {
            bytes: Vec::new(),
            limit: 3,
        };
        assert!(limited.write_all(b"abc").is_ok());
        assert!(limited.write_all(b"d").is_err());
        assert_eq!(limited.bytes, b"abc");
    }
}
