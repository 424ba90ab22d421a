//! What is measured, figure by figure.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::load::{self, Load, NUMBER, Question};
use crate::process::{Process, REST, SERVICE, bonafide, myself};
use crate::registry::LookUp;
use crate::report::{HEAD, Rounds, median, short};
use crate::upstream::MANY_SCOPES;
use crate::{Result, block_on, process};

const VALIDATE: &str = "/v1/hood/integrations/validate";
const TOKEN: &str = "measure-measure-measure-measure";
/// The digest of that token.
const TOKEN_SHA256: &str = "d29cfa0c58c578732a4d8ab53d0a4ff861acdb3451b1dc2ecf6cb149dd8d8b08";
/// More than any machine does, so that requests are counted and none is refused.
const NO_MORE_THAN: u32 = u32::MAX;
/// Clients that ask at once. The service has two connections for each: 20,000 open files are enough.
const BURST: usize = 9_500;
const BURST_FILES: u64 = 2 * BURST as u64 + 500;

/// How long, and how often.
struct Plan {
    rounds: usize,
    seconds: Duration,
    only: Option<String>,
}

/// Measures everything, or with a word only the figures that have it in their name. `--quick` is for trying.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let quick = words.contains(&"--quick");
    let plan = Plan {
        rounds: if quick { 3 } else { 9 },
        seconds: if quick { Duration::from_millis(800) } else { Duration::from_secs(2) },
        only: words.iter().find(|word| !word.starts_with("--")).map(|word| (*word).to_owned()),
    };
    process::pin_myself(REST)?;
    println!("The kernel's transparent huge pages: {}.\n", process::transparent_huge_pages());
    println!("{HEAD}");
    let folder = tempfile::tempdir()?;
    let bench = Bench { plan, folder, bonafide: bonafide()?, myself: myself()? };
    bench.checks()?;
    bench.many_scopes()?;
    bench.added_latency()?;
    bench.mail()?;
    bench.burst()?;
    bench.cold_start()?;
    bench.registry()?;
    bench.bounds()
}

/// Asks a service that somebody has started, for whoever looks at it with a profiler meanwhile.
pub(crate) fn load(address: &str, connections: &str, seconds: &str) -> Result<()> {
    process::pin_myself(REST)?;
    let seconds = Duration::from_secs(seconds.parse()?);
    let question = sendgrid("SG.");
    let load = load::run(address.parse()?, &question, connections.parse()?, seconds, || {}, || {})?;
    println!("{} checks a second", short(load.per_second()));
    Ok(())
}

struct Bench {
    plan: Plan,
    folder: TempDir,
    bonafide: PathBuf,
    myself: PathBuf,
}

/// Us and the baseline, asked the same.
struct Pair {
    ours: Process,
    theirs: Process,
    _upstream: Process,
}

/// What a burst cost. Memory is in KiB and processor time in microseconds, both a check; seconds until all were answered.
struct Burst {
    memory: f64,
    processor_time: f64,
    elapsed: f64,
}

impl Bench {
    fn wants(&self, figure: &str) -> bool {
        self.plan.only.as_ref().is_none_or(|word| figure.contains(word.as_str()))
    }

    fn configuration(&self, upstream: &str, more: &str) -> Result<PathBuf> {
        let path = self.folder.path().join("bonafide.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\n{more}\n\
             [limits]\nconnections = 20000\nhead_timeout = \"1m\"\n\
             [[accounts]]\nid = \"bench\"\ntoken_sha256 = \"{TOKEN_SHA256}\"\n\
             [rate_limit]\nper_second = {NO_MORE_THAN}\nper_minute = {NO_MORE_THAN}\n\
             [providers.sendgrid]\nbase_url = \"{upstream}\"\neu_base_url = \"{upstream}\"\n\
             max_concurrent = 0\n"
        );
        fs::write(&path, text)?;
        Ok(path)
    }

