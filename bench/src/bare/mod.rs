//! What the yard is compared with: the parts that nothing of its kind can do without, each alone and doing nothing else.

pub(crate) mod client;
pub(crate) mod handler;
pub(crate) mod inserts;
