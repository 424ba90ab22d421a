//! Bonafide with a provider of our own.

// A provider that is a dependency and is never named is left out by the linker; this makes it an error.
#![deny(unused_crate_dependencies)]

use std::process::ExitCode;

use bonafide_postmark as _;

fn main() -> ExitCode {
    bonafide::run(include_str!("../Cargo.toml"))
}
