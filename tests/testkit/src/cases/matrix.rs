use std::io::Write as _;
use std::time::{Duration, Instant};

use bonafide_core::exchange::{Answered, Exchange};
use bonafide_core::{Descriptor, Environment, Failure, Outcome, ProviderValidator};
use bonafide_emulator::{Authority, Emulator};
use futures_util::future::join_all;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::Url;

use super::Findings;
use super::documented::{absent_from_logs, compare, describe};
use super::misbehaviour::{GRACE, is_built_in};
use super::named_by_settings::{HOST_FIELDS, begins_in_clear};
use crate::faults::{self, Expected, Fault, Peer, Scene};
use crate::faulty::answer;
use crate::play::{Nobody, Way, block_on, check, exchanges, first_valid, play};
use crate::{Act, Faulty, Logs, Secrets, texts_of};

/// Fewer cells would prove too little.
const FEWEST_CELLS: usize = 45;
/// The timeout of what is meant to run into it.
const STALL: Duration = Duration::from_millis(500);
/// The timeout of everything else, which ends by itself long before, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);
/// The commands after which a message could leave.
const SENDS: [&str; 4] = ["MAIL", "RCPT", "DATA", "BDAT"];
/// A name that nobody can have: RFC 6761, section 6.4.
const NO_SUCH_HOST: &str = "no-such-host.invalid";

/// The verdict matrix: each documented exchange leads to the verdict that it documents, and each fault of the kit's
/// table to the verdict that the table has for it, or the provider where it `differs`.
///
/// In every cell no text and no log line holds a secret, nothing is asked that the descriptor does not allow, and a mail
/// server is told nothing that could send a message. It prints one line with the number of cells.
pub fn the_verdict_matrix_holds(
    validator: &'static dyn ProviderValidator,
    differs: &[(&str, &str)],
) -> Result<(), String> {
    let logs = Logs::capture();
    let mut matrix = Matrix { validator, cells: 0, wrong: 0, findings: Findings::default() };
    let mut secrets = Secrets::default();
    block_on(async {
        matrix.play_exchanges(&mut secrets).await?;
        matrix.play_faults(differs, &mut secrets).await
    })?;
    let logs = logs.text();
    matrix.findings.require(logs.contains("the emulator is up"), || {
        "the logs could not be captured: no other subscriber may be set in this test".to_owned()
    });
    matrix.findings.absorb(absent_from_logs(&secrets, &logs));
    matrix.conclude()
}

struct Matrix {
    validator: &'static dyn ProviderValidator,
    cells: usize,
    wrong: usize,
    findings: Findings,
}

impl Matrix {
    /// Adds a cell, with what is wrong about it.
    fn cell(&mut self, name: &str, wrong: Vec<String>) {
        self.cells += 1;
        self.wrong += usize::from(!wrong.is_empty());
        let provider = self.validator.descriptor().name;
        for finding in wrong {
            self.findings.add(format!("{provider}, cell `{name}`: {finding}"));
        }
    }

    fn conclude(mut self) -> Result<(), String> {
        let provider = self.validator.descriptor().name;
        self.findings.require(self.cells >= FEWEST_CELLS, || {
            format!("{provider} has {} cells of the {FEWEST_CELLS} that it needs: document more exchanges", self.cells)
        });
        if self.findings.0.is_empty() {
            // Past the macros, whose output the test harness keeps from whoever reads the run. One write, so that
            // nothing comes in between.
            let line = format!("{provider}: {} cells, all right\n", self.cells);
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
            return Ok(());
        }
        self.findings.add(format!("{provider}: {} cells, {} wrong", self.cells, self.wrong));
        self.findings.into_result()
    }

    async fn play_exchanges(&mut self, secrets: &mut Secrets) -> Result<(), String> {
        let validator = self.validator;
        let exchanges = exchanges(validator)?;
        let played = join_all(exchanges.iter().map(|exchange| play(validator, exchange))).await;
        for (exchange, played) in exchanges.iter().zip(played) {
            let played = played?;
            let mut wrong = Findings::default();
            wrong.absorb(compare(exchange, &played.result, &played.emulator));
            let of_this = Secrets::of(validator, &exchange.settings)?;
            judge_texts(&of_this, &played.result, &mut wrong);
            secrets.extend(of_this);
            let requests = played.emulator.requests();
            let requests = requests.iter().map(|one| (one.method.as_str(), one.path.as_str()));
            judge_requests(validator.descriptor(), requests, &mut wrong);
            let commands = played.emulator.commands();
            judge_commands(commands.iter().map(String::as_str), &mut wrong);
            self.cell(&exchange.name, wrong.0);
        }
        Ok(())
    }

