//! The target that `BONAFIDE_FUZZ_TARGET` names.
#![no_main]

use std::sync::LazyLock;

use bonafide_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("BONAFIDE_FUZZ_TARGET");
    Target::start(&name.expect("`BONAFIDE_FUZZ_TARGET` names the target"))
});

fuzz_target!(|input: &[u8]| {
    if let Err(what) = TARGET.hold(input) {
        panic!("{what}");
    }
});
