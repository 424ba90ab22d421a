use std::time::Duration;

use bonafide_emulator::Certificate;

use super::{Fault, Group, Peer};
use crate::faulty::ServerAction;

const UNAVAILABLE: &str = "provider_unavailable";
const TIMEOUT: &str = "provider_timeout";
const TIMEOUT_AT_PORT: &str = "provider_timeout at /settings/{port}";
const FAILED_AT_HOST: &str = "connection_failed at /settings/{host}";
const FAILED_AT_PORT: &str = "connection_failed at /settings/{port}";
const UNEXPECTED: &str = "unexpected_response";
const VALID: &str = "valid";

const GREETING: &str = "220 mail.example.com ESMTP\r\n";
const OFFER: &str = "250-mail.example.com\r\n250 STARTTLS\r\n";
const READY: &str = "220 2.0.0 Ready to start TLS\r\n";
const OFFER_INSIDE: &str = "250-mail.example.com\r\n250 AUTH PLAIN LOGIN\r\n";
const WELCOME: &str = "235 2.7.0 Authentication successful\r\n";
const BYE: &str = "221 2.0.0 Bye\r\n";

/// What goes wrong with a mail server that the settings name. Where it begins with TLS the port is 465.
pub fn smtp() -> Vec<Fault> {
    Group::ALL.into_iter().flat_map(group).collect()
}

/// What goes wrong in one way; nothing for the ways of HTTP.
pub(crate) fn group(group: Group) -> Vec<Fault> {
    match group {
        Group::Connections => [before_the_greeting(), drops()].concat(),
        Group::Tls => tls(),
        Group::Silence => silence(),
        Group::Protocol => [strange_greetings(), strange_replies()].concat(),
        Group::Endless => endless_replies(),
        Group::Echoes => echoes(),
        Group::Harmless => harmless(),
        Group::Bodies
        | Group::Pages
        | Group::ForeignJson
        | Group::Redirects
        | Group::Statuses
        | Group::ServerErrors
        | Group::Limits => Vec::new(),
    }
}

/// How far the dialogue goes well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    /// The greeting is said.
    Greeted,
    /// The first `EHLO` is read.
    Hello,
    /// It is answered.
    Offered,
    /// `STARTTLS` is read.
    StartTls,
    /// It is answered, and the handshake is due.
    Ready,
    /// TLS has begun.
    Inside,
    /// The `EHLO` inside TLS is read.
    HelloInside,
    /// It is answered.
    OfferedInside,
    /// The credentials are read.
    Login,
    /// They are accepted.
    Accepted,
    /// `QUIT` is read.
    Quit,
    /// It is answered.
    Over,
}

/// The dialogue of a server that does everything right, up to here.
fn dialogue(until: Until) -> Vec<ServerAction> {
    [
        (Until::Greeted, ServerAction::say(GREETING)),
        (Until::Hello, ServerAction::ReadLine),
        (Until::Offered, ServerAction::say(OFFER)),
        (Until::StartTls, ServerAction::ReadLine),
        (Until::Ready, ServerAction::say(READY)),
        (Until::Inside, ServerAction::Tls(Certificate::Trusted)),
        (Until::HelloInside, ServerAction::ReadLine),
        (Until::OfferedInside, ServerAction::say(OFFER_INSIDE)),
        (Until::Login, ServerAction::ReadLine),
        (Until::Accepted, ServerAction::say(WELCOME)),
        (Until::Quit, ServerAction::ReadLine),
        (Until::Over, ServerAction::say(BYE)),
    ]
    .into_iter()
    .filter(|(stage, _)| *stage <= until)
    .map(|(_, act)| act)
    .collect()
}

fn scripted(
    name: &str,
    what: &str,
    expected: &str,
    script: impl IntoIterator<Item = ServerAction>,
) -> Fault {
    Fault::new(name, what, expected, Peer::Scripted(vec![script.into_iter().collect()]))
}

/// All goes well up to here, and then this happens.
fn then(
    name: &str,
    what: &str,
    expected: &str,
    until: Until,
    acts: impl IntoIterator<Item = ServerAction>,
) -> Fault {
    scripted(name, what, expected, dialogue(until).into_iter().chain(acts))
}

