//! Delivering: tasks that each post one signed body after the other with reqwest.

use crate::clock::Clock;
use crate::latencies::Latencies;
use crate::load::{Outcome, sign};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

const SECRET: &str = "bench-signing-secret";

/// Posts for `time`, so many at once.
pub(crate) async fn post(
    url: &str,
    at_once: usize,
    bytes: usize,
    clock: Clock,
    time: Duration,
) -> Result<Outcome> {
    let client = client()?;
    let latencies = Latencies::new();
    let started = Instant::now();
    let posters: Vec<_> = (0..at_once)
        .map(|_| {
            let (client, latencies, url) = (client.clone(), latencies.clone(), url.to_owned());
            tokio::spawn(async move {
                let mut posted = 0_u64;
                while started.elapsed() < time {
                    let began = Instant::now();
                    let body = format!(
                        "{{\"at\":{},\"pad\":\"{}\"}}",
                        clock.stamp(began),
                        "x".repeat(bytes)
                    );
                    let signature = sign(SECRET, body.as_bytes());
                    let request = client
                        .post(&url)
                        .header("webhook-signature", signature)
                        .body(body);
                    let answer = request.send().await?;
                    ensure!(
                        answer.status().is_success(),
                        "the receiver said {}",
                        answer.status()
                    );
                    answer.bytes().await?;
                    latencies.record(began.elapsed());
                    posted += 1;
                }
                anyhow::Ok(posted)
            })
        })
        .collect();
    let mut accepted = 0;
    for poster in posters {
        accepted += poster.await??;
    }
    Ok(Outcome {
        accepted,
        refused: 0,
        took: started.elapsed(),
        latencies,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "it posts to this program's own receiver, and is no part of the yard"
)]
fn client() -> Result<reqwest::Client> {
    // reqwest wants one even where no connection is encrypted; another call may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?)
}
