use std::io::Write as _;
use std::iter::{once, repeat};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bonafide_core::host::Environment;
use bonafide_core::interaction::{Interaction, ResponseStub, Step};
use bonafide_core::{Cause, Failure, Outcome, ProviderValidator};
use bonafide_emulator::{Authority, Emulator};
use futures_util::future::join_all;
use serde_json::{Map, Value};
use url::Url;

use super::compare::describe;
use super::isolated::{absent_from_logs, check_commands, check_requests, check_texts};
use super::user_supplied_host::{begins_in_clear, host_field_of};
use super::{Findings, GRACE};
use crate::faults::{self, Expected, Fault, Group, Peer, Scene};
use crate::faulty::answer;
use crate::replay::{
    ClosedPort, Way, address_of, block_on, check, first_valid, interactions, is_built_in,
};
use crate::{Faulty, Logs, ProviderUnderTest, Secrets, ServerAction};

/// How many servers stand ready at once, so that no process runs out of file descriptors.
const AT_ONCE: usize = 32;
/// The timeout of what is meant to run into it.
const STALL: Duration = Duration::from_millis(500);
/// The timeout of everything else, which ends by itself long before, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);
/// A name that nobody can have: RFC 6761, section 6.4.
const NO_SUCH_HOST: &str = "no-such-host.invalid";

/// The faults of one group, replayed.
pub(crate) struct Cells {
    replayed: usize,
    /// The names of the cells that something is wrong with.
    wrong: Vec<String>,
    findings: Vec<String>,
}

impl Cells {
    pub(crate) fn replay(
        validator: &'static dyn ProviderValidator,
        differs: &[(&str, &str)],
        group: Group,
    ) -> Result<Self, String> {
        let logs = Logs::capture();
        let mut cells = Self { replayed: 0, wrong: Vec::new(), findings: Vec::new() };
        let secrets = block_on(cells.play_faults(validator, differs, group))?;
        if cells.replayed > 0 {
            cells.findings.extend(absent_from_logs(&secrets, &logs.text()).err());
        }
        Ok(cells)
    }

    async fn play_faults(
        &mut self,
        validator: &'static dyn ProviderValidator,
        differs: &[(&str, &str)],
        group: Group,
    ) -> Result<Secrets, String> {
        let elsewhere = Faulty::answering(200, &[("content-type", "application/json")], "{}").await;
        let interaction = usual_interaction(validator)?;
        let mut stage = Stage::new(validator, interaction, elsewhere.url(), &[group]).await?;
        // What is wrong with them is said by the matrix as a whole.
        drop(differ(&mut stage.faults, differs));
        let mut cells = Vec::new();
        for fault in &stage.faults {
            cells.push(Cell::new(&stage, fault, false).await?);
        }
        for (cell, wrong) in in_two_rounds(&cells, |cell| cell.replay(&stage)).await {
            self.add(validator, &cell.fault.name, wrong);
        }
        self.findings.extend(never_asked(&elsewhere).err());
        Secrets::of(validator, &stage.settings)
    }

    fn add(&mut self, validator: &dyn ProviderValidator, name: &str, findings: Vec<String>) {
        self.replayed += 1;
        let provider = validator.descriptor().name;
        if !findings.is_empty() {
            self.wrong.push(name.to_owned());
        }
        let findings = findings.into_iter();
        self.findings
            .extend(findings.map(|finding| format!("{provider}, cell `{name}`: {finding}")));
    }

    fn result(&self) -> Result<(), String> {
        if self.findings.is_empty() { Ok(()) } else { Err(self.findings.join("\n")) }
    }
}

