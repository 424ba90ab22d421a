use std::collections::BTreeSet;

use bonafide_core::{BaseUrl, Destination, ProviderValidator, Registration};
use url::Url;

use super::Findings;

/// The crate registers the provider, once, under its own name. `crate_name` is the `CARGO_PKG_NAME` of the crate.
pub fn the_provider_is_registered_once(
    validator: &'static dyn ProviderValidator,
    crate_name: &str,
) -> Result<(), String> {
    let id = validator.descriptor().id;
    let crates: Vec<&str> = Registration::all()
        .filter(|registration| registration.validator().descriptor().id == id)
        .map(Registration::crate_name)
        .collect();
    match crates.as_slice() {
        [] => Err(format!(
            "no provider with id `{id}` is registered: add `bonafide_core::register_provider!(…);` with the unit \
             struct to the crate's `src/lib.rs`"
        )),
        [only] if *only == crate_name => Ok(()),
        [only] => Err(format!(
            "the provider with id `{id}` is registered by the crate `{only}`, not by `{crate_name}`: call \
             `register_provider!` in the crate that implements the provider"
        )),
        several => Err(format!(
            "provider id `{id}` is registered {} times, by {}: call `register_provider!` once, and take an id that is free",
            several.len(),
            several.join(", ")
        )),
    }
}

/// The id, the name, the title and the base URLs have the form that the rest of the program relies on.
pub fn the_descriptor_is_well_formed(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let descriptor = validator.descriptor();
    let mut findings = Findings::default();
    let id = descriptor.id;
    findings.require(!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()), || {
        format!("the id `{id}` is no number: write decimal digits, such as `2000`")
    });
    let name = descriptor.name;
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    findings.require(is_name, || {
        format!(
            "the name `{name}` cannot be a configuration key: begin with a lower-case letter and use lower-case \
             letters, digits and hyphens"
        )
    });
    let title = descriptor.title;
    findings.require(!title.is_empty() && title.trim() == title, || {
        "the title is empty or has white space around it: write the provider's name as people do".to_owned()
    });
    if let Destination::BuiltIn(base_urls) = descriptor.destination {
        judge_base_urls(base_urls, &mut findings);
    }
    findings.into_result()
}

fn judge_base_urls(base_urls: &[BaseUrl], findings: &mut Findings) {
    findings.require(base_urls.first().is_some_and(|first| first.key == "base_url"), || {
        "the first base URL is missing or has another key: give it the key `base_url`".to_owned()
    });
    let mut keys = BTreeSet::new();
    for BaseUrl { key, url } in base_urls {
        findings.require(keys.insert(key), || {
            format!("two base URLs have the key `{key}`: give each region its own, such as `eu_base_url`")
        });
        findings.require(*key == "base_url" || key.ends_with("_base_url"), || {
            format!("the key `{key}` of a base URL does not end with `_base_url`")
        });
        findings.require(url.starts_with("https://") && Url::parse(url).is_ok(), || {
            format!("the base URL `{url}` is no `https://` URL")
        });
        findings.require(!url.ends_with('/') && !url.contains(['?', '#', '@']), || {
            format!("the base URL `{url}` must end with its path prefix: no slash at the end, no query, no user")
        });
    }
}
