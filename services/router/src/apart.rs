//! A failure that is the ledger's by its looks: is it, or is one event of the batch to blame?
//!
//! Of some faults the ledger says which row is bad, and they are counted against that row's event. Others it tells of the whole
//! statement: a table that is away, and whatever nobody has thought of that one event's rows may bring about. So the events are
//! routed one by one. Where some get through, the ledger is well, and those that do not are to blame; where none does, nobody is,
//! unless it goes on for long. And nobody is within the first minute: what is wrong with the ledger may be so for some tables
//! alone, and whoever mends it must not find everything put aside.

use crate::Failure;
use crate::route::{Round, Router};
use std::sync::Arc;
use std::time::Duration;
use wire::{EventId, Instant};

/// So many in vain, before any was routed, are the ledger's fault.
const IN_VAIN: usize = 32;

/// How old an event is before it is blamed where others get through.
const YOUNG: Duration = Duration::from_mins(1);

/// How old it is before it is blamed though nothing gets through: it may be the only one there is.
const ALONE: Duration = Duration::from_mins(15);

impl Router {
    /// Routes events one by one, which failed with `failure` together.
    pub(crate) async fn route_apart(
        &self,
        ids: Vec<(EventId, Instant)>,
        failure: Failure,
    ) -> Result<Round, Failure> {
        let mut round = Round::default();
        let mut blamed = Vec::new();
        let mut is_well = false;
        for (id, _) in ids {
            let (mut events, waitbox, _) = self.unrouted(vec![id]).await?;
            // Routed already, by the first try or by somebody else.
            is_well |= events.is_empty();
            events.retain(|event| !round.passed.contains(&event.workspace_id));
            match self.route_as(events.clone(), waitbox).await {
                Ok(one) => {
                    is_well |= one.routed > 0;
                    round.add(one);
                }
                Err(Failure::Ledger(error)) if !error.is_transient() => {
                    blamed.extend(events.into_iter().map(|event| (event, Arc::clone(&error))));
                    if !is_well && blamed.len() >= IN_VAIN {
                        break;
                    }
                }
                Err(other) => return Err(other),
            }
        }
        let (now, patience) = (Instant::now(), if is_well { YOUNG } else { ALONE });
        let mut is_done = is_well;
        for (event, error) in blamed {
            round.passed.push(event.workspace_id.clone());
            if now.since(event.received_at) >= patience {
                self.blame(&event, &error).await?;
                is_done = true;
            }
        }
        if is_done { Ok(round) } else { Err(failure) }
    }
}
