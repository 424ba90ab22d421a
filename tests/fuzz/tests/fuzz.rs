//! Every target, with its corpus, and with what changes at random make of it.
//!
//! `BONAFIDE_FUZZ_SECONDS=60 cargo test -p bonafide-fuzz -- --test-threads 16` goes on for a minute each, all at once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bonafide_fuzz::Target;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestError, TestRunner};

/// What parsers stumble over, and what the inputs of the targets are made of.
const MORSELS: [&[u8]; 30] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"null",
    b"-0",
    b"1e999",
    b"\\ud800",
    b"\\u0000",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n\n",
    b" ",
    b"=",
    b"..",
    b"%2e",
    b"\xe2\x80\xae",
    b"99999999999999999999",
    b"\x1a",
    b"\x1e",
    b"235 ",
    b"4.7.0",
    b"::ffff:",
    b"0x7f",
];

#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Cut(Index, usize),
    Insert(Index, &'static [u8]),
    Repeat(Index, usize, usize),
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        (place(), 1..=255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (place(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (place(), select(&MORSELS[..])).prop_map(|(at, morsel)| Change::Insert(at, morsel)),
        (place(), 1..20_usize, 1..200_usize)
            .prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        (place(), place(), place()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

/// A seed after a few changes. The first letter says what an input is, so it is changed on purpose too.
fn changed(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec(change(), 0..6);
    let first = prop::option::weighted(0.2, b'A'..=b'z');
    (any::<Index>(), changes, first).prop_map(move |(seed, changes, first)| {
        let mut bytes = seed.get(&seeds).clone();
        for change in changes {
            apply(&change, &mut bytes, &seeds);
        }
        if let (Some(letter), Some(place)) = (first, bytes.first_mut()) {
            *place = letter;
        }
        bytes
    })
}

fn apply(change: &Change, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let within = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
    match change {
        Change::Flip(at, bits) => {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
        }
        Change::Cut(at, length) => {
            let at = within(at, bytes);
            bytes.drain(at..bytes.len().min(at + length));
        }
        Change::Insert(at, morsel) => {
            let at = within(at, bytes);
            bytes.splice(at..at, morsel.iter().copied());
        }
        Change::Repeat(at, length, times) => {
            let at = within(at, bytes);
            let part = bytes[at..bytes.len().min(at + length)].repeat(*times);
            bytes.splice(at..at, part);
        }
        Change::Splice(at, other, from) => {
            let other = other.get(seeds);
            bytes.truncate(within(at, bytes));
            bytes.extend_from_slice(&other[within(from, other)..]);
        }
    }
}

/// What libFuzzer found worth keeping; nothing for a provider that it was not tried on.
fn found(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// How long each target goes on, at the least.
fn time() -> Duration {
    let seconds = std::env::var_os("BONAFIDE_FUZZ_SECONDS")
        .map_or(0, |seconds| seconds.into_string().unwrap().parse().unwrap());
    Duration::from_secs(seconds)
}

#[expect(clippy::print_stdout, reason = "the figures of the docs")]
fn holds(name: &str) {
    let target = Target::start(name);
    let corpus = [Target::seeds(name), found(name)].concat();
    for input in &corpus {
        if let Err(what) = target.hold(input) {
            panic!("{what}: b\"{}\"", input.escape_ascii());
        }
    }
    let until = Instant::now() + time();
    let inputs = changed(corpus.clone());
    let held = Cell::new(0_u64);
    while held.get() == 0 || Instant::now() < until {
        // A runner runs its cases once, and is another one each time.
        let config = Config { failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&inputs, |input| {
            held.set(held.get() + 1);
            target.hold(&input).map_err(TestCaseError::fail)
        });
        if let Err(TestError::Fail(why, input)) = result {
            panic!("{why}: b\"{}\"", input.escape_ascii());
        }
    }
    println!("{name}: a corpus of {} and {} inputs, all right", corpus.len(), held.get());
}

#[test]
fn any_configuration_is_read_or_refused() {
    holds("configuration");
}

#[test]
fn nothing_leads_to_a_forbidden_address() {
    holds("egress");
}

#[test]
fn any_request_is_answered() {
    holds("request");
}

#[test]
fn any_mail_server_is_judged() {
    holds("smtp");
}

#[test]
fn any_answer_of_any_provider_is_judged() {
    let names = Target::names();
    let providers =
        names.iter().filter(|name| !["configuration", "egress", "request", "smtp"].contains(name));
    thread::scope(|scope| {
        for name in providers {
            scope.spawn(|| holds(name));
        }
    });
}
