//! The configuration: a TOML file, overridden key by key by environment variables.
//!
//! Both are first taken apart into entries, a path of keys and a value each, and judged in one place. Whatever is
//! wrong is found in one go. Values that may be secret are never printed.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bonafide_core::egress::{MAIL_PORTS, Policy};
use bonafide_core::host::{
    ConfiguredBaseUrl, Environment, EnvironmentBuilder, EnvironmentError, ProviderConfig,
};
use bonafide_core::{Descriptor, ProviderLimits};
use bonafide_registry::Registry;
use ipnet::IpNet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

const PREFIX: &str = "BONAFIDE_";
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
const MAX_TIMEOUT: Duration = Duration::from_mins(5);
/// Each has two sockets at most, one to the client and one to a provider. No process has that many descriptors.
const MAX_CONNECTIONS: usize = 1_000_000;
/// More would not fit into the buffer that a connection may have.
const MAX_HEAD: usize = 256 * 1024;
const MAX_HEADERS: usize = 1000;
/// How alike two names must be for one to be the other's misspelling.
const ALIKE: f64 = 0.8;

/// What the process runs with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// Where metrics are served to whoever asks, if anywhere.
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) limits: Limits,
    pub(crate) rate_limit: RateLimit,
    egress: Egress,
    providers: BTreeMap<&'static str, ProviderConfig>,
    provider_limits: BTreeMap<&'static str, GivenLimits>,
    origins: HashMap<String, Origin>,
}

/// The limits of a provider that are configured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct GivenLimits {
    max_concurrent: Option<u32>,
    max_per_second: Option<u32>,
}

/// Who may ask, and the digest of the token that proves it.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) id: Arc<str>,
    pub(crate) token_sha256: [u8; 32],
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How much of the server one client may take: connections, room and time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// How many connections may be open.
    pub(crate) connections: usize,
    /// The longest head of a request, the request line and all headers together.
    pub(crate) head_bytes: usize,
    /// How many headers a request may have.
    pub(crate) headers: usize,
    /// How long a head may take to arrive.
    pub(crate) head_timeout: Duration,
    /// How long a body may take to arrive after its head.
    pub(crate) body_timeout: Duration,
    /// How long the client may take to receive an answer and to begin the next request.
    pub(crate) idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_bytes: 16 * 1024,
            headers: 100,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            // Load balancers keep idle connections for a minute and must not find them closed.
            idle_timeout: Duration::from_secs(75),
        }
    }
}

/// How often one account may ask; 0 stands for no such limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RateLimit {
    pub(crate) per_second: u32,
    pub(crate) per_minute: u32,
    pub(crate) store: Store,
}

/// Where the counters of the rate limit are kept.
#[derive(Clone, PartialEq)]
pub(crate) enum Store {
    Memory,
    Redis(Url),
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Memory => "Memory",
            Self::Redis(_) => "Redis([withheld])",
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Egress {
    allow: Vec<IpNet>,
    ports: Vec<u16>,
    extra_ca: Vec<u8>,
}

/// A configuration that stops the start. It names every key that is at fault, and where it stands.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(Vec<String>);

/// The text of a configuration file, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct File {
    name: Option<PathBuf>,
    text: String,
}

impl File {
    /// A file that exists only as text. Relative paths in it start at the working directory.
    pub(crate) fn inline(text: &str) -> Self {
        Self { name: None, text: text.to_owned() }
    }

    pub(crate) fn open(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(vec![format!(
                "the configuration file cannot be read: `{}`: {error}",
                path.display()
            )])
        })?;
        Ok(Self { name: Some(path.to_owned()), text })
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        Origin::File { name: self.name.clone(), line: before.matches('\n').count() + 1 }
    }
}

/// Every variable of the process that is meant for Bonafide. A value that is not UTF-8 is none that any key takes.
pub(crate) fn variables() -> Vec<(String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// Where a value stands.
#[derive(Clone, Debug)]
enum Origin {
    File { name: Option<PathBuf>, line: usize },
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name: Some(name), line } => {
                write!(formatter, "`{}`, line {line}", name.display())
            }
            Self::File { name: None, line } => write!(formatter, "line {line}"),
            Self::Variable(name) => write!(formatter, "the environment variable `{name}`"),
        }
    }
}

