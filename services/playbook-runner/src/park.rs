//! Parking: a run that nobody can advance ends as faulted, with an error that says why.

use serde::Serialize;
use std::error::Error as StdError;
use store::{Error, Run, Store};
use wire::{Instant, RunState};

/// Why a run stands still, in the shape of the Open Workflow Specification's errors.
#[derive(Debug, Serialize)]
struct Fault {
    /// Stable, for programs.
    #[serde(rename = "type")]
    kind: &'static str,
    status: u16,
    title: &'static str,
    detail: &'static str,
}

const NO_ENGINE: Fault = Fault {
    kind: "urn:hookyard:error:no-engine",
    status: 501,
    title: "no engine yet",
    detail: "this release records runs but has no playbook engine: the run was started and its input is kept, and none \
             of its steps was taken",
};

/// The error of every run of this release, as JSON.
pub(crate) fn no_engine() -> String {
    serde_json::to_string(&NO_ENGINE).expect("a fault has texts and a small number, which serialise")
}

/// Parks runs; returns how many were pending until then. Running it twice does no harm.
pub(crate) async fn park(store: &Store, runs: Vec<Run>) -> Result<usize, Error> {
    let mut parked = 0;
    for run in runs {
        match store.fault_run(run.id, no_engine(), Instant::now()).await {
            Ok(true) => {
                parked += 1;
                tracing::warn!(run.id = %run.id, workspace.id = %run.workspace_id, "a run is parked: no engine yet");
                boot::metrics::run_ended(RunState::Faulted, Instant::now().since(run.created_at));
            }
            // Another runner was faster.
            Ok(false) => {}
            Err(error) if error.is_transient() => return Err(error),
            // The others must not wait for it.
            Err(error) => tracing::error!(
                run.id = %run.id,
                error.chain = &error as &dyn StdError,
                "a run could not be parked"
            ),
        }
    }
    Ok(parked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_says_what_happened_and_what_did_not() {
        let error: serde_json::Value = serde_json::from_str(&no_engine()).unwrap();
        assert_eq!(error["type"], "urn:hookyard:error:no-engine");
        assert_eq!(error["title"], "no engine yet");
        assert_eq!(error["status"], 501);
        assert!(
            error["detail"]
                .as_str()
                .unwrap()
                .contains("has no playbook engine")
        );
    }
}
