//! Where the reports go, each in one piece, and what an earlier run left there.

use std::borrow::Cow;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::thread;

use bonafide_core::{Cause, WarningCode};
use bonafide_registry::Registry;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::done::Done;
use super::identity::{Id, Identity};
use super::input::Input;
use super::summary::{Judged, Summary};
use crate::cli::CommandError;

/// What every report begins with, so that the beginning of one can be told from somebody's only line.
pub(super) const BEGINNING: &[u8] = b"{\"line\":";

/// How many reports wait to be written.
const WAITING: usize = 16;

/// The longest report that is read back. The list of an account's numbers makes the longest ones.
const MAX_REPORT: u64 = 64 * 1024 * 1024;

const NO_REPORT: &str = "is no report of a batch";

/// Where the reports go.
pub(super) struct Output {
    /// As messages name it.
    pub(super) name: String,
    target: Target,
}

enum Target {
    Standard,
    /// A pipe or a device, which keeps nothing.
    Stream(File),
    File {
        file: File,
        /// Where the last whole report ends.
        end: u64,
        /// Whether a part of a report comes after it.
        torn: bool,
    },
}

/// What earlier runs left.
#[derive(Default)]
pub(super) struct Earlier {
    pub(super) done: Done,
    pub(super) summary: Summary,
}

impl Output {
    pub(super) fn standard() -> Self {
        Self { name: "standard output".to_owned(), target: Target::Standard }
    }

    /// Opens a file that is empty or not there, or, to resume, one that holds reports.
    pub(super) fn open(path: &Path, resume: bool, input: &Input) -> Result<Self, CommandError> {
        let name = format!("`{}`", path.display());
        let failed = |error| CommandError::Usage(format!("cannot write to {name}: {error}"));
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
            if resume {
                return Err(CommandError::Usage(format!(
                    "{name} is no regular file, so what was written to it cannot be read back: leave out `--resume`, or name a file"
                )));
            }
            return Ok(Self { name, target: Target::Stream(file) });
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if input.is(&metadata) {
            return Err(CommandError::Usage(format!(
                "{name} is the input: name another file for the reports"
            )));
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(CommandError::Usage(format!(
                    "another run is writing to {name}: wait until it has ended, or name another file"
                )));
            }
            // Some file systems know no locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if metadata.len() > 0 && !resume {
            return Err(CommandError::Usage(format!(
                "{name} exists: to go on with it, add `--resume`; to begin again, delete it or name another file"
            )));
        }
        Ok(Self { name, target: Target::File { file, end: 0, torn: false } })
    }

    /// Whether a run that ends early can be gone on with.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.target, Target::File { .. })
    }

    /// Reads the reports that are there. Nothing is changed.
    pub(super) fn read_back(
        &mut self,
        registry: &Registry,
        sandbox: bool,
    ) -> Result<Earlier, CommandError> {
        let mut earlier = Earlier::default();
        let Target::File { file, end, torn } = &mut self.target else { return Ok(earlier) };
        let mut reader = BufReader::new(&*file);
        let mut report = Vec::new();
        for number in 1_u64.. {
            report.clear();
            let read = (&mut reader).take(MAX_REPORT).read_until(b'\n', &mut report);
            let length = read.map_err(|error| {
                CommandError::Usage(format!("cannot read {}: {error}", self.name))
            })?;
            if length == 0 {
                break;
            }
            let result = if report.ends_with(b"\n") {
                earlier.add(&report, registry, sandbox)
            } else if (length as u64) < MAX_REPORT && begins_a_report(&report) {
                *torn = true;
                break;
            } else {
                Err(NO_REPORT)
            };
            result.map_err(|what| {
                CommandError::Usage(format!(
                    "cannot go on with {}: its line {number} {what}. Name the file that the run to be resumed wrote to, or another one without `--resume` to begin again",
                    self.name
                ))
            })?;
            *end += length as u64;
        }
        Ok(earlier)
    }

    /// Writes on a thread of its own, for nothing can end a write to a reader that does not read. What comes out at
    /// the other side says how the writing ended: well when all senders are gone, else with the first error.
    pub(super) fn write(self) -> Result<(mpsc::Sender<Vec<u8>>, Ending), CommandError> {
        let (sender, mut reports) = mpsc::channel::<Vec<u8>>(WAITING);
        let (ended, ending) = oneshot::channel();
        let mut target = self.target;
        let write_all = move || -> io::Result<()> {
            while let Some(report) = reports.blocking_recv() {
                target.write(&report)?;
            }
            target.finish()
        };
        thread::Builder::new()
            .name("batch-output".to_owned())
            .spawn(move || {
                let _gone = ended.send(write_all());
            })
            .map_err(|error| CommandError::Usage(format!("cannot start a thread: {error}")))?;
        Ok((sender, ending))
    }
}