    async fn play_faults(
        &mut self,
        differs: &[(&str, &str)],
        secrets: &mut Secrets,
    ) -> Result<(), String> {
        let authority = Authority::new().map_err(|error| error.to_string())?;
        let elsewhere = Faulty::answering(200, &[("content-type", "application/json")], "{}").await;
        let exchange = match begins_in_clear(self.validator)? {
            Some(exchange) => exchange,
            None => first_valid(self.validator)?,
        };
        let mut stage = Stage::new(self.validator, exchange, authority, elsewhere.url()).await?;
        self.findings.absorb(differ(&mut stage.faults, differs));
        secrets.extend(Secrets::of(self.validator, &stage.settings)?);
        let mut cells = Vec::new();
        for fault in &stage.faults {
            cells.push(Cell::new(&stage, fault).await?);
        }
        for (cell, wrong) in in_two_rounds(&cells, |cell| cell.play(&stage)).await {
            self.cell(&cell.fault.name, wrong);
        }
        self.findings.require(elsewhere.connections() == 0, || {
            "a redirect was followed: ask through `Context::get` and `Context::post` alone"
                .to_owned()
        });
        Ok(())
    }
}

/// Puts the verdicts of the provider in the place of the table's.
fn differ(faults: &mut [Fault], differs: &[(&str, &str)]) -> Result<(), String> {
    let mut findings = Findings::default();
    for (name, verdict) in differs {
        let Some(fault) = faults.iter_mut().find(|fault| fault.name == *name) else {
            findings.add(format!(
                "`differs` names `{name}`, but no fault is called so: the names are in `bonafide_testkit::faults`"
            ));
            continue;
        };
        match verdict.parse::<Expected>() {
            Ok(expected) if expected == fault.expected => findings.add(format!(
                "`differs` gives `{name}` the verdict that the table has for it: take it away"
            )),
            Ok(expected) => fault.expected = expected,
            Err(error) => findings.add(format!("`differs`, at `{name}`: {error}")),
        }
    }
    findings.into_result()
}

/// What goes wrong at a later request of a check is no rejection either.
///
/// The faults of the table are played at each request but the first of the first exchange that leads to a pass and asks
/// more than once. Either the request matters, and each fault has the verdict of the table, or it does not, and none
/// stands in the way of the pass.
pub fn a_later_request_that_goes_wrong_is_no_rejection(
    validator: &'static dyn ProviderValidator,
    differs: &[(&str, &str)],
) -> Result<(), String> {
    let first_region = validator.descriptor().base_urls().first().map(|base_url| base_url.key);
    let asks_more = exchanges(validator)?.into_iter().find(|exchange| {
        let mut regions = exchange.dialogue.iter().map(|step| step.region.as_deref());
        exchange.verdict.cause.is_none()
            && exchange.dialogue.len() > 1
            && regions.all(|region| region.is_none() || region == first_region)
    });
    let Some(exchange) = asks_more else { return Ok(()) };
    block_on(async {
        let authority = Authority::new().map_err(|error| error.to_string())?;
        let elsewhere = Faulty::answering(200, &[("content-type", "application/json")], "{}").await;
        let mut stage = Stage::new(validator, exchange.clone(), authority, elsewhere.url()).await?;
        // What is wrong with them is said by the matrix.
        drop(differ(&mut stage.faults, differs));
        let mut findings = Findings::default();
        for step in 1..exchange.dialogue.len() {
            findings.absorb(go_wrong_at(&stage, &exchange, step).await);
        }
        findings.require(elsewhere.connections() == 0, || {
            "a redirect was followed: ask through `Context::get` and `Context::post` alone"
                .to_owned()
        });
        findings.into_result()
    })
}