fn forever(text: &str) -> ServerAction {
    ServerAction::Loop(vec![ServerAction::say(text)])
}

fn before_the_greeting() -> Vec<Fault> {
    vec![
        Fault::new("refused", "does not listen", FAILED_AT_PORT, Peer::ClosedPort),
        Fault::new(
            "no_such_host",
            "has a name that does not exist",
            // Without any resolver, nobody knows whether the name exists.
            "connection_failed at /settings/{host} or provider_unavailable",
            Peer::NoSuchHost,
        ),
        scripted("closed_before_the_greeting", "closes at once", FAILED_AT_PORT, []),
        scripted(
            "reset_before_the_greeting",
            "resets at once",
            FAILED_AT_PORT,
            [ServerAction::Reset],
        ),
        scripted(
            "closed_in_the_greeting",
            "closes in the greeting",
            FAILED_AT_PORT,
            [ServerAction::say("220 m")],
        ),
    ]
}

fn strange_greetings() -> Vec<Fault> {
    let greets = |name: &str, what: &str, action: ServerAction| {
        scripted(name, what, FAILED_AT_PORT, [action])
    };
    vec![
        greets(
            "web_server",
            "is a web server",
            ServerAction::say("HTTP/1.1 400 Bad Request\r\n\r\n"),
        ),
        greets("pop3_server", "is a POP3 server", ServerAction::say("+OK POP3 ready\r\n")),
        greets("imap_server", "is an IMAP server", ServerAction::say("* OK IMAP4rev1 ready\r\n")),
        greets("ssh_server", "is an SSH server", ServerAction::say("SSH-2.0-OpenSSH_9.9\r\n")),
        greets(
            "binary_greeting",
            "greets with binary garbage",
            ServerAction::Say((0..=255).collect()),
        ),
        greets("blank_greeting", "greets with an empty line", ServerAction::say("\r\n")),
        scripted(
            "greeting_of_another_code",
            "greets with a code that welcomes nobody",
            FAILED_AT_HOST,
            [ServerAction::say("250 mail.example.com\r\n"), ServerAction::Hang],
        ),
    ]
}

fn tls() -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, what, certificate) in [
        ("expired", "has a certificate that has expired", Certificate::Expired),
        ("self_signed", "has signed its certificate itself", Certificate::SelfSigned),
        ("other_name", "has a certificate for another name", Certificate::OtherName),
    ] {
        let script = [ServerAction::Tls(certificate), ServerAction::Hang];
        let name = |place| format!("{place}_{name}");
        let behind = dialogue(Until::Ready).into_iter().chain(script.clone());
        faults.push(scripted(&name("starttls"), what, FAILED_AT_HOST, behind));
        faults.push(scripted(&name("tls_port"), what, FAILED_AT_HOST, script).inside_tls());
    }
    let garbage = || ServerAction::Say((0..=255).cycle().take(2048).collect());
    let in_the_handshake = [
        ("closed", "closes in the handshake", vec![]),
        ("reset", "resets in the handshake", vec![ServerAction::Reset]),
        ("garbage", "answers the handshake with garbage", vec![garbage()]),
        (
            "in_clear",
            "goes on in clear where the handshake is due",
            vec![ServerAction::say(GREETING)],
        ),
    ];
    for (name, what, acts) in in_the_handshake {
        let name = |place| format!("{place}_{name}_in_the_handshake");
        let acts = || acts.clone().into_iter();
        // What comes behind the reply at once is a text in clear, which is another fault.
        let pause = ServerAction::Wait(Duration::from_millis(50));
        let behind = dialogue(Until::Ready).into_iter().chain([pause]).chain(acts());
        faults.push(scripted(&name("starttls"), what, FAILED_AT_PORT, behind));
        faults.push(scripted(&name("tls_port"), what, FAILED_AT_PORT, acts()).inside_tls());
    }
    faults
}

