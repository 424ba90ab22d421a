//! What can be checked of a base URL before a name is looked up.

use std::net::IpAddr;

use url::{Host, Url};

use super::policy::Policy;

/// Fails with the reason why this base URL may not be used. An address written in the URL never reaches the resolver, so
/// this is where the policy sees it.
pub(crate) fn check(policy: &Policy, url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(
            "it must begin with `https://`, or with `http://` for an allowed network".to_owned()
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not hold a user name or a password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must end with the path prefix, without `?` and `#`".to_owned());
    }
    let is_plain = url.scheme() == "http";
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) if is_plain && policy.allows_public_only() => {
            return Err("plain HTTP is only for allowed networks; `egress.allow` opens a network"
                .to_owned());
        }
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err("it names no host".to_owned()),
    };
    let checked = if is_plain { policy.check_plain_http(literal) } else { policy.check(literal) };
    checked.map_err(|forbidden| format!("{forbidden}; `egress.allow` opens a network"))
}
