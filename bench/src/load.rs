//! Load: connections that each send one signed request after the other, and what came back.

use anyhow::{Context, Result, bail};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What every connection sends.
#[derive(Debug)]
pub(crate) struct Shot {
    pub(crate) path: String,
    pub(crate) secret: String,
    pub(crate) body_bytes: usize,
}

/// What came back within the time.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) refused: usize,
    pub(crate) took: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Outcome {
    /// How many requests were accepted.
    #[expect(clippy::cast_precision_loss, reason = "no run accepts 2^52 requests")]
    pub(crate) fn accepted(&self) -> f64 {
        self.latencies.len() as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.accepted() / self.took.as_secs_f64()
    }

    /// The latency that this share of the requests did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length is an index"
        )]
        let index = (self.accepted() * share) as usize;
        self.latencies
            .get(index.min(self.latencies.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

/// Sends for `time` over so many connections. Each request has its own key and a valid signature of GitHub's scheme.
pub(crate) async fn send(
    address: SocketAddr,
    shot: Arc<Shot>,
    connections: usize,
    time: Duration,
) -> Result<Outcome> {
    let started = Instant::now();
    let senders: Vec<_> = (0..connections)
        .map(|sender| tokio::spawn(sender_loop(address, Arc::clone(&shot), sender, started + time)))
        .collect();
    let (mut latencies, mut refused) = (Vec::new(), 0);
    for sender in senders {
        let (mine, other) = sender.await??;
        latencies.extend(mine);
        refused += other;
    }
    let took = started.elapsed();
    latencies.sort_unstable();
    Ok(Outcome {
        refused,
        took,
        latencies,
    })
}

async fn sender_loop(
    address: SocketAddr,
    shot: Arc<Shot>,
    sender: usize,
    end: Instant,
) -> Result<(Vec<Duration>, usize)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let body = "x".repeat(shot.body_bytes.saturating_sub(2));
    let body = format!("\"{body}\"");
    let mut mac = Hmac::<Sha256>::new_from_slice(shot.secret.as_bytes())?;
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let (mut latencies, mut refused) = (Vec::new(), 0);
    for number in 0.. {
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             X-GitHub-Event: push\r\nX-GitHub-Delivery: {sender}-{number}-{:x}\r\nX-Hub-Signature-256: sha256={signature}\r\n\r\n{body}",
            shot.path,
            body.len(),
            std::process::id(),
        );
        stream.write_all(request.as_bytes()).await?;
        if read_answer(&mut stream).await? == 202 {
            latencies.push(begun.elapsed());
        } else {
            refused += 1;
        }
    }
    Ok((latencies, refused))
}

/// Reads one answer and returns its status.
async fn read_answer(stream: &mut TcpStream) -> Result<u16> {
    let mut answer = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            bail!("the server closed the connection");
        }
        let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(answer.get(..head).unwrap_or_default())?.to_ascii_lowercase();
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .context("an answer without a length")?
            .parse()?;
        if answer.len() >= head + 4 + length {
            return Ok(text
                .split(' ')
                .nth(1)
                .context("an answer without a status")?
                .parse()?);
        }
    }
}
