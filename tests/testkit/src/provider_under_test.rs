//! A provider under test, with what was replayed of it so far.

use std::fmt;
use std::sync::OnceLock;

use bonafide_core::ProviderValidator;

use crate::cases::{Cells, Isolated};
use crate::faults::Group;

/// A provider under test. What several cases look at is replayed once, by the first of them, and kept here.
///
/// Each [`conformance!`](crate::conformance) has one.
pub struct ProviderUnderTest<'a> {
    validator: &'static dyn ProviderValidator,
    differs: &'a [(&'a str, &'a str)],
    isolated: OnceLock<Result<Isolated, String>>,
    groups: [OnceLock<Result<Cells, String>>; Group::ALL.len()],
}

impl fmt::Debug for ProviderUnderTest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = self.validator.descriptor().name;
        formatter
            .debug_struct("ProviderUnderTest")
            .field("provider", &provider)
            .finish_non_exhaustive()
    }
}

impl<'a> ProviderUnderTest<'a> {
    /// This provider, which documents other verdicts than the table of [`faults`](crate::faults) for these faults.
    pub const fn new(
        validator: &'static dyn ProviderValidator,
        differs: &'a [(&'a str, &'a str)],
    ) -> Self {
        Self {
            validator,
            differs,
            isolated: OnceLock::new(),
            groups: [const { OnceLock::new() }; Group::ALL.len()],
        }
    }

    /// The provider.
    pub fn validator(&self) -> &'static dyn ProviderValidator {
        self.validator
    }

    pub(crate) fn differs(&self) -> &'a [(&'a str, &'a str)] {
        self.differs
    }

    /// Each interaction, replayed alone.
    pub(crate) fn isolated(&self) -> Result<&Isolated, String> {
        kept(&self.isolated, || Isolated::replay(self.validator))
    }

    /// The faults of a group, replayed.
    pub(crate) fn group(&self, group: Group) -> Result<&Cells, String> {
        match self.groups.get(group as usize) {
            Some(place) => kept(place, || Cells::replay(self.validator, self.differs, group)),
            None => Err(format!("there is no place for {group:?}")),
        }
    }
}

fn kept<T>(
    place: &OnceLock<Result<T, String>>,
    play: impl FnOnce() -> Result<T, String>,
) -> Result<&T, String> {
    place.get_or_init(play).as_ref().map_err(Clone::clone)
}
