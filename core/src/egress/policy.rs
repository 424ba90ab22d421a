//! Which addresses may be dialled.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use super::special_purpose;

/// The ports of mail submission and relay: <https://www.rfc-editor.org/rfc/rfc8314> and RFC 5321, and 2525, which
/// providers offer where 25 is blocked.
pub const MAIL_PORTS: [u16; 4] = [25, 465, 587, 2525];

/// Which addresses may be dialled: the public internet, and the networks that the operator allows beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    allow: Vec<IpNet>,
    ports: Vec<u16>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { allow: Vec::new(), ports: MAIL_PORTS.to_vec() }
    }
}

/// Why a destination may not be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The address has a special purpose, which the text names.
    #[error("the address is reserved: {0}")]
    Address(&'static str),
    /// The port is not one that settings may name.
    #[error("the port is not one that settings may name")]
    Port,
    /// Plain HTTP, to an address that is not in an allowed network.
    #[error("plain HTTP is only for allowed networks")]
    PlainHttp,
}

impl Policy {
    /// The public internet, the networks in `allow` beside it, and the ports that settings may name on the
    /// public internet.
    ///
    /// A network of addresses that are translated to IPv4 (`64:ff9b::/96`, `2002::/16`) opens the way to IPv4 addresses
    /// that may be dialled themselves, and to no others.
    pub fn new(allow: Vec<IpNet>, ports: Vec<u16>) -> Self {
        Self { allow: allow.into_iter().map(canonical).collect(), ports }
    }

    /// Fails for an address that may not be dialled. An IPv4 address mapped into IPv6 is checked as the one that it maps, for
    /// that is the one that is dialled.
    pub fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        let address = address.to_canonical();
        match special_purpose::of(address) {
            Some(_) if self.lists(address) => {
                special_purpose::behind(address).map_or(Ok(()), |behind| self.check(behind))
            }
            Some(purpose) => Err(Forbidden::Address(purpose)),
            None => Ok(()),
        }
    }

    /// Fails for an address that may not be asked in plain HTTP, which is every one outside the allowed networks.
    pub fn check_plain_http(&self, address: IpAddr) -> Result<(), Forbidden> {
        self.check(address)?;
        if self.opens(address) { Ok(()) } else { Err(Forbidden::PlainHttp) }
    }

    /// Fails for a destination that settings may not name. Inside an allowed network they may name any port.
    pub fn check_user_supplied(&self, destination: SocketAddr) -> Result<(), Forbidden> {
        self.check(destination.ip())?;
        if self.opens(destination.ip()) || self.ports.contains(&destination.port()) {
            Ok(())
        } else {
            Err(Forbidden::Port)
        }
    }

    /// Whether no network is allowed beside the public internet.
    pub(crate) fn allows_public_only(&self) -> bool {
        self.allow.is_empty()
    }

    /// Whether `allow` opens the way to this address and to the one behind it.
    fn opens(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.lists(address)
            && special_purpose::behind(address).is_none_or(|behind| self.opens(behind))
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(&address))
    }
}

/// A network of IPv4 addresses that are mapped into IPv6 is the network that they map.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let (prefix, address) = (mapped.prefix_len().checked_sub(96), mapped.addr().to_ipv4_mapped());
    prefix
        .zip(address)
        .and_then(|(prefix, address)| Ipv4Net::new(address, prefix).ok())
        .map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::special_purpose::{PUBLIC_V6, SPECIAL_PURPOSE};
    use super::*;

    fn check(address: &str) -> Result<(), Forbidden> {
        Policy::default().check(address.parse().unwrap())
    }

    #[test]
    fn the_first_and_last_address_of_every_special_network_are_forbidden() {
        for entry in SPECIAL_PURPOSE {
            let network = entry.network;
            for address in [network.network(), network.broadcast()] {
                assert!(Policy::default().check(address).is_err(), "{address} of {network}");
            }
        }
    }

    #[test]
    fn public_addresses_may_be_dialled() {
        for address in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.0",
            "223.255.255.255",
            "2606:4700::1",
            "2a00:1450::1",
        ] {
            assert_eq!(check(address), Ok(()), "{address}");
        }
    }

    #[test]
    fn addresses_that_carry_a_forbidden_one_are_forbidden() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "100::1",
            "4000::1",
        ] {
            assert!(check(address).is_err(), "{address}");
        }
    }

    #[test]
    fn allow_opens_what_it_says_and_nothing_beside_it() {
        let policy = Policy::new(vec!["127.0.0.0/30".parse().unwrap()], vec![587]);
        let named = |address: &str| policy.check_user_supplied(address.parse().unwrap());
        assert_eq!(named("127.0.0.1:9"), Ok(()));
        assert_eq!(named("[::ffff:127.0.0.1]:9"), Ok(()));
        assert!(matches!(named("127.0.0.4:587"), Err(Forbidden::Address(_))));
        assert_eq!(named("8.8.8.8:587"), Ok(()));
        assert_eq!(named("8.8.8.8:22"), Err(Forbidden::Port));
        assert_eq!(policy.check_plain_http("8.8.8.8".parse().unwrap()), Err(Forbidden::PlainHttp));
        assert_eq!(policy.check_plain_http("127.0.0.1".parse().unwrap()), Ok(()));
    }

    proptest! {
        #[test]
        fn only_global_unicast_passes(address in any::<u128>()) {
            let address = std::net::Ipv6Addr::from(address);
            if Policy::default().check(address.into()).is_ok() {
                let inside = PUBLIC_V6.contains(&address);
                prop_assert!(inside || address.to_ipv4_mapped().is_some());
            }
        }

        #[test]
        fn a_mapped_address_is_checked_as_the_one_it_maps(address in any::<u32>()) {
            let v4 = std::net::Ipv4Addr::from(address);
            let policy = Policy::default();
            prop_assert_eq!(policy.check(v4.into()), policy.check(v4.to_ipv6_mapped().into()));
        }

        #[test]
        fn whatever_lies_in_a_special_network_is_forbidden(
            index in 0..SPECIAL_PURPOSE.len(), offset in any::<u128>()
        ) {
            let network = SPECIAL_PURPOSE[index].network;
            let address = match network {
                IpNet::V4(network) => {
                    let host = u32::try_from(offset & u128::from(u32::MAX)).unwrap() & u32::from(network.hostmask());
                    IpAddr::from(std::net::Ipv4Addr::from(u32::from(network.network()) | host))
                }
                IpNet::V6(network) => {
                    let host = offset & u128::from(network.hostmask());
                    IpAddr::from(std::net::Ipv6Addr::from(u128::from(network.network()) | host))
                }
            };
            prop_assert!(Policy::default().check(address).is_err());
        }
    }
}
