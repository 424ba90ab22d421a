//! The dialogue with a mail server, up to the login and never further.
//!
//! The commands and the replies are `lettre`'s, but for the login, whose line must be wiped. Its connection is not used,
//! because it keeps what a server sends in clear behind its answer to `STARTTLS` and reads it as the answer to what is said
//! inside TLS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bonafide_core::{Cause, Failure};
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::commands::{Ehlo, Quit, Starttls};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::time::{Duration, Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::field::PORT;
use crate::reply;

/// More than any server says at once: RFC 5321 allows 512 octets a line, and a few dozen lines to `EHLO`.
const MAX_REPLY: usize = 32 * 1024;
/// How long before the deadline to stop waiting, so that there is time to report what was awaited.
const REPORT_MARGIN: Duration = Duration::from_millis(20);
/// A verdict does not wait for the server's farewell.
const QUIT_TIMEOUT: Duration = Duration::from_millis(50);

/// The mechanisms that the server offers, of those that a user and a password are enough for.
pub(crate) struct Offered {
    starttls: bool,
    auth: bool,
    mechanism: Option<Mechanism>,
}

pub(crate) struct Dialogue<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Waits for the server to speak first. One that never does is most often spoken to in the wrong way.
    pub(crate) async fn greeting(&mut self, deadline: Instant) -> Result<(), Failure> {
        let greeting = timeout_at(deadline - REPORT_MARGIN, self.reply()).await.map_err(|_| {
            Failure::new(Cause::ProviderTimeout)
                .with_field(PORT)
                .with_message("The server accepted the connection and then said nothing.")
                .with_hint("The port and the kind of encryption may not belong together: 465 speaks TLS from the first byte, every other port begins in clear.")
        })?;
        let greeting = greeting.map_err(|error| match error {
            ReplyError::Closed => Failure::connection_failed(PORT)
                .with_message("The server closed the connection before its greeting.")
                .with_hint("It may not accept connections from here, or the port may not be for submissions."),
            ReplyError::Malformed => not_smtp(),
        })?;
        if greeting.has_code(220) { Ok(()) } else { Err(reply::to_greeting(&greeting)) }
    }

    /// Says `EHLO` and reads what the server offers.
    pub(crate) async fn hello(&mut self) -> Result<Offered, Failure> {
        let answer =
            self.ask(&Ehlo::new(ClientId::default()).to_string()).await?.map_err(|_| not_smtp())?;
        if answer.has_code(250) { Ok(offers(&answer)) } else { Err(reply::to_greeting(&answer)) }
    }

    /// Brings the server to the point where TLS begins, and gives up the stream for it.
    pub(crate) async fn start_tls(mut self) -> Result<S, Failure> {
        if !self.hello().await?.starttls {
            return Err(Failure::connection_failed(PORT)
                .with_message(
                    "The server does not offer STARTTLS, and a password must not travel in clear.",
                )
                .with_hint(
                    "Use a port that offers encryption: 587 with STARTTLS, or 465 with TLS.",
                ));
        }
        let answer = self.ask(&Starttls.to_string()).await?.map_err(|_| not_smtp())?;
        if !answer.has_code(220) {
            return Err(reply::to_starttls(&answer));
        }
        if !self.stream.buffer().is_empty() {
            return Err(Failure::connection_failed(PORT)
                .with_message("The server, or a machine in between, sent text in clear where encryption had to begin.")
                .with_note("possible STARTTLS injection"));
        }
        Ok(self.stream.into_inner())
    }

    /// Logs in, by the first mechanism that both sides know.
    pub(crate) async fn authenticate(
        &mut self,
        offered: &Offered,
        user: &str,
        password: &str,
    ) -> Result<Response, Failure> {
        let Some(mechanism) = offered.mechanism else {
            return Err(Failure::connection_failed(PORT).with_message(if offered.auth {
                "The server offers no way to log in with a user name and a password: neither PLAIN nor LOGIN."
            } else {
                "The server does not offer a login."
            }).with_hint("Use the port for submissions, 587 or 465; port 25 is for mail between servers."));
        };
        let encode = |text: &str| Zeroizing::new(BASE64.encode(text));
        let mut answer;
        if mechanism == Mechanism::Login {
            answer = self.login_step("AUTH LOGIN").await?;
            // The texts of the challenges differ from server to server; their order does not.
            for value in [user, password] {
                if answer.has_code(334) {
                    answer = self.login_step(encode(value).as_str()).await?;
                }
            }
        } else {
            // RFC 4616: an empty authorization identity, the user and the password.
            let response = encode(&Zeroizing::new(["\0", user, "\0", password].concat()));
            let command = Zeroizing::new(["AUTH PLAIN ", &response].concat());
            answer = self.login_step(&command).await?;
            if answer.has_code(334) {
                // The server does not read what came with the command, and asks for it again.
                answer = self.login_step(&response).await?;
            }
        }
        Ok(answer)
    }

    async fn login_step(&mut self, line: &str) -> Result<Response, Failure> {
        // Made in one allocation, so that no part of the password is left behind in a smaller one.
        let line = Zeroizing::new([line, "\r\n"].concat());
        self.ask(&line).await?.map_err(|_| {
            Failure::unexpected_response().with_note("the reply to the login is not SMTP")
        })
    }

    /// Takes leave. The verdict stands, so nothing that happens here matters.
    pub(crate) async fn quit(mut self) {
        let _ = timeout(QUIT_TIMEOUT, async {
            let _ = self.ask(&Quit.to_string()).await;
            let _ = self.stream.shutdown().await;
        })
        .await;
    }

    /// Sends a command and reads the reply; fails when the server breaks off in between.
    async fn ask(&mut self, line: &str) -> Result<Result<Response, ReplyError>, Failure> {
        let broke_off = || {
            Failure::provider_unavailable().with_message(
                "The server broke off in the middle of the dialogue, so there is no verdict.",
            )
        };
        let written = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        written.await.map_err(|_| broke_off())?;
        match self.reply().await {
            Err(ReplyError::Closed) => Err(broke_off()),
            reply => Ok(reply),
        }
    }

    /// Reads one reply of one line or more, and not a byte beyond it.
    async fn reply(&mut self) -> Result<Response, ReplyError> {
        let mut text = String::new();
        loop {
            let begin = text.len();
            self.line(&mut text).await?;
            let line = text.get(begin..).unwrap_or_default().as_bytes();
            let code = line.first_chunk::<3>();
            if code.is_none_or(|code| !code.iter().all(u8::is_ascii_digit)) {
                return Err(ReplyError::Malformed);
            }
            if line.get(3) != Some(&b'-') {
                return text.parse().map_err(|_| ReplyError::Malformed);
            }
        }
    }

    async fn line(&mut self, text: &mut String) -> Result<(), ReplyError> {
        let mut line = Vec::new();
        loop {
            let available = self.stream.fill_buf().await.map_err(|_| ReplyError::Closed)?;
            if available.is_empty() {
                return Err(ReplyError::Closed);
            }
            let end = available.iter().position(|byte| *byte == b'\n').map(|index| index + 1);
            let taken = end.unwrap_or(available.len());
            line.extend(available.iter().take(taken));
            self.stream.consume(taken);
            if text.len() + line.len() > MAX_REPLY {
                return Err(ReplyError::Malformed);
            }
            if end.is_some() {
                // RFC 5321 ends lines with CR LF; some servers forget the CR. The text is never shown, so what
                // is not UTF-8 in it does not matter.
                let line = String::from_utf8_lossy(&line);
                text.push_str(line.trim_end_matches(['\r', '\n']));
                text.push_str("\r\n");
                return Ok(());
            }
        }
    }
}

/// Why a reply could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplyError {
    /// The connection ended.
    Closed,
    /// What came is not a reply.
    Malformed,
}

fn not_smtp() -> Failure {
    Failure::connection_failed(PORT)
        .with_message("What answers at this host and port is not a mail server.")
        .with_hint("Check the port; mail servers take submissions on 587 or 465.")
}

/// Reads the reply to `EHLO`. Keywords are case-insensitive (RFC 5321, section 4.1.1.1), and some servers still
/// write the mechanisms as `AUTH=LOGIN`.
fn offers(reply: &Response) -> Offered {
    let mut offered = Offered { starttls: false, auth: false, mechanism: None };
    for line in reply.message().skip(1) {
        let line = line.to_ascii_uppercase();
        let mut words = line.split([' ', '=', '\t']).filter(|word| !word.is_empty());
        match words.next() {
            Some("STARTTLS") => offered.starttls = true,
            Some("AUTH") => {
                offered.auth = true;
                for word in words {
                    offered.mechanism = match (word, offered.mechanism) {
                        ("PLAIN", _) => Some(Mechanism::Plain),
                        ("LOGIN", None) => Some(Mechanism::Login),
                        (_, known) => known,
                    };
                }
            }
            _ => {}
        }
    }
    offered
}
