//! `bonafide batch`: many request bodies, one a line, each judged as the API judges it.

mod done;
mod identity;
mod input;
mod output;
mod progress;
mod summary;

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bonafide_core::host::FindingExt as _;
use bonafide_core::{Cause, Problem};
use bonafide_registry::Registry;
use clap::value_parser;
use futures_util::FutureExt as _;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use self::identity::{Id, Identity};
use self::input::{Content, Input, InputError, Line};
use self::output::{Earlier, Ending, Output};
use self::progress::Progress;
use self::summary::{Judged, Summary, lines};
use super::serve::{SANDBOX, Signals};
use super::{Asking, CommandError, tell};
use crate::api::MAX_BODY;
use crate::check::{Caller, Checks, Report, ReportDocument};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The file with the request bodies, one a line; `-` for standard input
    input: PathBuf,
    /// The file for the reports, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many lines are checked at a time
    // More connections than this, and the usual limit of open files is near.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Go on with the output of a run that ended early
    #[arg(long, requires = "output")]
    resume: bool,
    #[command(flatten)]
    asking: Asking,
}

pub(super) async fn run(
    arguments: Arguments,
    registry: Registry,
) -> Result<ExitCode, CommandError> {
    let setup = arguments.asking.set_up(&registry).await?;
    let sandbox = setup.sandbox.is_some();
    let input = Input::open(&arguments.input)?;
    let mut output = match &arguments.output {
        Some(path) => Output::open(path, arguments.resume, &input)?,
        None => Output::standard(),
    };
    let Earlier { done, summary } = output.read_back(&registry, sandbox)?;
    let checks = setup.checks(registry);
    let signals = Signals::listen()?;
    if sandbox {
        tell(SANDBOX);
    }

    let checks = Arc::new(checks);
    let names =
        Names { input: input.name.clone(), output: output.name.clone(), is_kept: output.is_kept() };
    let progress = Progress::new(input.size);
    let lines = input.read(done, Arc::clone(&checks))?;
    let (reports, ending) = output.write()?;
    let earlier = summary.sum();
    let mut batch = Batch {
        checker: Checker { checks, reports, sandbox },
        checking: JoinSet::new(),
        concurrency: arguments.concurrency.into(),
        ending,
        summary,
        progress,
        signals,
    };
    let result = match batch.judge(lines).await {
        Ok(()) => batch.finish().await.map(|summary| (summary, None)),
        Err(Stop::Early(why)) => batch.finish().await.map(|summary| (summary, Some(why))),
        Err(Stop::AtOnce(why)) => Err(why),
    };
    match result {
        Ok((summary, why)) => {
            tell(&summary.render(earlier));
            why.map_or(Ok(ExitCode::SUCCESS), |why| Err(names.error(&why)))
        }
        Err(why) => Err(names.error(&why)),
    }
}

/// Why a batch ended before its input did.
#[derive(Debug)]
enum Why {
    Interrupted,
    Input(io::Error),
    OtherInput(u64, u64),
    Output(io::Error),
    Defect(JoinError),
}

enum Stop {
    /// What was begun is finished.
    Early(Why),
    AtOnce(Why),
}

/// What errors name.
struct Names {
    input: String,
    output: String,
    is_kept: bool,
}

impl Names {
    fn error(&self, why: &Why) -> CommandError {
        let Self { input, output, .. } = self;
        let what = match why {
            Why::OtherInput(first, last) => {
                return CommandError::Usage(format!(
                    "the reports in {output} are on another input than {input}: between lines {first} and {last} something differs in number, `id` or provider. Name the input that they are on, or another `--output` to begin again"
                ));
            }
            Why::Interrupted => "interrupted before the end of the input".to_owned(),
            Why::Input(error) => format!("cannot read {input}: {error}"),
            Why::Output(error) => format!("cannot write to {output}: {error}"),
            Why::Defect(error) => format!("a check ended without a report: {error}"),
        };
        let way_out = if self.is_kept {
            format!("nothing in {output} is lost: give the same command with `--resume` to go on")
        } else {
            "a run can be gone on with when its reports go to a file: name one with `--output`"
                .to_owned()
        };
        CommandError::Usage(format!("{what}\n{way_out}"))
    }
}

/// A run: so many checks at a time, whose reports are written as they come.
struct Batch {
    checker: Checker,
    checking: JoinSet<Option<Checked>>,
    concurrency: usize,
    ending: Ending,
    summary: Summary,
    progress: Progress,
    signals: Signals,
}

/// A line whose report is on its way out.
struct Checked {
    judged: Judged,
    size: u64,
    skipped: u64,
}