/// How the writing ended.
pub(super) type Ending = oneshot::Receiver<io::Result<()>>;

impl Target {
    fn write(&mut self, report: &[u8]) -> io::Result<()> {
        match self {
            Self::Standard => {
                let mut output = io::stdout().lock();
                output.write_all(report)?;
                output.flush()
            }
            Self::Stream(file) => file.write_all(report),
            Self::File { file, end, torn } => {
                if *torn {
                    file.set_len(*end)?;
                    *torn = false;
                }
                if let Err(error) = file.write_all(report) {
                    // The part that was written is of no use. If it has to stay, resuming drops it.
                    let _stays = file.set_len(*end);
                    return Err(error);
                }
                *end += report.len() as u64;
                Ok(())
            }
        }
    }

    /// What the system holds back until then may still fail.
    fn finish(self) -> io::Result<()> {
        match self {
            Self::Standard | Self::Stream(_) => Ok(()),
            Self::File { file, end, torn } => {
                if torn {
                    file.set_len(end)?;
                }
                file.sync_all()
            }
        }
    }
}

fn begins_a_report(part: &[u8]) -> bool {
    let length = part.len().min(BEGINNING.len());
    part.get(..length) == BEGINNING.get(..length)
}

/// What is read back of a report.
#[derive(Deserialize)]
struct Written<'a> {
    line: u64,
    id: Option<Id>,
    #[serde(borrow)]
    verdict: Cow<'a, str>,
    #[serde(borrow)]
    provider_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    errors: Vec<Code<'a>>,
    #[serde(borrow, default)]
    warnings: Vec<Code<'a>>,
    #[serde(default)]
    sandbox: bool,
}

#[derive(Deserialize)]
struct Code<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

impl Written<'_> {
    fn cause(&self) -> Result<Option<Cause>, &'static str> {
        let cause = |error: &Code<'_>| Cause::from_code(&error.code).ok_or(NO_REPORT);
        self.errors.first().map(cause).transpose()
    }

    fn warnings(&self) -> Result<Vec<WarningCode>, &'static str> {
        let known = |warning: &Code<'_>| WarningCode::from_code(&warning.code).ok_or(NO_REPORT);
        self.warnings.iter().map(known).collect()
    }
}

impl Earlier {
    /// Adds a report, or says what about it keeps the run from being resumed.
    fn add(
        &mut self,
        report: &[u8],
        registry: &Registry,
        sandbox: bool,
    ) -> Result<(), &'static str> {
        let written: Written<'_> = serde_json::from_slice(report).map_err(|_| NO_REPORT)?;
        let provider = written
            .provider_id
            .as_deref()
            .map(|id| registry.get(id).ok_or("is about a provider that this program does not know"))
            .transpose()?
            .map(bonafide_registry::Entry::descriptor);
        let judged = Judged { provider, cause: written.cause()?, warnings: written.warnings()? };
        if written.line == 0 || written.verdict != judged.verdict().as_str() {
            return Err(NO_REPORT);
        }
        match (written.sandbox, sandbox) {
            (true, false) => return Err("is from the sandbox, and this run is not"),
            (false, true) => return Err("is not from the sandbox, and this run is"),
            _ => {}
        }
        if !self.done.insert(written.line, &Identity { provider, id: written.id }) {
            return Err("is a second report on the same line of the input");
        }
        self.summary.add(&judged);
        Ok(())
    }
}
