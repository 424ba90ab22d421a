# What runs for every change.
ci: format lint test doc deny

format:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test --workspace

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

deny:
    cargo deny check

# Rewrites the generated pages of the docs.
refresh:
    BONAFIDE_REFRESH=1 cargo test --test it generated

# Bonafide side by side with the baseline, the same service written by hand, in ratios. `just bench --quick` for a look.
bench *arguments:
    cargo build --release --package bonafide --package bonafide-bench
    target/release/bonafide-bench {{arguments}}

# Fuzzes a target of tests/fuzz with libFuzzer for an hour; needs nightly Rust and `cargo-fuzz`.
fuzz target seconds="3600":
    mkdir -p tests/libfuzzer/corpus/{{target}}
    BONAFIDE_FUZZ_TARGET={{target}} cargo +nightly fuzz run --fuzz-dir tests/libfuzzer --sanitizer none --no-cfg-fuzzing target \
        tests/libfuzzer/corpus/{{target}} tests/fuzz/corpus/{{target}} -- -max_total_time={{seconds}} -max_len=2048 -dict=tests/libfuzzer/dictionary