async fn go_wrong_at(stage: &Stage, exchange: &Exchange, step: usize) -> Result<(), String> {
    let before = exchange.dialogue.iter().take(step).map(|step| {
        let headers = [("content-type", "application/json")];
        vec![Act::Read, Act::Say(answer(step.answer.status, &headers, &body_of(&step.answer)))]
    });
    let before: Vec<Vec<Act>> = before.collect();
    let faults: Vec<Fault> = stage
        .faults
        .iter()
        .filter(|fault| !fault.tls && !fault.expected.is_pass())
        .filter_map(|fault| match &fault.peer {
            Peer::Plays(scripts) => {
                let peer = Peer::Plays([before.as_slice(), scripts.as_slice()].concat());
                Some(Fault { peer, ..fault.clone() })
            }
            Peer::Nobody | Peer::NoSuchHost => None,
        })
        .collect();
    let mut cells = Vec::new();
    for fault in &faults {
        cells.push(Cell::new(stage, fault).await?);
    }
    let mut findings = Findings::default();
    let (name, step) = (&exchange.name, step + 1);
    let mut passes = Vec::new();
    for (cell, (result, _)) in in_two_rounds(&cells, |cell| cell.check(stage)).await {
        let Fault { name: fault, what, expected, .. } = cell.fault;
        if result.is_ok() {
            passes.push(fault.as_str());
            continue;
        }
        findings.require(expected.meets(&result), || {
            format!(
                "exchange `{name}`, step {step}, cell `{fault}`: the server {what}, which must be `{expected}`, or a pass \
                 where the request does not decide, but the check says {}: end with `Answer::no_verdict` where the \
                 provider's own words decide nothing",
                describe(&result)
            )
        });
    }
    findings.require(passes.is_empty() || passes.len() == cells.len(), || {
        format!(
            "exchange `{name}`, step {step}: {} of {} faults leave it a pass, so the request decides sometimes; those are \
             {}: either let no failure of it stand in the way of the pass, or let none pass",
            passes.len(),
            cells.len(),
            passes.join(", ")
        )
    });
    findings.into_result()
}

/// The body of a documented answer, as it is sent.
fn body_of(answer: &Answered) -> Vec<u8> {
    let json = answer.body.as_ref().map(Value::to_string);
    json.or_else(|| answer.text.clone()).unwrap_or_default().into_bytes()
}

/// Where the faults are played.
struct Stage {
    validator: &'static dyn ProviderValidator,
    /// Settings that lead to a pass where nothing goes wrong.
    settings: Map<String, Value>,
    /// The name of the settings field with the host; empty where the provider has hosts of its own.
    host_field: &'static str,
    faults: Vec<Fault>,
    authority: Authority,
    emulator: Emulator,
    nobody: Nobody,
}

impl Stage {
    async fn new(
        validator: &'static dyn ProviderValidator,
        exchange: Exchange,
        authority: Authority,
        elsewhere: Url,
    ) -> Result<Self, String> {
        let error = |error: std::io::Error| error.to_string();
        let settings = exchange.settings.clone();
        let first = exchange.dialogue.first();
        let documented = first.map(|step| body_of(&step.answer)).unwrap_or_default();
        let emulator =
            Emulator::of_exchanges(validator.descriptor(), vec![exchange], &authority).await;
        let emulator = emulator.map_err(|error| error.to_string())?;
        let host_field = HOST_FIELDS
            .into_iter()
            .find(|field| !is_built_in(validator) && settings.contains_key(*field))
            .unwrap_or_default();
        let faults = if is_built_in(validator) {
            let url = emulator.base_urls().first().ok_or("the descriptor has no base URL")?;
            let address = url.socket_addrs(|| None).map_err(error)?;
            let emulator = address.into_iter().next().ok_or("the emulator has no address")?;
            faults::http(&Scene { documented, emulator, elsewhere })
        } else {
            faults::smtp()
        };
        let faults = faults.into_iter().map(|mut fault| {
            fault.expected = fault.expected.fill(host_field, "port");
            fault
        });
        Ok(Self {
            validator,
            settings,
            host_field,
            faults: faults.collect(),
            authority,
            emulator,
            nobody: Nobody::new()?,
        })
    }
}

/// One fault, ready to be played.
struct Cell<'a> {
    fault: &'a Fault,
    server: Option<Faulty>,
    environment: Environment,
    settings: Value,
}

impl<'a> Cell<'a> {
    async fn new(stage: &Stage, fault: &'a Fault) -> Result<Self, String> {
        let server = match &fault.peer {
            Peer::Plays(scripts) => {
                Some(Faulty::trusted_by(&stage.authority, scripts.clone()).await)
            }
            Peer::Nobody | Peer::NoSuchHost => None,
        };
        let address = server.as_ref().map_or(stage.nobody.address, Faulty::address);
        let scheme = if fault.tls { "https" } else { "http" };
        let url = match &fault.peer {
            Peer::NoSuchHost => format!("{scheme}://{NO_SUCH_HOST}"),
            Peer::Nobody | Peer::Plays(_) => format!("{scheme}://{address}"),
        };
        let url = Url::parse(&url).map_err(|error| error.to_string())?;
        let mut regions = vec![url; stage.validator.descriptor().base_urls().len()];
        if matches!(&fault.peer, Peer::Plays(scripts) if scripts.len() > 1) {
            // After its turn the provider is as it should be, and so are its other regions.
            for (region, url) in regions.iter_mut().zip(stage.emulator.base_urls()).skip(1) {
                region.clone_from(url);
            }
        }
        let mut settings = stage.settings.clone();
        if !stage.host_field.is_empty() {
            if fault.tls {
                settings.insert("port".to_owned(), "465".into());
            }
            if matches!(fault.peer, Peer::NoSuchHost) {
                settings.insert(stage.host_field.to_owned(), NO_SUCH_HOST.into());
            }
        }
        let way = Way {
            regions,
            route: (!matches!(fault.peer, Peer::NoSuchHost)).then_some(address),
            timeout: timeout_of(fault),
            extra_ca: stage.authority.pem(),
        };
        let environment = way.environment(stage.validator)?;
        Ok(Self { fault, server, environment, settings: Value::Object(settings) })
    }