/// One value and the way to it.
struct Entry {
    path: Vec<String>,
    value: Given,
    origin: Origin,
}

enum Given {
    /// From a variable: read as whatever the key needs.
    Raw(String),
    Toml(toml::Value),
    /// A table without a key in it.
    EmptyTable,
}

impl Entry {
    /// The path as people write it: `providers.twilio.base_url`, `accounts[0].id`.
    fn key(&self) -> String {
        let mut key = String::new();
        for step in &self.path {
            let is_index = step.parse::<usize>().is_ok();
            let (before, after) = match (is_index, key.is_empty()) {
                (true, _) => ("[", "]"),
                (false, true) => ("", ""),
                (false, false) => (".", ""),
            };
            key.extend([before, step, after]);
        }
        key
    }

    /// A list of accounts in one variable replaces the file's list, whichever is longer.
    fn overrides(&self, earlier: &Self) -> bool {
        let is_list = matches!(&self.origin, Origin::Variable(name) if name == "BONAFIDE_ACCOUNTS");
        self.path == earlier.path || (is_list && self.path.first() == earlier.path.first())
    }

    fn text(&self) -> Result<&str, String> {
        match &self.value {
            Given::Raw(text) | Given::Toml(toml::Value::String(text)) => Ok(text),
            _ => Err("it must be a string".to_owned()),
        }
    }

    /// An address to listen on, such as `example`.
    fn address(&self, example: &str) -> Result<SocketAddr, String> {
        self.text()?
            .parse()
            .map_err(|_| format!("it must be an address and a port, such as `{example}`"))
    }

    fn number(&self) -> Result<u32, String> {
        let number = match &self.value {
            Given::Raw(text) => text.trim().parse().ok(),
            Given::Toml(toml::Value::Integer(number)) => u32::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| format!("it must be a whole number from 0 to {}", u32::MAX))
    }

    /// A number between these two.
    fn number_within(&self, least: usize, most: usize) -> Result<usize, String> {
        self.number()
            .ok()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("it must be a whole number from {least} to {most}"))
    }

    fn duration(&self) -> Result<Duration, String> {
        humantime::parse_duration(self.text()?)
            .ok()
            .filter(|duration| (MIN_TIMEOUT..=MAX_TIMEOUT).contains(duration))
            .ok_or_else(|| "it must be a duration from `100ms` to `5m`, such as `15s`".to_owned())
    }

    /// A list; from a variable a TOML array, or items between commas.
    fn list<T>(
        &self,
        item: impl Fn(&toml::Value) -> Option<T>,
        what: &str,
    ) -> Result<Vec<T>, String> {
        let items = match &self.value {
            Given::Toml(toml::Value::Array(items)) => Some(items.clone()),
            Given::Raw(text) if text.trim_start().starts_with('[') => {
                array(text).and_then(|array| toml::Value::try_from(array).ok()?.as_array().cloned())
            }
            Given::Raw(text) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| toml::Value::String(item.to_owned()))
                    .collect(),
            ),
            _ => None,
        };
        let items: Option<Vec<T>> = items.and_then(|items| items.iter().map(item).collect());
        items.ok_or_else(|| format!("it must be a list of {what}"))
    }
}

fn array(text: &str) -> Option<toml::Value> {
    toml::from_str::<toml::Table>(&format!("value = {text}")).ok()?.remove("value")
}

fn port(value: &toml::Value) -> Option<u16> {
    match value {
        toml::Value::Integer(number) => u16::try_from(*number).ok(),
        toml::Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .filter(|port| *port > 0)
}

/// Takes a value out of its spans. Integers of any base are what TOML says they are.
fn plain(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| toml::Value::String(String::new()), toml::Value::Integer),
        DeValue::Float(number) => toml::Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => toml::Value::Boolean(*value),
        DeValue::Datetime(value) => toml::Value::Datetime(*value),
        DeValue::Array(items) => {
            toml::Value::Array(items.iter().map(|item| plain(item.get_ref())).collect())
        }
        DeValue::Table(table) => toml::Value::Table(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref())))
                .collect(),
        ),
    }
}

