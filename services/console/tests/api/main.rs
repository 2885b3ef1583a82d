//! The management API as its callers see it: over real HTTP on port 0, with a ledger of its own for every test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod access;
mod applications;
mod applied;
mod apps;
mod audit;
mod certificates;
mod configuration;
mod configured;
mod contract;
mod corpus;
mod deliveries;
mod doors;
mod endpoint_auth;
mod event_types;
mod events;
mod explain;
mod given;
mod headers;
mod hostile;
mod lanes;
mod nahook;
mod playbooks;
mod policy;
mod portal;
mod problems;
mod races;
mod recoveries;
mod replay;
mod runs;
mod secrets;
mod senders;
mod sources;
mod versions;
mod yard;

/// Makes two tests of one function: `on_postgres` and `on_sqlite`, in a module of the function's name.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($yard:ident: &Yard) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn fact($yard: &Yard) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres() {
                let yard = Yard::on_postgres().await;
                Box::pin(fact(&yard)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite() {
                let yard = Yard::on_sqlite().await;
                Box::pin(fact(&yard)).await;
            }
        }
    )+};
}
pub(crate) use on_both;
