//! Texts that match a regular expression.

use fastrand::Rng;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// No text is made longer than this on purpose, whatever a schema allows or asks for.
pub(crate) const MAX_LENGTH: usize = 10_000;

/// A regular expression that texts can be made from.
pub(crate) struct Pattern(Hir);

/// How long a text should get, in characters, where the pattern leaves that open.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    /// Every repetition as seldom as it may be.
    Least,
    /// Repetitions until the text has this length.
    Most(usize),
    /// Something between, of this length at most.
    Between(usize),
    /// Each repetition either as seldom or as often as it may be, until the text has this length.
    Ends(usize),
}

impl Pattern {
    /// Reads a pattern; `None` for one that no text can be made from, such as one with look-around.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        regex_syntax::parse(pattern).ok().map(Self)
    }

    /// The characters in which patterns tend to differ: the first and last of each class, and their neighbours.
    pub(crate) fn telling(&self) -> Vec<char> {
        let mut telling = Vec::new();
        gather(&self.0, &mut telling);
        telling.sort_unstable();
        telling.dedup();
        telling
    }

    /// A text that matches, with some of the `telling` characters where the pattern allows them.
    pub(crate) fn text(&self, random: &mut Rng, extent: Extent, telling: &[char]) -> String {
        let mut writer = Writer { text: String::new(), length: 0, random, extent, telling };
        writer.write(&self.0);
        writer.text
    }
}

fn gather(hir: &Hir, telling: &mut Vec<char>) {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            for range in class.ranges() {
                let (first, last) = (u32::from(range.start()), u32::from(range.end()));
                let around = [first.checked_sub(1), Some(first), Some(last), last.checked_add(1)];
                telling.extend(around.into_iter().flatten().filter_map(char::from_u32));
            }
        }
        HirKind::Literal(literal) => {
            telling.extend(std::str::from_utf8(&literal.0).unwrap_or_default().chars());
        }
        HirKind::Repetition(repetition) => gather(&repetition.sub, telling),
        HirKind::Capture(capture) => gather(&capture.sub, telling),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                gather(part, telling);
            }
        }
        HirKind::Class(Class::Bytes(_)) | HirKind::Empty | HirKind::Look(_) => {}
    }
}

struct Writer<'a> {
    text: String,
    length: usize,
    random: &'a mut Rng,
    extent: Extent,
    telling: &'a [char],
}

impl Writer<'_> {
    fn write(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => {
                let text = String::from_utf8_lossy(&literal.0);
                self.length += text.chars().count();
                self.text.push_str(&text);
            }
            HirKind::Class(class) => self.one_of(class),
            HirKind::Repetition(repetition) => self.repeat(repetition),
            HirKind::Capture(capture) => self.write(&capture.sub),
            HirKind::Concat(parts) => {
                for part in parts {
                    self.write(part);
                }
            }
            HirKind::Alternation(choices) => {
                if let Some(choice) = self.random.choice(choices) {
                    self.write(choice);
                }
            }
        }
    }

    fn repeat(&mut self, repetition: &Repetition) {
        let most = repetition.max.unwrap_or(u32::MAX);
        let (times, limit) = match self.extent {
            Extent::Least => (repetition.min, 0),
            Extent::Most(limit) => (most, limit),
            Extent::Ends(limit) => (if self.random.bool() { repetition.min } else { most }, limit),
            Extent::Between(limit) => {
                let most = most.min(u32::try_from(limit).unwrap_or(u32::MAX)).max(repetition.min);
                (self.random.u32(repetition.min..=most), limit)
            }
        };
        for time in 0..times {
            let before = self.length;
            let is_enough = time >= repetition.min && self.length >= limit;
            if is_enough || self.length >= MAX_LENGTH {
                break;
            }
            self.write(&repetition.sub);
            // What can be nothing once can be nothing every other time.
            if self.length == before {
                break;
            }
        }
    }

    fn one_of(&mut self, class: &Class) {
        let character = match class {
            Class::Unicode(class) => {
                let ranges: Vec<(u32, u32)> = class
                    .ranges()
                    .iter()
                    .map(|range| (u32::from(range.start()), u32::from(range.end())))
                    .collect();
                let holds = |character: char| {
                    let code = u32::from(character);
                    ranges.iter().any(|(first, last)| (*first..=*last).contains(&code))
                };
                pick(self.random, &ranges, self.telling, holds)
            }
            Class::Bytes(class) => class.ranges().first().map(|range| char::from(range.start())),
        };
        if let Some(character) = character {
            self.text.push(character);
            self.length += 1;
        }
    }
}

/// A character of a class: mostly one that is on every keyboard, often a telling one, sometimes any.
fn pick(
    random: &mut Rng,
    ranges: &[(u32, u32)],
    telling: &[char],
    holds: impl Fn(char) -> bool,
) -> Option<char> {
    let wish = match random.u8(0..10) {
        0..6 => char::from_u32(random.u32(0x21..0x7f)),
        6..9 => random.choice(telling).copied(),
        _ => None,
    };
    wish.filter(|character| holds(*character)).or_else(|| {
        let (first, last) = random.choice(ranges).copied()?;
        // The range may hold surrogates, which are no characters; its ends are.
        char::from_u32(random.u32(first..=last)).or_else(|| char::from_u32(first))
    })
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::{Extent, Pattern};

    #[test]
    fn texts_are_as_short_and_as_long_as_they_may_be() {
        let mut random = Rng::with_seed(1);
        let mut text = |pattern: &str, extent| {
            Pattern::parse(pattern).unwrap().text(&mut random, extent, &[]).chars().count()
        };
        assert_eq!(text("^AC[0-9a-f]{32}$", Extent::Least), 34);
        assert_eq!(text(r"^\+[1-9][0-9]{6,14}$", Extent::Least), 8);
        assert_eq!(text(r"^\+[1-9][0-9]{6,14}$", Extent::Most(99)), 16);
        assert_eq!(text("^[^a]+$", Extent::Most(4096)), 4096);
        assert_eq!(text("^(?:[a-z]{1,63}\\.)*x$", Extent::Least), 1);
        assert_eq!(text("^()*$", Extent::Most(5)), 0);
        assert_eq!(text("^(?:x?){4000000000}$", Extent::Least), 0);
        assert_eq!(text("^(?:x{60000}){60000}$", Extent::Least), super::MAX_LENGTH);
        assert!(text("^(?:[a-z]{1,63}\\.)*x$", Extent::Most(200)) < 270);
        let ends: std::collections::BTreeSet<usize> =
            (0..50).map(|_| text("^[a-z]{2,9}-[0-9]{1,5}$", Extent::Ends(99))).collect();
        assert_eq!(ends.into_iter().collect::<Vec<_>>(), [4, 8, 11, 15]);
        for _ in 0..100 {
            assert!((1..=20).contains(&text("^[a-z]+$", Extent::Between(20))));
        }
    }

    #[test]
    fn the_ends_of_classes_and_their_neighbours_tell() {
        let pattern = Pattern::parse("^[b-d]+-$").unwrap();
        assert_eq!(pattern.telling(), ['-', 'a', 'b', 'd', 'e']);
        assert!(Pattern::parse("^(?!a)b$").is_none());
    }
}
