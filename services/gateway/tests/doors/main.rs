//! The doors through real HTTP on a real ledger, answer by answer.

mod channel;
mod faults;
mod token;
mod wire_http;
mod yard;
