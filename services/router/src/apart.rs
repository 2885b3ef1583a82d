//! A failure that is the ledger's by its looks: is it, or is one event of the batch to blame?
//!
//! Of some faults the ledger says which row is bad, and they are counted against that row's event. Others it tells of the whole
//! statement: a disk that is full, a right that is missing, and whatever nobody has thought of that one event's rows may bring
//! about. So the events are routed one by one. Where some get through, the ledger is well, and those that do not are to blame;
//! where none does, nobody is.

use crate::Failure;
use crate::route::{Round, Router};
use std::sync::Arc;
use wire::EventId;

/// So many in vain, before any was routed, are the ledger's fault.
const IN_VAIN: usize = 4;

impl Router {
    /// Routes events one by one, which failed with `failure` together.
    pub(crate) async fn route_apart(&self, ids: Vec<EventId>, failure: Failure) -> Result<Round, Failure> {
        let mut round = Round::default();
        let mut blamed = Vec::new();
        for id in ids {
            let (events, waitbox, _) = self.unrouted(vec![id]).await?;
            match self.route_as(events.clone(), waitbox).await {
                Ok(one) => round.add(one),
                Err(Failure::Ledger(error)) if !error.is_transient() => {
                    blamed.extend(events.into_iter().map(|event| (event, Arc::clone(&error))));
                    if round.routed == 0 && blamed.len() >= IN_VAIN {
                        break;
                    }
                }
                Err(other) => return Err(other),
            }
        }
        if round.routed == 0 {
            return Err(failure);
        }
        for (event, error) in blamed {
            self.blame(&event, &error).await?;
        }
        Ok(round)
    }
}
