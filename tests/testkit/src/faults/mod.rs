//! What can go wrong with any provider, as data: each fault by its name, what the server does, and the verdict that
//! must follow.
//!
//! The tables are [`http`] and [`smtp`]. A provider that documents another verdict for one of them says so where it
//! runs the kit: `conformance!(…, differs: { "NAME" => "VERDICT" })`, in the words of [`Expected`].

mod http;
mod smtp;

use std::fmt;
use std::net::SocketAddr;

use bonafide_core::{Cause, Failure, Outcome};
use url::Url;

use crate::faulty::ServerAction;
use crate::replay::observed;

pub(crate) use self::http::group as http_group;
pub use self::http::http;
pub(crate) use self::smtp::group as smtp_group;
pub use self::smtp::smtp;

/// What faults have in common. The kit replays each group as a case of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Group {
    /// Connections that are refused, closed or reset.
    Connections,
    /// TLS that fails, and certificates that do not hold.
    Tls,
    /// Silence, at every stage.
    Silence,
    /// Other protocols, and answers that break the rules of their own.
    Protocol,
    /// What is too long, or has no end.
    Endless,
    /// Answers with status 200 whose body is not what the provider documents.
    Bodies,
    /// Pages and texts of servers in between.
    Pages,
    /// JSON of servers in between.
    ForeignJson,
    /// Links to somewhere else.
    Redirects,
    /// Statuses with nothing else to them, which say nothing about the credentials.
    Statuses,
    /// Statuses of a server that fails.
    ServerErrors,
    /// Limits, with every form of a wait.
    Limits,
    /// Answers with the credentials in them.
    Echoes,
    /// What is unusual and no fault.
    Harmless,
}

impl Group {
    /// Every group, in the order of declaration.
    pub const ALL: [Self; 14] = [
        Self::Connections,
        Self::Tls,
        Self::Silence,
        Self::Protocol,
        Self::Endless,
        Self::Bodies,
        Self::Pages,
        Self::ForeignJson,
        Self::Redirects,
        Self::Statuses,
        Self::ServerErrors,
        Self::Limits,
        Self::Echoes,
        Self::Harmless,
    ];
}

/// One thing that goes wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// Its name, unique in its table: lower-case words and numbers joined by `_`.
    pub name: String,
    /// What the server does, to go on after "the server".
    pub what: String,
    /// The verdict that must follow.
    pub expected: Expected,
    pub(crate) peer: Peer,
    /// Whether the check begins with TLS: `https`, or the port of implicit TLS.
    pub(crate) tls: bool,
    /// Whether the check is meant to run into its deadline.
    pub(crate) stalls: bool,
}

/// Who is asked.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// A port that refuses connections.
    ClosedPort,
    /// A host name that does not exist.
    NoSuchHost,
    /// A [`Faulty`](crate::Faulty) server that runs these scripts in turn.
    Scripted(Vec<Vec<ServerAction>>),
}

impl Fault {
    fn new(name: impl Into<String>, what: impl Into<String>, expected: &str, peer: Peer) -> Self {
        Self {
            name: name.into(),
            what: what.into(),
            expected: Expected::of(expected),
            peer,
            tls: false,
            stalls: false,
        }
    }

    fn inside_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    fn stalling(mut self) -> Self {
        self.stalls = true;
        self
    }
}

/// From how many seconds on a wait may have run for a while, and for how many.
const LONG_WAIT: u64 = 60;
const SLACK: u64 = 20;

/// A verdict as the tables say it: `valid`, or the code of a cause, `at` a pointer where a field is at fault, `after` as
/// many seconds as the caller is told to wait.
///
/// `{host}` and `{port}` in a pointer stand for the settings fields that name them. Where the machine decides between two
/// verdicts, both are given, with `or` between them.
///
/// ```
/// # use bonafide_testkit::faults::Expected;
/// let expected: Expected = "invalid_credentials at /settings/api_key".parse()?;
/// let expected: Expected = "provider_rate_limited after 7 s".parse()?;
/// assert_eq!(expected.to_string(), "provider_rate_limited after 7 s");
/// assert!("no_such_cause".parse::<Expected>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected(Vec<One>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct One {
    cause: Option<Cause>,
    pointer: Option<String>,
    retry_after: Option<u64>,
}

impl std::str::FromStr for Expected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(" or ").map(One::parse).collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| {
            format!(
                "`{text}` is no verdict: write `valid`, or a cause as in `invalid_credentials at /settings/api_key`"
            )
        })
    }
}

