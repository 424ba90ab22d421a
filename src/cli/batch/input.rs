//! The lines of the input, one after the other and never more than a few at a time.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use bonafide_registry::Registry;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::done::{self, Block, Done};
use super::identity::Identity;
use crate::api::MAX_BODY;
use crate::check::Checks;
use crate::cli::CommandError;

/// How many lines wait to be checked. They are there before they are needed, and no more.
const AHEAD: usize = 16;

/// Where the lines come from.
pub(super) struct Input {
    /// As messages name it.
    pub(super) name: String,
    /// How many bytes there are, where that is known.
    pub(super) size: Option<u64>,
    /// The file, so that the output is not the same.
    identity: Option<(u64, u64)>,
    source: Box<dyn Read + Send>,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, CommandError> {
        if path == Path::new("-") {
            return Ok(Self {
                name: "standard input".to_owned(),
                size: None,
                identity: None,
                source: Box::new(io::stdin()),
            });
        }
        let name = format!("`{}`", path.display());
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let failed = |error: io::Error| CommandError::Usage(format!("cannot read {name}: {error}"));
        let (metadata, file) = opened.map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self {
            name,
            size: metadata.is_file().then_some(metadata.len()),
            identity: Some((metadata.dev(), metadata.ino())),
            source: Box::new(file),
        })
    }

    pub(super) fn is(&self, metadata: &std::fs::Metadata) -> bool {
        self.identity == Some((metadata.dev(), metadata.ino()))
    }

    /// Reads on a thread of its own, for nothing can end a read from a terminal or a pipe that says nothing.
    ///
    /// Lines that are done are left out, once it is sure that they are what the reports are on.
    pub(super) fn read(
        self,
        done: Done,
        checks: Arc<Checks>,
    ) -> Result<mpsc::Receiver<Result<Line, InputError>>, CommandError> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let feed = Feed { checks, done, sender, skipped: 0 };
        thread::Builder::new()
            .name("batch-input".to_owned())
            .spawn(move || feed.run(Lines::new(self.source)))
            .map_err(|error| CommandError::Usage(format!("cannot start a thread: {error}")))?;
        Ok(receiver)
    }
}

/// A line to be checked.
pub(super) struct Line {
    /// Which of the input it is, from 1.
    pub(super) number: u64,
    pub(super) content: Content,
    /// How many bytes of the input it takes.
    pub(super) size: u64,
    /// How many bytes before it need no check.
    pub(super) skipped: u64,
}

/// What stands in a line.
pub(super) enum Content {
    Body(Zeroizing<Vec<u8>>),
    /// More than a request may have.
    TooLong,
}

impl Content {
    fn is_blank(&self) -> bool {
        matches!(self, Self::Body(body) if body.trim_ascii().is_empty())
    }

    fn identity(&self, registry: &Registry) -> Identity {
        match self {
            Self::Body(body) => Identity::of(body, registry),
            Self::TooLong => Identity::default(),
        }
    }
}

/// Why there are no more lines.
#[derive(Debug)]
pub(super) enum InputError {
    Unreadable(io::Error),
    /// The reports are not on these lines, first and last.
    OtherLines(u64, u64),
}

/// Hands lines over until nobody takes them.
struct Feed {
    checks: Arc<Checks>,
    done: Done,
    sender: mpsc::Sender<Result<Line, InputError>>,
    skipped: u64,
}

/// Whether there is more to hand over.
#[derive(Clone, Copy)]
enum More {
    Yes,
    No,
}

impl Feed {
    fn run(mut self, mut lines: Lines<impl Read>) {
        let mut number = 0;
        loop {
            match self.feed_block(&mut lines, &mut number) {
                Ok(More::Yes) => {}
                Ok(More::No) => return,
                Err(error) => {
                    let _gone = self.sender.blocking_send(Err(error));
                    return;
                }
            }
        }
    }

    /// Hands over the lines of the next block. Where some of them are done, the others are held back until it is sure
    /// that these are what the reports are on.
    fn feed_block(
        &mut self,
        lines: &mut Lines<impl Read>,
        number: &mut u64,
    ) -> Result<More, InputError> {
        let block = done::block_of(*number + 1);
        let expected = self.done.take(block);
        let mut found = Block::default();
        let mut held = Vec::new();
        let mut more = More::Yes;
        while done::block_of(*number + 1) == block {
            let Some((content, size)) = lines.next().map_err(InputError::Unreadable)? else {
                more = More::No;
                break;
            };
            *number += 1;
            if content.is_blank() {
                self.skipped += size;
            } else if expected.holds(*number) {
                found.add(*number, &content.identity(self.checks.registry()));
                self.skipped += size;
            } else {
                let skipped = std::mem::take(&mut self.skipped);
                held.push(Line { number: *number, content, size, skipped });
            }
            if expected.is_empty() && !self.send(&mut held) {
                return Ok(More::No);
            }
        }
        if found != expected {
            return Err(other_lines(block));
        }
        if !self.send(&mut held) {
            return Ok(More::No);
        }
        match (more, self.done.first()) {
            (More::No, Some(block)) => Err(other_lines(block)),
            _ => Ok(more),
        }
    }

