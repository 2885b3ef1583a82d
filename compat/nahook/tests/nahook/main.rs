//! The flows of Nahook's own integration tests, by Nahook's own crate, against `hookyard dev`.

mod ingest;
mod management;
mod receiver;
mod running;
