//! The `bonafide` command, with the providers that the library links in.

use std::process::ExitCode;

fn main() -> ExitCode {
    bonafide::run(include_str!("../Cargo.toml"))
}
