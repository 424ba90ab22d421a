//! The `bonafide` command, with the providers that the library links in.

use std::process::ExitCode;

// A check allocates much that is small and short-lived.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bonafide::run(include_str!("../Cargo.toml"))
}
