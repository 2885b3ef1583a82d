//! The runs that this process has in hand, and how each hears that it was told something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use wire::RunId;

/// Rings when a run was told something.
pub(crate) type Bell = Arc<Notify>;

#[derive(Debug, Default)]
pub(crate) struct Courses(Mutex<HashMap<RunId, Bell>>);

impl Courses {
    /// Takes a run in hand.
    pub(crate) fn enter(&self, id: RunId) -> Bell {
        let bell = Bell::default();
        self.lock().insert(id, Arc::clone(&bell));
        bell
    }

    /// Lets go of a run, unless it was taken again since.
    pub(crate) fn leave(&self, id: RunId, bell: &Bell) {
        let mut courses = self.lock();
        if courses.get(&id).is_some_and(|current| Arc::ptr_eq(current, bell)) {
            courses.remove(&id);
        }
    }

    /// Rings for a run; says whether it is in hand.
    pub(crate) fn ring(&self, id: RunId) -> bool {
        let courses = self.lock();
        let Some(bell) = courses.get(&id) else {
            return false;
        };
        bell.notify_one();
        true
    }

    pub(crate) fn has(&self, id: RunId) -> bool {
        self.lock().contains_key(&id)
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Bell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_a_run_again_is_not_let_go_of_by_who_had_it_before() {
        let (courses, id) = (Courses::default(), RunId::generate());
        let first = courses.enter(id);
        let second = courses.enter(id);
        courses.leave(id, &first);
        assert!(courses.ring(id));
        courses.leave(id, &second);
        assert_eq!((courses.ring(id), courses.count()), (false, 0));
    }
}