fn silence() -> Vec<Fault> {
    let mut faults = vec![
        scripted(
            "silent_before_the_greeting",
            "never greets",
            TIMEOUT_AT_PORT,
            [ServerAction::Hang],
        )
        .stalling(),
        scripted(
            "slow_greeting",
            "gives a byte of the greeting every 50 ms",
            TIMEOUT_AT_PORT,
            [
                ServerAction::say("220 "),
                ServerAction::Loop(vec![
                    ServerAction::say("m"),
                    ServerAction::Wait(Duration::from_millis(50)),
                ]),
            ],
        )
        .stalling(),
    ];
    faults.push(
        scripted(
            "tls_where_clear_text_is_due",
            "waits for TLS on a port that begins in clear",
            TIMEOUT_AT_PORT,
            [ServerAction::Tls(Certificate::Trusted)],
        )
        .stalling(),
    );
    faults.push(
        scripted(
            "tls_port_silent_in_the_handshake",
            "is silent in the handshake",
            TIMEOUT,
            [ServerAction::Hang],
        )
        .inside_tls()
        .stalling(),
    );
    faults.push(
        scripted(
            "tls_port_silent_before_the_greeting",
            "begins TLS and never greets",
            TIMEOUT_AT_PORT,
            [ServerAction::Tls(Certificate::Trusted), ServerAction::Hang],
        )
        .inside_tls()
        .stalling(),
    );
    let later = [
        ("silent_after_ehlo", "never answers `EHLO`", Until::Hello),
        ("silent_after_starttls", "never answers `STARTTLS`", Until::StartTls),
        ("silent_in_the_handshake", "is silent in the handshake", Until::Ready),
        ("silent_after_ehlo_inside", "never answers the `EHLO` inside TLS", Until::HelloInside),
        ("silent_after_auth", "never answers `AUTH`", Until::Login),
    ]
    .into_iter()
    .map(|(name, what, until)| then(name, what, TIMEOUT, until, [ServerAction::Hang]).stalling());
    faults.extend(later);
    faults
}

fn drops() -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, what, until) in [
        ("after_the_greeting", "after the greeting", Until::Greeted),
        ("at_ehlo", "at `EHLO`", Until::Hello),
        ("after_ehlo", "after its answer to `EHLO`", Until::Offered),
        ("at_starttls", "at `STARTTLS`", Until::StartTls),
        ("after_the_handshake", "after the handshake", Until::Inside),
        ("at_ehlo_inside", "at the `EHLO` inside TLS", Until::HelloInside),
        ("after_ehlo_inside", "after its answer to the `EHLO` inside TLS", Until::OfferedInside),
        ("at_auth", "at `AUTH`", Until::Login),
    ] {
        let closed =
            then(&format!("closed_{name}"), &format!("closes {what}"), UNAVAILABLE, until, []);
        faults.push(closed);
    }
    faults.push(then(
        "reset_at_ehlo",
        "resets at `EHLO`",
        UNAVAILABLE,
        Until::Hello,
        [ServerAction::Reset],
    ));
    faults.push(then(
        "reset_at_auth",
        "resets at `AUTH`",
        UNAVAILABLE,
        Until::Login,
        [ServerAction::Reset],
    ));
    faults.push(then(
        "closed_in_the_reply_to_auth",
        "closes in its answer to `AUTH`",
        UNAVAILABLE,
        Until::Login,
        [ServerAction::say("235 2.7.0 Authen")],
    ));
    faults
}

fn strange_replies() -> Vec<Fault> {
    let to_hello = |name: &str, what: &str, action: ServerAction| {
        then(name, what, FAILED_AT_PORT, Until::Hello, [action])
    };
    let to_login = |name: &str, what: &str, action: ServerAction| {
        then(name, what, UNEXPECTED, Until::Login, [action])
    };
    vec![
        to_hello(
            "blank_reply_to_ehlo",
            "answers `EHLO` with an empty line",
            ServerAction::say("\r\n"),
        ),
        to_hello(
            "binary_reply_to_ehlo",
            "answers `EHLO` with garbage",
            ServerAction::Say((0..=255).collect()),
        ),
        to_login(
            "blank_reply_to_auth",
            "answers `AUTH` with an empty line",
            ServerAction::say("\r\n"),
        ),
        to_login(
            "auth_forwarded",
            "answers `AUTH` with 251",
            ServerAction::say("251 2.1.5 Will do\r\n"),
        ),
    ]
}

