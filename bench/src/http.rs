//! HTTP/1.1 as plainly as it can be, so that the load takes little of the machine that it measures.

use anyhow::{Context as _, Result, bail};
use bytes::{Buf as _, BytesMut};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any deadline of the yard.
const PATIENCE: Duration = Duration::from_secs(30);

/// Heads of more headers are refused.
const MOST_HEADERS: usize = 64;

/// A connection that sends one request after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: BytesMut,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: BytesMut::with_capacity(4_096),
        })
    }

    /// Sends a request and returns its answer's status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        timeout(PATIENCE, async {
            self.stream.write_all(request).await?;
            self.status().await
        })
        .await
        .context("no answer within 30 s")?
    }

    async fn status(&mut self) -> Result<u16> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut answer = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(head) = answer.parse(&self.received)? {
                let status = answer.code.context("an answer without a status")?;
                let length = content_length(answer.headers)?;
                if self.received.len() >= head + length {
                    self.received.advance(head + length);
                    return Ok(status);
                }
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }
}

/// A message without it has no body: chunks are neither sent nor asked for here.
pub(crate) fn content_length(headers: &[httparse::Header<'_>]) -> Result<usize> {
    let Some(header) = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
    else {
        return Ok(0);
    };
    Ok(std::str::from_utf8(header.value)?.trim().parse()?)
}

/// The status that a `GET` is answered with.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n");
    Connection::open(address)
        .await?
        .exchange(request.as_bytes())
        .await
}
