//! Errors that are a fault of this machine.

use std::io::{Error, ErrorKind};

/// Out of file descriptors, in the system and in the process, and out of buffers. `std` has no kinds for them.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOBUFS: i32 = 105;

/// Whether a connection failed for a reason of this machine, which says nothing about the other one.
pub(crate) fn is_local_fault(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AddrNotAvailable
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::OutOfMemory
            | ErrorKind::PermissionDenied
    ) || matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS))
}
