//! What a mail server says. An input is a letter for the stage of the dialogue from which on the server says what follows,
//! all of it at once; up to there it says what it should.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bonafide_core::egress::Policy;
use bonafide_core::host::{Environment, ProviderConfig};
use bonafide_core::{ProviderValidator, Verdict};
use bonafide_testkit::emulator::Authority;
use bonafide_testkit::{Secrets, check};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{judged, lines, settings_with_canary};

/// Where the server begins to say what the input says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Greeting,
    Hello,
    StartTls,
    HelloInsideTls,
    Login,
    LoginChallenge,
    SecondChallenge,
    /// TLS begins with the first byte.
    GreetingInsideTls,
}

/// The first is `A` in an input, the second `B`.
const STAGES: [Stage; 8] = [
    Stage::Greeting,
    Stage::Hello,
    Stage::StartTls,
    Stage::HelloInsideTls,
    Stage::Login,
    Stage::LoginChallenge,
    Stage::SecondChallenge,
    Stage::GreetingInsideTls,
];

#[derive(Clone)]
struct Said {
    stage: Stage,
    text: Vec<u8>,
}

pub(crate) struct MailServer {
    provider: &'static dyn ProviderValidator,
    environment: Environment,
    settings: Map<String, Value>,
    secrets: Secrets,
    said: Arc<Mutex<Said>>,
    heard: Arc<Mutex<Heard>>,
}

/// The lines of the client.
#[derive(Default)]
struct Heard {
    in_clear: Vec<u8>,
    inside_tls: Vec<u8>,
}

impl MailServer {
    pub(crate) async fn start(provider: &'static dyn ProviderValidator) -> Self {
        let authority = Authority::new().unwrap();
        let acceptor = TlsAcceptor::from(authority.server_config().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let said = Arc::new(Mutex::new(Said { stage: Stage::Greeting, text: Vec::new() }));
        let heard = Arc::<Mutex<Heard>>::default();
        let of_server = (Arc::clone(&said), Arc::clone(&heard));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (said, heard) = (of_server.0.lock().unwrap().clone(), Arc::clone(&of_server.1));
                let acceptor = acceptor.clone();
                // A client may go when it has heard enough.
                tokio::spawn(async move { drop(converse(stream, said, &heard, acceptor).await) });
            }
        });
        let descriptor = provider.descriptor();
        let mut config = ProviderConfig::of(descriptor).unwrap();
        config.timeout = Duration::from_secs(20);
        let environment = Environment::builder()
            .with_policy(Policy::new(vec![address.ip().into()], Vec::new()))
            .with_extra_ca(authority.pem().as_bytes().to_vec())
            .with_provider(descriptor, config)
            .with_route(Arc::new(move |_, _| address))
            .build()
            .unwrap();
        let (settings, secrets) = settings_with_canary(provider);
        Self { provider, environment, settings, secrets, said, heard }
    }

    pub(crate) async fn hold(&self, input: &[u8]) -> Result<(), String> {
        let Some((letter, text)) = input.split_first() else { return Ok(()) };
        let stage = STAGES[usize::from(letter.wrapping_sub(b'A')) % STAGES.len()];
        *self.said.lock().unwrap() = Said { stage, text: text.to_vec() };
        let mut settings = self.settings.clone();
        let port = if stage == Stage::GreetingInsideTls { "465" } else { "587" };
        settings.insert("port".to_owned(), port.into());
        let result = check(self.provider, &self.environment, Value::Object(settings)).await;
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        self.secrets.absent_from("clear text", &String::from_utf8_lossy(&heard.in_clear))?;
        let mut lines = heard.inside_tls.split(|byte| *byte == b'\n');
        if lines.any(|line| [b"MAIL", b"RCPT", b"DATA"].iter().any(|verb| line.starts_with(*verb)))
        {
            return Err(format!("a message was begun: {result:?}"));
        }
        let holds = match judged(&result, &self.secrets)? {
            // The password travels inside TLS, and what lets it in is a 235 there.
            Verdict::Valid => {
                stage >= Stage::HelloInsideTls && text.windows(3).any(|code| code == b"235")
            }
            Verdict::Rejected => !says_not_now(text),
            Verdict::Inconclusive => true,
        };
        if holds { Ok(()) } else { Err(format!("{stage:?} led to {result:?}")) }
    }
}

