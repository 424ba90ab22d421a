//! `bonafide validate`: one request body, judged as the API judges it.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bonafide_core::{Finding, Verdict};
use bonafide_registry::Registry;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Asking, CommandError, Format, plain, pretty, print};
use crate::api::{MAX_BODY, whole_seconds};
use crate::check::{Caller, Report, ReportDocument};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The file with the request body; standard input for `-` or when left out
    file: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) async fn run(
    arguments: Arguments,
    registry: Registry,
) -> Result<ExitCode, CommandError> {
    let setup = arguments.asking.set_up(&registry).await?;
    let body = read(arguments.file.as_deref())?;
    let sandbox = setup.sandbox.is_some();
    let checks = setup.checks(registry);
    let report = checks.run(body, Caller::Operator, Uuid::new_v4()).await;
    let text = match arguments.format {
        Format::Text => render(&report, sandbox),
        Format::Json => pretty(&ReportDocument::new(&report, sandbox))?,
    };
    match print(&text) {
        // The verdict is in the exit status too.
        Ok(()) | Err(CommandError::Closed) => Ok(exit_code(report.verdict)),
        Err(error) => Err(error),
    }
}

fn exit_code(verdict: Verdict) -> ExitCode {
    ExitCode::from(match verdict {
        Verdict::Valid => 0,
        Verdict::Rejected => 1,
        Verdict::Inconclusive => 3,
    })
}

fn read(file: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let (name, result) = match file.filter(|file| *file != Path::new("-")) {
        None => ("standard input".to_owned(), read_all(std::io::stdin().lock())),
        Some(file) => {
            (format!("`{}`", file.display()), std::fs::File::open(file).and_then(read_all))
        }
    };
    let body =
        result.map_err(|error| CommandError::Usage(format!("cannot read {name}: {error}")))?;
    if body.len() > MAX_BODY {
        return Err(CommandError::Usage(format!(
            "{name} is larger than {MAX_BODY} bytes, which is the most that a request may have"
        )));
    }
    Ok(body)
}

fn read_all(source: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_BODY + 1));
    source.take(MAX_BODY as u64 + 1).read_to_end(&mut body)?;
    Ok(body)
}

/// The report for people.
fn render(report: &Report, sandbox: bool) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = render_to(&mut text, report, sandbox);
    text
}

fn render_to(text: &mut String, report: &Report, sandbox: bool) -> std::fmt::Result {
    if sandbox {
        writeln!(
            text,
            "SANDBOX: the answers come from emulators on this machine, not from providers.\n"
        )?;
    }
    match report.provider {
        Some(descriptor) => {
            writeln!(text, "{} ({}): {}", descriptor.title, descriptor.id, report.verdict)?;
        }
        None => writeln!(text, "Request: {}", report.verdict)?,
    }
    let said_below = report.problems.iter().any(|problem| problem.message() == report.message);
    if !report.message.is_empty() && !said_below {
        writeln!(text, "{}", report.message)?;
    }
    if let Some(wait) = report.retry_after {
        writeln!(text, "It is worth asking again in {} s.", whole_seconds(wait).max(1))?;
    }
    if let Some(data) = &report.data {
        writeln!(text, "\nData:")?;
        render_data(text, data)?;
    }
    render_findings(text, "Warnings", &report.warnings)?;
    render_findings(text, "Errors", &report.problems)?;
    writeln!(text, "\nTrace id {}, {} ms", report.trace_id, report.elapsed.as_millis())
}

fn render_data(text: &mut String, data: &Value) -> std::fmt::Result {
    match data {
        Value::Array(items) if items.is_empty() => writeln!(text, "  (none)"),
        Value::Array(items) => items.iter().try_for_each(|item| writeln!(text, "  {}", line(item))),
        other => writeln!(text, "  {}", line(other)),
    }
}

/// A value on one line. What a terminal could take for a command is escaped.
fn line(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}: {}", line(value))).collect();
            members.join(", ")
        }
        Value::String(value) => plain(value),
        other => other.to_string(),
    }
}

fn render_findings<C: Copy + std::fmt::Display>(
    text: &mut String,
    heading: &str,
    findings: &[Finding<C>],
) -> std::fmt::Result {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{heading}:")?;
    for finding in findings {
        match finding.pointer() {
            Some(pointer) => writeln!(text, "  {} at {pointer}", finding.code())?,
            None => writeln!(text, "  {}", finding.code())?,
        }
        writeln!(text, "    {}", finding.message())?;
        if let Some(hint) = finding.hint() {
            writeln!(text, "    Hint: {hint}")?;
        }
    }
    Ok(())
}
