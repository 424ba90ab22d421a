//! `bonafide schema`: the schemas of the providers' settings, as files.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bonafide_registry::Registry;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{CommandError, offline_environment, pretty, print};
use crate::StartError;
use crate::api::openapi;
use crate::check::Checks;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write one file for each provider and an index, or the OpenAPI document
    Export(Export),
}

#[derive(clap::Args, Debug)]
pub(super) struct Export {
    /// The folder to write to; it is made if it is not there
    #[arg(long, value_name = "DIR", default_value = "schemas")]
    out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: ExportFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ExportFormat {
    /// One JSON Schema (draft 2020-12) for each provider
    #[default]
    JsonSchema,
    /// The OpenAPI 3.1 document of the HTTP API
    Openapi,
}

pub(super) fn run(command: Command, registry: Registry) -> Result<ExitCode, CommandError> {
    let Command::Export(export) = command;
    let checks = Checks::new(registry, offline_environment()?);
    checks.warm_up().map_err(StartError::from)?;
    let files = match export.format {
        ExportFormat::JsonSchema => json_schemas(&checks)?,
        ExportFormat::Openapi => {
            vec![("openapi.json".to_owned(), openapi::document(&checks))]
        }
    };
    std::fs::create_dir_all(&export.out).map_err(|error| failed(&export.out, &error))?;
    for (name, document) in files {
        let path = export.out.join(name);
        write(&export.out, &path, &pretty(&document)?)?;
        print(&format!("{}\n", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json_schemas(checks: &Checks) -> Result<Vec<(String, Value)>, CommandError> {
    let mut files = Vec::new();
    let mut index = Vec::new();
    for validator in checks.registry().iter() {
        let descriptor = validator.descriptor();
        let schema = checks.published_schema(validator).map_err(StartError::from)?;
        let name = format!("{}.schema.json", descriptor.name);
        index.push(json!({
            "id": descriptor.id,
            "type": descriptor.provider_type,
            "name": descriptor.name,
            "title": descriptor.title,
            "version": checks.version(descriptor),
            "schema": name,
        }));
        files.push((name, schema));
    }
    files.push(("index.json".to_owned(), json!({"total": index.len(), "items": index})));
    Ok(files)
}

/// Writes beside the file first, so that nobody ever reads half of it.
fn write(folder: &Path, path: &Path, text: &str) -> Result<(), CommandError> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".bonafide-")
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::Usage(format!("cannot write `{}`: {error}", path.display()))
}