/// Whether it is one reply that the server cannot do this now, as RFC 5321 says it, and no word beside it.
fn says_not_now(text: &[u8]) -> bool {
    let Some(line) = text.strip_suffix(b"\r\n") else { return false };
    let (code, rest) = line.split_at(line.len().min(4));
    let is_code = matches!(code, [b'4', b'0'..=b'5', b'0'..=b'9', b' ']) && code != b"432 ";
    is_code && rest.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b' ')
}

async fn converse(
    mut stream: TcpStream,
    said: Said,
    heard: &Mutex<Heard>,
    acceptor: TlsAcceptor,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if said.stage != Stage::GreetingInsideTls {
        let mut outside = BufReader::new(&mut stream);
        let replies = [
            (Stage::Greeting, "220 mail.example.com\r\n"),
            (Stage::Hello, "250-mail.example.com\r\n250 STARTTLS\r\n"),
            (Stage::StartTls, "220 2.0.0 Go\r\n"),
        ];
        let note = |line: &[u8]| heard.lock().unwrap().in_clear.extend(line);
        if !say(&mut outside, &replies, &said, note).await? {
            return Ok(());
        }
    }
    let mut inside = BufReader::new(acceptor.accept(stream).await?);
    let note = |line: &[u8]| heard.lock().unwrap().inside_tls.extend(line);
    if said.stage == Stage::GreetingInsideTls {
        say(&mut inside, &[(Stage::GreetingInsideTls, "")], &said, note).await?;
        return Ok(());
    }
    // A server that knows LOGIN alone asks for the name and the password one by one.
    let mechanisms = if said.stage == Stage::Login { "PLAIN LOGIN" } else { "LOGIN" };
    let hello = format!("250-mail.example.com\r\n250 AUTH {mechanisms}\r\n");
    let replies = [
        (Stage::HelloInsideTls, hello.as_str()),
        (Stage::Login, "334 VXNlcm5hbWU6\r\n"),
        (Stage::LoginChallenge, "334 UGFzc3dvcmQ6\r\n"),
        (Stage::SecondChallenge, ""),
    ];
    note(&read_line(&mut inside).await?);
    say(&mut inside, &replies, &said, note).await?;
    Ok(())
}

/// Says one reply after the other, and reads a line of the client in between. At its stage it says what the input says
/// and nothing more. Tells whether there is more to say.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    replies: &[(Stage, &str)],
    said: &Said,
    note: impl Fn(&[u8]),
) -> io::Result<bool> {
    for (number, (stage, reply)) in replies.iter().enumerate() {
        if number > 0 {
            note(&read_line(stream).await?);
        }
        if *stage == said.stage {
            stream.write_all(&said.text).await?;
            stream.shutdown().await?;
            loop {
                let line = read_line(stream).await?;
                if line.is_empty() {
                    return Ok(false);
                }
                note(&line);
            }
        }
        stream.write_all(reply.as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(true)
}

async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    Ok(line)
}

/// Whole dialogues from several stages on, and replies that parsers stumble over.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for reply in lines(include_str!("../corpus/replies.txt")) {
        seeds.extend((b'A'..=b'H').map(|stage| [&[stage], reply, b"\r\n"].concat()));
    }
    for end in ["235 2.7.0 Accepted", "535 5.7.8 No", "454 4.7.0 Later", "534 5.7.9 No"] {
        let login = "250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n";
        for offer in [login, "250 AUTH PLAIN\r\n"] {
            let dialogue = format!("250-mail.example.com\r\n{offer}{end}\r\n");
            seeds.push(format!("D{dialogue}").into_bytes());
            seeds.push(format!("H220 mail.example.com\r\n{dialogue}").into_bytes());
            let outside = "A220 mail.example.com\r\n250-x\r\n250 STARTTLS\r\n220 Go\r\n";
            seeds.push(format!("{outside}{dialogue}").into_bytes());
        }
    }
    seeds
}
