//! Reads documents: those of the conformance kit and of the specification's examples, those of this folder, and what
//! becomes of all of them when something in them is changed.

mod kit;
mod reading;
