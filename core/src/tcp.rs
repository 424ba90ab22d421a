//! Guarded TCP and TLS to a host and port that the settings name.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::{TlsConnector, client};

use crate::cause::Cause;
use crate::context::Context;
use crate::egress::local_fault::is_local_fault;
use crate::egress::policy::Forbidden;
use crate::egress::resolver::{addresses_of, without_brackets};
use crate::failure::Failure;
use crate::field::Field;
use crate::tls_error;

/// The maximum time to find a host and connect to it; less when the deadline is near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many addresses of a host are tried. The owner of a name chooses how many it has.
const MAX_ADDRESSES: usize = 8;

impl Context {
    /// Connects to a host and port that the settings name.
    ///
    /// The name is resolved once, the egress policy checks every address it stands for, and only allowed
    /// addresses are dialled. Fails with `destination_forbidden` when one of them is forbidden, with
    /// `connection_failed` when there is no such name or no server accepts, and with `provider_unavailable` when the
    /// name cannot be looked up or no connection can be made from here: the fault is on this side.
    pub async fn dial(&self, host: Field<&str>, port: Field<u16>) -> Result<TcpStream, Failure> {
        if !self.is_configured() {
            return Err(Failure::internal("the environment does not know this provider"));
        }
        // Half of what is left: a server that cannot be reached is a fault of the settings, and there must be
        // time to say so.
        let until = Instant::now() + CONNECT_TIMEOUT.min(self.time_left() / 2);
        let mut addresses = match self.environment().route(host.value, port.value) {
            Some(address) => vec![address],
            None => match timeout_at(until, self.find(host.value, port.value)).await {
                Ok(Ok(addresses)) => addresses,
                Ok(Err(error)) if !is_passing(&error) => {
                    return Err(Failure::connection_failed(host.name)
                        .with_message("This host does not exist.")
                        .with_hint("Check its spelling; it is the name of the server alone, without `https://` and without a port."));
                }
                Ok(Err(_)) | Err(_) => {
                    return Err(Failure::provider_unavailable()
                        .with_message("The host name cannot be looked up at the moment, so there is no verdict.")
                        .with_note("name resolution failed"));
                }
            },
        };
        for address in &addresses {
            self.environment().policy().check_user_supplied(*address).map_err(|forbidden| {
                self.environment().count_egress_refusal();
                forbidden_destination(forbidden, host.name, port.name)
            })?;
        }
        addresses.truncate(MAX_ADDRESSES);
        let mut untried = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut is_local = true;
        for address in addresses {
            // An address that drops packets leaves the others their share of the time.
            let share = until.saturating_duration_since(Instant::now()) / untried;
            match timeout(share, connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => is_local &= is_local_fault(&error),
                Err(_) => is_local = false,
            }
            untried -= 1;
        }
        if is_local {
            return Err(Failure::provider_unavailable()
                .with_message(
                    "No connection can be made from here at the moment, so there is no verdict.",
                )
                .with_note("the network or the system of this machine refuses connections"));
        }
        Err(Failure::connection_failed(port.name)
            .with_message("No server accepts connections at this host and port.")
            .with_hint("Check the port; mail servers take submissions on 587 or 465."))
    }

    async fn find(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        addresses_of(self.environment().resolver(), host, port).await
    }

    /// Speaks TLS over a connection, and holds the server to the name in `host`.
    ///
    /// Fails with `connection_failed`, at the host for a certificate that does not hold, at the port for a server
    /// that does not speak TLS there.
    pub async fn tls<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: Field<&str>,
        port: Field<u16>,
        stream: S,
    ) -> Result<TlsStream<S>, Failure> {
        let name =
            ServerName::try_from(without_brackets(host.value).trim_end_matches('.').to_owned())
                .map_err(|_| {
                    Failure::connection_failed(host.name)
                        .with_message("No certificate can be for this host name.")
                })?;
        let connector = TlsConnector::from(self.environment().tls());
        connector.connect(name, stream).await.map(TlsStream).map_err(|error| {
            let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            tls_error::failure(cause, host.name, port.name)
        })
    }
}

/// A TLS connection over `S`, made by [`Context::tls`].
pub struct TlsStream<S>(client::TlsStream<S>);

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[expect(clippy::disallowed_methods, reason = "the policy has checked the address")]
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether a look-up failed for a reason that may pass. The standard library gives the resolver's reason as a text
/// alone: glibc's and musl's words for `EAI_AGAIN`, or an error of the system behind it.
fn is_passing(error: &io::Error) -> bool {
    let text = error.to_string();
    error.raw_os_error().is_some()
        || text.contains("Temporary failure in name resolution")
        || text.contains("Try again")
}

fn forbidden_destination(forbidden: Forbidden, host: &'static str, port: &'static str) -> Failure {
    let failure = Failure::new(Cause::DestinationForbidden);
    match forbidden {
        Forbidden::Address(purpose) => failure
            .with_field(host)
            .with_message("This host leads to an address that is not on the public internet.")
            .with_note(purpose),
        Forbidden::Port => failure
            .with_field(port)
            .with_message("This port is not one that settings may name.")
            .with_hint(
                "Use 587, 465, 25 or 2525. The operator can open others with `egress.ports`.",
            ),
        Forbidden::PlainHttp => failure.with_field(host),
    }
}
