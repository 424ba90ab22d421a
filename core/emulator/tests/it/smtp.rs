use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bonafide_emulator::{Authority, Emulator, Stage};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{MAIL, interactions};

/// What a mail server said so far, and a way to answer.
struct Talk<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    /// Reads one reply, of however many lines; empty at the end of the connection.
    async fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            match self.0.read_u8().await {
                Ok(byte) => reply.push(byte.into()),
                Err(_) => return reply,
            }
            let last = reply.trim_end_matches("\r\n").rsplit("\r\n").next().unwrap();
            if reply.ends_with("\r\n") && last.as_bytes().get(3) == Some(&b' ') {
                return reply;
            }
        }
    }

    async fn tell(&mut self, line: &str) -> String {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.hear().await
    }
}

async fn secure(authority: &Authority, name: &str, stream: TcpStream) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.pem().as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

struct Theatre {
    authority: Authority,
    emulator: Emulator,
}

impl Theatre {
    async fn new() -> Self {
        let authority = Authority::new().unwrap();
        let emulator = Emulator::start(&MAIL, &authority).await.unwrap();
        Self { authority, emulator }
    }

    fn address(&self, host: &str, port: u16) -> SocketAddr {
        self.emulator.route().unwrap()(host, port)
    }

    async fn connect(&self, host: &str, port: u16) -> TcpStream {
        TcpStream::connect(self.address(host, port)).await.unwrap()
    }

    /// Connects, and speaks until TLS is up and greeted.
    async fn inside_tls(&self, host: &str) -> Talk<TlsStream<TcpStream>> {
        let mut talk = Talk(self.connect(host, 587).await);
        assert_eq!(talk.hear().await, "220 mail.example.com ESMTP\r\n");
        let reply = talk.tell("EHLO me").await;
        assert_eq!(reply, "250-mail.example.com\r\n250-STARTTLS\r\n250 8BITMIME\r\n");
        assert!(talk.tell("STARTTLS").await.starts_with("220 "));
        let mut talk = Talk(secure(&self.authority, host, talk.0).await);
        assert!(talk.tell("EHLO me").await.contains("250-AUTH PLAIN LOGIN\r\n"));
        talk
    }
}

fn plain(user: &str, password: &str) -> String {
    BASE64.encode(format!("\0{user}\0{password}"))
}

#[tokio::test]
async fn the_credentials_decide_which_interaction_answers() {
    let theatre = Theatre::new().await;
    let mut talk = theatre.inside_tls("mail.example.com").await;
    for (user, password, reply) in [
        ("ada", "pass word", "235 2.7.0 Authentication successful\r\n"),
        ("bob", "secret", "535-5.7.1 Disabled\r\n535 5.7.1 Really\r\n"),
        ("ada", "secret", "535 5.7.8 Authentication credentials invalid\r\n"),
    ] {
        let encoded = plain(user, password);
        assert_eq!(talk.tell(&format!("AUTH PLAIN {encoded}")).await, reply);
        assert_eq!(talk.tell("auth plain").await, "334 \r\n");
        assert_eq!(talk.tell(&encoded).await, reply);
        assert_eq!(talk.tell("AUTH LOGIN").await, "334 VXNlcm5hbWU6\r\n");
        assert_eq!(talk.tell(&BASE64.encode(user)).await, "334 UGFzc3dvcmQ6\r\n");
        assert_eq!(talk.tell(&BASE64.encode(password)).await, reply);
        let login = format!("AUTH LOGIN {}", BASE64.encode(user));
        assert_eq!(talk.tell(&login).await, "334 UGFzc3dvcmQ6\r\n");
        assert_eq!(talk.tell(&BASE64.encode(password)).await, reply);
    }
    assert!(talk.tell("AUTH CRAM-MD5").await.starts_with("504 "));
    assert!(talk.tell("AUTH PLAIN ***").await.starts_with("501 "));
    assert!(talk.tell("MAIL FROM:<ada@example.com>").await.starts_with("502 "));
    assert!(talk.tell("secret in the wrong place").await.starts_with("500 "));
    assert!(talk.tell("QUIT").await.starts_with("221 "));
    assert_eq!(talk.hear().await, "");

    let commands = theatre.emulator.commands();
    assert_eq!(commands[..5], ["EHLO", "STARTTLS", "EHLO", "AUTH", "AUTH"]);
    assert_eq!(commands[commands.len() - 3..], ["MAIL", "?", "QUIT"]);
    assert!(theatre.emulator.stages().contains(&Stage::Auth));
}