impl One {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let cause = match words.next()? {
            "valid" => None,
            code => Some(Cause::from_code(code)?),
        };
        let mut one = Self { cause, ..Self::default() };
        while let Some(word) = words.next() {
            match word {
                "at" => one.pointer = Some(words.next()?.to_owned()),
                "after" => {
                    one.retry_after = Some(words.next()?.parse().ok()?);
                    words.next().filter(|unit| *unit == "s")?;
                }
                _ => return None,
            }
        }
        Some(one)
    }

    /// Whether the check concluded this. A long wait is one until a date, which may have run for a while already.
    fn meets(&self, result: &Result<Outcome, Failure>) -> bool {
        let found = observed(result);
        let waits = match (self.retry_after, found.retry_after) {
            (Some(expected), Some(found)) if expected >= LONG_WAIT => {
                (found..=found + SLACK).contains(&expected)
            }
            (expected, found) => expected == found,
        };
        found.cause.as_deref() == self.cause.map(Cause::code)
            && found.pointer == self.pointer
            && waits
    }
}

impl Expected {
    /// A verdict of the tables, whose tests see to it that it can be read.
    fn of(text: &str) -> Self {
        text.parse().unwrap_or(Self(Vec::new()))
    }

    /// Puts the names of the settings fields where `{host}` and `{port}` stand.
    pub(crate) fn fill(mut self, host: &str, port: &str) -> Self {
        for pointer in self.0.iter_mut().filter_map(|one| one.pointer.as_mut()) {
            *pointer = pointer.replace("{host}", host).replace("{port}", port);
        }
        self
    }

    pub(crate) fn is_pass(&self) -> bool {
        self.0.iter().all(|one| one.cause.is_none())
    }

    /// Whether this is what the check concluded.
    pub fn meets(&self, result: &Result<Outcome, Failure>) -> bool {
        self.0.iter().any(|one| one.meets(result))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.0.iter().enumerate() {
            let or = if index == 0 { "" } else { " or " };
            write!(formatter, "{or}{}", one.cause.map_or("valid", Cause::code))?;
            if let Some(pointer) = &one.pointer {
                write!(formatter, " at {pointer}")?;
            }
            if let Some(seconds) = one.retry_after {
                write!(formatter, " after {seconds} s")?;
            }
        }
        Ok(())
    }
}

/// What the faults of a provider with hosts of its own are made from.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The body of the provider's first answer to credentials that work.
    pub(crate) documented: Vec<u8>,
    /// An emulator that replays that interaction.
    pub(crate) emulator: SocketAddr,
    /// A server that nobody may ask.
    pub(crate) elsewhere: Url,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Fewer would prove too little.
    const FEWEST: usize = 45;

    fn check(faults: &[Fault], at_least: usize) {
        let mut names = BTreeSet::new();
        for fault in faults {
            let is_name = fault
                .name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            assert!(is_name, "{}", fault.name);
            assert!(names.insert(&fault.name), "`{}` is there twice", fault.name);
            assert!(!fault.what.is_empty() && !fault.expected.0.is_empty(), "{}", fault.name);
        }
        assert!(names.len() >= at_least, "{} faults", names.len());
    }

    #[test]
    fn the_tables_are_well_formed() {
        let scene = Scene {
            documented: b"{}".to_vec(),
            emulator: ([127, 0, 0, 1], 9).into(),
            elsewhere: Url::parse("http://127.0.0.1:9").unwrap(),
        };
        check(&http(&scene), FEWEST);
        check(&smtp(), FEWEST);
    }

    #[test]
    fn each_group_has_its_place() {
        for (place, group) in Group::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, place, "{group:?}");
        }
    }

    #[test]
    fn a_verdict_is_met_in_every_part() {
        let expected = Expected::of("provider_rate_limited after 7 s or valid");
        let limited = |seconds| {
            Err(Failure::new(Cause::ProviderRateLimited)
                .with_retry_after(Some(std::time::Duration::from_secs(seconds))))
        };
        assert!(expected.meets(&limited(7)));
        assert!(!expected.meets(&limited(8)) && !expected.meets(&limited(6)));
        let until = Expected::of("provider_rate_limited after 120 s");
        assert!(until.meets(&limited(120)) && until.meets(&limited(118)));
        assert!(!until.meets(&limited(121)) && !until.meets(&limited(90)));
        assert!(!expected.meets(&Err(Failure::new(Cause::ProviderRateLimited))));
        assert!(expected.meets(&Ok(Outcome::valid())));
        let at_host = Expected::of("connection_failed at /settings/{host}").fill("server", "port");
        assert!(at_host.meets(&Err(Failure::connection_failed("server"))));
        assert!(!at_host.meets(&Err(Failure::connection_failed("port"))));
        for text in ["", "valid at", "internal after 7", "internal after x s", "internal near /x"] {
            assert!(text.parse::<Expected>().is_err(), "{text}");
        }
    }
}
