//! Waiting for events: what the ledger's waitbox is told, and what a run is told of an event that came.

use playbook::{Effect, Issued, ListenRequest};
use std::collections::BTreeMap;
use store::NewWait;

/// The filters of a run's listens that are waited for, with what each waits for: by effect, then by filter.
#[derive(Debug, Default, Clone)]
pub(crate) struct Waiting(BTreeMap<u32, ListenRequest>);

impl Waiting {
    /// What these effects wait for.
    pub(crate) fn of(issued: &[Issued]) -> Self {
        let listens = issued.iter().filter_map(|issued| match &issued.effect {
            Effect::Listen(request) => Some((issued.id, request.clone())),
            Effect::Http(_) => None,
        });
        Self(listens.collect())
    }

    /// What is waited for after a step: an effect that is issued again replaces itself.
    pub(crate) fn after(&self, issued: &[Issued], cancelled: &[u32]) -> Self {
        let mut after = self.clone();
        for id in cancelled {
            after.0.remove(id);
        }
        after.0.extend(Self::of(issued).0);
        after
    }

    /// What is waited for here and was not before. A filter that matched is not waited for again, whatever came of its
    /// message so far: the event that it took was one, and so it must not take a second.
    pub(crate) fn since(&self, before: &Self) -> Vec<NewWait> {
        let mut waits = Vec::new();
        for (id, request) in &self.0 {
            let known = before.0.get(id);
            for (index, awaited) in &request.filters {
                let was_there =
                    known.is_some_and(|known| known.filters.iter().any(|(known, _)| known == index));
                if !was_there {
                    waits.push(wait(*id, *index, request, awaited));
                }
            }
        }
        waits
    }

    /// The effects that are not waited for here and were before.
    pub(crate) fn ended_since(&self, before: &Self) -> Vec<i32> {
        let ended = before.0.keys().filter(|id| !self.0.contains_key(id));
        ended.map(|id| i32::try_from(*id).unwrap_or(i32::MAX)).collect()
    }
}