    fn ours(&self, upstream: &str, egress: &str) -> Result<Process> {
        let configuration = self.configuration(upstream, egress)?;
        let arguments = ["serve".as_ref(), "--config".as_ref(), configuration.as_os_str()];
        Process::start(SERVICE, &self.bonafide, arguments)
    }

    fn theirs(&self, upstream: &str) -> Result<Process> {
        Process::start(SERVICE, &self.myself, ["baseline", upstream])
    }

    fn pair(&self, latency: &str) -> Result<Pair> {
        let upstream = Process::start(REST, &self.myself, ["upstream", latency])?;
        let url = format!("http://{}", upstream.address);
        let ours = self.ours(&url, "[egress]\nallow = [\"127.0.0.0/8\"]")?;
        Ok(Pair { ours, theirs: self.theirs(&url)?, _upstream: upstream })
    }

    /// Lets both take turns, round by round.
    fn take_turns<T>(
        &self,
        mut measure: impl FnMut(&Process) -> Result<T>,
        ours: &Process,
        theirs: &Process,
    ) -> Result<Vec<(T, T)>> {
        let mut rounds = Vec::new();
        for round in 0..self.plan.rounds {
            // Who goes first takes turns too.
            rounds.push(if round % 2 == 0 {
                let first = measure(ours)?;
                (first, measure(theirs)?)
            } else {
                let first = measure(theirs)?;
                (measure(ours)?, first)
            });
        }
        Ok(rounds)
    }

    fn load(
        &self,
        process: &Process,
        question: &Question,
        connections: usize,
    ) -> Result<(Load, f64)> {
        let mut used = (Ok(Duration::ZERO), Ok(Duration::ZERO));
        let load = load::run(
            process.address,
            question,
            connections,
            self.plan.seconds,
            || used.0 = process.processor_time(),
            || used.1 = process.processor_time(),
        )?;
        let used = used.1?.saturating_sub(used.0?);
        let microseconds = used.as_secs_f64() * 1e6 / load.answers as f64;
        Ok((load, microseconds))
    }

