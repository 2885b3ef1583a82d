//! The crate from outside: vectors of the providers, properties, outbound signatures.

#[path = "signature/vectors.rs"]
mod vectors;
