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
