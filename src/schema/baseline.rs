//! An export as it is compared: of the linked providers, or read from the files of an earlier one.

use std::io;
use std::path::{Path, PathBuf};

use bonafide_registry::{Entry, Registry};
use serde::Deserialize;
use serde_json::Value;

use super::export::{INDEX, file_name};

/// Every provider of an export, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Export(pub(crate) Vec<Exported>);

/// One provider of an export: its entry in the index, and its schema.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Exported {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) provider_type: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) version: String,
    /// The name of the file.
    #[serde(rename = "schema")]
    pub(crate) file: String,
    #[serde(skip)]
    pub(crate) schema: Value,
}

#[derive(Deserialize)]
struct Index {
    items: Vec<Exported>,
}

/// Why there is nothing to compare with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    #[error(
        "there is no earlier export in `{folder}`: `{INDEX}` cannot be read ({error}); `bonafide schema export --out DIR` makes one",
        folder = folder.display()
    )]
    Missing { folder: PathBuf, error: io::Error },
    #[error("`{file}` of the earlier export cannot be read: {error}", file = file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error(
        "`{file}` is no file of an export: {what} (line {line}); take the export from where it was kept again",
        file = file.display()
    )]
    Malformed { file: PathBuf, what: &'static str, line: usize },
    #[error(
        "`{file}` holds no JSON Schema of draft 2020-12: {reason}; take the export from where it was kept again",
        file = file.display()
    )]
    NoSchema { file: PathBuf, reason: String },
}

impl Export {
    /// What an export would write now.
    pub(crate) fn of(registry: &Registry) -> Self {
        let exported = |entry: &Entry| {
            let descriptor = entry.descriptor();
            Exported {
                id: descriptor.id.to_owned(),
                provider_type: descriptor.provider_type.to_string(),
                name: descriptor.name.to_owned(),
                title: descriptor.title.to_owned(),
                version: entry.version().to_owned(),
                file: file_name(descriptor),
                schema: entry.published_schema(),
            }
        };
        Self(registry.iter().map(exported).collect())
    }

    /// Reads an earlier export from its folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, BaselineError> {
        let path = folder.join(INDEX);
        let text = std::fs::read(&path)
            .map_err(|error| BaselineError::Missing { folder: folder.to_owned(), error })?;
        let index: Index = parsed(&path, &text)?;
        let with_schema = |item: Exported| {
            // A name that leads elsewhere is none that an export gives.
            let name = Path::new(&item.file).file_name().unwrap_or_default();
            let schema = schema(&folder.join(name))?;
            Ok(Exported { schema, ..item })
        };
        index.items.into_iter().map(with_schema).collect::<Result<_, _>>().map(Self)
    }
}

fn schema(path: &Path) -> Result<Value, BaselineError> {
    let text = std::fs::read(path)
        .map_err(|error| BaselineError::Unreadable { file: path.to_owned(), error })?;
    let schema = parsed(path, &text)?;
    match jsonschema::draft202012::new(&schema) {
        Ok(_) => Ok(schema),
        Err(error) => {
            let reason = error.masked().to_string();
            Err(BaselineError::NoSchema { file: path.to_owned(), reason })
        }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, BaselineError> {
    serde_json::from_slice(text).map_err(|error| BaselineError::Malformed {
        file: path.to_owned(),
        what: if error.is_data() {
            "a member is missing or of another type"
        } else {
            "it is not JSON"
        },
        line: error.line(),
    })
}
