//! The kit's own tests: a tool that lies makes every other test lie.

mod servers;
mod sockets;
