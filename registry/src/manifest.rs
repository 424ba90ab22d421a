//! The manifest of a program, which says what should have registered itself.
//!
//! A crate that is a dependency and is never named in the source is left out by the linker, and nothing in the finished
//! program tells that it was wanted. Its manifest does.

use bonafide_core::host::Registration;
use toml::{Table, Value};

use crate::RegistryError;

/// The crates of Bonafide whose names begin like a provider's, and which are not providers.
pub const LIBRARIES: [&str; 7] = [
    "bonafide-bench",
    "bonafide-core",
    "bonafide-emulator",
    "bonafide-fuzz",
    "bonafide-registry",
    "bonafide-samples",
    "bonafide-testkit",
];

/// What the name of a provider crate begins with.
const PREFIX: &str = "bonafide-";

/// The key under `[package.metadata.bonafide]` that lists further crates that are not providers.
pub(crate) const NOT_PROVIDERS: &str = "not-providers";

/// Fails for dependencies of the program's package that are provider crates by their name and are not registered.
///
/// Optional dependencies and those of one target are passed over: whether they were built is not in the manifest.
pub(crate) fn check(manifest: &str, registrations: &[&Registration]) -> Result<(), RegistryError> {
    let manifest: Table = manifest.parse().map_err(|_| RegistryError::NoManifest)?;
    let package = manifest.get("package").ok_or(RegistryError::NoManifest)?;
    let others = package
        .get("metadata")
        .and_then(|metadata| metadata.get("bonafide")?.get(NOT_PROVIDERS)?.as_array());
    let is_other =
        |name: &str| others.is_some_and(|list| list.iter().any(|one| one.as_str() == Some(name)));
    let has_registered = |name: &str| {
        registrations.iter().any(|registration| same_crate(registration.crate_name(), name))
    };
    let dependencies: Vec<String> = manifest
        .get("dependencies")
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
        .filter(|(key, dependency)| {
            let name = package_name(key, dependency);
            !is_optional(dependency)
                && is_provider_by_name(name)
                && !is_other(name)
                && !has_registered(name)
        })
        .map(|(key, _)| key.clone())
        .collect();
    if dependencies.is_empty() { Ok(()) } else { Err(RegistryError::NotLinked { dependencies }) }
}

/// The package behind a dependency, which can have another name in the source.
fn package_name<'a>(key: &'a str, dependency: &'a Value) -> &'a str {
    dependency.get("package").and_then(Value::as_str).unwrap_or(key)
}

fn is_optional(dependency: &Value) -> bool {
    dependency.get("optional").and_then(Value::as_bool).unwrap_or(false)
}

fn is_provider_by_name(name: &str) -> bool {
    let name = name.replace('_', "-");
    name.starts_with(PREFIX) && !LIBRARIES.contains(&name.as_str())
}

fn same_crate(one: &str, other: &str) -> bool {
    one.replace('_', "-") == other.replace('_', "-")
}
