//! The command line.

mod batch;
mod new_provider;
mod providers;
mod reload;
mod schema;
mod serve;
mod token;
mod validate;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use bonafide_core::host::Environment;
use bonafide_emulator::Sandbox;
use bonafide_registry::Registry;
use clap::{Args, Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::check::Checks;
use crate::config::{self, Config, ConfigError};
use crate::token::NoRandomness;
use crate::{StartError, telemetry};

/// Checks whether the settings of a messaging integration work, by asking the provider.
#[derive(Debug, Parser)]
#[command(name = "bonafide", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the HTTP API
    Serve(serve::Arguments),
    /// Check one request body
    ///
    /// Exits with 0 for valid settings, 1 for rejected ones, 2 for a mistake in the call, and 3 when nobody knows.
    Validate(validate::Arguments),
    /// Check many request bodies, one a line
    ///
    /// Writes one report a line, in the order in which the checks end, and exits with 0 when it has judged every
    /// line, whatever the verdicts.
    Batch(batch::Arguments),
    /// List the providers and their settings
    Providers(providers::Arguments),
    /// Work with the schemas of the providers' settings
    #[command(subcommand)]
    Schema(schema::Command),
    /// Make a token, and the lines of the configuration that let it in
    ///
    /// The token is printed this once and kept nowhere. The lines hold its digest, from which nobody gets it back.
    Token(token::Arguments),
    /// Write a provider crate to begin with
    ///
    /// It compiles, passes its tests and works in the sandbox; its host, path and answers are made up.
    NewProvider(new_provider::Arguments),
}

/// How a command prints what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// What the commands that ask providers have in common.
#[derive(Args, Clone, Debug)]
struct Asking {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask emulators on this machine instead of the providers
    #[arg(long)]
    sandbox: bool,
}

/// A command that could not do its work: a mistake in the call or the configuration, or a system that failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Usage(String),
    /// Whoever read the output has gone, which is no error.
    #[error("standard output is closed")]
    Closed,
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    #[error(transparent)]
    Token(#[from] NoRandomness),
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::Start(error.into())
    }
}

/// Runs the command that the arguments of this process ask for.
///
/// This is all that a program with providers of its own calls. It depends on this crate and on theirs, and names each of
/// theirs once; the bundled ones are there already.
///
/// `manifest` is the text of the calling package's Cargo.toml. A provider that is a dependency there and is not linked
/// into the program, because nothing names it, is an error that says which line to add.
///
/// ```no_run
/// // use bonafide_postmark as _;
///
/// fn main() -> std::process::ExitCode {
///     bonafide::run(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")))
/// }
/// ```
pub fn run(manifest: &str) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output, mistakes to standard error; neither can be helped if closed.
            let _closed = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let telemetry = telemetry::start(match arguments.command {
        Command::Serve(_) => telemetry::Format::Json,
        _ => telemetry::Format::Text,
    });
    let result = dispatch(manifest, arguments.command);
    // What is told last stands below the log.
    drop(telemetry);
    match result {
        Ok(code) => code,
        Err(CommandError::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                tell(&format!("error: {line}"));
            }
            ExitCode::from(2)
        }
    }
}

fn dispatch(manifest: &str, command: Command) -> Result<ExitCode, CommandError> {
    let registry = Registry::collect(manifest).map_err(StartError::from)?;
    match command {
        Command::Serve(arguments) => block_on(serve::run(arguments, registry)),
        Command::Validate(arguments) => block_on(validate::run(arguments, registry)),
        Command::Batch(arguments) => block_on(batch::run(arguments, registry)),
        Command::Providers(arguments) => providers::run(&arguments, &registry),
        Command::Schema(command) => schema::run(command, &registry),
        Command::Token(arguments) => token::run(&arguments),
        Command::NewProvider(arguments) => new_provider::run(&arguments, &registry),
    }
}

fn block_on<T>(future: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = runtime()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Usage(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(future);
    // A look-up of a name that nobody waits for any more may go on for a minute.
    runtime.shutdown_background();
    result
}

/// Takes as many file descriptors as the system lets this process have. The usual 1024 are for programs that know no more.
fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    // Where it is refused, the process works with what it has.
    let _refused = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
}

/// On a single core, threads that share the work would only wait for each other.
fn runtime() -> tokio::runtime::Builder {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    }
}

/// The configuration, the environment, and the emulators if they are asked for.
struct Setup {
    config: Config,
    environment: Environment,
    sandbox: Option<Sandbox>,
}

impl Setup {
    /// The checks that the commands run.
    fn checks(&self, registry: Registry) -> Checks {
        Checks::new(registry, self.environment.clone(), |descriptor| {
            self.config.provider_limits(descriptor, self.sandbox.is_some())
        })
    }
}

impl Asking {
    fn configuration(&self, registry: &Registry) -> Result<Config, ConfigError> {
        let file = self.config.as_deref().map(config::File::open).transpose()?;
        Config::read(registry, file, config::variables())
    }

    async fn set_up(&self, registry: &Registry) -> Result<Setup, CommandError> {
        raise_open_files();
        let config = self.configuration(registry)?;
        if !self.sandbox {
            let environment = config.environment(registry)?;
            return Ok(Setup { config, environment, sandbox: None });
        }
        let failed = |error| CommandError::Usage(format!("the sandbox cannot be started: {error}"));
        let sandbox =
            Sandbox::start(registry.descriptors()).await.map_err(failed)?.without_record();
        let builder = sandbox
            .environment_with(|descriptor, asked| {
                if let Some(configured) = config.provider(descriptor) {
                    asked.clone_from(configured);
                }
            })
            .map_err(failed)?;
        let environment = config.build(builder)?;
        Ok(Setup { config, environment, sandbox: Some(sandbox) })
    }
}

/// Prints to standard output.
fn print(text: &str) -> Result<(), CommandError> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(|error| {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CommandError::Closed,
            _ => CommandError::Output(error),
        }
    })
}

/// Tells the person at the terminal. Where there is none, nothing is lost.
fn tell(line: &str) {
    let _closed = writeln!(io::stderr().lock(), "{line}");
}

/// A text that somebody else wrote, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, character| {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        shown
    })
}

/// A value as pretty JSON with a newline at the end.
fn pretty(value: &impl serde::Serialize) -> Result<String, CommandError> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| CommandError::Usage(format!("the JSON cannot be written: {error}")))
}
