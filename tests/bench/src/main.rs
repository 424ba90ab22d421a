//! Bonafide, side by side with the baseline: the same service, written by hand.
//!
//! Everything runs on this machine in processes of its own: the service that is measured on one core, and the emulated
//! provider together with the clients on another. Each figure is a ratio of medians over rounds that take turns. No figure
//! is asserted: what it means depends on the machine, and docs/performance.md says how it was read.

#![expect(clippy::print_stdout, reason = "figures are for the person at the terminal")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are rounded when they are printed"
)]
#![expect(clippy::disallowed_methods, reason = "clients of this machine need no guard")]

mod baseline;
mod figures;
mod load;
mod mail;
mod process;
mod registry;
mod report;
mod upstream;

use std::error::Error;
use std::process::ExitCode;

/// Whatever goes wrong ends the run, and is told.
type Failure = Box<dyn Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["upstream", latency] => upstream::run(latency),
        ["mail-server", certificate] => mail::run(certificate),
        ["baseline", upstream] => baseline::run(upstream, None),
        ["baseline", upstream, certificate] => baseline::run(upstream, Some(certificate)),
        ["load", address, connections, seconds] => figures::load(address, connections, seconds),
        ["static"] => baseline::run_static(),
        _ => figures::run(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs on one thread, as each of the processes has one core.
fn block_on(future: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
