//! What a failed TLS handshake says about a host that the settings name.

use rustls::{AlertDescription, CertificateError, Error};

use crate::failure::Failure;

/// The failure at the settings field that the error speaks of: the host for its certificate, the port for its protocol.
pub(crate) fn failure(cause: Option<&Error>, host: &'static str, port: &'static str) -> Failure {
    let certificate = |message| Failure::connection_failed(host).with_message(message);
    match cause {
        Some(Error::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                certificate("The certificate of the server has expired.")
                    .with_hint("The server needs a new certificate.")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                certificate("The certificate of the server is not valid yet.")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                certificate("The certificate of the server is for another name.")
                    .with_hint("Use the name that the certificate is for.")
            }
            CertificateError::UnknownIssuer => {
                certificate("The certificate of the server is not signed by an authority that is trusted here.")
                    .with_hint("A private authority can be added by the operator with `egress.extra_ca`.")
            }
            CertificateError::Revoked => certificate("The certificate of the server has been revoked."),
            _ => certificate("The certificate of the server cannot be verified."),
        },
        Some(Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::UnrecognisedName,
        )) => Failure::connection_failed(host).with_message("The server refuses to speak TLS 1.2 or 1.3 for this name."),
        _ => Failure::connection_failed(port)
            .with_message("The server does not speak TLS at this point.")
            .with_hint("The port and the kind of encryption may not belong together: 465 speaks TLS from the first byte, every other port begins in clear and offers STARTTLS."),
    }
}
