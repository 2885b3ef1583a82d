//! Where requests may go: the operator's word, applied to names and to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::address::special_range;
use crate::{CheckedUrl, Error};

/// Public addresses, and what the operator opened besides.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    allow: Vec<IpNet>,
}

impl Policy {
    /// A policy that also lets requests through to the networks in `allow`: the operator's setting `egress.allow`,
    /// never a tenant's. The [`Default`] opens none.
    pub fn new(allow: impl IntoIterator<Item = IpNet>) -> Self {
        Self {
            allow: allow.into_iter().collect(),
        }
    }

    /// Checks a URL as far as its text goes: everything but the addresses behind a name. For saving; see also
    /// [`crate::Client::check_url`], which looks the name up. Sending checks both again.
    pub fn check_url(&self, url: &str) -> Result<CheckedUrl, Error> {
        CheckedUrl::parse(url, self)
    }

    /// The name of the forbidden range that an address is in; `None` if it may be called.
    pub(crate) fn forbidden_range(&self, address: IpAddr) -> Option<&'static str> {
        special_range(address).filter(|_| !self.allow.iter().any(|net| net.contains(&address)))
    }

    /// Whether the operator opened a network that a name of this kind can lead to. Its addresses are then checked
    /// like all others; until then such a name can only be a mistake or an attack.
    pub(crate) fn opens(&self, kind: LocalName) -> bool {
        let loopback = |net: &IpNet| {
            loopback_nets()
                .iter()
                .any(|loopback| loopback.contains(net) || net.contains(loopback))
        };
        match kind {
            LocalName::ThisMachine => self.allow.iter().any(loopback),
            LocalName::ThisNetwork => self
                .allow
                .iter()
                .any(|net| !loopback_nets().iter().any(|loopback| loopback.contains(net))),
        }
    }
}

/// The two kinds of names that mean something else on every machine or network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalName {
    ThisMachine,
    ThisNetwork,
}

impl LocalName {
    /// Classifies a name in lower case without a final dot. `None` if it can be public.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let Some((_, last)) = name.rsplit_once('.') else {
            return Some(if name == "localhost" {
                Self::ThisMachine
            } else {
                Self::ThisNetwork
            });
        };
        match last {
            "localhost" => Some(Self::ThisMachine),
            _ if LOCAL_SUFFIXES.contains(&last) || name.ends_with(".home.arpa") => Some(Self::ThisNetwork),
            _ => None,
        }
    }
}

/// Top-level names that the public DNS does not have, and that networks use among themselves: RFC 6762 (with its
/// appendix G), RFC 7686, RFC 8375, ICANN's `internal`, and the habits of resolvers and of Kubernetes.
const LOCAL_SUFFIXES: &[&str] = &[
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "onion",
    "private",
    "svc",
];

fn loopback_nets() -> [IpNet; 2] {
    [
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str]) -> Policy {
        Policy::new(allow.iter().map(|net| net.parse().unwrap()))
    }

    #[test]
    fn an_opened_network_is_open_and_its_neighbours_are_not() {
        let policy = policy(&["10.1.0.0/16"]);
        assert!(policy.check_url("http://10.1.2.3/").is_ok());
        for closed in [
            "http://10.2.0.1/",
            "http://127.0.0.1/",
            "http://[::ffff:10.1.2.3]/",
        ] {
            assert!(policy.check_url(closed).unwrap_err().is_address(), "{closed}");
        }
    }

    #[test]
    fn names_of_this_machine_need_an_open_loopback() {
        for (allow, passes) in [
            (&[][..], false),
            (&["10.0.0.0/8"], false),
            (&["127.0.0.0/8"], true),
            (&["127.0.0.1/32"], true),
            (&["::1/128"], true),
            (&["0.0.0.0/0"], true),
        ] {
            for url in [
                "http://localhost:8080/",
                "http://LOCALHOST./",
                "http://a.localhost/",
            ] {
                assert_eq!(
                    policy(allow).check_url(url).is_ok(),
                    passes,
                    "{url} with {allow:?}"
                );
            }
        }
    }

    #[test]
    fn names_of_this_network_need_an_open_network_beyond_loopback() {
        for (allow, passes) in [
            (&[][..], false),
            (&["127.0.0.0/8", "::1/128"], false),
            (&["10.0.0.0/8"], true),
            (&["::/0"], true),
        ] {
            for url in [
                "http://rabbitmq/",
                "https://billing.internal/hooks",
                "http://printer.local/",
            ] {
                assert_eq!(
                    policy(allow).check_url(url).is_ok(),
                    passes,
                    "{url} with {allow:?}"
                );
            }
        }
    }
}