fn endless_replies() -> Vec<Fault> {
    let greets = |name: &str, what: &str, action: ServerAction| {
        scripted(name, what, FAILED_AT_PORT, [action])
    };
    let to_hello = |name: &str, what: &str, until| {
        then(name, what, FAILED_AT_PORT, until, [forever("250-X\r\n")])
    };
    let to_login = |name: &str, what: &str, action: ServerAction| {
        then(name, what, UNEXPECTED, Until::Login, [action])
    };
    let challenges =
        ServerAction::Loop(vec![ServerAction::say("334 \r\n"), ServerAction::ReadLine]);
    vec![
        greets("endless_greeting", "greets without an end of the line", forever("220 mail ")),
        greets("endless_lines_of_greeting", "greets in lines without end", forever("220-mail\r\n")),
        greets(
            "long_greeting",
            "greets with a line of 64 kilobytes",
            ServerAction::say(format!("220 {}\r\n", "m".repeat(64 * 1024))),
        ),
        to_hello("endless_reply_to_ehlo", "answers `EHLO` without end", Until::Hello),
        to_hello(
            "endless_reply_to_ehlo_inside",
            "answers the `EHLO` inside TLS without end",
            Until::HelloInside,
        ),
        to_login("endless_reply_to_auth", "answers `AUTH` without end", forever("235-X\r\n")),
        to_login("endless_line_to_auth", "answers `AUTH` in one endless line", forever("235 X ")),
        to_login("challenges_without_end", "asks for the credentials over and over", challenges),
    ]
}

fn echoes() -> Vec<Fault> {
    vec![then(
        "echo_of_auth",
        "answers `AUTH` with the credentials",
        UNEXPECTED,
        Until::Login,
        [ServerAction::say("550 5.7.0 "), ServerAction::Echo],
    )]
}

/// What is unusual and no fault.
fn harmless() -> Vec<Fault> {
    fn each(change: impl Fn(&[u8]) -> Vec<ServerAction>) -> Vec<ServerAction> {
        let acts = dialogue(Until::Over).into_iter();
        acts.flat_map(|act| match act {
            ServerAction::Say(bytes) => change(&bytes),
            other => vec![other],
        })
        .collect()
    }
    let bare = |bytes: &[u8]| {
        vec![ServerAction::Say(bytes.iter().copied().filter(|byte| *byte != b'\r').collect())]
    };
    let in_pieces = |bytes: &[u8], length: usize| {
        let piece = |piece: &[u8]| {
            [ServerAction::Say(piece.to_vec()), ServerAction::Wait(Duration::from_millis(1))]
        };
        bytes.chunks(length).flat_map(piece).collect::<Vec<_>>()
    };
    let lower = |bytes: &[u8]| vec![ServerAction::Say(bytes.to_ascii_lowercase())];
    let implicit = dialogue(Until::Over).into_iter().skip(6);
    let implicit = [ServerAction::Tls(Certificate::Trusted), ServerAction::say(GREETING)]
        .into_iter()
        .chain(implicit);
    let long_greeting = format!("{}{GREETING}", "220-mail.example.com\r\n".repeat(19));
    let long_greeting = [ServerAction::say(long_greeting)]
        .into_iter()
        .chain(dialogue(Until::Over).into_iter().skip(1));
    vec![
        scripted("harmless", "does everything right", VALID, dialogue(Until::Over)),
        scripted("harmless_tls_port", "does everything right inside TLS", VALID, implicit)
            .inside_tls(),
        scripted("harmless_bare_line_feeds", "ends its lines without CR", VALID, each(bare)),
        scripted(
            "harmless_byte_by_byte",
            "gives every byte in a packet of its own",
            VALID,
            each(|bytes| in_pieces(bytes, 1)),
        ),
        scripted(
            "harmless_segments",
            "gives its replies in several packets",
            VALID,
            each(|bytes| in_pieces(bytes, 7)),
        ),
        scripted("harmless_lower_case", "writes everything in lower case", VALID, each(lower)),
        scripted("harmless_long_greeting", "greets in twenty lines", VALID, long_greeting),
        then(
            "harmless_farewell_missing",
            "never answers `QUIT`",
            VALID,
            Until::Quit,
            [ServerAction::Hang],
        ),
        then(
            "harmless_farewell_dropped",
            "resets at `QUIT`",
            VALID,
            Until::Quit,
            [ServerAction::Reset],
        ),
        then("harmless_closed_after_auth", "closes after the login", VALID, Until::Accepted, []),
    ]
}