#[tokio::test]
async fn nobody_authenticates_in_clear() {
    let theatre = Theatre::new().await;
    let mut talk = Talk(theatre.connect("mail.example.com", 587).await);
    talk.hear().await;
    let auth = format!("AUTH PLAIN {}", plain("ada", "pass word"));
    assert!(talk.tell(&auth).await.starts_with("530 "));
}

#[tokio::test]
async fn port_465_speaks_tls_from_the_first_byte_and_for_an_address_too() {
    let theatre = Theatre::new().await;
    for host in ["192.0.2.1", "any.example.org"] {
        let stream = theatre.connect(host, 465).await;
        let mut talk = Talk(secure(&theatre.authority, host, stream).await);
        assert!(talk.hear().await.starts_with("220 "));
        assert!(talk.tell("EHLO me").await.contains("AUTH PLAIN LOGIN"));
        assert!(talk.tell("STARTTLS").await.starts_with("503 "));
    }
}

#[tokio::test]
async fn what_no_interaction_names_is_the_otherwise_server_or_nobody() {
    let theatre = Theatre::new().await;
    let mut talk = theatre.inside_tls("elsewhere.example.org").await;
    let auth = format!("AUTH PLAIN {}", plain("whoever", "whatever"));
    assert_eq!(talk.tell(&auth).await, "535 5.7.8 No\r\n");

    let alone = interactions(&MAIL, &["valid"]);
    let emulator = Emulator::of_interactions(&MAIL, alone, &theatre.authority).await.unwrap();
    let address = emulator.route().unwrap()("elsewhere.example.org", 587);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_server_can_refuse_hang_up_fall_silent_and_have_no_tls() {
    let theatre = Theatre::new().await;
    assert!(TcpStream::connect(theatre.address("closed.example.com", 587)).await.is_err());

    let mut talk = Talk(theatre.connect("hangup.example.com", 587).await);
    assert_eq!(talk.hear().await, "");

    let mut talk = Talk(theatre.connect("silent.example.com", 587).await);
    talk.hear().await;
    assert!(timeout(Duration::from_millis(200), talk.tell("EHLO me")).await.is_err());

    let mut talk = Talk(theatre.connect("notls.example.com", 587).await);
    talk.hear().await;
    talk.tell("EHLO me").await;
    assert!(talk.tell("STARTTLS").await.starts_with("454 "));
    assert!(talk.tell("NOOP").await.starts_with("250 "));
}

#[tokio::test]
async fn a_line_without_end_ends_the_dialogue() {
    let theatre = Theatre::new().await;
    let mut talk = Talk(theatre.connect("mail.example.com", 587).await);
    talk.hear().await;
    talk.0.write_all(&[b'a'; 8 * 1024]).await.unwrap();
    assert!(talk.hear().await.starts_with("500 "));
    assert_eq!(talk.hear().await, "");
}

#[tokio::test]
async fn what_is_stopped_refuses_connections_and_closes_open_ones() {
    let mut theatre = Theatre::new().await;
    let mut talk = Talk(theatre.connect("silent.example.com", 587).await);
    talk.hear().await;
    theatre.emulator.stop().await;
    assert_eq!(talk.hear().await, "");
    assert!(TcpStream::connect(theatre.address("mail.example.com", 587)).await.is_err());
}

#[tokio::test]
async fn the_certificate_is_for_the_name_that_was_asked_for() {
    let authority = Authority::new().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(authority.server_config().unwrap());
    for name in ["smtp.example.test", "localhost", "127.0.0.1", "::1"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (accepted, _) = tokio::join!(acceptor.accept(server), secure(&authority, name, client));
        accepted.unwrap();
    }
    assert!(!format!("{authority:?}").contains("PRIVATE"));
}
