//! `bonafide schema`: the schemas of the providers' settings, as files, and what has changed in them.

mod check;
mod export;

use std::process::ExitCode;

use bonafide_registry::Registry;
use clap::Subcommand;

use super::CommandError;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write the schemas of the linked providers for tools: one file for each, the OpenAPI document, or types
    Export(export::Arguments),
    /// Compare the schemas of the linked providers with an earlier export
    ///
    /// Names each change and whether it breaks settings that are stored today. Exits with 1 when one does, and with 2 when
    /// there is nothing to compare with.
    Check(check::Arguments),
}

pub(super) fn run(command: Command, registry: &Registry) -> Result<ExitCode, CommandError> {
    match command {
        Command::Export(arguments) => export::run(&arguments, registry),
        Command::Check(arguments) => check::run(&arguments, registry),
    }
}
