//! What a registry refuses, with the line to write.

use std::fmt;

use bonafide_core::host::{Registration, SchemaError};

use crate::manifest::NOT_PROVIDERS;

/// Why a registry cannot be made. Each message names the crate and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No provider is linked into the program.
    #[error(
        "no provider is linked into this program: make a provider crate a dependency in Cargo.toml, such as \
         `bonafide-twilio`, and add the line `use bonafide_twilio as _;` to the program's source"
    )]
    Empty,
    /// Dependencies that are provider crates by their name, and did not register a provider.
    #[error("{}", not_linked(.dependencies))]
    NotLinked {
        /// The dependencies, as Cargo.toml names them.
        dependencies: Vec<String>,
    },
    /// The text given as the program's manifest is not the Cargo.toml of a package.
    #[error(
        "what the program gives as its manifest is not the Cargo.toml of a package: give \
         `include_str!(\"../Cargo.toml\")`, with the path from the source file to the package's own Cargo.toml"
    )]
    NoManifest,
    /// Two providers have one id.
    #[error("{}", duplicate("id", .id, .first, .second))]
    DuplicateId {
        /// The id.
        id: &'static str,
        /// The crate of one provider.
        first: Origin,
        /// The crate of the other.
        second: Origin,
    },
    /// Two providers have one name.
    #[error("{}", duplicate("name", .name, .first, .second))]
    DuplicateName {
        /// The name.
        name: &'static str,
        /// The crate of one provider.
        first: Origin,
        /// The crate of the other.
        second: Origin,
    },
    /// An id, a name or a base URL without the form that the rest of the program needs.
    #[error("the crate `{crate_name}` registers a provider whose {what}")]
    InvalidDescriptor {
        /// The crate.
        crate_name: &'static str,
        /// What is wrong, and what it must be.
        what: &'static str,
    },
    /// A settings type whose schema is not a JSON Schema, for instance because a pattern is not a regular expression.
    #[error("the crate `{crate_name}` registers a provider that cannot be used: {source}")]
    Schema {
        /// The crate.
        crate_name: &'static str,
        /// What is wrong with the schema.
        source: SchemaError,
    },
}

/// The crate that a registration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the package.
    pub crate_name: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl From<&Registration> for Origin {
    fn from(registration: &Registration) -> Self {
        Self { crate_name: registration.crate_name(), version: registration.version() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.crate_name, self.version)
    }
}

/// One line for each dependency, and one for what else it can be.
fn not_linked(dependencies: &[String]) -> String {
    use fmt::Write as _;

    let mut text = String::new();
    for dependency in dependencies {
        let name = dependency.replace('-', "_");
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "`{dependency}` is a dependency in Cargo.toml and is not linked into this program: add the line \
             `use {name} as _;` to the program's source"
        );
    }
    text + &format!(
        "a crate that is named and still missing registers nothing: it lacks the line `register_provider!(…);`, or is not \
         a provider and belongs into `{NOT_PROVIDERS} = […]` under `[package.metadata.bonafide]` in Cargo.toml"
    )
}

/// `what` is the field of the descriptor that both set to `value`.
fn duplicate(what: &str, value: &str, first: &Origin, second: &Origin) -> String {
    let Origin { crate_name, version } = first;
    if *crate_name != second.crate_name {
        format!(
            "the crates {first} and {second} both register provider {what} `{value}`: give one of them another in \
             its `Descriptor::new`, or take one of them out of the program"
        )
    } else if *version != second.version {
        format!(
            "two versions of the crate `{crate_name}` are linked into this program, {version} and {}, and both register \
             provider {what} `{value}`: `cargo tree --duplicates` shows who asks for which; change the line \
             `{crate_name} = …` of one Cargo.toml so that all ask for one",
            second.version
        )
    } else {
        format!(
            "the crate {first} registers provider {what} `{value}` twice: give one of its providers another in \
             its `Descriptor::new`, or take one line `register_provider!(…);` away; if it has only one, \
             the crate is linked in from two sources, which `cargo tree --duplicates` shows"
        )
    }
}
