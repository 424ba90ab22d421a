//! The `bonafide` command, with the providers that the library links in.

use std::process::ExitCode;

// A check allocates some two hundred times, mostly what other threads free, and memory goes back when a crowd has left.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bonafide::run(include_str!("../Cargo.toml"))
}
