//! A provider under test, with what was played of it so far.

use std::fmt;
use std::sync::OnceLock;

use bonafide_core::ProviderValidator;

use crate::cases::{Alone, Cells};
use crate::faults::Group;

/// A provider under test. What several cases look at is played once, by the first of them, and kept here.
///
/// Each [`conformance!`](crate::conformance) has one.
pub struct Subject<'a> {
    validator: &'static dyn ProviderValidator,
    differs: &'a [(&'a str, &'a str)],
    alone: OnceLock<Result<Alone, String>>,
    groups: [OnceLock<Result<Cells, String>>; Group::ALL.len()],
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = self.validator.descriptor().name;
        formatter.debug_struct("Subject").field("provider", &provider).finish_non_exhaustive()
    }
}

impl<'a> Subject<'a> {
    /// This provider, which documents other verdicts than the table of [`faults`](crate::faults) for these faults.
    pub const fn new(
        validator: &'static dyn ProviderValidator,
        differs: &'a [(&'a str, &'a str)],
    ) -> Self {
        Self {
            validator,
            differs,
            alone: OnceLock::new(),
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

    /// Each exchange, played alone.
    pub(crate) fn alone(&self) -> Result<&Alone, String> {
        kept(&self.alone, || Alone::play(self.validator))
    }

    /// The faults of a group, played.
    pub(crate) fn group(&self, group: Group) -> Result<&Cells, String> {
        match self.groups.get(group as usize) {
            Some(place) => kept(place, || Cells::play(self.validator, self.differs, group)),
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
