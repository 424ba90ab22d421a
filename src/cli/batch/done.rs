//! Which lines of the input have a report already. Half a byte a line, however many there are.

use std::collections::BTreeMap;

use super::identity::Identity;

/// How many lines are accounted for together.
const BLOCK: u64 = 64;

/// Some of 64 lines in a row, and the sum of what they are, in whatever order they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    lines: u64,
    sum: u64,
}

impl Block {
    pub(super) fn is_empty(self) -> bool {
        self.lines == 0
    }

    pub(super) fn holds(self, line: u64) -> bool {
        self.lines & bit(line) != 0
    }

    pub(super) fn add(&mut self, line: u64, identity: &Identity) {
        self.lines |= bit(line);
        self.sum = self.sum.wrapping_add(identity.fingerprint(line));
    }
}

/// The index of the block that a line is in.
pub(super) fn block_of(line: u64) -> u64 {
    line / BLOCK
}

/// The first and the last line of a block.
pub(super) fn bounds(block: u64) -> (u64, u64) {
    let first = block.saturating_mul(BLOCK);
    (first.max(1), first.saturating_add(BLOCK - 1))
}

fn bit(line: u64) -> u64 {
    1 << (line % BLOCK)
}

/// The lines that are done.
#[derive(Debug, Default)]
pub(super) struct Done(BTreeMap<u64, Block>);

impl Done {
    /// Adds a line, or says `false` when it is there already.
    pub(super) fn insert(&mut self, line: u64, identity: &Identity) -> bool {
        let block = self.0.entry(block_of(line)).or_default();
        let new = !block.holds(line);
        if new {
            block.add(line, identity);
        }
        new
    }

    /// Takes a block out.
    pub(super) fn take(&mut self, block: u64) -> Block {
        self.0.remove(&block).unwrap_or_default()
    }

    /// The first block that is left.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.first_key_value().map(|(block, _)| *block)
    }
}
