//! Waiting for events: what the ledger's waitbox is told.

use playbook::{Effect, Issued, ListenRequest};
use std::collections::BTreeMap;
use store::Unwaited;
use waitbox::{Wait, waits_of};
use wire::RunState;

/// The listens of a run that it waits by, by their effects.
#[derive(Debug, Default, Clone, PartialEq)]
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

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
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

    /// What is waited for here and was not before. A filter that was there is not waited for again: an event that it was
    /// given may be on its way, and it must not take a second.
    pub(crate) fn since(&self, before: &Self) -> Vec<(i32, Wait)> {
        let mut waits = Vec::new();
        for (id, request) in &self.0 {
            let known = before.0.get(id);
            let is_new = |wait: &Wait| {
                !known.is_some_and(|known| known.filters.iter().any(|(index, _)| *index == wait.filter))
            };
            let new = waits_of(request).into_iter().filter(is_new);
            waits.extend(new.map(|wait| (number(*id), wait)));
        }
        waits
    }

    /// What is not waited for after a step to this state, and was before: of a run that ends, everything.
    pub(crate) fn unwaited_since(&self, before: &Self, state: RunState) -> Unwaited {
        if state.is_final() && !(self.0.is_empty() && before.0.is_empty()) {
            return Unwaited::Every;
        }
        let ended = before.0.keys().filter(|id| !self.0.contains_key(id));
        Unwaited::These(ended.map(|id| number(*id)).collect())
    }
}

/// A run issues no more effects than it has tasks, which are ten thousand.
fn number(id: u32) -> i32 {
    i32::try_from(id).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use playbook::Awaited;

    fn listen(id: u32, filters: &[usize]) -> Issued {
        let awaited = |filter: &usize| {
            let awaited = Awaited {
                event_type: format!("type.{filter}"),
                source: None,
                data: None,
                correlate: Vec::new(),
            };
            (*filter, awaited)
        };
        Issued {
            id,
            pointer: String::new(),
            effect: Effect::Listen(ListenRequest {
                filters: filters.iter().map(awaited).collect(),
                is_any: false,
                broadcast: false,
            }),
        }
    }

    fn places(waits: &[(i32, Wait)]) -> Vec<(i32, usize)> {
        waits
            .iter()
            .map(|(effect, wait)| (*effect, wait.filter))
            .collect()
    }

    #[test]
    fn only_what_is_new_is_waited_for_and_what_ended_is_named() {
        let none = Waiting::default();
        let first = none.after(&[listen(1, &[0, 1]), listen(2, &[0])], &[]);
        assert_eq!(places(&first.since(&none)), [(1, 0), (1, 1), (2, 0)]);
        // A part of the first came, and the second ended.
        let second = first.after(&[listen(1, &[1]), listen(3, &[0])], &[2]);
        assert_eq!(places(&second.since(&first)), [(3, 0)]);
        let unwaited = |after: &Waiting, before, state| after.unwaited_since(before, state);
        assert_eq!(
            unwaited(&second, &first, RunState::Waiting),
            Unwaited::These(vec![2])
        );
        assert_eq!(unwaited(&first, &none, RunState::Waiting), Unwaited::NOTHING);
        // One that ends waits for nothing, whatever its state says; one that never waited has nothing to be taken away.
        assert_eq!(unwaited(&second, &second, RunState::Faulted), Unwaited::Every);
        assert_eq!(unwaited(&none, &second, RunState::Completed), Unwaited::Every);
        assert_eq!(unwaited(&none, &none, RunState::Completed), Unwaited::NOTHING);
        let (effect, wait) = &second.since(&first)[0];
        let row = routing::wait_row(*effect, wait);
        assert_eq!((row.effect, row.spec.as_str()), (3, r#"{"type":"type.0"}"#));
    }
}
