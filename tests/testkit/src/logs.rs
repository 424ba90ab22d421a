//! What is logged, kept in memory.

use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Subscribers that nobody is given, and that want to hear everything.
///
/// Whether a place in the code logs at all is settled when it is first reached, and while there is one subscriber or
/// none, only the thread that reaches it is asked: a test without [`Logs`] would settle it for those with them.
static LISTENERS: LazyLock<[Dispatch; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE);
        Dispatch::new(subscriber.with_writer(io::sink).finish())
    })
});

/// Sees to it that what is reached from now on can be heard. Every test of the kit begins with it.
pub(crate) fn listen() {
    LazyLock::force(&LISTENERS);
}

/// Keeps everything that is logged on this thread, down to `TRACE`, for as long as it lives.
pub struct Logs {
    buffer: Buffer,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl fmt::Debug for Logs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Logs").finish_non_exhaustive()
    }
}

impl Logs {
    /// Begins to keep what is logged.
    pub fn capture() -> Self {
        listen();
        let buffer = Buffer::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(buffer.clone())
            .finish();
        Self { buffer, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// What was logged so far.
    pub fn text(&self) -> String {
        let bytes = self.buffer.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