    async fn check(&self, stage: &Stage) -> (Result<Outcome, Failure>, Duration) {
        let started = Instant::now();
        let result = check(stage.validator, &self.environment, self.settings.clone()).await;
        (result, started.elapsed())
    }

    /// What is wrong, if anything is.
    async fn play(&self, stage: &Stage) -> Vec<String> {
        let Fault { what, expected, .. } = self.fault;
        let mut wrong = Findings::default();
        let (result, took) = self.check(stage).await;
        wrong.require(expected.meets(&result), || {
            format!(
                "the server {what}, which must be `{expected}`, but the check says {}: conclude from the provider's own \
                 words alone, end with `Answer::no_verdict` where there are none, and pass on the failures of `Context` \
                 as they are; where the provider documents this verdict, say so with `differs: {{ \"{}\" => \"…\" }}`",
                describe(&result),
                self.fault.name,
            )
        });
        wrong.require(took < timeout_of(self.fault) + GRACE, || {
            format!(
                "the server {what}, and the check took {took:?}: do not block the thread, bound what is read, and wait \
                 for nothing outside of `Context`"
            )
        });
        match Secrets::of(stage.validator, &stage.settings) {
            Ok(secrets) => judge_texts(&secrets, &result, &mut wrong),
            Err(error) => wrong.add(error),
        }
        if let Some(server) = &self.server {
            let requests = server.requests();
            let requests = requests.iter().map(|one| (one.method.as_str(), one.path.as_str()));
            judge_requests(stage.validator.descriptor(), requests, &mut wrong);
            let commands = server.commands();
            judge_commands(commands.iter().map(|command| command.verb), &mut wrong);
            let in_clear = commands.iter().any(|one| one.verb == "AUTH" && !one.inside_tls);
            wrong.require(!in_clear, || {
                "the credentials are sent in clear: begin TLS before `AUTH`".to_owned()
            });
        }
        wrong.0
    }
}

/// Does something with all cells at once. Those that run into their deadline wait together, when the others are done, so
/// that nobody loses time to them.
async fn in_two_rounds<'a, 'b, F: Future>(
    cells: &'a [Cell<'b>],
    act: impl Fn(&'a Cell<'b>) -> F,
) -> Vec<(&'a Cell<'b>, F::Output)> {
    let mut done = Vec::new();
    for stalls in [false, true] {
        let round: Vec<_> = cells.iter().filter(|cell| cell.fault.stalls == stalls).collect();
        let outputs = join_all(round.iter().map(|cell| act(cell))).await;
        done.extend(round.into_iter().zip(outputs));
    }
    done
}

fn timeout_of(fault: &Fault) -> Duration {
    if fault.stalls { STALL } else { PATIENCE }
}

fn judge_texts(secrets: &Secrets, result: &Result<Outcome, Failure>, wrong: &mut Findings) {
    for (place, text) in texts_of(result) {
        wrong.absorb(secrets.absent_from(place, &text));
    }
}

/// The path may hold a secret, so it is not shown.
fn judge_requests<'a>(
    descriptor: &Descriptor,
    requests: impl Iterator<Item = (&'a str, &'a str)>,
    wrong: &mut Findings,
) {
    for (method, path) in requests {
        let path = path.trim_start_matches('/');
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let allowed = descriptor.requests.iter().any(|one| one.covers(method, &segments));
        wrong.require(allowed, || {
            format!(
                "a {method} was sent that the descriptor does not allow: ask through `Context::get` and `Context::post` \
                 alone"
            )
        });
    }
}

fn judge_commands<'a>(commands: impl Iterator<Item = &'a str>, wrong: &mut Findings) {
    for verb in commands.filter(|verb| SENDS.contains(verb)) {
        wrong.add(format!("the server was told `{verb}`: end the dialogue after the login"));
    }
}
