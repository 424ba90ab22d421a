use std::net::Ipv4Addr;

use bonafide_core::egress::Policy;
use bonafide_core::host::{Environment, ProviderConfig};
use bonafide_core::{Cause, ProviderValidator};
use serde_json::{Map, Value};
use url::Url;

use super::Findings;
use super::compare::describe;
use super::user_supplied_host::host_field_of;
use crate::Faulty;
use crate::replay::{PATIENCE, block_on, check, is_built_in, valid_settings};

/// A name that leads to this machine, and that no list of addresses holds.
const OURSELVES: &str = "localhost";

/// What the egress policy forbids is not dialled: a server on this machine sees no connection under the strict policy,
/// though the base URLs, or the settings, lead to it.
///
/// For hosts of the provider's own that is an outage of ours, for a host that the settings name it is
/// `destination_forbidden`.
pub fn what_the_policy_forbids_is_not_dialled(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let settings = valid_settings(validator)?;
    let expected = if is_built_in(validator) {
        Cause::ProviderUnavailable
    } else {
        Cause::DestinationForbidden
    };
    block_on(async {
        let server = Faulty::silent().await;
        let port = server.address().port();
        let settings = led_to(validator, settings, port)?;
        let environment = strict_environment(validator, port)?;
        let result = check(validator, &environment, Value::Object(settings)).await;
        let mut findings = Findings::default();
        let is_expected = matches!(&result, Err(failure) if failure.cause() == expected);
        findings.require(is_expected, || {
            format!(
                "a destination that the egress policy forbids must be `{expected}`, but the check says {}: pass on the \
                 failures of `Context` as they are",
                describe(&result)
            )
        });
        findings.require(server.connections() == 0, || {
            format!(
                "a destination that the egress policy forbids was dialled {} times: reach out through `Context::get`, \
                 `Context::post` and `Context::dial` alone",
                server.connections()
            )
        });
        findings.into_result()
    })
}

/// The settings, with this machine as the host where they name one.
fn led_to(
    validator: &dyn ProviderValidator,
    mut settings: Map<String, Value>,
    port: u16,
) -> Result<Map<String, Value>, String> {
    if !is_built_in(validator) {
        let field = host_field_of(&settings)?;
        settings.insert(field.to_owned(), Ipv4Addr::LOCALHOST.to_string().into());
        settings.insert("port".to_owned(), port.to_string().into());
    }
    Ok(settings)
}

/// Only the public internet may be dialled, on this port.
fn strict_environment(validator: &dyn ProviderValidator, port: u16) -> Result<Environment, String> {
    let descriptor = validator.descriptor();
    let url = format!("https://{OURSELVES}:{port}");
    let url = Url::parse(&url).map_err(|error| error.to_string())?;
    let mut config = ProviderConfig::of(descriptor).map_err(|error| error.to_string())?;
    config.base_urls = vec![url.into(); descriptor.base_urls().len()];
    config.timeout = PATIENCE;
    Environment::builder()
        .with_policy(Policy::new(Vec::new(), vec![port]))
        .with_provider(descriptor, config)
        .build()
        .map_err(|error| error.to_string())
}
