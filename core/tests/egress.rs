//! Nothing forbidden is dialled, however it is written and whoever names it: judged by a table of destinations, and
//! watched at the socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bonafide_core::egress::Policy;
use bonafide_core::field::Field;
use bonafide_core::host::{Environment, NameResolver, ProviderConfig};
use bonafide_core::{
    AllowedRequest, BaseUrl, Cause, Context, Descriptor, Failure, ProviderType, async_trait,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use url::Url;
use uuid::Uuid;

static NAMED: Descriptor = Descriptor::new("1", "named", ProviderType::Email, "Named by settings")
    .with_user_supplied_host();

static BUILT_IN: Descriptor = Descriptor::new("2", "built-in", ProviderType::Sms, "Built in")
    .with_base_urls(&[BaseUrl::main("https://host.example")])
    .with_requests(&[AllowedRequest::get("/", "an answer")]);

/// A port that settings may not name: to be refused at it, an address must have been let through.
const FORBIDDEN_PORT: u16 = 22;

/// The table of destinations.
struct Table {
    ranges: Vec<IpNet>,
    forbidden: Vec<&'static str>,
    allowed: Vec<&'static str>,
    unreadable: Vec<&'static str>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let lines = include_str!("destinations.txt").lines();
    let entries: Vec<(&str, &str)> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("# ") && *line != "#")
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let of = |kind: &str| {
        entries.iter().filter(|entry| entry.0 == kind).map(|entry| entry.1).collect::<Vec<_>>()
    };
    let table = Table {
        ranges: of("range").iter().map(|range| range.parse().unwrap()).collect(),
        forbidden: of("forbidden"),
        allowed: of("allowed"),
        unreadable: of("unreadable"),
    };
    let read = [&table.forbidden, &table.allowed, &table.unreadable].map(Vec::len);
    assert_eq!(read.iter().sum::<usize>() + table.ranges.len(), entries.len(), "an unknown kind");
    table
});

impl Table {
    /// Whether an address is the public internet, by the registries' ranges alone.
    fn is_public(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let given_out: Ipv6Net = "2000::/3".parse().unwrap();
        let is_given_out = match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => given_out.contains(&address),
        };
        is_given_out && self.ranges.iter().all(|range| !range.contains(&address))
    }
}

