//! `bonafide schema export`: everything is written, or nothing is.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bonafide_registry::Registry;
use clap::ValueEnum;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::api::openapi;
use crate::cli::{CommandError, pretty, print, tell};
use crate::schema::export::{INDEX, SUFFIX, json_schemas};
use crate::schema::typescript;

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// The folder to write to; it is made if it is not there
    #[arg(long, value_name = "DIR", default_value = "schemas")]
    out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON Schema (draft 2020-12) for each provider, and an index
    #[default]
    JsonSchema,
    /// The OpenAPI 3.1 document of the HTTP API
    Openapi,
    /// Types of requests, settings, reports and errors
    Typescript,
}

/// A file of an export: its name, and what it holds.
type File = (String, String);

pub(super) fn run(arguments: &Arguments, registry: &Registry) -> Result<ExitCode, CommandError> {
    let files = files(arguments.format, registry)?;
    let stale = match arguments.format {
        Format::JsonSchema => stale(&arguments.out, &files),
        Format::Openapi | Format::Typescript => Vec::new(),
    };
    for path in write(&arguments.out, &files)? {
        print(&format!("{}\n", path.display()))?;
    }
    for path in stale {
        std::fs::remove_file(&path).map_err(|error| {
            let path = path.display();
            CommandError::Usage(format!(
                "everything is written, but `{path}` of a provider that is gone cannot be removed: {error}"
            ))
        })?;
        tell(&format!("removed {}: no linked provider has this schema", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn files(format: Format, registry: &Registry) -> Result<Vec<File>, CommandError> {
    match format {
        Format::JsonSchema => json_schemas(registry)
            .into_iter()
            .map(|(name, document)| Ok((name, pretty(&document)?)))
            .collect(),
        Format::Openapi => {
            Ok(vec![("openapi.json".to_owned(), pretty(&openapi::document(registry))?)])
        }
        Format::Typescript => Ok(vec![("bonafide.ts".to_owned(), typescript::document(registry))]),
    }
}

/// The files of an earlier export in this folder that the new one does not write. Nothing else is ever removed.
fn stale(folder: &Path, files: &[File]) -> Vec<PathBuf> {
    let index = std::fs::read(folder.join(INDEX)).ok();
    let index: Value =
        index.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let listed = index.get("items").and_then(Value::as_array).into_iter().flatten();
    listed
        .filter_map(|item| item.get("schema")?.as_str())
        .filter(|name| name.ends_with(SUFFIX) && !name.contains('/'))
        .filter(|name| files.iter().all(|(written, _)| written != name))
        .map(|name| folder.join(name))
        .filter(|path| path.is_file())
        .collect()
}

/// Writes every file beside its place, and moves them there when all of them are written. Where that fails, the folder
/// is as it was.
fn write(folder: &Path, files: &[File]) -> Result<Vec<PathBuf>, CommandError> {
    let made = Made::folder(folder).map_err(|error| failed(folder, &error))?;
    let mut written = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        if path.is_dir() {
            let error = std::io::Error::other("a folder is in its place");
            return Err(failed(&path, &error));
        }
        let file = write_beside(folder, text).map_err(|error| failed(&path, &error))?;
        written.push((path, file));
    }
    let mut paths = Vec::new();
    for (path, file) in written {
        file.persist(&path).map_err(|error| failed(&path, &error.error))?;
        paths.push(path);
    }
    made.keep();
    Ok(paths)
}

fn write_beside(folder: &Path, text: &str) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".bonafide-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn failed(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::Usage(format!("cannot write `{}`: {error}; nothing is exported", path.display()))
}

/// The folders that were made for an export, which go again when it fails.
struct Made(Vec<PathBuf>);

impl Made {
    fn folder(folder: &Path) -> std::io::Result<Self> {
        let missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
            .collect();
        let mut made = Self(Vec::new());
        for path in missing.into_iter().rev() {
            std::fs::create_dir(path)?;
            made.0.push(path.to_owned());
        }
        // Says so when something that is no folder is there.
        std::fs::read_dir(folder)?;
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // One that somebody has put something into meanwhile stays.
            let _in_use = std::fs::remove_dir(folder);
        }
    }
}
