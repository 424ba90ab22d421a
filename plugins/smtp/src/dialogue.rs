//! The dialogue with a mail server, up to the login and never further.
//!
//! The commands and the replies are `lettre`'s; its connection is not used, because it keeps what a server sends in
//! clear behind its answer to `STARTTLS` and reads it as the answer to what is said inside TLS.

use std::fmt::Display;

use bonafide_core::{Cause, Failure};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Ehlo, Quit, Starttls};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::time::{Duration, Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::field::PORT;
use crate::reply;

/// More than any server says at once: RFC 5321 allows 512 octets a line, and a few dozen lines to `EHLO`.
const LONGEST_REPLY: usize = 32 * 1024;
/// What is kept of the deadline to say what was being waited for.
const LAST_WORD: Duration = Duration::from_millis(20);
/// A verdict does not wait for the server's farewell.
const FAREWELL: Duration = Duration::from_millis(50);

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
        let greeting = timeout_at(deadline - LAST_WORD, self.reply()).await.map_err(|_| {
            Failure::new(Cause::ProviderTimeout)
                .at(PORT)
                .message("The server accepted the connection and then said nothing.")
                .hint("The port and the kind of encryption may not belong together: 465 speaks TLS from the first byte, every other port begins in clear.")
        })?;
        let greeting = greeting.map_err(|broken| match broken {
            Broken::Off => Failure::connection_failed(PORT)
                .message("The server closed the connection before its greeting.")
                .hint("It may not accept connections from here, or the port may not be for submissions."),
            Broken::Rules => not_smtp(),
        })?;
        if greeting.has_code(220) { Ok(()) } else { Err(reply::to_greeting(&greeting)) }
    }

    /// Says `EHLO` and reads what the server offers.
    pub(crate) async fn hello(&mut self) -> Result<Offered, Failure> {
        let answer = self.ask(Ehlo::new(ClientId::default())).await?.map_err(|_| not_smtp())?;
        if answer.has_code(250) { Ok(offers(&answer)) } else { Err(reply::to_greeting(&answer)) }
    }

    /// Brings the server to the point where TLS begins, and gives up the stream for it.
    pub(crate) async fn start_tls(mut self) -> Result<S, Failure> {
        if !self.hello().await?.starttls {
            return Err(Failure::connection_failed(PORT)
                .message(
                    "The server does not offer STARTTLS, and a password must not travel in clear.",
                )
                .hint("Use a port that offers encryption: 587 with STARTTLS, or 465 with TLS."));
        }
        let answer = self.ask(Starttls).await?.map_err(|_| not_smtp())?;
        if !answer.has_code(220) {
            return Err(reply::to_starttls(&answer));
        }
        if !self.stream.buffer().is_empty() {
            return Err(Failure::connection_failed(PORT)
                .message("The server, or somebody in between, sent text in clear where encryption had to begin.")
                .note("possible STARTTLS injection"));
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
            return Err(Failure::connection_failed(PORT).message(if offered.auth {
                "The server offers no way to log in with a user name and a password: neither PLAIN nor LOGIN."
            } else {
                "The server does not offer a login."
            }).hint("Use the port for submissions, 587 or 465; port 25 is for mail between servers."));
        };
        let credentials = Credentials::new(user.to_owned(), password.to_owned());
        let command = |challenge: Option<&str>| {
            Auth::new(mechanism, credentials.clone(), challenge.map(str::to_owned))
                .map_err(|_| Failure::internal("the login cannot be encoded"))
        };
        let mut answer = self.login_step(command(None)?).await?;
        if mechanism == Mechanism::Login {
            // The texts of the challenges differ from server to server; their order does not.
            for challenge in ["Username", "Password"] {
                if answer.has_code(334) {
                    answer = self.login_step(command(Some(challenge))?).await?;
                }
            }
        } else if answer.has_code(334) {
            // The server does not read what came with the command, and asks for it again.
            let command = command(None)?.to_string();
            let response = command.rsplit(' ').next().unwrap_or_default();
            answer = self.login_step(response).await?;
        }
        Ok(answer)
    }

    async fn login_step(&mut self, command: impl Display) -> Result<Response, Failure> {
        self.ask(command)
            .await?
            .map_err(|_| Failure::unexpected_response().note("the reply to the login is not SMTP"))
    }

    /// Takes leave. The verdict stands, so nothing that happens here matters.
    pub(crate) async fn quit(mut self) {
        let _ = timeout(FAREWELL, async {
            let _ = self.ask(Quit).await;
            let _ = self.stream.shutdown().await;
        })
        .await;
    }

    /// Sends a command and reads the reply; fails when the server breaks off in between.
    async fn ask(&mut self, command: impl Display) -> Result<Result<Response, Broken>, Failure> {
        let broke_off = || {
            Failure::provider_unavailable().message(
                "The server broke off in the middle of the dialogue, so there is no verdict.",
            )
        };
        // It may hold the password.
        let command = Zeroizing::new(command.to_string());
        let written = async {
            self.stream.write_all(command.as_bytes()).await?;
            self.stream.flush().await
        };
        written.await.map_err(|_| broke_off())?;
        match self.reply().await {
            Err(Broken::Off) => Err(broke_off()),
            reply => Ok(reply),
        }
    }

    /// Reads one reply of one line or more, and not a byte beyond it.
    async fn reply(&mut self) -> Result<Response, Broken> {
        let mut text = String::new();
        loop {
            let begin = text.len();
            self.line(&mut text).await?;
            let line = text.get(begin..).unwrap_or_default().as_bytes();
            let code = line.first_chunk::<3>();
            if code.is_none_or(|code| !code.iter().all(u8::is_ascii_digit)) {
                return Err(Broken::Rules);
            }
            if line.get(3) != Some(&b'-') {
                return text.parse().map_err(|_| Broken::Rules);
            }
        }
    }

    async fn line(&mut self, text: &mut String) -> Result<(), Broken> {
        let mut line = Vec::new();
        loop {
            let available = self.stream.fill_buf().await.map_err(|_| Broken::Off)?;
            if available.is_empty() {
                return Err(Broken::Off);
            }
            let end = available.iter().position(|byte| *byte == b'\n').map(|index| index + 1);
            let taken = end.unwrap_or(available.len());
            line.extend(available.iter().take(taken));
            self.stream.consume(taken);
            if text.len() + line.len() > LONGEST_REPLY {
                return Err(Broken::Rules);
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
enum Broken {
    /// The connection ended.
    Off,
    /// What came is not a reply.
    Rules,
}

fn not_smtp() -> Failure {
    Failure::connection_failed(PORT)
        .message("What answers at this host and port is not a mail server.")
        .hint("Check the port; mail servers take submissions on 587 or 465.")
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
