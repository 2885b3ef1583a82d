//! The way to one execution of one task, and what derives from it: idempotency keys and attempts.
//!
//! `/0/try~2/1#3/each4/0` is: the outermost list's first task, the second attempt of its `try`, there the third visit of
//! the second task, its fifth iteration, the first task. A path names one execution for ever, since each visit,
//! iteration, branch and attempt has its own. Without the attempts (`~n`) it names the *intention*, which is what an
//! idempotency key must be about: a call that is tried again is the same call.

use crate::HttpRequest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A longer way is hashed: receivers take keys of up to 255 characters, and the run is a part of it.
const LONGEST_WAY: usize = 150;

/// The way to one execution of a task or list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Path(String);

impl Path {
    /// The outermost list.
    pub(super) fn root() -> Self {
        Self::default()
    }

    /// A task in the list, on the n-th visit (from 1).
    pub(super) fn task(&self, index: usize, visit: u32) -> Self {
        if visit > 1 {
            Self(format!("{}/{index}#{visit}", self.0))
        } else {
            Self(format!("{}/{index}", self.0))
        }
    }

    /// The list of a `for`'s iteration (from 0).
    pub(super) fn iteration(&self, index: usize) -> Self {
        Self(format!("{}/each{index}", self.0))
    }

    /// The branches of a `fork`.
    pub(super) fn branches(&self) -> Self {
        Self(format!("{}/fork", self.0))
    }

    /// What is tried, for the n-th time (from 1).
    pub(super) fn body(&self, attempt: u32) -> Self {
        Self(format!("{}/try{}", self.0, mark(attempt)))
    }

    /// What is done with an error.
    pub(super) fn handler(&self) -> Self {
        Self(format!("{}/catch", self.0))
    }

    /// A function's task.
    pub(super) fn function(&self) -> Self {
        Self(format!("{}/call", self.0))
    }

    /// The same task when an operator has it done again.
    pub(super) fn again(&self) -> Self {
        let (before, last) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        let (name, attempt) = attempt_of(last);
        Self(format!("{before}/{name}{}", mark(attempt.saturating_add(1))))
    }

    /// Which attempt it is, from 1: grows with the attempts of whatever is around it.
    pub(super) fn attempt(&self) -> u32 {
        self.0
            .split('/')
            .map(|segment| attempt_of(segment).1.saturating_sub(1))
            .fold(1, u32::saturating_add)
    }

    /// Names the execution: unique in its run.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a request: the run, the way without attempts, and a digest of what is sent.
    ///
    /// The digest is there because a retry may come out differently, say with an answer of another call in it, and a
    /// receiver must never get two bodies under one key: it would take the second for the first, or refuse it.
    pub(super) fn idempotency_key(&self, run: &str, generation: u32, request: &HttpRequest) -> String {
        let mut way: String = self
            .0
            .split('/')
            .map(|segment| attempt_of(segment).0)
            .collect::<Vec<_>>()
            .join("/");
        if way.len() > LONGEST_WAY {
            way = format!("/{}", digest(&[way.as_bytes()]));
        }
        let generation = if generation == 0 {
            String::new()
        } else {
            format!("+{generation}")
        };
        format!("{run}{generation}{way}-{}", content(request))
    }

    /// A number that is the same for the same way and attempt, and otherwise as good as random.
    pub(super) fn lot(&self, run: &str, attempt: u32) -> u64 {
        let hash = Sha256::new()
            .chain_update(run)
            .chain_update(&self.0)
            .chain_update(attempt.to_be_bytes())
            .finalize();
        hash.iter()
            .take(8)
            .fold(0, |lot, byte| (lot << 8) | u64::from(*byte))
    }
}

fn mark(attempt: u32) -> String {
    if attempt > 1 {
        format!("~{attempt}")
    } else {
        String::new()
    }
}

fn attempt_of(segment: &str) -> (&str, u32) {
    match segment.split_once('~') {
        Some((name, attempt)) => (name, attempt.parse().unwrap_or(1)),
        None => (segment, 1),
    }
}

/// What of a request the receiver sees, in 12 characters.
fn content(request: &HttpRequest) -> String {
    let seen = (
        &request.method,
        &request.uri,
        &request.query,
        &request.headers,
        &request.body,
    );
    let bytes = serde_json::to_vec(&seen).expect("texts and JSON values are JSON");
    digest(&[&bytes]).chars().take(12).collect()
}

/// A digest of some bytes as 32 hexadecimal digits.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let mut text = hex::encode(hasher.finalize());
    text.truncate(32);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;
    use serde_json::json;

    fn request(body: serde_json::Value) -> HttpRequest {
        HttpRequest {
            method: "POST".to_owned(),
            uri: "https://example.com/".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Some(Body::Json(body)),
            authentication: None,
            key: String::new(),
            attempt: 1,
        }
    }

    #[test]
    fn a_way_reads_as_it_was_gone() {
        let path = Path::root().task(0, 1).body(2).task(1, 3).iteration(4).task(0, 1);
        assert_eq!(path.as_str(), "/0/try~2/1#3/each4/0");
        assert_eq!(path.attempt(), 2);
        assert_eq!(path.again().as_str(), "/0/try~2/1#3/each4/0~2");
        assert_eq!(path.again().again().attempt(), 4);
    }

    #[test]
    fn a_key_is_the_same_for_every_attempt_with_the_same_content() {
        let key = |path: &Path, generation, body| path.idempotency_key("run_1", generation, &request(body));
        let task = Path::root().task(0, 1);
        let first = key(&task.body(1).task(0, 1), 0, json!(1));
        assert!(first.starts_with("run_1/0/try/0-"), "{first}");
        assert_eq!(key(&task.body(3).task(0, 1).again(), 0, json!(1)), first);
        assert_ne!(key(&task.body(3).task(0, 1), 0, json!(2)), first);
        assert_ne!(key(&task.body(1).task(0, 2), 0, json!(1)), first);
        assert_ne!(key(&task.body(1).task(0, 1), 1, json!(1)), first);
    }

    #[test]
    fn a_long_way_makes_no_long_key() {
        let mut path = Path::root();
        for _ in 0..100 {
            path = path.iteration(1_000_000).task(10, 1);
        }
        let key = path.idempotency_key("run_01m7z7p284eheavy5sgah3tqk5", 1, &request(json!(1)));
        assert!(key.len() < 100, "{key}");
    }
}
