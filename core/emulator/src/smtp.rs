//! Mail servers, replayed from a provider's interactions.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bonafide_core::interaction::{Interaction, Smtp};
use rustls::ServerConfig;
use serde_json::{Map, Value};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::error::EmulatorError;
use crate::record::{Record, Stage};
use crate::serve::{Shutdown, serve};
use crate::template::text_of;

/// The longest command line that is read.
const LINE_LIMIT: usize = 8 * 1024;
/// The port where TLS begins with the first byte.
const IMPLICIT_TLS_PORT: u16 = 465;
/// The names of the settings field that names the host, in the order in which they are looked for.
const HOST_FIELDS: [&str; 2] = ["sending_domain", "host"];
/// A reply that is never given.
const SILENCE: &str = "(silence)";
const REFUSED: &str = "535 5.7.8 Authentication credentials invalid";

/// Where the hosts and ports that settings name are led to.
#[derive(Debug)]
pub(crate) struct MailRoutes {
    named: HashMap<(String, u16), SocketAddr>,
    fallback: Option<Fallback>,
    closed_port: SocketAddr,
    /// Keeps the port of `closed_port` from being given to another server.
    _reserved: TcpSocket,
}

#[derive(Clone, Copy, Debug)]
struct Fallback {
    starttls: SocketAddr,
    implicit_tls: SocketAddr,
}

impl MailRoutes {
    /// The server of an interaction at this host and port.
    pub(crate) fn named(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.named.get(&(normal(host), port)).copied()
    }

    /// The server at every other host and port, if there is one.
    pub(crate) fn fallback(&self, port: u16) -> Option<SocketAddr> {
        let fallback = self.fallback?;
        Some(if port == IMPLICIT_TLS_PORT { fallback.implicit_tls } else { fallback.starttls })
    }

    /// An address that refuses connections.
    pub(crate) fn closed_port(&self) -> SocketAddr {
        self.closed_port
    }

    /// Starts a server for each host and port that the interactions name.
    pub(crate) async fn start(
        interactions: &[Interaction],
        authority: &Authority,
        record: &Arc<Record>,
        shutdown: &Shutdown,
        listeners: &mut JoinSet<()>,
    ) -> Result<Self, EmulatorError> {
        let reserved = TcpSocket::new_v4()?;
        reserved.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let closed_port = reserved.local_addr()?;

        let mut destinations: Vec<((String, u16), Vec<&Interaction>)> = Vec::new();
        let mut anywhere = Vec::new();
        for interaction in interactions.iter().filter(|interaction| interaction.smtp.is_some()) {
            if interaction.fallback {
                anywhere.push(interaction);
                continue;
            }
            let Some(destination) = destination(&interaction.settings) else { continue };
            match destinations.iter_mut().find(|(known, _)| *known == destination) {
                Some((_, interactions)) => interactions.push(interaction),
                None => destinations.push((destination, vec![interaction])),
            }
        }

        let mut start =
            async |addresses: &[String], implicit_tls, interactions: &[&Interaction]| {
                let Some(server) =
                    MailServer::new(interactions, implicit_tls, authority, addresses, record)?
                else {
                    return Ok::<_, EmulatorError>(closed_port);
                };
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let address = listener.local_addr()?;
                let server = Arc::new(server);
                let serve_connection = move |stream| Arc::clone(&server).serve_connection(stream);
                listeners.spawn(serve(
                    listener,
                    Arc::clone(record),
                    shutdown.clone(),
                    serve_connection,
                ));
                Ok(address)
            };
        let mut named = HashMap::new();
        for ((host, port), interactions) in destinations {
            let addresses: Vec<String> =
                host.parse::<IpAddr>().map(|address| address.to_string()).into_iter().collect();
            let address = start(&addresses, port == IMPLICIT_TLS_PORT, &interactions).await?;
            named.insert((host, port), address);
        }
        let fallback = if anywhere.is_empty() {
            None
        } else {
            Some(Fallback {
                starttls: start(&[], false, &anywhere).await?,
                implicit_tls: start(&[], true, &anywhere).await?,
            })
        };
        Ok(Self { named, fallback, closed_port, _reserved: reserved })
    }
}

