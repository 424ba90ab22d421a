//! Where settings, names and base URLs lead. An input is a letter for what the rest of it is: the host of settings,
//! addresses that a name stands for, networks that are allowed and addresses, or a base URL.

mod oracle;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use bonafide_core::egress::Policy;
use bonafide_core::field::Field;
use bonafide_core::host::{Environment, NameResolver, ProviderConfig};
use bonafide_core::{
    AllowedRequest, BaseUrl, Cause, Descriptor, Failure, ProviderType, async_trait,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};
use uuid::Uuid;

use self::oracle::{contains, is_public, may_be_dialled, numbers};

static NAMED: Descriptor = Descriptor::new("1", "named", ProviderType::Email, "Named by settings")
    .with_user_supplied_host();

static BUILT_IN: Descriptor = Descriptor::new("2", "built-in", ProviderType::Sms, "Built in")
    .with_base_urls(&[BaseUrl::main("https://host.example")])
    .with_requests(&[AllowedRequest::get("/", "an answer")]);

/// A port that settings may not name: to be refused at it, an address must have been let through. Nobody is dialled.
const FORBIDDEN_PORT: u16 = 22;

/// Answers each look-up with these, and writes down what it is asked.
#[derive(Default)]
struct Names {
    answer: Mutex<Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl NameResolver for Names {
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let answer = self.answer.lock().unwrap();
        Ok(answer.iter().map(|address| SocketAddr::new(*address, port)).collect())
    }
}

pub(crate) struct Egress {
    names: Arc<Names>,
    environment: Environment,
}

/// What became of a host of the settings at the port that is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    LetThrough,
    Forbidden,
    NoHost,
}

impl Egress {
    pub(crate) fn new() -> Self {
        let names = Arc::<Names>::default();
        let environment = environment(&names, &Url::parse("https://host.example").unwrap());
        Self { environment: environment.unwrap(), names }
    }

    pub(crate) async fn hold(&self, input: &[u8]) -> Result<(), String> {
        let Some((kind, rest)) = input.split_first() else { return Ok(()) };
        match kind {
            b'h' => self.host(&String::from_utf8_lossy(rest)).await,
            b'n' => self.name(&addresses(rest)).await,
            b'p' => policy(rest),
            b'u' => base_url(&String::from_utf8_lossy(rest)),
            _ => Ok(()),
        }
    }

    async fn host(&self, text: &str) -> Result<(), String> {
        self.names.answer.lock().unwrap().clear();
        let judged = self.dial(text, FORBIDDEN_PORT).await?;
        let asked = std::mem::take(&mut *self.names.asked.lock().unwrap());
        // What a resolver would read as an address is not for it to read.
        if let Some(name) = asked.iter().find(|name| numbers(name).is_some() || name.contains(':'))
        {
            return Err(format!("{text:?}: a resolver was asked for {name:?}"));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let without_zone = bare.split('%').next().unwrap_or(bare);
        let address = numbers(bare)
            .or_else(|| without_zone.parse().ok().filter(IpAddr::is_ipv6))
            // Other alphabets have digits and dots too.
            .or_else(|| Host::parse(bare).ok().and_then(|host| numbers(&host.to_string())));
        let holds = match (address, judged) {
            (Some(address), Judged::LetThrough) => is_public(address),
            (Some(address), Judged::Forbidden) => !is_public(address),
            (Some(_), Judged::NoHost) => false,
            (None, judged) => judged == Judged::NoHost,
        };
        if holds { Ok(()) } else { Err(format!("{text:?} is {address:?}: {judged:?}")) }
    }

    async fn name(&self, addresses: &[IpAddr]) -> Result<(), String> {
        *self.names.answer.lock().unwrap() = addresses.to_vec();
        let (port, expected) = match addresses {
            [] => (FORBIDDEN_PORT, Judged::NoHost),
            _ if addresses.iter().all(|address| is_public(*address)) => {
                (FORBIDDEN_PORT, Judged::LetThrough)
            }
            // One forbidden address is enough, wherever it stands, to be refused at a port that may be named.
            _ => (587, Judged::Forbidden),
        };
        let judged = self.dial("mail.example", port).await?;
        if judged != expected {
            return Err(format!("{addresses:?}: {judged:?}"));
        }
        // By HTTP what is let through would be dialled.
        if judged == Judged::Forbidden {
            let context = self.environment.context(&BUILT_IN, Uuid::nil());
            let failure = context.get([""]).send().await.err();
            let why = failure.as_ref().and_then(Failure::note).unwrap_or_default();
            if !why.contains("egress policy") {
                return Err(format!("{addresses:?}: by HTTP {failure:?}"));
            }
        }
        self.names.asked.lock().unwrap().clear();
        Ok(())
    }

    async fn dial(&self, host: &str, port: u16) -> Result<Judged, String> {
        let context = self.environment.context(&NAMED, Uuid::nil());
        let dialled = context.dial(Field::new("host", host), Field::new("port", port)).await;
        let Err(failure) = dialled else { return Err(format!("{host:?} was dialled")) };
        let pointer = failure.problems().first().and_then(|problem| problem.pointer());
        match (failure.cause(), pointer) {
            (Cause::DestinationForbidden, Some("/settings/port")) => Ok(Judged::LetThrough),
            (Cause::DestinationForbidden, Some("/settings/host")) => Ok(Judged::Forbidden),
            (Cause::ConnectionFailed, Some("/settings/host")) => Ok(Judged::NoHost),
            _ => Err(format!("{host:?}: {failure:?}")),
        }
    }
}

fn environment(names: &Arc<Names>, base_url: &Url) -> Result<Environment, String> {
    let mut config = ProviderConfig::of(&BUILT_IN).unwrap();
    config.base_urls = vec![base_url.clone().into()];
    Environment::builder()
        .with_resolver(Arc::clone(names) as Arc<dyn NameResolver>)
        .with_provider(&NAMED, ProviderConfig::of(&NAMED).unwrap())
        .with_provider(&BUILT_IN, config)
        .build()
        .map_err(|error| error.to_string())
}

/// As many addresses as there are, each of them a byte for its version and its octets.
fn addresses(mut input: &[u8]) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    while let Some((version, rest)) = input.split_first() {
        let v4 = rest.split_first_chunk::<4>().filter(|_| version % 2 == 0);
        let v6 = rest.split_first_chunk::<16>().filter(|_| version % 2 == 1);
        let (address, rest) = match (v4, v6) {
            (Some((octets, rest)), _) => (IpAddr::from(*octets), rest),
            (_, Some((octets, rest))) => (IpAddr::from(*octets), rest),
            _ => break,
        };
        addresses.push(address);
        input = rest;
    }
    addresses
}

