//! What the ledger promises, on both databases: every fact is tried on a SQLite file and on a Postgres database of its
//! own. Facts about one database alone say so in their names.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy knows the tests' functions, not those they share"
)]

mod accept;
mod accept_batches;
mod accept_decided;
mod applications;
mod apps;
mod audit;
mod backlog;
mod controls;
mod edits;
mod event_types;
mod given;
mod handshakes;
mod lanes;
mod lanes_of_many;
mod leases;
mod lists;
mod lookups;
mod migrations;
mod order;
mod outages;
mod outcomes;
mod overs;
mod partitions;
mod planner;
mod plans;
mod plans_configured;
mod plans_running;
mod prepared;
mod recorder;
mod recoveries;
mod recoveries_paced;
mod rejections;
mod retention;
mod routing;
mod running;
mod runs;
mod schema;
mod sealed;
mod senders;
mod slots;
mod verdicts;
mod versions;
mod waits;
mod waits_plans;
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
