//! Processes that are measured: on which core they run, what they use.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;

/// The core of the service that is measured, and the one for everything else.
pub(crate) const SERVICE: &str = "0";
pub(crate) const REST: &str = "1";

/// A process that listens. It ends with this value.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has gone already is gone.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Process {
    /// Starts a program on one core, and waits until it says where it listens.
    pub(crate) fn start<S: AsRef<OsStr>>(
        core: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", core])
            .arg(program)
            .args(arguments)
            .stdout(Stdio::piped())
            // Logs cost what they cost; nobody reads them here.
            .stderr(fs::File::create("/dev/null")?)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let output = child.stdout.take().ok_or("there is no standard output")?;
        let address = BufReader::new(output)
            .lines()
            .map_while(std::result::Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://")?.parse().ok())
            .ok_or_else(|| format!("{} does not listen", program.display()))?;
        Ok(Self { child, address })
    }

    /// What the process has used of its core so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        // In nanoseconds, unlike what `stat` has.
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            total += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// What it holds in memory at the moment, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most that it has ever held in memory, in bytes. The kernel keeps count, so that no height falls between two looks.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).unwrap_or_default();
        Ok(kibibytes.trim().parse::<u64>()? * 1024)
    }
}

/// Moves this process to a core, whatever it starts afterwards included.
pub(crate) fn pin_myself(core: &str) -> Result<()> {
    let done = Command::new("taskset")
        .args(["-a", "-c", "-p", core, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cannot start `taskset`, of util-linux: {error}"))?;
    if done.success() { Ok(()) } else { Err("there is one core only, and two are needed".into()) }
}

/// Lets this process, and whatever it starts afterwards, open as many files as the system allows it: this many at least.
pub(crate) fn raise_open_files(at_least: u64) -> Result<()> {
    let limits = getrlimit(Resource::Nofile);
    if limits.maximum.is_some_and(|maximum| maximum < at_least) {
        return Err(format!("{at_least} files have to be open at once: raise `ulimit -Hn`").into());
    }
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits })?;
    Ok(())
}

/// How the kernel gives huge pages to a process that does not ask for them, or asks.
pub(crate) fn transparent_huge_pages() -> String {
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    // All settings are listed, and the one that holds is in brackets.
    setting
        .ok()
        .and_then(|setting| Some(setting.split_once('[')?.1.split_once(']')?.0.to_owned()))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// This program, for the parts that it plays itself.
pub(crate) fn myself() -> Result<PathBuf> {
    Ok(std::env::current_exe()?)
}

/// The product, built beside this program.
pub(crate) fn bonafide() -> Result<PathBuf> {
    let path = myself()?.with_file_name("bonafide");
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("there is no {}: run `cargo build --release` first", path.display()).into())
    }
}