/// A byte for the length of each of two networks, and addresses: the networks are around the first two, and all of them
/// are judged.
fn policy(input: &[u8]) -> Result<(), String> {
    let Some((lengths, rest)) = input.split_first_chunk::<2>() else { return Ok(()) };
    let addresses = addresses(rest);
    let around = |(address, length): (&IpAddr, &u8)| match address {
        IpAddr::V4(address) => IpNet::from(Ipv4Net::new(*address, length % 33).unwrap()),
        IpAddr::V6(address) => IpNet::from(Ipv6Net::new(*address, length % 129).unwrap()),
    };
    let allow: Vec<IpNet> = addresses.iter().zip(lengths).map(around).collect();
    let policy = Policy::new(allow.clone(), vec![587]);
    for address in addresses {
        let may = may_be_dialled(address, &allow);
        let listed = allow.iter().any(|network| contains(*network, address));
        let named = |port| policy.check_user_supplied(SocketAddr::new(address, port)).is_ok();
        let holds = policy.check(address).is_ok() == may
            && named(587) == may
            && (!named(FORBIDDEN_PORT) || may && listed)
            && (policy.check_plain_http(address).is_err() || may && listed);
        if !holds {
            return Err(format!("{address} with {allow:?}"));
        }
    }
    Ok(())
}

/// What may be a base URL leads by HTTPS to a name or to a public address, and holds nothing beside.
fn base_url(text: &str) -> Result<(), String> {
    let Ok(url) = Url::parse(text) else { return Ok(()) };
    let accepted = environment(&Arc::default(), &url).is_ok();
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address = numbers(bare).or_else(|| bare.parse().ok());
    let may = url.scheme() == "https" && is_bare && address.is_none_or(is_public);
    if accepted == may { Ok(()) } else { Err(format!("{url}: {accepted}")) }
}

/// The table of destinations, as hosts and as base URLs, and the ends of its ranges.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, (kind, text)) in oracle::entries().enumerate() {
        let Some(range) = text.parse::<IpNet>().ok().filter(|_| kind == "range") else {
            seeds.push(format!("h{text}").into_bytes());
            if number % 4 == 0 {
                let is_bare = text.contains(':') && !text.starts_with('[');
                let host = if is_bare { format!("[{text}]") } else { text.to_owned() };
                seeds.push(format!("uhttps://{host}:8443/v1").into_bytes());
            }
            continue;
        };
        let mut octets = Vec::new();
        for address in [range.network(), range.broadcast()] {
            match address {
                IpAddr::V4(address) => octets.extend([&[0], &address.octets()[..]].concat()),
                IpAddr::V6(address) => octets.extend([&[1], &address.octets()[..]].concat()),
            }
        }
        seeds.push([b"n", octets.as_slice()].concat());
        // One that may be dialled before those that may not.
        seeds.push([b"n\x00\x08\x08\x08\x08", octets.as_slice()].concat());
        seeds.push([&[b'p', range.prefix_len(), 32], octets.as_slice()].concat());
    }
    seeds
}
