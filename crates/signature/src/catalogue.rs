//! The built-in profiles: `profiles.yaml`, compiled in and parsed at first use.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::profile::Profile;

static CATALOGUE: LazyLock<BTreeMap<String, Profile>> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("../profiles.yaml"))
        .expect("the built-in catalogue parses because a test parses it")
});

/// The profile of this name.
pub(crate) fn profile(name: &str) -> Option<&'static Profile> {
    CATALOGUE.get(name)
}

/// The names of all built-in profiles, in alphabetical order.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    CATALOGUE.keys().map(String::as_str)
}
