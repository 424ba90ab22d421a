//! The `bonafide` command, with the providers that the library links in.

use std::process::ExitCode;

// A check allocates much that is small and short-lived. The feature `no_thp` keeps mimalloc from asking the kernel for huge
// pages, with which a check in flight holds half as much memory again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A kernel that is set to `always` gives huge pages to programs that did not ask for them. It may refuse, and then gives them all the same.
    #[cfg(target_os = "linux")]
    let _refused = rustix::thread::disable_transparent_huge_pages(true);
    bonafide::run(include_str!("../Cargo.toml"))
}