/// Takes a table apart, arrays of tables too.
fn flatten(
    table: &DeTable<'_>,
    path: &[String],
    origin: &dyn Fn(usize) -> Origin,
    entries: &mut Vec<Entry>,
) {
    for (key, value) in table {
        let path = [path, &[key.get_ref().to_string()]].concat();
        flatten_value(value, path, key.span().start, origin, entries);
    }
}

fn flatten_value(
    value: &Spanned<DeValue<'_>>,
    path: Vec<String>,
    offset: usize,
    origin: &dyn Fn(usize) -> Origin,
    entries: &mut Vec<Entry>,
) {
    match value.get_ref() {
        DeValue::Table(table) if table.is_empty() => {
            entries.push(Entry { path, value: Given::EmptyTable, origin: origin(offset) });
        }
        DeValue::Table(table) => flatten(table, &path, origin, entries),
        DeValue::Array(items)
            if !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()) =>
        {
            for (index, item) in items.iter().enumerate() {
                let path = [&path[..], &[index.to_string()]].concat();
                flatten_value(item, path, item.span().start, origin, entries);
            }
        }
        other => {
            entries.push(Entry { path, value: Given::Toml(plain(other)), origin: origin(offset) });
        }
    }
}

impl Config {
    /// Puts the file and the variables together and judges the whole.
    pub(crate) fn read(
        registry: &Registry,
        file: Option<File>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut entries = Vec::new();
        let mut folder = PathBuf::new();
        if let Some(file) = file {
            // The error of `toml` prints the line, which may hold a secret; its message alone does not.
            let table = DeTable::parse(&file.text).map_err(|error| {
                let origin = file.origin(error.span().map_or(0, |span| span.start));
                ConfigError(vec![format!(
                    "the configuration is not valid TOML: {}, at {origin}",
                    error.message()
                )])
            })?;
            flatten(table.get_ref(), &[], &|offset| file.origin(offset), &mut entries);
            folder =
                file.name.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
        }
        let mut reader = Reader::new(registry, folder);
        let mut variables: Vec<(String, String)> =
            variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        variables.sort();
        for (name, value) in variables {
            let given = reader.of_variable(name, value);
            entries.retain(|earlier| !given.iter().any(|entry| entry.overrides(earlier)));
            entries.extend(given);
        }
        for entry in &entries {
            if let Err(reason) = reader.take(entry) {
                reader.problems.push(reason);
            }
        }
        reader.finish()
    }

    /// The environment in which checks run.
    pub(crate) fn environment(&self, registry: &Registry) -> Result<Environment, ConfigError> {
        let mut builder = Environment::builder()
            .with_policy(Policy::new(self.egress.allow.clone(), self.egress.ports.clone()))
            .with_extra_ca(self.egress.extra_ca.clone());
        for descriptor in registry.descriptors() {
            if let Some(config) = self.providers.get(descriptor.name) {
                builder = builder.with_provider(descriptor, config.clone());
            }
        }
        self.build(builder)
    }

    /// Builds an environment, and says where the key stands that keeps it from being built.
    pub(crate) fn build(&self, builder: EnvironmentBuilder) -> Result<Environment, ConfigError> {
        builder.build().map_err(|error| {
            let key = match &error {
                EnvironmentError::BaseUrl { provider, key, .. } => {
                    format!("providers.{provider}.{key}")
                }
                _ => "egress.extra_ca".to_owned(),
            };
            ConfigError(vec![match self.origins.get(&key) {
                Some(origin) => format!("{error} ({origin})"),
                None => error.to_string(),
            }])
        })
    }

