//! From the text of a host to the addresses that it stands for.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use url::Host;

/// Finds the addresses that a name stands for.
///
/// Each connection asks once. The egress policy checks every address that is found, and only those addresses are dialled.
#[async_trait]
pub trait NameResolver: Send + Sync {
    /// Every address of a name, with this port.
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The resolver of the operating system.
///
/// It blocks a thread until it has an answer, or gives up after half a minute or more, even when the caller has left.
/// The runtime has 512 such threads for the whole process, so each resolver takes its share of them and no more.
pub(crate) struct SystemResolver {
    threads: Arc<Semaphore>,
}

impl SystemResolver {
    /// For the hosts of base URLs. They are few, and they are the operator's.
    pub(crate) fn of_base_urls() -> Self {
        Self { threads: Arc::new(Semaphore::new(128)) }
    }

    /// For the hosts of settings. A user who names one chooses the server that answers for its name, or does not answer.
    pub(crate) fn of_settings() -> Self {
        Self { threads: Arc::new(Semaphore::new(256)) }
    }
}

#[async_trait]
impl NameResolver for SystemResolver {
    #[expect(
        clippy::disallowed_methods,
        reason = "the callers check every address that is found here"
    )]
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        spawn_blocking(move || {
            // Held for as long as the thread is taken, not only as long as the caller waits.
            let _thread = thread;
            Ok((name.as_str(), port).to_socket_addrs()?.collect())
        })
        .await
        .map_err(io::Error::other)?
    }
}

/// Every address of a name. An empty answer is an error, as it is for the resolver of the system.
pub(crate) async fn look_up(
    resolver: &dyn NameResolver,
    name: &str,
    port: u16,
) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = resolver.look_up(name, port).await?;
    // A resolver says where a host is, and never at which port it is asked.
    for address in &mut addresses {
        address.set_port(port);
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(addresses)
}

/// Every address of a host as settings name it.
///
/// A text that means an address, in whatever notation, is read here, so that no resolver is asked what it means:
/// systems differ about `127.1` and `0x7f000001`.
pub(crate) async fn addresses_of(
    resolver: &dyn NameResolver,
    host: &str,
    port: u16,
) -> io::Result<Vec<SocketAddr>> {
    let literal = |address| Ok(vec![SocketAddr::new(address, port)]);
    let host = without_brackets(host);
    if host.contains(':') {
        // Settings cannot choose a zone: it names an interface of this machine.
        let address = host.split_once('%').map_or(host, |(address, _zone)| address);
        let address: Ipv6Addr = address.parse().map_err(|_| no_such_host())?;
        return literal(IpAddr::V6(address));
    }
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => literal(IpAddr::V4(address)),
        Ok(Host::Ipv6(address)) => literal(IpAddr::V6(address)),
        Ok(Host::Domain(name)) => look_up(resolver, &name, port).await,
        Err(_) => Err(no_such_host()),
    }
}

/// An IPv6 address may stand in brackets.
pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn no_such_host() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no host can have this name")
}
