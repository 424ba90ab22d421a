//! `bonafide providers`: the catalogue.

use std::fmt::Write as _;
use std::process::ExitCode;

use bonafide_registry::Registry;

use super::{CommandError, Format, pretty, print};
use crate::api::catalogue::{Catalogue, Setting};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// How to print the catalogue
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, registry: &Registry) -> Result<ExitCode, CommandError> {
    let catalogue = Catalogue::of(registry, &[]);
    match arguments.format {
        Format::Json => print(&pretty(&catalogue)?)?,
        Format::Text => {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = render(&mut text, &catalogue);
            print(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn render(text: &mut String, catalogue: &Catalogue) -> std::fmt::Result {
    for (index, item) in catalogue.items.iter().enumerate() {
        if index > 0 {
            writeln!(text)?;
        }
        writeln!(text, "{}  {}  {}  {}", item.id, item.name, item.r#type, item.title)?;
        let width =
            item.settings.iter().map(|setting| setting.name.len()).max().unwrap_or_default();
        for setting in &item.settings {
            writeln!(text, "    {:width$}  {}{}", setting.name, setting.title, remarks(setting))?;
        }
    }
    Ok(())
}

fn remarks(setting: &Setting) -> String {
    let remarks: Vec<&str> = [(setting.secret, "secret"), (!setting.required, "optional")]
        .into_iter()
        .filter_map(|(holds, remark)| holds.then_some(remark))
        .collect();
    if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) }
}
