//! Lines of the log on their way out. Whoever writes one waits for nobody who reads them.

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes may wait to be written. What comes then is counted and lost.
const LARGEST: usize = 1024 * 1024;
/// How long lines are gathered before they are written: a busy server writes many at once, and wakes nobody for each.
const PACE: Duration = Duration::from_millis(10);
/// How long the end of the process waits for the last lines to be taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// Like the log, of the process and not of one of its parts.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines of the log this process has lost, because they could not be written in time.
pub(crate) fn lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

fn count_lost(lines: usize) {
    LOST.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Takes lines, and has a thread of its own write them.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    lost: usize,
    /// The thread sleeps, and must be woken.
    sleeps: bool,
    closing: bool,
}

/// Writes what is still waiting when it is dropped, and gives up after a second.
#[derive(Debug)]
pub(crate) struct Flush {
    queue: Queue,
    /// Closed by the end of the thread.
    ended: Receiver<()>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.queue.0.waiting().closing = true;
        self.queue.0.changed.notify_all();
        // Nobody may read the log any more, and the process ends all the same.
        let _ended = self.ended.recv_timeout(PATIENCE);
    }
}

impl Queue {
    /// Begins to write to this output.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let queue = Self::default();
        let shared = Arc::clone(&queue.0);
        let (end, ended) = mpsc::channel();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            Writer { output, torn: false }.run(&shared);
            drop(end);
        })?;
        let flush = Flush { queue: queue.clone(), ended };
        Ok((queue, flush))
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for &Queue {
    /// Takes a whole line, or none of it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting();
        if waiting.lines.len() + line.len() > LARGEST {
            waiting.lost += 1;
            count_lost(1);
        } else {
            waiting.lines.extend_from_slice(line);
        }
        let must_wake = mem::take(&mut waiting.sleeps);
        drop(waiting);
        if must_wake {
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// What the thread writes to.
struct Writer<W> {
    output: W,
    /// The last line is not there in full.
    torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self, shared: &Shared) {
        let mut lines = Vec::new();
        let mut lost = 0;
        let mut works = true;
        loop {
            let mut waiting = shared.waiting();
            while waiting.lines.is_empty() && !waiting.closing && !(works && lost > 0) {
                waiting.sleeps = true;
                waiting = shared.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            waiting.sleeps = false;
            mem::swap(&mut lines, &mut waiting.lines);
            lost += mem::take(&mut waiting.lost);
            let closing = waiting.closing;
            drop(waiting);
            if works && lost > 0 {
                // It is the next line, just where the others are missing: there is room now.
                tracing::warn!(
                    lines = lost,
                    "Lines of the log are lost here: they could not be written in time."
                );
                lost = 0;
            } else if lines.is_empty() {
                break;
            }
            let unwritten = self.write(&lines);
            works = unwritten == 0;
            lost += unwritten;
            count_lost(unwritten);
            if lines.capacity() > LARGEST / 8 {
                lines = Vec::new();
            }
            lines.clear();
            if !closing {
                let waiting = shared.waiting();
                // Time that is over, and a poisoned lock, end the wait too.
                drop(shared.changed.wait_timeout_while(waiting, PACE, |waiting| !waiting.closing));
            }
        }
    }

    /// Writes lines, and returns how many of them are not there in full.
    fn write(&mut self, mut lines: &[u8]) -> usize {
        if self.torn && self.output.write_all(b"\n").is_ok() {
            self.torn = false;
        }
        let may_write = !self.torn;
        while may_write && !lines.is_empty() {
            match self.output.write(lines) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(written) => {
                    let (done, rest) = lines.split_at(written.min(lines.len()));
                    self.torn = !done.ends_with(b"\n");
                    lines = rest;
                }
            }
        }
        lines.split_inclusive(|byte| *byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that has room for so many bytes.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (written, room) = &mut *self.0.lock().unwrap();
            let taken = bytes.len().min(*room - written.len());
            written.extend_from_slice(&bytes[..taken]);
            if taken == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Disk {
        fn make_room(&self, room: usize) {
            self.0.lock().unwrap().1 += room;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }
    }

    #[test]
    fn what_waits_is_written_when_it_ends() {
        let disk = Disk::default();
        disk.make_room(1000);
        let (queue, flush) = Queue::start(disk.clone()).unwrap();
        for number in 0..100 {
            (&queue).write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(flush);
        let all: String = (0..100).map(|number| number.to_string() + "\n").collect();
        assert_eq!(disk.text(), all);
    }

    #[test]
    fn no_line_continues_one_that_was_torn_by_a_full_disk() {
        let disk = Disk::default();
        disk.make_room(9);
        let mut writer = Writer { output: disk.clone(), torn: false };
        assert_eq!(writer.write(b"first\nsecond\nthird\n"), 2);
        assert_eq!(writer.write(b"fourth\n"), 1);
        disk.make_room(100);
        assert_eq!(writer.write(b"fifth\nsixth\n"), 0);
        assert_eq!(disk.text(), "first\nsec\nfifth\nsixth\n");
    }
}