/// The host and port that settings name.
fn destination(settings: &Map<String, Value>) -> Option<(String, u16)> {
    let host = HOST_FIELDS.iter().find_map(|field| settings.get(*field))?.as_str()?;
    let port = text_of(settings.get("port")?).parse().ok()?;
    Some((normal(host), port))
}

fn normal(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.trim_end_matches('.').to_ascii_lowercase()
}

/// One mail server.
struct MailServer {
    script: Smtp,
    implicit_tls: bool,
    tls: TlsAcceptor,
    /// The reply to each pair of user and password.
    replies: Vec<(Option<(String, String)>, String)>,
    record: Arc<Record>,
}

/// How a part of the dialogue ends.
enum End<S> {
    /// TLS is to begin on the connection.
    StartTls(S),
    Closed,
}

impl MailServer {
    /// A server that replays these interactions; none where the first one refuses connections.
    fn new(
        interactions: &[&Interaction],
        implicit_tls: bool,
        authority: &Authority,
        addresses: &[String],
        record: &Arc<Record>,
    ) -> Result<Option<Self>, EmulatorError> {
        let script = interactions.first().and_then(|first| first.smtp.clone());
        let Some(script) = script.filter(|script| !script.refuses_connections) else {
            return Ok(None);
        };
        let replies = interactions
            .iter()
            .filter_map(|interaction| {
                let text = |field| interaction.settings.get(field).and_then(Value::as_str);
                let pair = text("username").zip(text("password"));
                let pair = pair.map(|(user, password)| (user.to_owned(), password.to_owned()));
                let credentials = if interaction.fallback { None } else { Some(pair?) };
                Some((credentials, interaction.smtp.as_ref()?.auth.clone()))
            })
            .collect();
        let tls: Arc<ServerConfig> = authority.server_config_for(addresses)?;
        Ok(Some(Self {
            script,
            implicit_tls,
            tls: TlsAcceptor::from(tls),
            replies,
            record: Arc::clone(record),
        }))
    }

    async fn serve_connection(self: Arc<Self>, stream: TcpStream) {
        if let Err(error) = self.replay(stream).await {
            tracing::debug!(kind = ?error.kind(), "a dialogue with the emulated mail server broke off");
        }
    }

    async fn replay(&self, stream: TcpStream) -> io::Result<()> {
        if self.implicit_tls {
            let stream = self.tls.accept(stream).await?;
            return Dialogue::new(self, stream, true).replay(true).await.map(drop);
        }
        match Dialogue::new(self, stream, false).replay(true).await? {
            End::StartTls(stream) => {
                let stream = self.tls.accept(stream).await?;
                Dialogue::new(self, stream, true).replay(false).await.map(drop)
            }
            End::Closed => Ok(()),
        }
    }

    /// The reply to a user and a password.
    fn authenticate(&self, user: &str, password: &str) -> &str {
        self.replies
            .iter()
            .find(|(credentials, _)| {
                credentials.as_ref().is_none_or(|known| known.0 == user && known.1 == password)
            })
            .map_or(REFUSED, |(_, reply)| reply)
    }
}