    /// Says `false` when nobody takes lines any more.
    fn send(&self, lines: &mut Vec<Line>) -> bool {
        lines.drain(..).all(|line| self.sender.blocking_send(Ok(line)).is_ok())
    }
}

fn other_lines(block: u64) -> InputError {
    let (first, last) = done::bounds(block);
    InputError::OtherLines(first, last)
}

/// Cuts bytes into lines, in bounded memory however long a line is. What it held is wiped.
struct Lines<R> {
    source: R,
    buffer: Zeroizing<Vec<u8>>,
    /// Where in the buffer what was read and not handed over begins and ends.
    start: usize,
    end: usize,
}

impl<R: Read> Lines<R> {
    fn new(source: R) -> Self {
        Self { source, buffer: Zeroizing::new(vec![0; 4 * MAX_BODY]), start: 0, end: 0 }
    }

    /// The next line without its end, and how many bytes it takes with it; `None` after the last.
    fn next(&mut self) -> io::Result<Option<(Content, u64)>> {
        let mut dropped = 0;
        let mut searched = 0;
        loop {
            let held = self.buffer.get(self.start..self.end).unwrap_or_default();
            let unsearched = held.get(searched..).unwrap_or_default();
            if let Some(offset) = unsearched.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.take(searched + offset, 1, dropped)));
            }
            searched = held.len();
            // With room for a carriage return.
            if searched > MAX_BODY + 1 {
                dropped += searched as u64;
                self.start = self.end;
                searched = 0;
            }
            if !self.fill()? {
                let rest = self.end - self.start;
                return Ok((rest > 0 || dropped > 0).then(|| self.take(rest, 0, dropped)));
            }
        }
    }

    /// Hands over so many bytes as a line, and passes its end.
    fn take(&mut self, length: usize, end: usize, dropped: u64) -> (Content, u64) {
        let line = self.buffer.get(self.start..self.start + length).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let content = if dropped > 0 || line.len() > MAX_BODY {
            Content::TooLong
        } else {
            Content::Body(Zeroizing::new(line.to_vec()))
        };
        self.start += length + end;
        (content, dropped + (length + end) as u64)
    }

    /// Reads more, or says `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(free) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, as a pipe may.
    struct Drips<'a>(&'a [u8], usize);

    impl Read for Drips<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn cut(input: &[u8], at_a_time: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(Drips(input, at_a_time));
        let mut cut = Vec::new();
        let mut size = 0;
        while let Some((content, bytes)) = lines.next().unwrap() {
            size += bytes;
            cut.push(match content {
                Content::Body(body) => Some(body.to_vec()),
                Content::TooLong => None,
            });
        }
        assert_eq!(size, input.len() as u64, "every byte counts as part of a line");
        cut
    }

    #[test]
    fn lines_are_the_same_in_whatever_pieces_they_come() {
        let longest = vec![b'x'; MAX_BODY];
        let too_long = vec![b'x'; MAX_BODY + 1];
        let endless = vec![b'x'; 9 * MAX_BODY];
        let lines: [&[u8]; 9] =
            [b"a", b"", b"b\r", &longest, &too_long, b"c", &endless, b"\xff\0", b"last"];
        let input = lines.join(&b'\n');
        let expected: Vec<Option<Vec<u8>>> = vec![
            Some(b"a".to_vec()),
            Some(Vec::new()),
            Some(b"b".to_vec()),
            Some(longest.clone()),
            None,
            Some(b"c".to_vec()),
            None,
            Some(b"\xff\0".to_vec()),
            Some(b"last".to_vec()),
        ];
        for at_a_time in [1, 7, 4096, MAX_BODY, usize::MAX] {
            assert!(cut(&input, at_a_time) == expected, "{at_a_time} bytes at a time");
        }
        let with_return = [&longest[..], b"\r\n"].concat();
        assert!(cut(&with_return, 4096) == [Some(longest)]);
        assert!(cut(b"", 1).is_empty());
        assert!(cut(b"\n", 1) == [Some(Vec::new())]);
        assert!(cut(&endless, 4096) == [None]);
    }
}
