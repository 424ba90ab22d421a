//! The addresses that are not the public internet, from IANA's registries:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>,
//! <https://www.iana.org/assignments/ipv6-address-space>.
//!
//! The registries call some of their networks globally reachable. They are forbidden all the same, for what answers in
//! them is the nearest router, relay or name server, and never a provider: the anycast addresses of `192.0.0.0/24` and
//! `2001::/23`, AS112, AMT, ORCHID, DRIP, 6to4 and the translation of IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network that is not the public internet.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpecialPurpose {
    /// The network.
    pub(super) network: IpNet,
    /// What it is for.
    pub(super) purpose: &'static str,
}

/// The only part of IPv6 that IANA has given out as global unicast; everything outside it is forbidden.
pub(super) const PUBLIC_V6: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const fn v4(octets: [u8; 4], prefix: u8, purpose: &'static str) -> SpecialPurpose {
    let address = Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]);
    SpecialPurpose { network: IpNet::V4(Ipv4Net::new_assert(address, prefix)), purpose }
}

const fn v6(start: [u16; 4], prefix: u8, purpose: &'static str) -> SpecialPurpose {
    let address = Ipv6Addr::new(start[0], start[1], start[2], start[3], 0, 0, 0, 0);
    SpecialPurpose { network: IpNet::V6(Ipv6Net::new_assert(address, prefix)), purpose }
}

/// Every special-purpose network, those that are reachable from everywhere included: no provider's mail server
/// and no provider's API lives in one. And one address that no registry has: Azure serves each of its machines' secrets
/// there (<https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>). The metadata services
/// of the other clouds live in link-local, private, shared or protocol networks.
pub(super) const SPECIAL_PURPOSE: [SpecialPurpose; 37] = [
    v4([0, 0, 0, 0], 8, "this network"),
    v4([10, 0, 0, 0], 8, "private use"),
    v4([100, 64, 0, 0], 10, "shared address space"),
    v4([127, 0, 0, 0], 8, "loopback"),
    v4([168, 63, 129, 16], 32, "a cloud's own service"),
    v4([169, 254, 0, 0], 16, "link-local"),
    v4([172, 16, 0, 0], 12, "private use"),
    v4([192, 0, 0, 0], 24, "protocol assignments"),
    v4([192, 0, 2, 0], 24, "documentation"),
    v4([192, 31, 196, 0], 24, "AS112 service"),
    v4([192, 52, 193, 0], 24, "multicast tunnelling"),
    v4([192, 88, 99, 0], 24, "6to4 relay"),
    v4([192, 168, 0, 0], 16, "private use"),
    v4([192, 175, 48, 0], 24, "AS112 service"),
    v4([198, 18, 0, 0], 15, "benchmarking"),
    v4([198, 51, 100, 0], 24, "documentation"),
    v4([203, 0, 113, 0], 24, "documentation"),
    v4([224, 0, 0, 0], 4, "multicast"),
    v4([240, 0, 0, 0], 4, "reserved"),
    v6([0, 0, 0, 0], 96, "unspecified, loopback or an embedded IPv4 address"),
    v6([0x64, 0xff9b, 0, 0], 96, "IPv4 translation"),
    v6([0x64, 0xff9b, 1, 0], 48, "local IPv4 translation"),
    v6([0x100, 0, 0, 0], 64, "discard only"),
    v6([0x100, 0, 0, 1], 64, "dummy prefix"),
    v6([0x2001, 0, 0, 0], 23, "protocol assignments"),
    v6([0x2001, 0, 0, 0], 32, "Teredo tunnelling"),
    v6([0x2001, 2, 0, 0], 48, "benchmarking"),
    v6([0x2001, 0x10, 0, 0], 28, "deprecated ORCHID"),
    v6([0x2001, 0x20, 0, 0], 28, "ORCHIDv2"),
    v6([0x2001, 0xdb8, 0, 0], 32, "documentation"),
    v6([0x2002, 0, 0, 0], 16, "6to4"),
    v6([0x2620, 0x4f, 0x8000, 0], 48, "AS112 service"),
    v6([0x3fff, 0, 0, 0], 20, "documentation"),
    v6([0x5f00, 0, 0, 0], 16, "segment routing"),
    v6([0xfc00, 0, 0, 0], 7, "unique local"),
    v6([0xfe80, 0, 0, 0], 9, "link-local or site-local"),
    v6([0xff00, 0, 0, 0], 8, "multicast"),
];

/// The purpose of an address that is not the public internet.
pub(super) fn of(address: IpAddr) -> Option<&'static str> {
    let special = SPECIAL_PURPOSE.iter().find(|entry| entry.network.contains(&address));
    match (special, address) {
        (Some(entry), _) => Some(entry.purpose),
        (None, IpAddr::V6(address)) if !PUBLIC_V6.contains(&address) => Some("unassigned"),
        (None, _) => None,
    }
}

/// The IPv4 address behind an IPv6 address that a relay or a translator turns into one: RFC 6052, section 2.1, and
/// RFC 3056, section 2.
pub(super) fn behind(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    let v4 = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
        }
        _ => return None,
    };
    Some(IpAddr::V4(v4))
}
