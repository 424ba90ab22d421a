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
mod clock;
mod config;
mod courtesy;
mod deploy;
mod egress;
mod examples;
#[cfg(feature = "opentelemetry")]
mod export;
mod fake;
mod flights;
mod generated;
mod guide;
mod http;
mod limits;
mod linkage;
mod metrics;
mod new_provider;
mod outages;
mod process;
mod promises;
mod replicas;
mod schema_check;
mod schema_export;
mod support;
mod tools;
mod upstream;
