//! The portal: what a workspace's customer sees of its own endpoints.

use crate::Console;

/// Where the portal is, as the outside reaches it.
pub(crate) fn place(console: &Console) -> String {
    format!("{}/portal", console.settings().public_url)
}
