//! Room for bodies: how much of what senders send is held at once, all requests together.
//!
//! Anybody who knows an address can send to it, and a body is read before its signature can be checked. Small bodies are bounded by
//! the number of connections; the large ones share a budget, and whoever finds none left is asked to come again. A request that
//! has its body keeps its part of the budget until it is answered.

use crate::problem::Problem;
use actix_web::{HttpMessage as _, HttpRequest};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a body may have without asking: nearly all have less.
const FREE: u64 = 64 << 10;

/// What is counted as one.
const UNIT: u64 = 1 << 10;

/// The budget. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    /// For so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// A part of it for one body, which has nothing yet.
    pub(crate) fn part(&self) -> Part {
        Part {
            room: Arc::clone(&self.0),
            permit: None,
        }
    }
}

/// One body's part of the room, until it is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    room: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Part {
    /// Makes it large enough for so many bytes in all; [`Problem::Overloaded`] when there is no room for them.
    pub(crate) fn grow_to(&mut self, bytes: u64) -> Result<(), Problem> {
        let wanted = usize::try_from(bytes.saturating_sub(FREE).div_ceil(UNIT)).unwrap_or(usize::MAX);
        let has = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if wanted <= has {
            return Ok(());
        }
        let more = u32::try_from(wanted - has).map_err(|_too_many| Problem::Overloaded)?;
        let more = Arc::clone(&self.room)
            .try_acquire_many_owned(more)
            .map_err(|_none_left| Problem::Overloaded)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// Keeps it until the request is answered.
    pub(crate) fn keep_with(self, request: &HttpRequest) {
        if self.permit.is_some() {
            request.extensions_mut().insert(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_the_room_and_small_ones_need_none() {
        let room = Room::new(1 << 20);
        let (mut first, mut second) = (room.part(), room.part());
        assert!(first.grow_to(FREE + (600 << 10)).is_ok());
        assert!(matches!(
            second.grow_to(FREE + (600 << 10)),
            Err(Problem::Overloaded)
        ));
        assert!(second.grow_to(FREE).is_ok(), "what is free is free");
        assert!(first.grow_to(FREE + (1 << 20)).is_ok(), "what it has counts");
        drop(first);
        assert!(second.grow_to(FREE + (1 << 20)).is_ok());
        assert!(second.grow_to(1).is_ok(), "nothing is given back before the end");
        assert!(room.part().grow_to(FREE + 1).is_err());
    }
}
