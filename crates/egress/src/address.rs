//! Which addresses a stranger may make us connect to.
//!
//! Written as matches on octets and segments, so that it can be read beside the IANA special-purpose registries
//! (RFC 6890 and its successors); the tests compare it with a table that was written independently.
//!
//! What it cannot know: a translator (NAT64) with a prefix of the operator's own choice. Behind one, the network
//! itself must keep the translated private ranges closed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address belongs to the public internet and to one machine on it.
///
/// Everything special is not public: this machine, private and shared networks, link-local addresses, multicast,
/// documentation, what the registries reserve, the metadata services of the clouds, and IPv6 addresses that carry
/// an IPv4 address to be unwrapped on the way. The one exception are NAT64 addresses (`64:ff9b::/96`), which an
/// IPv6-only network needs to reach the rest of the world: they are as public as the IPv4 address inside.
pub fn is_public(address: IpAddr) -> bool {
    special_range(address).is_none()
}

/// The name of the special range that an address belongs to, for a sentence like "is in …". `None` if it is public.
pub(crate) fn special_range(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "the range for \"this network\" (0.0.0.0/8)",
        [127, ..] => "the loopback range",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private network",
        [100, 64..=127, ..] => "a provider's shared network (100.64.0.0/10)",
        [169, 254, ..] => "the link-local range, where metadata services live",
        // Azure's "wire server", which looks public but is answered by the machine's own host.
        [168, 63, 129, 16] => "a cloud's metadata service",
        [192, 0, 0, _] => "the range for protocol assignments",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "a range for documentation",
        [192, 31, 196, _] | [192, 52, 193, _] | [192, 175, 48, _] => "a range for shared infrastructure",
        [192, 88, 99, _] => "the range of 6to4 relays",
        [198, 18..=19, ..] => "the range for benchmarks",
        [224..=239, ..] => "the multicast range",
        [240..=255, ..] => "a reserved range",
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "the unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "the loopback range",
        // NAT64 with the well-known prefix (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return special_v4(embedded(high, low)),
        [0xfe80..=0xfebf, ..] => "the link-local range",
        [0xfc00..=0xfdff, ..] => "a private network",
        [0xff00..=0xffff, ..] => "the multicast range",
        [0, 0, 0, 0, 0, 0xffff, ..] => "the range of IPv4 addresses written as IPv6",
        // Only 2000::/3 has been given to anyone: IPv4-compatible and -translated addresses, local NAT64,
        // discard-only, segment routing and site-local addresses are all outside.
        [..=0x1fff | 0x4000.., ..] => "a reserved range",
        // Teredo, ORCHID, benchmarks, anycast services.
        [0x2001, 0..=0x01ff, ..] => "the range for protocol assignments",
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => "a range for documentation",
        [0x2002, ..] => "the range of 6to4",
        [0x2620, 0x004f, 0x8000, ..] => "a range for shared infrastructure",
        // ISATAP (RFC 5214) tunnels to the IPv4 address in the lower half of whatever prefix the site has.
        [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => return special_v4(embedded(high, low)),
        _ => return None,
    })
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipnet::{IpNet, Ipv4Net, Ipv6Net};
    use proptest::prelude::*;

    /// The IANA special-purpose registries and what this product adds, as prefixes. Kept apart from the code above
    /// on purpose: neither is derived from the other.
    const FORBIDDEN: &[&str] = &[
        // IPv4 special-purpose address registry
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
        // clouds
        "168.63.129.16/32",
        "192.0.0.192/32",
        // IPv6: everything outside global unicast, but for NAT64
        "::/3",
        "4000::/2",
        "8000::/1",
        // IPv6 special-purpose address registry
        "::1/128",
        "::/128",
        "::ffff:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        // and beside it
        "fec0::/10",
        "ff00::/8",
        "::ffff:0:0:0/96",
    ];

    const NAT64: &str = "64:ff9b::/96";

    fn forbidden_by_table(address: IpAddr) -> bool {
        let within = |net: &str| net.parse::<IpNet>().unwrap().contains(&address);
        if within(NAT64) {
            return forbidden_by_table(lowest_four(address).into());
        }
        let isatap = matches!(address, IpAddr::V6(v6)
            if v6.octets()[8] & !2 == 0 && v6.octets()[9..12] == [0, 0x5e, 0xfe]);
        FORBIDDEN.iter().any(|net| within(net)) || isatap && forbidden_by_table(lowest_four(address).into())
    }

    fn lowest_four(address: IpAddr) -> Ipv4Addr {
        let IpAddr::V6(address) = address else {
            panic!("only IPv6 addresses carry another one")
        };
        let octets = address.octets();
        Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15])
    }

    /// Addresses inside each range of the table, at its two ends, and right outside of it.
    fn around_a_range() -> impl Strategy<Value = IpAddr> {
        let nets: Vec<IpNet> = FORBIDDEN
            .iter()
            .chain(&[NAT64])
            .map(|net| net.parse().unwrap())
            .collect();
        (prop::sample::select(nets), any::<u128>(), 0..5u8).prop_map(|(net, random, place)| match net {
            IpNet::V4(net) => IpAddr::from(Ipv4Addr::from_bits(place_v4(net, random, place))),
            IpNet::V6(net) => IpAddr::from(Ipv6Addr::from_bits(place_v6(net, random, place))),
        })
    }

    fn place_v4(net: Ipv4Net, random: u128, place: u8) -> u32 {
        let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
        match place {
            0 => first,
            1 => last,
            2 => first.wrapping_sub(1),
            3 => last.wrapping_add(1),
            _ => first | u32::try_from(random & u128::from(net.hostmask().to_bits())).unwrap(),
        }
    }

    fn place_v6(net: Ipv6Net, random: u128, place: u8) -> u128 {
        let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
        match place {
            0 => first,
            1 => last,
            2 => first.wrapping_sub(1),
            3 => last.wrapping_add(1),
            _ => first | random & net.hostmask().to_bits(),
        }
    }

    fn anywhere() -> impl Strategy<Value = IpAddr> {
        let carried = prop_oneof![
            Just(0x0064_ff9b_u128 << 96),
            Just(0x2600_u128 << 112 | 0x5efe_u128 << 32),
            Just(0x2600_u128 << 112 | 0x0200_5efe_u128 << 32),
        ];
        prop_oneof![
            4 => around_a_range(),
            1 => any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
            1 => any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
            1 => any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits >> 3 | 1 << 125).into()),
            1 => (carried, around_a_range()).prop_map(|(prefix, carried)| match carried {
                IpAddr::V4(v4) => Ipv6Addr::from_bits(prefix | u128::from(v4.to_bits())).into(),
                v6 @ IpAddr::V6(_) => v6,
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn an_address_is_public_exactly_if_no_range_of_the_table_holds_it(address in anywhere()) {
            prop_assert_eq!(is_public(address), !forbidden_by_table(address), "{}", address);
        }
    }

    #[test]
    fn well_known_public_addresses_are_public() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700:4700::1111",
            "64:ff9b::5db8:d822",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn metadata_services_are_not_public() {
        let services = [
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
        ];
        for address in services
            .into_iter()
            .chain(["fd00:ec2::254", "fd20:ce::254", "64:ff9b::a9fe:a9fe"])
        {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
