use std::collections::BTreeSet;

use bonafide_core::host::Registration;
use bonafide_core::{BaseUrl, ProviderValidator};
use url::Url;

use super::Findings;
use super::false_positives::is_same_path;
use crate::replay::{interactions, is_built_in};

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

/// The id is made of decimal digits, as every `provider_id` is.
pub fn the_id_is_a_number(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let id = validator.descriptor().id;
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("the id `{id}` is no number: write decimal digits, such as `2000`"))
}

/// The name can be a key of the configuration and the end of a crate's name.
pub fn the_name_can_be_a_configuration_key(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let name = validator.descriptor().name;
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_name {
        return Ok(());
    }
    Err(format!(
        "the name `{name}` cannot be a configuration key: begin with a lower-case letter and use lower-case letters, \
         digits and hyphens"
    ))
}

/// The title is there, and nothing stands around it: messages begin with it.
pub fn the_title_can_begin_a_sentence(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let title = validator.descriptor().title;
    if !title.is_empty() && title.trim() == title {
        return Ok(());
    }
    Err("the title is empty or has white space around it: write the provider's name as people do"
        .to_owned())
}

/// Each base URL has a configuration key of its own, the first one `base_url`.
pub fn each_base_url_has_its_key(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let base_urls = validator.descriptor().base_urls();
    let mut findings = Findings::default();
    if is_built_in(validator) {
        findings.require(base_urls.first().is_some_and(|first| first.key == "base_url"), || {
            "the first base URL is missing or has another key: give it the key `base_url`"
                .to_owned()
        });
    }
    let mut keys = BTreeSet::new();
    for BaseUrl { key, .. } in base_urls {
        findings.require(keys.insert(key), || {
            format!("two base URLs have the key `{key}`: give each region its own, such as `eu_base_url`")
        });
        findings.require(*key == "base_url" || key.ends_with("_base_url"), || {
            format!("the key `{key}` of a base URL does not end with `_base_url`: call it after its region, such as `eu_base_url`")
        });
    }
    findings.into_result()
}

/// Each base URL is one of `https`, and ends with its path prefix.
pub fn each_base_url_is_encrypted_and_bare(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let mut findings = Findings::default();
    for BaseUrl { url, hosts, .. } in validator.descriptor().base_urls() {
        let whole = url.replace("{}", "host");
        findings.require(url.starts_with("https://") && Url::parse(&whole).is_ok(), || {
            format!(
                "the base URL `{url}` is no `https://` URL: credentials may not travel in clear"
            )
        });
        findings.require(url.matches("{}").count() == usize::from(!hosts.is_empty()), || {
            format!("the base URL `{url}` must hold `{{}}` once where `with_hosts` lists what it stands for, and else not at all")
        });
        let is_label = |host: &&str| {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        findings.require(hosts.iter().all(is_label), || {
            format!("the list of hosts of `{url}` holds more than letters, digits and hyphens: no text of it may lead elsewhere")
        });
        findings.require(!url.ends_with('/') && !url.contains(['?', '#', '@']), || {
            format!("the base URL `{url}` must end with its path prefix: no slash at the end, no query, no user")
        });
    }
    findings.into_result()
}

/// The descriptor lists what may be asked over HTTP, each request once and in the form in which requests are compared.
pub fn the_allowed_requests_are_well_formed(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let requests = validator.descriptor().requests;
    let mut findings = Findings::default();
    findings.require(!requests.is_empty() || !is_built_in(validator), || {
        "the descriptor allows no request, so none can be sent: list in `requests` what the check asks".to_owned()
    });
    let mut known = BTreeSet::new();
    for request in requests {
        let (method, path) = (request.method, request.path);
        findings.require(known.insert((request.base_url, method, path)), || {
            format!("`{method} {path}` is allowed twice: take one away")
        });
        findings.require(matches!(method, "GET" | "POST"), || {
            format!("`{method} {path}` is neither a `GET` nor a `POST`: checks send nothing else")
        });
        findings.require(request.is_well_formed(), || {
            format!(
                "`{path}` covers no request: begin with `/`, write `*` for a segment that varies or `bot*` for one that varies \
                 after `bot`, and leave the query away"
            )
        });
        let services =
            validator.descriptor().base_urls().iter().filter(|base_url| !base_url.is_region());
        let is_known =
            request.base_url.is_none_or(|key| services.into_iter().any(|known| known.key == key));
        findings.require(is_known, || {
            format!(
                "`{method} {path}` is for `{}`, which is not a `BaseUrl::service` of the descriptor: add it, or name one that is",
                request.base_url.unwrap_or_default()
            )
        });
    }
    findings.into_result()
}

/// Each request that the descriptor allows says why it costs nothing and changes nothing.
pub fn each_allowed_request_has_its_reason(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let mut findings = Findings::default();
    for request in validator.descriptor().requests {
        let reason = request.harmless_because.trim();
        // One word, such as `harmless`, would only repeat the question.
        findings.require(reason.split_whitespace().count() > 1, || {
            format!(
                "`{} {}` does not say why it is harmless: say what it does instead, with a link to where that is documented",
                request.method, request.path
            )
        });
    }
    findings.into_result()
}

/// An interaction shows each request that the descriptor allows: what nothing asks for need not be allowed.
pub fn each_allowed_request_is_in_an_interaction(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let interactions = interactions(validator)?;
    let steps = || interactions.iter().flat_map(|interaction| &interaction.steps);
    let mut findings = Findings::default();
    for request in validator.descriptor().requests {
        let shown = steps().any(|step| {
            let key = step.base_url.as_deref().unwrap_or("base_url");
            step.request.method == request.method
                && is_same_path(&step.request.path, request.path)
                && request.base_url.is_none_or(|wanted| wanted == key)
        });
        findings.require(shown, || {
            format!(
                "`{} {}` is allowed, but no interaction shows it: document what the provider answers, or allow it no longer",
                request.method, request.path
            )
        });
    }
    findings.into_result()
}
