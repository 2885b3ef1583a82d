//! How long a request's body is.

use actix_web::HttpMessage as _;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use futures_util::TryStreamExt as _;
use std::cell::Cell;
use std::rc::Rc;

/// A body whose length is known now, or once it was read.
pub(super) enum Body {
    /// What its sender says, or none.
    Declared(u64),
    /// What was read of one that comes in chunks.
    Counted(Rc<Cell<u64>>),
}

impl Body {
    /// Only a body whose sender does not say how long it is has to be counted.
    pub(super) fn of(request: &mut ServiceRequest) -> Self {
        if request.headers().contains_key(TRANSFER_ENCODING) {
            return Self::counted(request);
        }
        let declared = request.headers().get(CONTENT_LENGTH);
        let bytes = declared.and_then(|value| value.to_str().ok()?.parse().ok());
        Self::Declared(bytes.unwrap_or(0))
    }

    fn counted(request: &mut ServiceRequest) -> Self {
        let read = Rc::new(Cell::new(0));
        let count = Rc::clone(&read);
        let chunks = request
            .take_payload()
            .inspect_ok(move |chunk| count.set(count.get() + chunk.len() as u64));
        request.set_payload(Payload::Stream {
            payload: Box::pin(chunks),
        });
        Self::Counted(read)
    }

    /// How many bytes it has, or had.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Declared(bytes) => *bytes,
            Self::Counted(read) => read.get(),
        }
    }
}
