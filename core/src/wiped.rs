//! A buffer for secrets.

use std::{fmt, io, str};

use bytes::Bytes;
use zeroize::Zeroizing;

/// Bytes that are wiped when they are dropped, and left behind nowhere when they grow: a `Vec` frees its old allocation as
/// it is.
#[derive(Default)]
pub(crate) struct WipedBuffer(Zeroizing<Vec<u8>>);

impl WipedBuffer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub(crate) fn push(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Self::with_capacity(needed.max(self.0.capacity() * 2));
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn extend<T: AsRef<[u8]>>(&mut self, parts: impl IntoIterator<Item = T>) {
        parts.into_iter().for_each(|part| self.push(part));
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// The text; empty where the bytes are not UTF-8.
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes, wiped when their last copy is dropped.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

impl io::Write for WipedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for WipedBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WipedBuffer([withheld])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_without_losing_a_byte() {
        let mut buffer = WipedBuffer::with_capacity(1);
        for _ in 0..100 {
            buffer.push("abc");
        }
        assert_eq!(buffer.as_str(), "abc".repeat(100));
        assert_eq!(buffer.into_bytes().len(), 300);
    }
}