/// The dialogue on one connection, in clear or inside TLS.
struct Dialogue<'a, S> {
    server: &'a MailServer,
    stream: BufReader<S>,
    inside_tls: bool,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Dialogue<'a, S> {
    fn new(server: &'a MailServer, stream: S, inside_tls: bool) -> Self {
        Self { server, stream: BufReader::new(stream), inside_tls }
    }

    async fn replay(mut self, greets: bool) -> io::Result<End<S>> {
        let server = self.server;
        if greets && !self.say_at(Stage::Greeting, &server.script.greeting).await? {
            return self.close().await;
        }
        while let Some(line) = self.line().await? {
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            let verb = verb.to_ascii_uppercase();
            self.note(&verb);
            let goes_on = match verb.as_str() {
                "EHLO" if self.inside_tls => {
                    self.say_at(Stage::EhloInsideTls, &ehlo(&server.script.ehlo_inside_tls)).await?
                }
                "EHLO" => self.say_at(Stage::Ehlo, &ehlo(&server.script.ehlo)).await?,
                "HELO" => self.say("250 mail.example.com").await?,
                "STARTTLS" if self.inside_tls => {
                    self.say("503 5.5.1 TLS is active already").await?
                }
                "STARTTLS" => {
                    let reply = &server.script.starttls;
                    let said = self.say_at(Stage::StartTls, reply).await?;
                    if said && reply.starts_with("220") {
                        // What the client sent too early is dropped with the buffer.
                        return Ok(End::StartTls(self.stream.into_inner()));
                    }
                    said
                }
                "AUTH" if !self.inside_tls => {
                    self.say("530 5.7.0 Must issue a STARTTLS command first").await?
                }
                "AUTH" => self.authenticate(argument).await?,
                "MAIL" | "RCPT" | "DATA" | "BDAT" => {
                    self.say("502 5.5.1 Nothing is sent from here").await?
                }
                "NOOP" | "RSET" => self.say("250 2.0.0 OK").await?,
                "QUIT" => {
                    self.say("221 2.0.0 Bye").await?;
                    false
                }
                _ => self.say("500 5.5.2 Command not recognised").await?,
            };
            if !goes_on {
                break;
            }
        }
        self.close().await
    }

    /// Writes a verb down. A line that begins with none may hold anything, a secret too.
    fn note(&self, verb: &str) {
        let known = [
            "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "NOOP", "RSET",
            "QUIT",
        ];
        let verb = if known.contains(&verb) { verb } else { "?" };
        tracing::debug!(verb, inside_tls = self.inside_tls, "the emulated mail server is told");
        self.server.record.add_command(verb);
    }

    /// Whether the reply to `EHLO` inside TLS lists this mechanism. A reply without mechanisms offers all.
    fn offers(&self, mechanism: &str) -> bool {
        let mut lists = self.server.script.ehlo_inside_tls.iter().filter_map(|line| {
            let line = line.to_ascii_uppercase();
            let (_, list) = line.split_once("AUTH")?;
            Some(list.split([' ', '=']).any(|offered| offered == mechanism))
        });
        lists.next().is_none_or(|first| first || lists.any(|other| other))
    }

    /// `AUTH PLAIN` (RFC 4616) and `AUTH LOGIN`.
    async fn authenticate(&mut self, argument: &str) -> io::Result<bool> {
        let (mechanism, initial) = argument.trim().split_once(' ').unwrap_or((argument.trim(), ""));
        let initial = Some(initial.to_owned()).filter(|initial| !initial.is_empty());
        let mechanism = mechanism.to_ascii_uppercase();
        let credentials = match mechanism.as_str() {
            _ if !self.offers(&mechanism) => {
                return self.say("504 5.5.4 Mechanism not offered").await;
            }
            "PLAIN" => {
                let Some(answer) = self.answer_to("334 ", initial).await? else { return Ok(false) };
                let mut parts = answer.as_deref().unwrap_or_default().split('\0').skip(1);
                parts
                    .next()
                    .zip(parts.next())
                    .map(|(user, pass)| (user.to_owned(), pass.to_owned()))
            }
            "LOGIN" => {
                let Some(user) = self.answer_to("334 VXNlcm5hbWU6", initial).await? else {
                    return Ok(false);
                };
                if user.is_none() {
                    return self.say("501 5.5.2 Cannot be decoded").await;
                }
                let Some(pass) = self.answer_to("334 UGFzc3dvcmQ6", None).await? else {
                    return Ok(false);
                };
                user.zip(pass)
            }
            _ => return self.say("504 5.5.4 Mechanism not supported").await,
        };
        match credentials {
            Some((user, password)) => {
                let server = self.server;
                let reply = server.authenticate(&user, &password);
                let goes_on = self.say_at(Stage::Auth, reply).await?;
                if reply.starts_with("334") { self.challenge(reply).await } else { Ok(goes_on) }
            }
            None => self.say("501 5.5.2 Cannot be decoded").await,
        }
    }

    /// Gives the same challenge to whatever the client answers, until it cancels (RFC 4954, section 4) or leaves.
    async fn challenge(&mut self, challenge: &str) -> io::Result<bool> {
        while let Some(line) = self.line().await? {
            match line.as_str() {
                "*" => return self.say("501 5.7.0 Authentication cancelled").await,
                "QUIT" => {
                    self.note("QUIT");
                    self.say("221 2.0.0 Bye").await?;
                    break;
                }
                _ => self.say(challenge).await?,
            };
        }
        Ok(false)
    }

    /// What the client answers to a challenge, decoded, unless it sent it along. The outer `None` is the end of the
    /// connection, the inner one an answer that is not Base64.
    async fn answer_to(
        &mut self,
        challenge: &str,
        initial: Option<String>,
    ) -> io::Result<Option<Option<String>>> {
        let encoded = if let Some(initial) = initial {
            initial
        } else {
            self.say(challenge).await?;
            let Some(line) = self.line().await? else { return Ok(None) };
            line
        };
        let bytes = BASE64.decode(encoded.trim()).ok();
        Ok(Some(bytes.and_then(|bytes| String::from_utf8(bytes).ok())))
    }

    async fn say_at(&mut self, stage: Stage, reply: &str) -> io::Result<bool> {
        self.server.record.lock().stages.insert(stage);
        self.say(reply).await
    }

    /// Says a reply. `false` means that the dialogue is over.
    async fn say(&mut self, reply: &str) -> io::Result<bool> {
        match reply {
            "" => Ok(false),
            SILENCE => {
                let mut ignored = [0; 1024];
                while self.stream.read(&mut ignored).await? > 0 {}
                Ok(false)
            }
            reply => {
                let lines = reply.replace("\r\n", "\n");
                let lines = format!("{}\n", lines.trim_end_matches('\n')).replace('\n', "\r\n");
                self.stream.write_all(lines.as_bytes()).await?;
                self.stream.flush().await?;
                Ok(true)
            }
        }
    }

    /// The next line, without its end; `None` at the end of the connection.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let limit = LINE_LIMIT as u64;
        (&mut self.stream).take(limit).read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            if line.len() == LINE_LIMIT {
                self.say("500 5.5.2 Line too long").await?;
            }
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()))
    }

    async fn close(mut self) -> io::Result<End<S>> {
        self.stream.shutdown().await?;
        Ok(End::Closed)
    }
}

/// The reply to an `EHLO`: lines without a code get it, lines with one are sent as they stand.
fn ehlo(lines: &[String]) -> String {
    let Some((last, rest)) = lines.split_last() else { return String::new() };
    let first = lines.first().map_or("", String::as_str);
    let has_code = first.split_at_checked(3).is_some_and(|(code, rest)| {
        code.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with([' ', '-'])
    });
    if has_code || ((first.is_empty() || first == SILENCE) && rest.is_empty()) {
        return lines.join("\n");
    }
    let last = format!("250 {last}");
    let before = rest.iter().map(|line| format!("250-{line}"));
    before.chain([last]).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> String {
        ehlo(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn lines_get_the_code_unless_they_bring_one() {
        assert_eq!(of(&["mail", "STARTTLS"]), "250-mail\n250 STARTTLS");
        assert_eq!(of(&["mail"]), "250 mail");
        assert_eq!(of(&["554-no", "554 never"]), "554-no\n554 never");
        assert_eq!(of(&["2500 mails"]), "250 2500 mails");
        assert_eq!(of(&[""]), "");
        assert_eq!(of(&[]), "");
        assert_eq!(of(&[SILENCE]), SILENCE);
    }
}