/// Answers each look-up with the next of its answers, and the last of them for ever; writes down what it is asked.
#[derive(Default)]
struct Names {
    answers: Mutex<Vec<Vec<SocketAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn answering(answers: &[&[SocketAddr]]) -> Arc<Self> {
        let names = Self::default();
        *names.answers.lock().unwrap() = answers.iter().map(|answer| answer.to_vec()).collect();
        Arc::new(names)
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[async_trait]
impl NameResolver for Names {
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.len() {
            0 => return Err(io::ErrorKind::NotFound.into()),
            1 => answers[0].clone(),
            _ => answers.remove(0),
        };
        let with_port = |mut address: SocketAddr| {
            if address.port() == 0 {
                address.set_port(port);
            }
            address
        };
        Ok(answer.into_iter().map(with_port).collect())
    }
}

fn environment(policy: &Policy, names: &Arc<Names>, base_url: &str) -> Result<Environment, String> {
    let mut config = ProviderConfig::of(&BUILT_IN).unwrap();
    config.base_urls = vec![Url::parse(base_url).map_err(|error| error.to_string())?.into()];
    Environment::builder()
        .with_policy(policy.clone())
        .with_resolver(Arc::clone(names) as Arc<dyn NameResolver>)
        .with_provider(&NAMED, ProviderConfig::of(&NAMED).unwrap())
        .with_provider(&BUILT_IN, config)
        .build()
        .map_err(|error| error.to_string())
}

fn context(policy: &Policy, names: &Arc<Names>) -> Context {
    let environment = environment(policy, names, "https://host.example").unwrap();
    environment.context(&NAMED, Uuid::nil())
}

async fn dial(context: &Context, host: &str, port: u16) -> Result<SocketAddr, (Cause, String)> {
    let dialled = context.dial(Field::new("host", host), Field::new("port", port)).await;
    dialled.map(|stream| stream.peer_addr().unwrap()).map_err(|failure| {
        let pointer = failure.problems()[0].pointer().unwrap_or_default().to_owned();
        (failure.cause(), pointer)
    })
}

fn at(cause: Cause, pointer: &str) -> Result<SocketAddr, (Cause, String)> {
    Err((cause, format!("/settings/{pointer}")))
}

fn url_host(text: &str) -> String {
    let bare = text.contains(':') && !text.starts_with('[');
    if bare { format!("[{text}]") } else { text.to_owned() }
}

/// What arrives at a port of this machine, by IPv4 and by IPv6.
struct Watch(TcpListener);

impl Watch {
    fn start() -> Self {
        // On Linux a listener on `::` is one on `0.0.0.0` too.
        let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"));
        let listener = listener.unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// On loopback a connection waits to be accepted before its `connect` returns, so there is nothing to wait for.
    fn saw_somebody(&self) -> bool {
        self.0.accept().is_ok()
    }
}

#[test]
fn the_table_is_large_and_agrees_with_the_registries() {
    let table = &*TABLE;
    assert!(table.forbidden.len() >= 300 && table.allowed.len() >= 80);
    for (texts, public) in [(&table.forbidden, false), (&table.allowed, true)] {
        for address in texts.iter().filter_map(|text| text.parse().ok()) {
            assert_eq!(table.is_public(address), public, "{address}");
            assert_eq!(Policy::default().check(address).is_ok(), public, "{address}");
        }
    }
    for range in &table.ranges {
        for address in [range.network(), range.broadcast()] {
            assert!(Policy::default().check(address).is_err(), "{address} of {range}");
        }
    }
}

#[tokio::test]
async fn a_host_of_the_settings_is_judged_in_every_notation_and_no_resolver_is_asked() {
    let names = Names::answering(&[]);
    let context = context(&Policy::default(), &names);
    for text in &TABLE.forbidden {
        let judged = dial(&context, text, 587).await;
        assert_eq!(judged, at(Cause::DestinationForbidden, "host"), "{text}");
    }
    for text in &TABLE.allowed {
        let judged = dial(&context, text, FORBIDDEN_PORT).await;
        assert_eq!(judged, at(Cause::DestinationForbidden, "port"), "{text}");
    }
    assert_eq!(names.asked(), [""; 0], "an address was looked up");
    for text in &TABLE.unreadable {
        let judged = dial(&context, text, 587).await;
        assert_eq!(judged, at(Cause::ConnectionFailed, "host"), "{text}");
    }
    assert_eq!(names.asked(), [""; 0], "what is no host was looked up");
}

#[test]
fn a_network_of_translated_addresses_leads_only_where_one_may_go() {
    let allow = ["64:ff9b::/96", "2002::/16", "10.1.0.0/16"];
    let policy = Policy::new(allow.map(|network| network.parse().unwrap()).to_vec(), vec![587]);
    let named = |text: &str, port| {
        policy.check_user_supplied(SocketAddr::new(text.parse().unwrap(), port)).is_ok()
    };
    for to_the_internet in ["64:ff9b::8.8.8.8", "2002:808:808::1"] {
        let plain = policy.check_plain_http(to_the_internet.parse().unwrap());
        assert!(named(to_the_internet, 587) && !named(to_the_internet, 22) && plain.is_err());
    }
    for to_the_network in ["64:ff9b::10.1.2.3", "2002:a01:203::1"] {
        let plain = policy.check_plain_http(to_the_network.parse().unwrap());
        assert!(named(to_the_network, 22) && plain.is_ok());
    }
    for to_another in ["64:ff9b::127.0.0.1", "64:ff9b::10.2.0.1", "2002:7f00:1::1", "2002:a02:1::"]
    {
        assert!(!named(to_another, 587), "{to_another}");
    }
}

#[test]
fn a_network_of_mapped_addresses_is_the_network_that_it_maps() {
    let policy = Policy::new(vec!["::ffff:10.1.0.0/112".parse().unwrap()], Vec::new());
    let check = |address: &str| policy.check(address.parse().unwrap()).is_ok();
    assert!(check("10.1.255.255") && check("::ffff:10.1.0.0"));
    assert!(!check("10.2.0.0") && !check("10.0.255.255") && !check("::ffff:10.2.0.0"));
}

#[test]
fn a_base_url_is_judged_in_every_notation() {
    let names = Names::answering(&[]);
    let build = |policy: &Policy, url: &str| environment(policy, &names, url).map(drop);
    let elsewhere = Policy::new(vec!["198.18.7.7/32".parse().unwrap()], Vec::new());
    for text in &TABLE.forbidden {
        let host = url_host(text);
        for url in [format!("https://{host}"), format!("https://{host}:8443/v1")] {
            assert!(build(&Policy::default(), &url).is_err(), "{url}");
        }
        for policy in [Policy::default(), elsewhere.clone()] {
            assert!(build(&policy, &format!("http://{host}")).is_err(), "http://{host}");
        }
    }
    for text in &TABLE.allowed {
        let host = url_host(text);
        assert_eq!(build(&Policy::default(), &format!("https://{host}")), Ok(()), "{host}");
        let plain = build(&elsewhere, &format!("http://{host}"));
        assert!(plain.is_err_and(|error| error.contains("plain HTTP")), "{host}");
    }
    for url in [
        "https://user@host.example",
        "https://user:pass@host.example",
        "https://:pass@host.example",
        "http://host.example",
        "ftp://host.example",
        "file:///etc/passwd",
        "unix:/run/a.sock",
        "https://host.example?x",
        "https://host.example#x",
    ] {
        assert!(build(&Policy::default(), url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn nothing_arrives_from_any_forbidden_destination() {
    let watch = Watch::start();
    let port = watch.port();
    let policy = Policy::new(Vec::new(), vec![port]);
    let names = Names::answering(&[]);
    let dialler = context(&policy, &names);
    // The second client speaks plain HTTP, which needs a network that is allowed.
    let plain_policy = Policy::new(vec!["198.18.7.7/32".parse().unwrap()], vec![port]);
    let environments = [
        environment(&policy, &names, &format!("https://host.example:{port}")).unwrap(),
        environment(&plain_policy, &names, &format!("http://host.example:{port}")).unwrap(),
    ];
    let askers = environments.map(|environment| environment.context(&BUILT_IN, Uuid::nil()));
    for text in &TABLE.forbidden {
        names.answers.lock().unwrap().clear();
        let refused = dial(&dialler, text, port).await;
        assert_eq!(refused, at(Cause::DestinationForbidden, "host"), "{text}");
        let Ok(address) = text.parse::<IpAddr>() else { continue };
        // The same address behind a name, alone and after one that is public.
        let public = SocketAddr::from(([8, 8, 8, 8], 0));
        let forbidden = SocketAddr::new(address, 0);
        for answer in [vec![forbidden], vec![public, forbidden]] {
            *names.answers.lock().unwrap() = vec![answer.clone()];
            let refused = dial(&dialler, "mail.example", port).await;
            assert_eq!(refused, at(Cause::DestinationForbidden, "host"), "{text}");
            for asker in &askers {
                let failure = asker.get([""]).send().await.unwrap_err();
                assert_eq!(failure.cause(), Cause::ProviderUnavailable, "{text}");
                let why = failure.note().unwrap_or_default();
                assert!(
                    why.contains("egress policy"),
                    "{text}: {why} {answer:?} {:?}",
                    names.asked()
                );
            }
        }
    }
    assert!(!watch.saw_somebody(), "somebody connected");
}

#[tokio::test]
async fn what_is_allowed_does_arrive() {
    let watch = Watch::start();
    let port = watch.port();
    let policy = Policy::new(vec!["127.0.0.0/8".parse().unwrap()], Vec::new());
    let names = Names::answering(&[&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]]);
    let dialler = context(&policy, &names);
    for text in ["127.0.0.1", "127.1", "0x7f000001", "[::ffff:127.0.0.1]", "127.0.0.2", "a.example"]
    {
        assert!(dial(&dialler, text, port).await.is_ok(), "{text}");
        assert!(watch.saw_somebody(), "{text}");
    }
    let base_url = format!("http://host.example:{port}");
    let mut config = ProviderConfig::of(&BUILT_IN).unwrap();
    config.base_urls = vec![Url::parse(&base_url).unwrap().into()];
    // Nobody answers: that somebody connected is all that is to be seen.
    config.timeout = Duration::from_mins(1);
    let environment = Environment::builder()
        .with_policy(policy)
        .with_resolver(names)
        .with_provider(&BUILT_IN, config)
        .build()
        .unwrap();
    let asker = environment.context(&BUILT_IN, Uuid::nil());
    let asking = tokio::spawn(async move { asker.get([""]).send().await.map(drop) });
    while !watch.saw_somebody() {
        tokio::task::yield_now().await;
        assert!(!asking.is_finished(), "the request ended before anybody connected");
    }
    asking.abort();
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_judged_address_is_dialled() {
    let watch = Watch::start();
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let private = SocketAddr::from(([10, 0, 0, 1], 0));
    let policy = Policy::new(vec!["127.0.0.1/32".parse().unwrap()], Vec::new());
    // Whoever asked twice would be led elsewhere the second time.
    let names = Names::answering(&[&[here], &[private]]);
    let dialler = context(&policy, &names);
    let peer = dial(&dialler, "Mail.Example.", watch.port()).await;
    assert_eq!(peer.map(|peer| peer.ip()), Ok(here.ip()));
    assert_eq!(names.asked(), ["mail.example."]);
    assert!(watch.saw_somebody());
    let rebound = dial(&dialler, "mail.example", watch.port()).await;
    assert_eq!(rebound, at(Cause::DestinationForbidden, "host"));
    assert!(!watch.saw_somebody());
}

#[tokio::test]
async fn one_forbidden_address_is_enough_wherever_it_stands() {
    let watch = Watch::start();
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let policy = Policy::new(vec!["127.0.0.1/32".parse().unwrap()], Vec::new());
    let others = ["10.0.0.1:0", "127.0.0.2:0", "[::1]:0", "[::ffff:10.0.0.1]:0", "[fe80::1]:0"];
    for other in others.map(|other| other.parse().unwrap()) {
        for answer in [[here, other], [other, here]] {
            let names = Names::answering(&[&answer]);
            let refused = dial(&context(&policy, &names), "mail.example", watch.port()).await;
            assert_eq!(refused, at(Cause::DestinationForbidden, "host"), "{answer:?}");
        }
    }
    assert!(!watch.saw_somebody());
}

#[tokio::test]
async fn a_name_without_an_address_is_no_host() {
    let names = Names::answering(&[&[]]);
    let refused = dial(&context(&Policy::default(), &names), "mail.example", 587).await;
    assert_eq!(refused, at(Cause::ConnectionFailed, "host"));
}

/// The connections to the internet, or to this machine, that another test of this file made under `strace`. None where
/// there is no `strace`, or where it may not trace.
fn traced(test: &str) -> Option<Vec<String>> {
    let output = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Some(said.lines().filter(|line| line.contains("AF_INET")).map(str::to_owned).collect())
}

#[test]
#[expect(clippy::print_stdout, reason = "says why nothing was tested")]
fn no_system_call_connects_to_a_forbidden_destination() {
    let control = traced("what_is_allowed_does_arrive").unwrap_or_default();
    if control.is_empty() {
        println!("skipped: there is no `strace` here, or it may not trace");
        return;
    }
    for test in [
        "nothing_arrives_from_any_forbidden_destination",
        "a_host_of_the_settings_is_judged_in_every_notation_and_no_resolver_is_asked",
        "one_forbidden_address_is_enough_wherever_it_stands",
    ] {
        let calls = traced(test).unwrap_or_else(|| panic!("`{test}` fails under `strace`"));
        assert_eq!(calls, [""; 0], "{test}");
    }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    let in_range = (0..TABLE.ranges.len(), any::<u128>()).prop_map(|(index, bits)| {
        match TABLE.ranges[index] {
            IpNet::V4(range) => {
                let host = u32::try_from(bits & u128::from(u32::MAX)).unwrap();
                Ipv4Addr::from(u32::from(range.network()) | host & u32::from(range.hostmask()))
                    .into()
            }
            IpNet::V6(range) => IpAddr::from(std::net::Ipv6Addr::from(
                u128::from(range.network()) | bits & u128::from(range.hostmask()),
            )),
        }
    });
    prop_oneof![
        in_range,
        any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into()),
        any::<u128>().prop_map(|bits| std::net::Ipv6Addr::from(bits).into()),
        any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).to_ipv6_mapped().into()),
    ]
}

/// A network around an address.
fn around(address: IpAddr, length: u8) -> IpNet {
    match address {
        IpAddr::V4(address) => Ipv4Net::new(address, length % 33).unwrap().into(),
        IpAddr::V6(address) => Ipv6Net::new(address, length % 129).unwrap().into(),
    }
}

/// The IPv4 address to which NAT64 or 6to4 would lead.
fn translated(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    let octets = address.octets();
    let part = match &octets {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ..] => &octets[12..],
        [0x20, 0x02, ..] => &octets[2..6],
        _ => return None,
    };
    Some(Ipv4Addr::new(part[0], part[1], part[2], part[3]).into())
}

/// The policy, written a second time.
fn may_be_dialled(address: IpAddr, allow: &[IpNet]) -> bool {
    let address = address.to_canonical();
    let listed = allow.iter().any(|network| network.contains(&address));
    TABLE.is_public(address)
        || listed && translated(address).is_none_or(|behind| may_be_dialled(behind, allow))
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static STRICT: LazyLock<Context> =
    LazyLock::new(|| context(&Policy::default(), &Names::answering(&[])));

/// An IPv4 address in one of the ways that `inet_aton` reads.
fn written(address: u32, parts: usize, radix: [u8; 4], zeros: usize) -> String {
    let octets = address.to_be_bytes();
    let (single, rest) = octets.split_at(parts - 1);
    let rest = rest.iter().fold(0_u32, |number, octet| number << 8 | u32::from(*octet));
    let numbers = single.iter().map(|octet| u32::from(*octet)).chain([rest]);
    let digits = numbers.zip(radix).map(|(number, radix)| match radix % 4 {
        0 => number.to_string(),
        1 => format!("0{}{number:o}", "0".repeat(zeros)),
        2 => format!("0x{}{number:x}", "0".repeat(zeros)),
        _ => format!("0X{}{number:X}", "0".repeat(zeros)),
    });
    digits.collect::<Vec<_>>().join(".")
}

proptest! {
    #[test]
    fn nothing_special_is_allowed_without_allow(address in any_address()) {
        prop_assert_eq!(Policy::default().check(address).is_ok(), TABLE.is_public(address));
    }

    #[test]
    fn allow_opens_exactly_what_it_says(
        centre in any_address(), lengths in prop::collection::vec(any::<u8>(), 0..3), other in any_address(),
        flipped in 0..128_u32,
    ) {
        let allow: Vec<IpNet> =
            lengths.iter().map(|length| around(centre.to_canonical(), *length)).collect();
        let policy = Policy::new(allow.clone(), vec![587]);
        // One bit beside the centre is where the edge of a network is.
        let near = match centre {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() ^ 1 << (flipped % 32)).into(),
            IpAddr::V6(address) => IpAddr::from(std::net::Ipv6Addr::from_bits(address.to_bits() ^ 1 << flipped)),
        };
        for address in [centre, near, other] {
            let may = may_be_dialled(address, &allow);
            prop_assert_eq!(policy.check(address).is_ok(), may, "{}", address);
            let named = |port| policy.check_user_supplied(SocketAddr::new(address, port)).is_ok();
            prop_assert_eq!(named(587), may, "{}", address);
            let listed = allow.iter().any(|network| network.contains(&address.to_canonical()));
            prop_assert!(!named(22) || may && listed, "{}", address);
            prop_assert!(policy.check_plain_http(address).is_err() || may && listed, "{}", address);
        }
    }

    #[test]
    fn notation_does_not_matter(
        address in any::<u32>(), special in any_address(), parts in 1..5_usize, radix in any::<[u8; 4]>(),
        zeros in 0..3_usize, dot in any::<bool>(),
    ) {
        for address in [Ipv4Addr::from(address).into(), special] {
            let plain = address.to_string();
            let texts = match address {
                IpAddr::V4(v4) => vec![
                    format!("{}{}", written(v4.to_bits(), parts, radix, zeros), if dot { "." } else { "" }),
                    format!("::ffff:{v4}"),
                    format!("[{}]", v4.to_ipv6_mapped()),
                    plain.replace('.', "\u{3002}"),
                ],
                IpAddr::V6(v6) => vec![
                    format!("[{v6}]"),
                    format!("{v6}%eth0"),
                    v6.segments().map(|segment| format!("{segment:04X}")).join(":"),
                ],
            };
            let judged = RUNTIME.block_on(dial(&STRICT, &plain, FORBIDDEN_PORT));
            let expected = if TABLE.is_public(address) { "port" } else { "host" };
            prop_assert_eq!(&judged, &at(Cause::DestinationForbidden, expected), "{}", plain);
            for text in texts {
                let same = RUNTIME.block_on(dial(&STRICT, &text, FORBIDDEN_PORT));
                prop_assert_eq!(&same, &judged, "{} as {}", plain, text);
            }
        }
    }

    /// Whatever a text may be, no text leads to a forbidden address: at the most it is a name, or refused.
    #[test]
    fn no_text_reaches_a_forbidden_address(text in r"(?:[0-9a-fA-FxX.:%\[\]/@\\]|\PC|127|::|\t){0,24}") {
        let judged = RUNTIME.block_on(dial(&STRICT, &text, FORBIDDEN_PORT));
        prop_assert!(judged.is_err(), "{}", text);
    }
}

#[test]
fn a_remark_of_the_egress_policy_names_no_address() {
    let names = Names::answering(&[&[SocketAddr::from(([10, 0, 0, 1], 0))]]);
    let environment = environment(&Policy::default(), &names, "https://host.example").unwrap();
    let asker = environment.context(&BUILT_IN, Uuid::nil());
    let failure: Failure = RUNTIME.block_on(asker.get([""]).send()).unwrap_err();
    assert!(!format!("{failure:?} {failure}").contains("10.0.0.1"));
}