impl Batch {
    /// Judges every line, or stops. What is in flight when it is told to stop is finished, unless it is told twice.
    async fn judge(
        &mut self,
        mut lines: mpsc::Receiver<Result<Line, InputError>>,
    ) -> Result<(), Stop> {
        let mut reading = true;
        let mut early = None;
        let mut told_to_stop = false;
        while reading || !self.checking.is_empty() {
            tokio::select! {
                biased;
                ended = &mut self.ending => return Err(Stop::AtOnce(Why::Output(ended_with(ended)))),
                () = self.signals.next() => {
                    if told_to_stop {
                        return Err(Stop::AtOnce(Why::Interrupted));
                    }
                    told_to_stop = true;
                    if reading {
                        reading = false;
                        early = Some(Why::Interrupted);
                    }
                    self.progress.tell(&format!(
                        "stopping: waiting for {} in flight; interrupt again to drop them",
                        self::lines(self.checking.len() as u64)
                    ));
                }
                Some(checked) = self.checking.join_next() => match checked {
                    Ok(Some(checked)) => {
                        self.summary.add(&checked.judged);
                        self.progress.add(checked.size, checked.skipped);
                    }
                    // Nobody writes any more, and why is known in a moment.
                    Ok(None) => reading = false,
                    Err(error) => return Err(Stop::AtOnce(Why::Defect(error))),
                },
                line = lines.recv(), if reading && self.checking.len() < self.concurrency => match line {
                    Some(Ok(line)) => {
                        self.checking.spawn(self.checker.clone().check(line));
                    }
                    None => reading = false,
                    Some(Err(InputError::Unreadable(error))) => {
                        reading = false;
                        early = Some(Why::Input(error));
                    }
                    Some(Err(InputError::OtherLines(first, last))) => {
                        return Err(Stop::AtOnce(Why::OtherInput(first, last)));
                    }
                },
                () = self.progress.tick() => self.progress.show(),
            }
        }
        early.map_or(Ok(()), |why| Err(Stop::Early(why)))
    }

    /// Waits until every report is written.
    async fn finish(self) -> Result<Summary, Why> {
        let Self { checker, ending, summary, mut signals, .. } = self;
        // The last sender: there is nothing more to write.
        drop(checker);
        tokio::select! {
            ended = ending => match ended {
                Ok(Ok(())) => Ok(summary),
                ended => Err(Why::Output(ended_with(ended))),
            },
            () = signals.next() => Err(Why::Interrupted),
        }
    }
}

/// The error that the writing ended with.
fn ended_with(ended: Result<io::Result<()>, tokio::sync::oneshot::error::RecvError>) -> io::Error {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) | Err(_) => io::Error::other("the writing ended too early"),
    }
}

/// What one check needs.
#[derive(Clone)]
struct Checker {
    checks: Arc<Checks>,
    reports: mpsc::Sender<Vec<u8>>,
    sandbox: bool,
}

impl Checker {
    /// Checks a line and hands its report over, or gives `None` when nobody takes it.
    async fn check(self, line: Line) -> Option<Checked> {
        let trace_id = Uuid::new_v4();
        let (identity, report) = match line.content {
            Content::TooLong => (Identity::default(), too_long(trace_id)),
            Content::Body(body) => {
                let identity = Identity::of(&body, self.checks.registry());
                let check = AssertUnwindSafe(self.checks.run(body, Caller::Batch, trace_id));
                let report =
                    check.catch_unwind().await.unwrap_or_else(|_panic| Report::defect(trace_id));
                (identity, report)
            }
        };
        // A resumed run compares what the line says, which a report without a verdict need not know.
        let report = Report { provider: identity.provider, ..report };
        let written = Entry {
            line: line.number,
            id: identity.id.as_ref(),
            report: ReportDocument::new(&report, self.sandbox),
        }
        .to_line();
        self.reports.send(written).await.ok()?;
        Some(Checked { judged: Judged::of(&report), size: line.size, skipped: line.skipped })
    }
}

fn too_long(trace_id: Uuid) -> Report {
    let problem = Problem::new(Cause::MalformedRequest)
        .with_formatted_message(format!(
            "The line is longer than {MAX_BODY} bytes, which is the most that a request may have."
        ))
        .with_hint("Put one request on each line.");
    Report::unreadable(problem, trace_id)
}

/// A line of the output. `line` comes first, by which the beginning of a report is known.
#[derive(Serialize)]
struct Entry<'a> {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    #[serde(flatten)]
    report: ReportDocument<'a>,
}

impl Entry<'_> {
    fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        // Nothing in a report can fail to become JSON.
        let _ = serde_json::to_writer(&mut line, self);
        line.push(b'\n');
        line
    }
}
