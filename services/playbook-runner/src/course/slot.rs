//! A run's place among those of its playbook that go on at the same time.

use super::{Course, End, Flow};
use boot::Backoff;
use bytes::Bytes;
use expression::{ExpressionError, Job, Output, Want};
use playbook::Error;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::error::Error as StdError;
use std::sync::Arc;
use store::{HeldRun, Playbook, SlotLimit, Slotted};
use wire::Instant;

/// The longest key that is kept as it is, in bytes. It stands in an index.
const LONGEST: usize = 200;

/// Where a playbook has its key: not in its definition, where errors usually are.
const POINTER: &str = "/concurrencyKey";

/// How many runs may go on at the same time.
#[derive(Debug)]
pub(super) struct Places {
    most: i32,
    /// A jq expression over the input: those are counted together for whom it yields the same.
    by: Option<String>,
}

impl Places {
    /// None: as many as there are.
    pub(super) fn of(playbook: &Playbook) -> Option<Self> {
        let most = playbook.spec.concurrency?;
        Some(Self {
            most: i32::try_from(most).unwrap_or(i32::MAX).max(1),
            by: playbook.spec.concurrency_key.clone(),
        })
    }

    /// What is given back when the run ends: nothing if it never asked for a place.
    pub(super) fn limit(&self, run: &HeldRun) -> Option<SlotLimit> {
        let key = run.slot_key.clone()?;
        Some(SlotLimit { key, most: self.most })
    }
}

impl Course {
    /// Takes the run's place among those that go on at the same time, or has it wait for one.
    pub(super) async fn take_slot(&mut self) -> Flow {
        let Some(places) = &self.places else {
            return Ok(());
        };
        if self.run.slot.is_some() {
            return Ok(());
        }
        let most = places.most;
        let key = match (&self.run.slot_key, &places.by) {
            (Some(key), _) => key.clone(),
            (None, None) => String::new(),
            (None, Some(program)) => match self.key(program).await? {
                Ok(key) => key,
                Err(error) => {
                    let taken = self.told.drain(..).map(|told| told.id).collect();
                    self.fault(&error, taken).await?;
                    return Err(End::Parked);
                }
            },
        };
        let limit = SlotLimit { key, most };
        let (slots, worker) = (&self.runner.slots, self.runner.worker);
        let slotted = insist!(self, slots.take(&self.run, worker, limit.clone(), Instant::now()));
        match slotted {
            Slotted::Taken(slot) => {
                self.run.slot = Some(slot);
                self.run.slot_key = Some(limit.key.clone());
                self.limit = Some(limit);
                Ok(())
            }
            Slotted::Queued => Err(End::Parked),
            Slotted::Lost => Err(End::Lost),
        }
    }

    /// The run's key, which its input alone decides; or why there is none.
    async fn key(&self, program: &str) -> Result<Result<String, Error>, End> {
        let program: Arc<str> = program.into();
        let mut backoff = Backoff::new();
        loop {
            let job = Job {
                program: Arc::clone(&program),
                input: Bytes::copy_from_slice(&self.run.input),
                want: Want::Value,
            };
            match self.runner.jail.evaluate(vec![job]).await {
                Ok(answers) => return Ok(key_of(answers)),
                Err(error) => {
                    tracing::warn!(
                        error.chain = &error as &dyn StdError,
                        "a run's key cannot be evaluated now; trying again"
                    );
                    self.pause(backoff.next(rand::random())).await?;
                }
            }
        }
    }
}

fn key_of(answers: Vec<Result<Output, ExpressionError>>) -> Result<String, Error> {
    let value = match answers.into_iter().next() {
        Some(Ok(Output::Value(json))) => serde_json::from_slice(&json).unwrap_or_default(),
        Some(Err(error)) => return Err(refused(&error.to_string())),
        // One job was given, and a value asked for.
        Some(Ok(Output::Boolean(_) | Output::Text(_))) | None => Value::Null,
    };
    let text = match value {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) => return Err(refused("it yields a list")),
        Value::Object(_) => return Err(refused("it yields an object")),
    };
    if text.len() <= LONGEST {
        return Ok(text);
    }
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes()))))
}

fn refused(why: &str) -> Error {
    Error {
        kind: "https://open-workflow-specification.org/dsl/errors/types/expression".to_owned(),
        status: 400,
        title: Some("Expression Error".to_owned()),
        detail: Some(format!(
            "the playbook's `concurrencyKey` must yield a text, a number, a boolean or null: {why}"
        )),
        instance: Some(POINTER.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(json: &str) -> Result<String, Error> {
        key_of(vec![Ok(Output::Value(Bytes::copy_from_slice(json.as_bytes())))])
    }

    #[test]
    fn plain_values_are_keys_as_their_texts() {
        for (json, expected) in [
            ("\"Ada\"", "Ada"),
            ("\"\"", ""),
            ("7", "7"),
            ("1.5", "1.5"),
            ("true", "true"),
            ("null", "null"),
        ] {
            assert_eq!(key(json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn a_long_key_is_its_digest() {
        let text = "a".repeat(LONGEST);
        assert_eq!(key(&format!("\"{text}\"")).unwrap(), text);
        let (one, other) = (
            key(&format!("\"{text}b\"")).unwrap(),
            key(&format!("\"{text}c\"")).unwrap(),
        );
        assert!(one != other && one.len() < LONGEST && one.starts_with("sha256:"));
    }

    #[test]
    fn what_is_no_plain_value_is_an_error_that_says_so() {
        for (json, said) in [("[1]", "a list"), ("{\"a\":1}", "an object")] {
            let error = key(json).unwrap_err();
            assert_eq!(error.instance.as_deref(), Some(POINTER));
            assert!(error.detail.unwrap().contains(said));
        }
        let error = key_of(vec![Err(ExpressionError::NoOutput)]).unwrap_err();
        assert_eq!(error.status, 400);
        assert!(error.detail.unwrap().contains("yields no value"));
    }
}