    /// The tables and keys that differ, accounts apart.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("listen", self.listen != other.listen),
            ("metrics", self.metrics_listen != other.metrics_listen),
            ("limits", self.limits != other.limits),
            ("rate_limit", self.rate_limit != other.rate_limit),
            ("egress", self.egress != other.egress),
            (
                "providers",
                (&self.providers, &self.provider_limits)
                    != (&other.providers, &other.provider_limits),
            ),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }

    /// How a provider is asked.
    pub(crate) fn provider(&self, descriptor: &Descriptor) -> Option<&ProviderConfig> {
        self.providers.get(descriptor.name)
    }

    /// How much a provider may be asked: what is configured, and else what holds for the provider's own hosts.
    /// In the sandbox there are none of those.
    pub(crate) fn provider_limits(
        &self,
        descriptor: &Descriptor,
        is_sandbox: bool,
    ) -> ProviderLimits {
        let configured = self.provider(descriptor).map(|config| config.base_urls.as_slice());
        let own = ProviderConfig::of(descriptor).map(|own| own.base_urls).unwrap_or_default();
        let is_own = |url: &Url| {
            own.iter().flat_map(ConfiguredBaseUrl::urls).any(|own| own.host() == url.host())
        };
        let is_asked = !is_sandbox
            && configured.unwrap_or_default().iter().flat_map(ConfiguredBaseUrl::urls).any(is_own);
        let default = if is_asked { descriptor.limits() } else { ProviderLimits::NONE };
        let given = self.provider_limits.get(descriptor.name).copied().unwrap_or_default();
        let limits = given.max_concurrent.map_or(default, |max| default.with_max_concurrent(max));
        given.max_per_second.map_or(limits, |max| limits.with_max_per_second(max))
    }

    /// The longest that any check may take.
    pub(crate) fn longest_timeout(&self) -> Duration {
        self.providers.values().map(|config| config.timeout).max().unwrap_or_default()
    }
}

/// Judges entries one by one.
struct Reader<'a> {
    registry: &'a Registry,
    folder: PathBuf,
    listen: SocketAddr,
    metrics_listen: Option<SocketAddr>,
    limits: Limits,
    accounts: BTreeMap<usize, PartialAccount>,
    rate_limit: RateLimit,
    egress: Egress,
    providers: BTreeMap<&'static str, ProviderConfig>,
    provider_limits: BTreeMap<&'static str, GivenLimits>,
    origins: HashMap<String, Origin>,
    problems: Vec<String>,
}

#[derive(Default)]
struct PartialAccount {
    id: Option<Arc<str>>,
    token_sha256: Option<[u8; 32]>,
    origin: Option<Origin>,
}

