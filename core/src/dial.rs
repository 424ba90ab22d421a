//! Guarded TCP and TLS to a host and port that the settings name.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::context::Context;
use crate::egress::Forbidden;
use crate::failure::{Cause, Failure};
use crate::resolver::{addresses_of, without_brackets};

/// The longest that finding and connecting to a host may take; less when the deadline is near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A value of the settings together with the name of its field, so that a failure can point at it.
#[derive(Clone, Copy, Debug)]
pub struct Field<T> {
    /// The name of the settings field.
    pub name: &'static str,
    /// Its value.
    pub value: T,
}

impl<T> Field<T> {
    /// The value of the field with this name.
    pub const fn new(name: &'static str, value: T) -> Self {
        Self { name, value }
    }
}

impl Context {
    /// Connects to a host and port that the settings name.
    ///
    /// The name is resolved once, every address it stands for is judged by the egress policy, and only judged
    /// addresses are dialled. Fails with `destination_forbidden` when one of them is forbidden, with
    /// `connection_failed` when there is no such name or nobody accepts, and with `provider_unavailable` when the
    /// name cannot be looked up or no connection can be made from here: that is an outage of ours.
    pub async fn dial(&self, host: Field<&str>, port: Field<u16>) -> Result<TcpStream, Failure> {
        if !self.is_configured() {
            return Err(Failure::internal("the environment does not know this provider"));
        }
        // Half of what is left: a server that cannot be reached is a fault of the settings, and there must be
        // time to say so.
        let until = Instant::now() + CONNECT_TIMEOUT.min(self.time_left() / 2);
        let addresses = match self.environment().route(host.value, port.value) {
            Some(address) => vec![address],
            None => match timeout_at(until, self.find(host.value, port.value)).await {
                Ok(Ok(addresses)) => addresses,
                Ok(Err(error)) if !is_passing(&error) => {
                    return Err(Failure::connection_failed(host.name)
                        .message("There is no host of this name.")
                        .hint("Check its spelling; it is the name of the server alone, without `https://` and without a port."));
                }
                Ok(Err(_)) | Err(_) => {
                    return Err(Failure::provider_unavailable()
                        .message("The host name cannot be looked up at the moment, so there is no verdict.")
                        .note("name resolution failed"));
                }
            },
        };
        for address in &addresses {
            self.environment().policy().judge_named(*address).map_err(|forbidden| {
                self.environment().count_egress_refusal();
                forbidden_destination(forbidden, host.name, port.name)
            })?;
        }
        let mut untried = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut fault_is_ours = true;
        for address in addresses {
            // An address that swallows packets leaves the others their share of the time.
            let share = until.saturating_duration_since(Instant::now()) / untried;
            match timeout(share, connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => fault_is_ours &= is_ours(&error),
                Err(_) => fault_is_ours = false,
            }
            untried -= 1;
        }
        if fault_is_ours {
            return Err(Failure::provider_unavailable()
                .message(
                    "No connection can be made from here at the moment, so there is no verdict.",
                )
                .note("the network or the system of this machine refuses connections"));
        }
        Err(Failure::connection_failed(port.name)
            .message("Nobody accepts connections at this host and port.")
            .hint("Check the port; mail servers take submissions on 587 or 465."))
    }

    async fn find(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
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
                        .message("No certificate can be for this host name.")
                })?;
        let connector = TlsConnector::from(self.environment().tls());
        connector.connect(name, stream).await.map_err(|error| {
            let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
            tls_failure(cause, host.name, port.name)
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the address was judged")]
async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether a connection failed for a reason of this machine, which says nothing about the other one.
pub(crate) fn is_ours(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::AddrNotAvailable
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::OutOfMemory
            | ErrorKind::PermissionDenied
    ) || matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS))
}

/// Out of file descriptors, in the system and in the process, and out of buffers. `std` has no kinds for them.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOBUFS: i32 = 105;

/// Whether a look-up failed for a reason that may pass. The standard library gives the resolver's reason as a text
/// alone: glibc's and musl's words for `EAI_AGAIN`, or an error of the system behind it.
fn is_passing(error: &std::io::Error) -> bool {
    let text = error.to_string();
    error.raw_os_error().is_some()
        || text.contains("Temporary failure in name resolution")
        || text.contains("Try again")
}

fn forbidden_destination(forbidden: Forbidden, host: &str, port: &str) -> Failure {
    let failure = Failure::new(Cause::DestinationForbidden);
    match forbidden {
        Forbidden::Address(purpose) => failure
            .at(host)
            .message("This host leads to an address that is not on the public internet.")
            .note(purpose),
        Forbidden::Port => failure
            .at(port)
            .message("This port is not one that settings may name.")
            .hint("Use 587, 465, 25 or 2525. The operator can open others with `egress.ports`."),
        Forbidden::PlainHttp => failure.at(host),
    }
}

fn tls_failure(cause: Option<&TlsError>, host: &str, port: &str) -> Failure {
    let certificate = |message| Failure::connection_failed(host).message(message);
    match cause {
        Some(TlsError::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                certificate("The certificate of the server has expired.")
                    .hint("The server needs a new certificate.")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                certificate("The certificate of the server is not valid yet.")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                certificate("The certificate of the server is for another name.")
                    .hint("Use the name that the certificate is for.")
            }
            CertificateError::UnknownIssuer => {
                certificate("The certificate of the server is not signed by an authority that is trusted here.")
                    .hint("A private authority can be added by the operator with `egress.extra_ca`.")
            }
            CertificateError::Revoked => certificate("The certificate of the server has been revoked."),
            _ => certificate("The certificate of the server cannot be verified."),
        },
        Some(TlsError::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::UnrecognisedName,
        )) => Failure::connection_failed(host).message("The server refuses to speak TLS 1.2 or 1.3 for this name."),
        _ => Failure::connection_failed(port)
            .message("The server does not speak TLS at this point.")
            .hint("The port and the kind of encryption may not belong together: 465 speaks TLS from the first byte, every other port begins in clear and offers STARTTLS."),
    }
}