    fn checks(&self) -> Result<()> {
        if !self.wants("checks") {
            return Ok(());
        }
        let pair = self.pair("0")?;
        for (connections, goal) in
            [(1, "0.95, at least 0.80"), (32, "0.90, at least 0.80"), (256, "0.90, at least 0.80")]
        {
            let rounds = self.take_turns(
                |process| self.load(process, &sendgrid("SG."), connections),
                &pair.ours,
                &pair.theirs,
            )?;
            let figure = |value: &dyn Fn(&(Load, f64)) -> f64| {
                let (ours, theirs) =
                    rounds.iter().map(|(ours, theirs)| (value(ours), value(theirs))).unzip();
                Rounds { ours, theirs }
            };
            let at = format!("SendGrid, {connections} connections");
            println!(
                "{}",
                figure(&|(load, _)| load.per_second()).row(
                    &format!("checks a second, {at}"),
                    "",
                    goal
                )
            );
            let goal = if connections == 32 { "1.10, at most 1.3" } else { "" };
            println!(
                "{}",
                figure(&|(_, used)| *used).row(
                    &format!("processor time a check, {at}"),
                    "µs",
                    goal
                )
            );
            for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
                println!(
                    "{}",
                    figure(&|(load, _)| microseconds(load.quantile(share))).row(
                        &format!("{name}, {at}"),
                        "µs",
                        ""
                    )
                );
            }
        }
        Ok(())
    }

    fn many_scopes(&self) -> Result<()> {
        if !self.wants("scopes") {
            return Ok(());
        }
        let pair = self.pair("0")?;
        let rounds = self.take_turns(
            |process| Ok(self.load(process, &sendgrid(MANY_SCOPES), 32)?.0.per_second()),
            &pair.ours,
            &pair.theirs,
        )?;
        println!("{}", both(rounds).row("checks a second, 250 scopes, 32 connections", "", "1.5"));
        Ok(())
    }

    fn added_latency(&self) -> Result<()> {
        if !self.wants("latency") {
            return Ok(());
        }
        let chosen = 50;
        let pair = self.pair(&chosen.to_string())?;
        let rounds = self.take_turns(
            |process| Ok(self.load(process, &sendgrid("SG."), 32)?.0),
            &pair.ours,
            &pair.theirs,
        )?;
        for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
            let added = |load: &Load| microseconds(load.quantile(share)) - f64::from(chosen) * 1e3;
            let (ours, theirs) =
                rounds.iter().map(|(ours, theirs)| (added(ours), added(theirs))).unzip();
            let figure = format!("latency added to {chosen} ms, {name}, 32 connections");
            println!("{}", Rounds { ours, theirs }.row(&figure, "µs", ""));
        }
        Ok(())
    }

    fn mail(&self) -> Result<()> {
        if !self.wants("SMTP") {
            return Ok(());
        }
        let certificate = self.folder.path().join("authority.pem");
        let arguments = ["mail-server".as_ref(), certificate.as_os_str()];
        let server = Process::start(REST, &self.myself, arguments)?;
        let egress = format!(
            "[egress]\nallow = [\"127.0.0.0/8\"]\nextra_ca = \"{}\"",
            certificate.display()
        );
        let nobody = "http://127.0.0.1:1";
        let ours = self.ours(nobody, &egress)?;
        let arguments = ["baseline".as_ref(), nobody.as_ref(), certificate.as_os_str()];
        let theirs = Process::start(SERVICE, &self.myself, arguments)?;
        let question = mail(server.address.port());
        let rounds = self.take_turns(
            |process| Ok(self.load(process, &question, 32)?.0.per_second()),
            &ours,
            &theirs,
        )?;
        println!(
            "{}",
            both(rounds).row(
                "checks a second, SMTP with STARTTLS and AUTH, 32 connections",
                "",
                "1.25"
            )
        );
        Ok(())
    }

    fn burst(&self) -> Result<()> {
        if !self.wants("burst: memory a check in flight, processor time a check, all answered") {
            return Ok(());
        }
        process::raise_open_files(BURST_FILES)?;
        let mut rounds = Vec::new();
        // A round takes half a minute.
        for round in 0..self.plan.rounds.min(5) {
            let ours = || {
                self.burst_of(|upstream| self.ours(upstream, "[egress]\nallow = [\"127.0.0.0/8\"]"))
            };
            let theirs = || self.burst_of(|upstream| self.theirs(upstream));
            // Who goes first takes turns too.
            rounds.push(if round % 2 == 0 {
                let first = ours()?;
                (first, theirs()?)
            } else {
                let first = theirs()?;
                (ours()?, first)
            });
        }
        for (name, unit, goal, value) in [
            (
                "memory a check in flight",
                "KiB",
                "1.0, at most 1.1",
                (|burst| burst.memory) as fn(&Burst) -> f64,
            ),
            ("processor time a check", "µs", "", |burst| burst.processor_time),
            ("all answered after", "s", "", |burst| burst.elapsed),
        ] {
            let (ours, theirs) =
                rounds.iter().map(|(ours, theirs)| (value(ours), value(theirs))).unzip();
            let figure = format!("burst of {BURST} clients, {name}");
            println!("{}", Rounds { ours, theirs }.row(&figure, unit, goal));
        }
        Ok(())
    }

    /// Starts a service and what it asks, which no earlier burst has touched, and lets all clients ask at once.
    fn burst_of(&self, start: impl Fn(&str) -> Result<Process>) -> Result<Burst> {
        let upstream = Process::start(REST, &self.myself, ["upstream", "4000"])?;
        let process = start(&format!("http://{}", upstream.address))?;
        let question = sendgrid("SG.");
        // What it needs for the first check is not what a check costs.
        block_on(load::ask_once(process.address, &question))?;
        let at_rest = process.memory()?;
        let mut before = Ok(Duration::ZERO);
        let elapsed = load::burst(process.address, &question, BURST, || {
            before = process.processor_time();
        })?;
        let used = process.processor_time()?.saturating_sub(before?);
        let taken = process.peak_memory()?.saturating_sub(at_rest);
        Ok(Burst {
            memory: taken as f64 / BURST as f64 / 1024.0,
            processor_time: microseconds(used) / BURST as f64,
            elapsed: elapsed.as_secs_f64(),
        })
    }

    fn cold_start(&self) -> Result<()> {
        if !self.wants("cold start") {
            return Ok(());
        }
        let upstream = Process::start(REST, &self.myself, ["upstream", "0"])?;
        let url = format!("http://{}", upstream.address);
        let question = sendgrid("SG.");
        let time = |start: &dyn Fn() -> Result<Process>| {
            let began = Instant::now();
            let process = start()?;
            block_on(load::ask_once(process.address, &question))?;
            Ok::<_, crate::Failure>(began.elapsed().as_secs_f64() * 1e3)
        };
        let mut rounds = Rounds::default();
        for _ in 0..2 * self.plan.rounds {
            rounds.ours.push(time(&|| self.ours(&url, "[egress]\nallow = [\"127.0.0.0/8\"]"))?);
            rounds.theirs.push(time(&|| self.theirs(&url))?);
        }
        println!("{}", rounds.row("cold start to the first answer", "ms", "at most 1.2"));
        Ok(())
    }

    fn registry(&self) -> Result<()> {
        if !self.wants("registry") {
            return Ok(());
        }
        let few = LookUp::among(6)?;
        println!();
        for count in [6, 64, 256] {
            let many = LookUp::among(count)?;
            let mut rounds = Rounds::default();
            for _ in 0..self.plan.rounds {
                rounds.ours.push(many.nanoseconds());
                rounds.theirs.push(few.nanoseconds());
            }
            println!("Finding a provider among {count} takes {} ns.", short(median(&rounds.ours)));
        }
        Ok(())
    }

    /// What this machine can do at all, for the same question.
    fn bounds(&self) -> Result<()> {
        if !self.wants("bounds") {
            return Ok(());
        }
        println!();
        let fixed = Process::start(SERVICE, &self.myself, ["static"])?;
        let upstream = Process::start(SERVICE, &self.myself, ["upstream", "0"])?;
        for connections in [1, 32, 256] {
            let mut rates = (Vec::new(), Vec::new());
            for _ in 0..self.plan.rounds.min(3) {
                rates.0.push(self.load(&fixed, &sendgrid("SG."), connections)?.0.per_second());
                let question = Question { status: "200", body: String::new(), ..sendgrid("SG.") };
                rates.1.push(self.load(&upstream, &question, connections)?.0.per_second());
            }
            println!(
                "With {connections} connections a static axum handler answers {} a second, and the emulated provider, asked directly, {}.",
                short(median(&rates.0)),
                short(median(&rates.1)),
            );
        }
        Ok(())
    }
}

fn both(rounds: Vec<(f64, f64)>) -> Rounds {
    let (ours, theirs) = rounds.into_iter().unzip();
    Rounds { ours, theirs }
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn question(provider_id: &str, settings: &str) -> Question {
    Question {
        path: VALIDATE,
        token: TOKEN.to_owned(),
        body: format!(
            "{{\"name\": \"Measured\", \"provider_id\": \"{provider_id}\", \"settings\": {settings}}}"
        ),
        status: "204",
    }
}

fn sendgrid(prefix: &str) -> Question {
    question(
        "1003",
        &format!(
            "{{\"api_key\": \"{prefix}abcdefghijklmnopqrstuv.{NUMBER}wxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234\"}}"
        ),
    )
}

fn mail(port: u16) -> Question {
    question(
        "1001",
        &format!(
            "{{\"sending_domain\": \"127.0.0.1\", \"port\": \"{port}\", \"username\": \"user@example.com\", \"password\": \"secret{NUMBER}\"}}"
        ),
    )
}
