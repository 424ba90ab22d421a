use bonafide_core::host::{Environment, ProviderConfig};
use bonafide_core::interaction::Interaction;
use bonafide_core::{Cause, Failure, ProviderValidator};
use serde_json::{Map, Value};

use super::Findings;
use super::compare::describe;
use crate::replay::{block_on, check, interactions, is_built_in, replay, valid_settings};

/// Names and addresses of ourselves and of what is near us.
const NEAR: [&str; 7] = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "10.0.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "[::ffff:127.0.0.1]",
];
/// The settings fields that name a host.
const HOST_FIELDS: [&str; 2] = ["sending_domain", "host"];

/// The field of these settings that names the host.
pub(super) fn host_field_of(settings: &Map<String, Value>) -> Result<&'static str, String> {
    HOST_FIELDS.into_iter().find(|field| settings.contains_key(*field)).ok_or_else(|| {
        format!(
            "the settings name the host, so one of their fields must be called {}",
            HOST_FIELDS.join(" or ")
        )
    })
}

/// Under the default policy, settings that name this machine or its network end in `destination_forbidden`.
pub fn settings_cannot_name_our_own_network(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    if is_built_in(validator) {
        return Ok(());
    }
    let descriptor = validator.descriptor();
    let settings = valid_settings(validator)?;
    let field = host_field_of(&settings)?;
    let config = ProviderConfig::of(descriptor).map_err(|error| error.to_string())?;
    let environment = Environment::builder().with_provider(descriptor, config).build();
    let environment = environment.map_err(|error| error.to_string())?;
    block_on(async {
        let mut findings = Findings::default();
        for host in NEAR {
            let mut settings = settings.clone();
            settings.insert(field.to_owned(), host.into());
            let result = check(validator, &environment, Value::Object(settings)).await;
            let forbidden =
                matches!(&result, Err(failure) if failure.cause() == Cause::DestinationForbidden);
            findings.require(forbidden, || {
                format!(
                    "settings that name `{host}` must be `destination_forbidden`, but the check says {}: connect through \
                     `Context::dial` alone",
                    describe(&result)
                )
            });
        }
        findings.into_result()
    })
}

/// The first interaction that leads to a pass and begins in clear, if any does.
pub(super) fn begins_in_clear(
    validator: &dyn ProviderValidator,
) -> Result<Option<Interaction>, String> {
    Ok(interactions(validator)?.into_iter().find(|interaction| {
        interaction.expected.cause.is_none()
            && interaction.smtp.is_some()
            && interaction.settings.get("port").and_then(Value::as_str) != Some("465")
    }))
}

/// A server that offers no encryption, or refuses it when it is asked, never sees the credentials.
pub fn credentials_are_not_sent_in_clear(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let Some(mut interaction) = begins_in_clear(validator)? else { return Ok(()) };
    block_on(async {
        let mut findings = Findings::default();
        for offered in [false, true] {
            let what =
                if offered { "offers STARTTLS and refuses it" } else { "offers no STARTTLS" };
            if let Some(smtp) = &mut interaction.smtp {
                let mut lines = vec!["mail.example.com", "AUTH PLAIN LOGIN"];
                lines.extend(offered.then_some("STARTTLS"));
                smtp.ehlo = lines.into_iter().map(str::to_owned).collect();
                "454 4.7.0 TLS not available".clone_into(&mut smtp.starttls);
            }
            let replayed = replay(validator, &interaction).await?;
            findings.require(!replayed.emulator.commands().iter().any(|verb| verb == "AUTH"), || {
                format!("the credentials are sent in clear to a server that {what}: end the check before `AUTH`")
            });
            let cause = replayed.result.as_ref().err().map(Failure::cause);
            // A refusal may be for the moment only, so what follows from it is the provider's to say.
            let right = cause.is_some() && (offered || cause == Some(Cause::ConnectionFailed));
            findings.require(right, || {
                format!(
                    "a server that {what} must be `connection_failed`, but the check says {}",
                    describe(&replayed.result)
                )
            });
        }
        findings.into_result()
    })
}

/// Replies that are slipped in after the one to `STARTTLS`, where anybody on the way could, are not taken for what the
/// server says inside TLS.
pub fn what_is_said_before_tls_does_not_count(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let Some(mut interaction) = begins_in_clear(validator)? else { return Ok(()) };
    if let Some(smtp) = &mut interaction.smtp {
        let slipped_in = "220 2.0.0 Ready to start TLS\n250-mail.example.com\n250 AUTH PLAIN LOGIN\n\
                          235 2.7.0 Authentication successful";
        slipped_in.clone_into(&mut smtp.starttls);
        "535 5.7.8 Authentication credentials invalid".clone_into(&mut smtp.auth);
    }
    let replayed = block_on(replay(validator, &interaction))?;
    match &replayed.result {
        Err(_) => Ok(()),
        Ok(_) => Err("a reply that was slipped in before TLS passes for the server's: drop everything that was read \
             before the handshake"
            .to_owned()),
    }
}