impl<'a> Reader<'a> {
    fn new(registry: &'a Registry, folder: PathBuf) -> Self {
        let mut providers = BTreeMap::new();
        let mut problems = Vec::new();
        for descriptor in registry.descriptors() {
            match ProviderConfig::of(descriptor) {
                Ok(config) => {
                    providers.insert(descriptor.name, config);
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        Self {
            registry,
            folder,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            metrics_listen: None,
            limits: Limits::default(),
            accounts: BTreeMap::new(),
            rate_limit: RateLimit { per_second: 10, per_minute: 150, store: Store::Memory },
            egress: Egress { allow: Vec::new(), ports: MAIL_PORTS.to_vec(), extra_ca: Vec::new() },
            providers,
            provider_limits: BTreeMap::new(),
            origins: HashMap::new(),
            problems,
        }
    }

    /// The entries that a variable stands for.
    fn of_variable(&mut self, name: String, value: String) -> Vec<Entry> {
        let path = name.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
        let mut path: Vec<String> = path.split("__").map(str::to_owned).collect();
        if let [first, provider, ..] = path.as_mut_slice()
            && first == "providers"
            && let Some(known) =
                self.providers.keys().find(|known| known.replace('-', "_") == *provider)
        {
            // A variable's name cannot hold a hyphen.
            (*known).clone_into(provider);
        }
        let origin = Origin::Variable(name);
        if path == ["accounts"] {
            let text = format!("accounts = {value}");
            let mut entries = Vec::new();
            match DeTable::parse(&text) {
                Ok(table) => flatten(table.get_ref(), &[], &|_| origin.clone(), &mut entries),
                Err(_) => self.problems.push(format!(
                    "`accounts` cannot be used: it must be a TOML array of tables with `id` and `token_sha256` ({origin})"
                )),
            }
            return entries;
        }
        vec![Entry { path, value: Given::Raw(value), origin }]
    }

    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        let key = entry.key();
        let origin = &entry.origin;
        self.origins.insert(key.clone(), origin.clone());
        let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
        let result = match path.as_slice() {
            ["listen"] => entry.address("127.0.0.1:8080").map(|address| self.listen = address),
            ["metrics", "listen"] => {
                entry.address("127.0.0.1:9464").map(|address| self.metrics_listen = Some(address))
            }
            ["accounts", index, rest @ ..] if index.parse::<usize>().is_ok() => {
                match self.take_account(index.parse().unwrap_or_default(), rest, entry) {
                    Some(result) => result,
                    None => return Err(self.unknown(entry)),
                }
            }
            ["accounts", ..] => match &entry.value {
                Given::Toml(toml::Value::Array(items)) if items.is_empty() => Ok(()),
                _ => Err("each account is a table of its own, headed `[[accounts]]`".to_owned()),
            },
            ["limits", key] => match self.take_limit(key, entry) {
                Some(result) => result,
                None => return Err(self.unknown(entry)),
            },
            ["rate_limit", "per_second"] => {
                entry.number().map(|number| self.rate_limit.per_second = number)
            }
            ["rate_limit", "per_minute"] => {
                entry.number().map(|number| self.rate_limit.per_minute = number)
            }
            ["rate_limit", "store"] => {
                entry.text().and_then(parse_store).map(|store| self.rate_limit.store = store)
            }
            ["egress", "allow"] => entry
                .list(|item| item.as_str()?.parse().ok(), "networks, such as `10.0.0.0/8`")
                .map(|allow| self.egress.allow = allow),
            ["egress", "ports"] => {
                entry.list(port, "port numbers").map(|ports| self.egress.ports = ports)
            }
            ["egress", "extra_ca"] => entry.text().and_then(|path| {
                let folder = match origin {
                    Origin::File { .. } => self.folder.as_path(),
                    Origin::Variable(_) => Path::new(""),
                };
                let path = folder.join(path);
                self.egress.extra_ca = std::fs::read(&path)
                    .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
                Ok(())
            }),
            ["providers", name, rest @ ..] => {
                let known = self.registry.descriptors();
                match known.into_iter().find(|descriptor| descriptor.name == *name) {
                    Some(descriptor) => match (rest, &entry.value) {
                        ([], Given::EmptyTable) => Ok(()),
                        ([key], _) => match self.take_provider(descriptor, key, entry) {
                            Some(result) => result,
                            None => return Err(self.unknown(entry)),
                        },
                        _ => return Err(self.unknown(entry)),
                    },
                    None => return Err(self.unknown(entry)),
                }
            }
            ["limits" | "metrics" | "rate_limit" | "egress" | "providers"]
                if matches!(entry.value, Given::EmptyTable) =>
            {
                Ok(())
            }
            _ => return Err(self.unknown(entry)),
        };
        result.map_err(|reason| format!("`{key}` cannot be used: {reason} ({origin})"))
    }

    /// `None` for a key that no account has.
    fn take_account(
        &mut self,
        index: usize,
        keys: &[&str],
        entry: &Entry,
    ) -> Option<Result<(), String>> {
        let account = self.accounts.entry(index).or_default();
        account.origin.get_or_insert_with(|| entry.origin.clone());
        match keys {
            ["id"] => Some(entry.text().and_then(|id| {
                if id.is_empty() {
                    return Err("it must not be empty".to_owned());
                }
                account.id = Some(id.into());
                Ok(())
            })),
            ["token_sha256"] => Some(entry.text().and_then(|digest| {
                let digest = parse_digest(digest);
                account.token_sha256 = Some(
                    digest
                        .ok_or("it must be the SHA-256 of the token in 64 lower-case hex digits")?,
                );
                Ok(())
            })),
            [] if matches!(entry.value, Given::EmptyTable) => Some(Ok(())),
            _ => None,
        }
    }

    /// `None` for a key that is no limit.
    fn take_limit(&mut self, key: &str, entry: &Entry) -> Option<Result<(), String>> {
        let limits = &mut self.limits;
        Some(match key {
            "connections" => {
                entry.number_within(1, MAX_CONNECTIONS).map(|number| limits.connections = number)
            }
            "head_bytes" => {
                entry.number_within(1024, MAX_HEAD).map(|number| limits.head_bytes = number)
            }
            "headers" => entry.number_within(10, MAX_HEADERS).map(|number| limits.headers = number),
            "head_timeout" => entry.duration().map(|duration| limits.head_timeout = duration),
            "body_timeout" => entry.duration().map(|duration| limits.body_timeout = duration),
            "idle_timeout" => entry.duration().map(|duration| limits.idle_timeout = duration),
            _ => return None,
        })
    }

    /// `None` for a key that this provider does not have.
    fn take_provider(
        &mut self,
        descriptor: &'static Descriptor,
        key: &str,
        entry: &Entry,
    ) -> Option<Result<(), String>> {
        let config = self.providers.get_mut(descriptor.name)?;
        let user_supplied_host = descriptor.has_user_supplied_host();
        let limits = self.provider_limits.entry(descriptor.name).or_default();
        match key {
            "timeout" => return Some(entry.duration().map(|timeout| config.timeout = timeout)),
            "max_concurrent" => {
                return Some(entry.number().map(|number| limits.max_concurrent = Some(number)));
            }
            "max_per_second" => {
                return Some(entry.number().map(|number| limits.max_per_second = Some(number)));
            }
            _ => {}
        }
        if key == "implicit_tls_ports" && user_supplied_host {
            let ports = entry.list(port, "port numbers");
            return Some(ports.map(|ports| config.implicit_tls_ports = ports));
        }
        let region = descriptor.base_urls().iter().position(|base_url| base_url.key == key)?;
        let slot = config.base_urls.get_mut(region)?;
        Some(entry.text().and_then(|text| {
            let url = Url::parse(text)
                .map_err(|_| "it must be a URL, such as `https://api.example.com`")?;
            *slot = url.into();
            Ok(())
        }))
    }

    /// Says that nobody knows a key, and which known one is like it.
    fn unknown(&self, entry: &Entry) -> String {
        let (key, origin) = (entry.key(), &entry.origin);
        if let Origin::Variable(name) = origin
            && (name.contains("_SERVICE_") || name.contains("_PORT"))
            && entry.path.len() == 1
        {
            return format!(
                "`{key}` is not a configuration key ({origin}). Kubernetes sets such variables for a Service named \
                 `bonafide`: set `enableServiceLinks: false` on the pod, or give the Service another name"
            );
        }
        let mut known = self.known_keys();
        known.extend(self.accounts.keys().flat_map(|index| {
            ["id", "token_sha256"].map(|key| format!("accounts[{index}].{key}"))
        }));
        if known.iter().any(|known| known.starts_with(&format!("{key}."))) {
            return format!("`{key}` cannot be used: it must be a table ({origin})");
        }
        if let [first, name, ..] = entry.path.as_slice()
            && first == "providers"
            && !self.providers.contains_key(name.as_str())
        {
            let linked: Vec<&str> = self.providers.keys().copied().collect();
            let hint = match nearest(name, &linked) {
                Some(near) => format!("Did you mean `providers.{near}`?"),
                None => format!("Linked providers: `{}`.", linked.join("`, `")),
            };
            return format!("`providers.{name}` is not a linked provider ({origin}). {hint}");
        }
        format!("`{key}` is not a configuration key ({origin}).{}", hint(&key, &known))
    }

    /// Every key beside those of accounts, whose number is open.
    fn known_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = [
            "listen",
            "accounts",
            "limits.connections",
            "limits.head_bytes",
            "limits.headers",
            "limits.head_timeout",
            "limits.body_timeout",
            "limits.idle_timeout",
            "metrics.listen",
            "rate_limit.per_second",
            "rate_limit.per_minute",
            "rate_limit.store",
            "egress.allow",
            "egress.ports",
            "egress.extra_ca",
        ]
        .map(str::to_owned)
        .into();
        for descriptor in self.registry.descriptors() {
            let name = descriptor.name;
            keys.extend(
                ["timeout", "max_concurrent", "max_per_second"]
                    .map(|key| format!("providers.{name}.{key}")),
            );
            let base_urls = descriptor.base_urls().iter();
            keys.extend(base_urls.map(|base_url| format!("providers.{name}.{}", base_url.key)));
            if descriptor.has_user_supplied_host() {
                keys.push(format!("providers.{name}.implicit_tls_ports"));
            }
        }
        keys
    }

    fn finish(mut self) -> Result<Config, ConfigError> {
        let mut accounts: Vec<(usize, Account)> = Vec::new();
        for (index, partial) in std::mem::take(&mut self.accounts) {
            let origin =
                partial.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
            let given = |key: &str| self.origins.contains_key(&format!("accounts[{index}].{key}"));
            for (key, missing) in
                [("id", partial.id.is_none()), ("token_sha256", partial.token_sha256.is_none())]
            {
                if missing && !given(key) {
                    self.problems.push(format!("`accounts[{index}].{key}` is missing{origin}"));
                }
            }
            let same = |key: &str, other: usize| {
                format!(
                    "`accounts[{index}].{key}` is the same as `accounts[{other}].{key}`: give each account one of its own{origin}"
                )
            };
            if let Some(id) = &partial.id
                && let Some((other, _)) = accounts.iter().find(|(_, account)| account.id == *id)
            {
                self.problems.push(same("id", *other));
            }
            if let Some(token) = &partial.token_sha256
                && let Some((other, _)) =
                    accounts.iter().find(|(_, account)| account.token_sha256 == *token)
            {
                self.problems.push(same("token_sha256", *other));
            }
            if let (Some(id), Some(token_sha256)) = (partial.id, partial.token_sha256) {
                accounts.push((index, Account { id, token_sha256 }));
            }
        }
        if !self.problems.is_empty() {
            return Err(ConfigError(self.problems));
        }
        Ok(Config {
            listen: self.listen,
            metrics_listen: self.metrics_listen,
            accounts: accounts.into_iter().map(|(_, account)| account).collect(),
            limits: self.limits,
            rate_limit: self.rate_limit,
            egress: self.egress,
            providers: self.providers,
            provider_limits: self.provider_limits,
            origins: self.origins,
        })
    }
}

/// Goes down the way of a key as far as it is known, and says what there is instead of the first unknown step.
fn hint(key: &str, known: &[String]) -> String {
    let mut way = String::new();
    for step in key.split('.') {
        let mut here: Vec<&str> = known
            .iter()
            .filter_map(|known| known.strip_prefix(way.as_str())?.split('.').next())
            .collect();
        here.dedup();
        if !here.contains(&step) {
            return match nearest(step, &here) {
                Some(near) => format!(" Did you mean `{way}{near}`?"),
                None if here.is_empty() => String::new(),
                None => format!(" Known there: `{}`.", here.join("`, `")),
            };
        }
        way.extend([step, "."]);
    }
    String::new()
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), *known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 64 || !text.bytes().all(is_digit) {
        return None;
    }
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn parse_store(text: &str) -> Result<Store, String> {
    if text == "memory" {
        return Ok(Store::Memory);
    }
    match Url::parse(text) {
        Ok(url) if url.scheme() == "rediss" => {
            Err("Redis over TLS is not supported: use `redis://`, through a tunnel where the network is not trusted".to_owned())
        }
        Ok(url) if url.scheme() == "redis" && url.has_host() => Ok(Store::Redis(url)),
        _ => Err("it must be `memory` or `redis://host:port/db`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// `max_concurrent` and `max_per_second` of a provider, outside the sandbox and in it.
    fn limits(name: &str, file: &str) -> [(u32, u32); 2] {
        let registry = Registry::collect(include_str!("../Cargo.toml")).unwrap();
        let config = Config::read(&registry, Some(File::inline(file)), []).unwrap();
        let descriptor = registry.descriptors().find(|descriptor| descriptor.name == name).unwrap();
        [false, true].map(|is_sandbox| {
            let limits = config.provider_limits(descriptor, is_sandbox);
            [limits.max_concurrent, limits.max_per_second]
                .map(|limit| limit.map_or(0, NonZeroU32::get))
                .into()
        })
    }

    #[test]
    fn documented_limits_hold_for_the_providers_own_hosts_and_configured_ones_everywhere() {
        for (name, expected) in
            [("mailgun", (100, 5)), ("twilio", (100, 0)), ("mitto", (100, 0)), ("smtp", (0, 0))]
        {
            assert_eq!(limits(name, ""), [expected, (0, 0)], "{name}");
        }
        let elsewhere = "[providers.twilio]\nbase_url = \"https://proxy.example.com\"\n";
        assert_eq!(limits("twilio", elsewhere), [(0, 0); 2]);
        let given = elsewhere.to_owned() + "max_per_second = 7\n";
        assert_eq!(limits("twilio", &given), [(0, 7); 2]);
        let none = "[providers.mailgun]\nmax_concurrent = 0\nmax_per_second = 0\n";
        assert_eq!(limits("mailgun", none), [(0, 0); 2]);
        assert_eq!(limits("smtp", "[providers.smtp]\nmax_concurrent = 9\n"), [(9, 0); 2]);
    }
}