/// The cases that replay one group of faults each: in every cell the verdict is the one of the table, or the provider's
/// where it `differs`; no text and no log line holds a secret; nothing is asked that the descriptor does not allow, and a
/// mail server is told nothing that could send a message.
macro_rules! cases_of_groups {
    ($($(#[$what:meta])* $case:ident: $group:ident;)*) => {
        $(
            $(#[$what])*
            pub fn $case(subject: &ProviderUnderTest<'_>) -> Result<(), String> {
                subject.group(Group::$group)?.result()
            }
        )*

        /// The case that replays a group.
        const fn case_of(group: Group) -> &'static str {
            match group {
                $(Group::$group => stringify!($case),)*
            }
        }
    };
}

cases_of_groups! {
    /// A provider that cannot be reached, or that closes or resets the connection at any stage, is down, and no
    /// credentials are refused.
    a_provider_that_is_down_is_no_rejection: Connections;
    /// A certificate that does not hold, or TLS that fails, says nothing about the credentials, and nothing is sent.
    a_certificate_that_does_not_hold_is_no_rejection: Tls;
    /// Silence at any stage, and an answer that comes byte by byte, end in `provider_timeout` at the deadline.
    a_silent_peer_is_waited_for_until_the_deadline: Silence;
    /// What speaks another protocol, or its own one wrongly, is not the provider.
    another_protocol_is_no_verdict: Protocol;
    /// An answer without an end is cut off, and no verdict.
    an_endless_answer_is_cut_off: Endless;
    /// A status 200 with a body that the provider does not document is no pass.
    a_body_of_another_kind_is_no_pass: Bodies;
    /// A page or a text of a server in between is no verdict, whatever its status.
    a_foreign_page_is_no_verdict: Pages;
    /// JSON of a server in between is no verdict, whatever its status.
    foreign_json_is_no_verdict: ForeignJson;
    /// A redirect leads nowhere: credentials are never sent to where an answer points.
    a_redirect_is_not_followed: Redirects;
    /// A status with nothing else to it is no verdict.
    a_status_alone_is_no_verdict: Statuses;
    /// A 5xx, a 408 and a 425 mean an outage, and refuse nobody.
    an_error_of_the_server_is_no_rejection: ServerErrors;
    /// A limit is told as one, with the wait that the provider asks for.
    a_limit_is_told_as_one: Limits;
    /// An answer that repeats the credentials is not passed on.
    an_echo_of_the_credentials_is_not_passed_on: Echoes;
    /// What is unusual and no fault does not stand in the way of the pass.
    what_is_unusual_is_no_fault: Harmless;
}

/// The verdict matrix as a whole: each documented interaction, and each fault of the kit's table, is a cell, and all of them
/// are right. It prints one line with their number.
///
/// What the other cases have replayed is not replayed again. What is wrong in a cell, they say.
pub fn the_verdict_matrix_holds(subject: &ProviderUnderTest<'_>) -> Result<(), String> {
    let provider = subject.validator().descriptor().name;
    let mut findings = Findings::default();
    findings.absorb(check_differences(subject)?);
    let (mut replayed, mut wrong) = (0, 0);
    let mut count = |case: &str, cells: &Cells| {
        replayed += cells.replayed;
        wrong += cells.wrong.len();
        if !cells.findings.is_empty() {
            let mut finding = format!("{provider}: `{case}` says what is wrong");
            for (cell, before) in cells.wrong.iter().zip(once(" in").chain(repeat(","))) {
                finding.extend([before, " `", cell, "`"]);
            }
            findings.add(finding);
        }
    };
    for group in Group::ALL {
        count(case_of(group), subject.group(group)?);
    }
    count("each_interaction_leads_to_its_verdict_alone", &cells_of_interactions(subject)?);
    if findings.0.is_empty() {
        // Past the macros, whose output the test harness keeps from whoever reads the run. One write, so that nothing
        // comes in between.
        let line = format!("{provider}: {replayed} cells, all right\n");
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
        return Ok(());
    }
    findings.add(format!("{provider}: {replayed} cells, {wrong} wrong"));
    findings.into_result()
}

fn cells_of_interactions(subject: &ProviderUnderTest<'_>) -> Result<Cells, String> {
    let mut cells = Cells { replayed: 0, wrong: Vec::new(), findings: Vec::new() };
    for replayed in &subject.isolated()?.interactions {
        let mut wrong: Vec<String> = replayed.verdict.clone().err().into_iter().collect();
        wrong.extend(replayed.harm.iter().chain(&replayed.leaks).cloned());
        cells.add(subject.validator(), &replayed.interaction.name, wrong);
    }
    Ok(cells)
}

/// What is wrong with the differences themselves.
fn check_differences(subject: &ProviderUnderTest<'_>) -> Result<Result<(), String>, String> {
    let validator = subject.validator();
    let settings = usual_interaction(validator)?.settings;
    // Only names and verdicts are looked at.
    let scene = Scene {
        documented: Vec::new(),
        emulator: (Ipv4Addr::LOCALHOST, 0).into(),
        elsewhere: Url::parse("http://127.0.0.1").map_err(|error| error.to_string())?,
    };
    let mut faults = faults_of(validator, host_field(validator, &settings), &scene, &Group::ALL);
    Ok(differ(&mut faults, subject.differs()))
}

/// The interaction at whose first request things go wrong: the first that leads to a pass, and begins in clear where mail
/// is sent.
fn usual_interaction(validator: &dyn ProviderValidator) -> Result<Interaction, String> {
    match begins_in_clear(validator)? {
        Some(interaction) => Ok(interaction),
        None => first_valid(validator),
    }
}

fn never_asked(elsewhere: &Faulty) -> Result<(), String> {
    if elsewhere.connections() == 0 {
        return Ok(());
    }
    Err("a redirect was followed: ask through `Context::get` and `Context::post` alone".to_owned())
}

/// The settings field with the host; empty where the provider has hosts of its own.
fn host_field(validator: &dyn ProviderValidator, settings: &Map<String, Value>) -> &'static str {
    if is_built_in(validator) { "" } else { host_field_of(settings).unwrap_or_default() }
}

/// The faults of these groups.
fn faults_of(
    validator: &dyn ProviderValidator,
    host_field: &str,
    scene: &Scene,
    groups: &[Group],
) -> Vec<Fault> {
    let of_group = |group: &Group| {
        if is_built_in(validator) {
            faults::http_group(*group, scene)
        } else {
            faults::smtp_group(*group)
        }
    };
    let mut faults: Vec<Fault> = groups.iter().flat_map(of_group).collect();
    for fault in &mut faults {
        fault.expected = fault.expected.clone().fill(host_field, "port");
    }
    faults
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
/// The faults of the table are replayed at each request but the first of the first interaction that leads to a pass and asks
/// more than once. Either the request matters, and each fault has the verdict of the table, or it does not, and none
/// stands in the way of the pass.
pub fn a_later_request_that_goes_wrong_is_no_rejection(
    subject: &ProviderUnderTest<'_>,
) -> Result<(), String> {
    let validator = subject.validator();
    let base_urls = validator.descriptor().base_urls();
    // A further region would be asked for another reason than a further step.
    let is_further_region = |key: &str| {
        base_urls.iter().skip(1).any(|base_url| base_url.key == key && base_url.is_region())
    };
    let asks_more = interactions(validator)?.into_iter().find(|interaction| {
        let mut keys = interaction.steps.iter().filter_map(|step| step.base_url.as_deref());
        interaction.expected.cause.is_none()
            && interaction.steps.len() > 1
            && !keys.any(is_further_region)
    });
    let Some(interaction) = asks_more else { return Ok(()) };
    block_on(async {
        let elsewhere = Faulty::answering(200, &[("content-type", "application/json")], "{}").await;
        let mut stage =
            Stage::new(validator, interaction.clone(), elsewhere.url(), &Group::ALL).await?;
        // What is wrong with them is said by the matrix.
        drop(differ(&mut stage.faults, subject.differs()));
        let mut findings = Findings::default();
        for step in 1..interaction.steps.len() {
            findings.absorb(go_wrong_at(&stage, &interaction, step).await);
        }
        findings.absorb(never_asked(&elsewhere));
        findings.into_result()
    })
}

async fn go_wrong_at(stage: &Stage, interaction: &Interaction, step: usize) -> Result<(), String> {
    let before = interaction.steps.iter().take(step).map(|step| {
        let headers = [("content-type", "application/json")];
        vec![
            ServerAction::Read,
            ServerAction::Say(answer(step.response.status, &headers, &body_of(&step.response))),
        ]
    });
    let before: Vec<Vec<ServerAction>> = before.collect();
    let faults: Vec<Fault> = stage
        .faults
        .iter()
        .filter(|fault| !fault.tls && !fault.expected.is_pass())
        .filter_map(|fault| match &fault.peer {
            Peer::Scripted(scripts) => {
                let peer = Peer::Scripted([before.as_slice(), scripts.as_slice()].concat());
                Some(Fault { peer, ..fault.clone() })
            }
            Peer::ClosedPort | Peer::NoSuchHost => None,
        })
        .collect();
    let mut findings = Findings::default();
    let (name, step) = (&interaction.name, step + 1);
    let mut passes = Vec::new();
    for faults in faults.chunks(AT_ONCE) {
        let mut cells = Vec::new();
        for fault in faults {
            cells.push(Cell::new(stage, fault, !stage.asks_one_host).await?);
        }
        for (cell, (result, _)) in in_two_rounds(&cells, |cell| cell.check(stage)).await {
            let Fault { name: fault, what, expected, .. } = cell.fault;
            if result.is_ok() {
                // Whether time is left after a silence is for the machine to say, which may be busy.
                passes.extend((!cell.fault.stalls).then_some(fault.as_str()));
                continue;
            }
            findings.require(expected.meets(&result), || {
                format!(
                    "interaction `{name}`, step {step}, cell `{fault}`: the server {what}, which must be `{expected}`, or a \
                     pass where the request does not decide, but the check says {}: end with `Response::inconclusive` where \
                     the provider's own words decide nothing",
                    describe(&result)
                )
            });
        }
    }
    let told = faults.iter().filter(|fault| !fault.stalls).count();
    findings.require(passes.is_empty() || passes.len() == told, || {
        format!(
            "interaction `{name}`, step {step}: {} of {told} faults leave it a pass, so the request decides sometimes; those are \
             {}: either let no failure of it stand in the way of the pass, or let none pass",
            passes.len(),
            passes.join(", ")
        )
    });
    findings.into_result()
}

/// The body of a documented answer, as it is sent.
fn body_of(answer: &ResponseStub) -> Vec<u8> {
    let json = answer.body.as_ref().map(Value::to_string);
    json.or_else(|| answer.text.clone()).unwrap_or_default().into_bytes()
}

/// Where the faults are replayed.
struct Stage {
    validator: &'static dyn ProviderValidator,
    /// Settings that lead to a pass where nothing goes wrong.
    settings: Map<String, Value>,
    /// See [`host_field`].
    host_field: &'static str,
    faults: Vec<Fault>,
    authority: Authority,
    emulator: Emulator,
    closed_port: ClosedPort,
    /// The place of the base URL that the first request goes to.
    asked_first: usize,
    /// Whether all requests go to one base URL.
    asks_one_host: bool,
}

impl Stage {
    async fn new(
        validator: &'static dyn ProviderValidator,
        interaction: Interaction,
        elsewhere: Url,
        groups: &[Group],
    ) -> Result<Self, String> {
        let settings = interaction.settings.clone();
        let first = interaction.steps.first();
        let place = |step: &Step| {
            let mut base_urls = validator.descriptor().base_urls().iter();
            let key = step.base_url.as_deref();
            key.and_then(|key| base_urls.position(|base_url| base_url.key == key)).unwrap_or(0)
        };
        let places: Vec<usize> = interaction.steps.iter().map(place).collect();
        let documented = first.map(|step| body_of(&step.response)).unwrap_or_default();
        let authority = Authority::new().map_err(|error| error.to_string())?;
        let emulator =
            Emulator::of_interactions(validator.descriptor(), vec![interaction], &authority).await;
        let emulator = emulator.map_err(|error| error.to_string())?;
        let host_field = host_field(validator, &settings);
        let asked_first = places.first().copied().unwrap_or(0);
        let asks_one_host = places.iter().all(|place| *place == asked_first);
        let address = emulator.base_urls().get(asked_first).map(address_of).transpose()?;
        let closed_port = ClosedPort::new()?;
        let scene =
            Scene { documented, emulator: address.unwrap_or(closed_port.address), elsewhere };
        let faults = faults_of(validator, host_field, &scene, groups);
        Ok(Self {
            validator,
            settings,
            host_field,
            faults,
            authority,
            emulator,
            closed_port,
            asked_first,
            asks_one_host,
        })
    }
}

/// One fault, ready to be replayed.
struct Cell<'a> {
    fault: &'a Fault,
    server: Option<Faulty>,
    environment: Environment,
    settings: Value,
}

impl<'a> Cell<'a> {
    /// With `answers_every_host` the server stands for all hosts of the provider, request by request.
    async fn new(
        stage: &Stage,
        fault: &'a Fault,
        answers_every_host: bool,
    ) -> Result<Self, String> {
        let server = match &fault.peer {
            Peer::Scripted(scripts) => {
                Some(Faulty::trusted_by(&stage.authority, scripts.clone()).await)
            }
            Peer::ClosedPort | Peer::NoSuchHost => None,
        };
        let address = server.as_ref().map_or(stage.closed_port.address, Faulty::address);
        let scheme = if fault.tls { "https" } else { "http" };
        let url = match &fault.peer {
            Peer::NoSuchHost => format!("{scheme}://{NO_SUCH_HOST}"),
            Peer::ClosedPort | Peer::Scripted(_) => format!("{scheme}://{address}"),
        };
        let url = Url::parse(&url).map_err(|error| error.to_string())?;
        let mut base_urls = vec![url; stage.validator.descriptor().base_urls().len()];
        let is_over = matches!(&fault.peer, Peer::Scripted(scripts) if scripts.len() > 1)
            || fault.expected.is_pass();
        if is_over && !answers_every_host {
            // After its turn the provider is as it should be, and so are its other hosts.
            let urls = base_urls.iter_mut().zip(stage.emulator.base_urls()).enumerate();
            for (_, (base_url, url)) in urls.filter(|(place, _)| *place != stage.asked_first) {
                base_url.clone_from(url);
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
            base_urls,
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
    async fn replay(&self, stage: &Stage) -> Vec<String> {
        let Fault { what, expected, .. } = self.fault;
        let mut wrong = Findings::default();
        let (result, took) = self.check(stage).await;
        wrong.require(expected.meets(&result), || {
            let says = describe(&result);
            let way_out = if matches!(&result, Err(failure) if failure.cause() == Cause::Internal) {
                "mend what it names first: no answer of a provider is a defect of the check".to_owned()
            } else {
                format!(
                    "conclude from the provider's own words alone, end with `Response::inconclusive` where there are none, and \
                     pass on the failures of `Context` as they are; where the provider documents this verdict, say so with \
                     `differs: {{ \"{}\" => \"…\" }}`",
                    self.fault.name
                )
            };
            format!("the server {what}, which must be `{expected}`, but the check says {says}: {way_out}")
        });
        wrong.require(took < timeout_of(self.fault) + GRACE, || {
            format!(
                "the server {what}, and the check took {took:?}: do not block the thread, bound what is read, and wait \
                 for nothing outside of `Context`"
            )
        });
        match Secrets::of(stage.validator, &stage.settings) {
            Ok(secrets) => check_texts(&secrets, &result, &mut wrong),
            Err(error) => wrong.add(error),
        }
        if let Some(server) = &self.server {
            let requests = server.requests();
            let requests =
                requests.iter().map(|one| (None, one.method.as_str(), one.path.as_str()));
            check_requests(stage.validator.descriptor(), requests, &mut wrong);
            let commands = server.commands();
            check_commands(commands.iter().map(|command| command.verb), &mut wrong);
            let in_clear = commands.iter().any(|one| one.verb == "AUTH" && !one.inside_tls);
            wrong.require(!in_clear, || {
                "the credentials are sent in clear: begin TLS before `AUTH`".to_owned()
            });
        }
        wrong.0
    }
}

/// Does something with these cells at once. Those that run into their deadline wait together, when the others are done, so
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
