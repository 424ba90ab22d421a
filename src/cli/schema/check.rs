//! `bonafide schema check`: what changed since an earlier export, and which of it breaks stored settings.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use bonafide_registry::Registry;
use serde::Serialize;
use serde_json::Value;

use crate::cli::{CommandError, Format, plain, pretty, print};
use crate::schema::baseline::Export;
use crate::schema::compare::{Change, compare};

/// How many characters of a text are shown.
const SHOWN: usize = 40;

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// The folder of an earlier export, as `bonafide schema export` wrote it
    #[arg(value_name = "BASELINE_DIR")]
    baseline: PathBuf,
    /// How to print what changed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What changed, as programs read it.
#[derive(Serialize)]
struct Report<'a> {
    breaks: bool,
    total: usize,
    breaking: usize,
    changes: &'a [Change],
}

pub(super) fn run(arguments: &Arguments, registry: &Registry) -> Result<ExitCode, CommandError> {
    let baseline = Export::read(&arguments.baseline)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    let now = Export::of(registry);
    let changes = compare(&baseline, &now);
    let breaking = changes.iter().filter(|change| change.breaks).count();
    match arguments.format {
        Format::Json => {
            let (breaks, total) = (breaking > 0, changes.len());
            print(&pretty(&Report { breaks, total, breaking, changes: &changes })?)?;
        }
        Format::Text => print(&text(&changes, breaking))?,
    }
    Ok(ExitCode::from(u8::from(breaking > 0)))
}

fn text(changes: &[Change], breaking: usize) -> String {
    let mut text = String::new();
    let mut provider = "";
    for change in changes {
        if change.provider != provider {
            provider = &change.provider;
            let _ = writeln!(text, "{} ({})", plain(provider), plain(&change.provider_id));
        }
        let effect = if change.breaks { "BREAKS" } else { "safe" };
        let (document, pointer) = (plain(&change.document), plain(&change.pointer));
        let _ = writeln!(text, "  {effect:6}  {}  {document}#{pointer}", change.kind.code());
        let _ = writeln!(text, "          {}", plain(&change.message));
        if let Some(settings) = &change.refused {
            let _ =
                writeln!(text, "          Taken before and refused now: {}", shortened(settings));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = match (changes.len(), breaking) {
        (0, _) => writeln!(text, "Nothing has changed."),
        (1, 0) => writeln!(text, "1 change, which does not break stored settings."),
        (total, 0) => writeln!(text, "{total} changes, none of which breaks stored settings."),
        (1, _) => writeln!(text, "1 change, which breaks stored settings."),
        (total, 1) => writeln!(text, "{total} changes, 1 of which breaks stored settings."),
        (total, breaking) => {
            writeln!(text, "{total} changes, {breaking} of which break stored settings.")
        }
    };
    text
}

/// Settings on one line, as JSON, without the end of what is long.
fn shortened(settings: &Value) -> String {
    let shorten = |value: &Value| match value {
        Value::String(text) if text.chars().count() > SHOWN => {
            let start: String = text.chars().take(SHOWN / 2).collect();
            format!("{} and so on, {} characters", visible(&start), text.chars().count())
        }
        Value::String(text) => visible(text),
        other => other.to_string(),
    };
    let members = settings.as_object().into_iter().flatten();
    let members: Vec<String> =
        members.map(|(name, value)| format!("{}: {}", visible(name), shorten(value))).collect();
    format!("{{{}}}", members.join(", "))
}

/// A text between quotes, everything that is not ASCII escaped as JSON escapes it: what cannot be seen is told apart,
/// and a terminal is left alone.
fn visible(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.chars().fold(String::new(), |mut shown, character| {
        if character.is_ascii() && character != '\u{7f}' {
            shown.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
        shown
    })
}
