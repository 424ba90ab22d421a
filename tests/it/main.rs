//! The product, asked as its callers ask it: over HTTP, on the command line, with a configuration.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod access;
mod batch;
mod body;
mod canary;
mod cli;
mod config;
mod egress;
mod examples;
mod fake;
mod generated;
mod guide;
mod http;
mod limits;
mod linkage;
mod new_provider;
mod process;
mod schema_check;
mod schema_export;
mod support;
mod tools;
mod upstream;
