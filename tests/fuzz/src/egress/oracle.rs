//! The policy, written a second time, by the table of destinations alone.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

static RANGES: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    entries().filter(|entry| entry.0 == "range").map(|entry| entry.1.parse().unwrap()).collect()
});

/// What the table says of each destination, and the destination.
pub(super) fn entries() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("../../../../core/tests/destinations.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# ") && *line != "#")
        .map(|line| line.split_once(' ').unwrap())
}

pub(super) fn is_public(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_given_out = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => address.octets()[0] >> 5 == 1,
    };
    is_given_out && RANGES.iter().all(|range| !range.contains(&address))
}

pub(super) fn may_be_dialled(address: IpAddr, allow: &[IpNet]) -> bool {
    let listed = allow.iter().any(|network| contains(*network, address));
    is_public(address)
        || listed && translated(address).is_none_or(|behind| may_be_dialled(behind, allow))
}

/// Whether an address is in a network, where both are what they are when they are mapped from IPv4 no more.
pub(super) fn contains(network: IpNet, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let mapped = IpAddr::V6(match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    });
    network.contains(&address) || network.prefix_len() >= 96 && network.contains(&mapped)
}

/// The IPv4 address to which NAT64 or 6to4 would lead.
fn translated(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address.to_canonical() else { return None };
    let octets = address.octets();
    match octets {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
        | [0x20, 0x02, a, b, c, d, ..] => Some(Ipv4Addr::new(a, b, c, d).into()),
        _ => None,
    }
}

/// The address that `inet_aton` reads in a text: one to four numbers, decimal, octal or hexadecimal, of which the last
/// fills what is left.
pub(super) fn numbers(text: &str) -> Option<IpAddr> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut numbers = Vec::new();
    for part in text.split('.') {
        let lower = part.to_ascii_lowercase();
        let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
            (Some(digits), _) => (digits, 16),
            (None, Some(digits)) if !digits.is_empty() => (digits, 8),
            _ => (lower.as_str(), 10),
        };
        if radix == 16 && digits.is_empty() {
            // Browsers read a zero here, `inet_aton` nothing.
            numbers.push(0);
            continue;
        }
        if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        numbers.push(if significant.is_empty() && !digits.is_empty() {
            0
        } else {
            u32::from_str_radix(significant, radix).ok()?
        });
    }
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|number| *number > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(first.len()).ok()?;
    if room < 32 && *last >> room != 0 {
        return None;
    }
    let high = first.iter().fold(0_u32, |all, number| all << 8 | number);
    let high = if room < 32 { high << room } else { 0 };
    Some(Ipv4Addr::from(high | last).into())
}
