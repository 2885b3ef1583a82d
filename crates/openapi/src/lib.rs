//! What the doors and the management API are, told in OpenAPI 3.1.
//!
//! Each service describes its own addresses as [`Operation`]s beside the code that answers there; this crate makes one
//! document of them ([`Api::document`]), in the types of `utoipa`. Descriptions are values and not derived from the
//! code's types, because most requests here are read field by field or kept as bytes; tests hold every answer of the
//! services' own test suites against them, and every address that is mounted.
//!
//! # What it must never do
//!
//! Know an address, a field or an error code of a service; do I/O.

mod api;
mod operation;
mod refusal;
mod shape;

pub use api::{Api, Tag};
pub use operation::{Answer, Auth, Body, Method, Operation};
pub use refusal::{Family, Refusal};
pub use shape::{
    Field, Shape, anything, boolean, bytes, configured_id, either, field, integer, list, map, maybe, named,
    null, number, object, recorded_id, text, time, word,
};
