use std::time::{Duration, Instant};

use bonafide_core::{Cause, Destination, ProviderValidator};
use serde_json::Value;

use super::Findings;
use super::documented::{describe, is_inconclusive};
use crate::play::{IMPATIENCE, Nobody, block_on, check, environment_at, valid_settings};
use crate::{Act, Faulty};

/// How much later than the deadline a check may end on a busy machine.
pub(super) const GRACE: Duration = Duration::from_secs(3);

pub(super) fn is_built_in(validator: &dyn ProviderValidator) -> bool {
    matches!(validator.descriptor().destination, Destination::BuiltIn(_))
}

/// With nobody listening, a built-in host is `provider_unavailable`, and a host that the settings name is
/// `connection_failed`.
pub fn a_provider_that_is_down_is_no_rejection(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let settings = Value::Object(valid_settings(validator)?);
    let expected =
        if is_built_in(validator) { Cause::ProviderUnavailable } else { Cause::ConnectionFailed };
    let result = block_on(async {
        let nobody = Nobody::new()?;
        let environment = environment_at(validator, nobody.address)?;
        Ok::<_, String>(check(validator, &environment, settings).await)
    })?;
    match &result {
        Err(failure) if failure.cause() == expected => Ok(()),
        _ => Err(format!(
            "nobody listens, which must be `{expected}`, but the check says {}: pass on the failure of `send` and `dial` \
             as it is",
            describe(&result)
        )),
    }
}

/// A server that accepts and then says nothing, or stops in the middle of an answer, ends in `provider_timeout` at the
/// deadline.
pub fn a_silent_peer_is_waited_for_until_the_deadline(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let settings = Value::Object(valid_settings(validator)?);
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    let mut scripts = vec![("a server that accepts and is silent", vec![Act::Hang])];
    if is_built_in(validator) {
        let script = vec![Act::Read, Act::say(half), Act::Hang];
        scripts.push(("a server that stops in the middle of its answer", script));
    }
    block_on(async {
        let mut findings = Findings::default();
        for (what, script) in scripts {
            let server = Faulty::start(script).await;
            let environment = environment_at(validator, server.address())?;
            let started = Instant::now();
            let result = check(validator, &environment, settings.clone()).await;
            let took = started.elapsed();
            let timed_out =
                matches!(&result, Err(failure) if failure.cause() == Cause::ProviderTimeout);
            findings.require(timed_out, || {
                format!(
                    "{what} must end in `provider_timeout`, but the check says {}: set no shorter timeouts of your own",
                    describe(&result)
                )
            });
            findings.require(took < IMPATIENCE + GRACE, || {
                format!(
                    "{what} held the check for {took:?} with a deadline of {IMPATIENCE:?}: do not block the thread, and \
                     wait for nothing outside of `Context`"
                )
            });
        }
        findings.into_result()
    })
}

/// A redirect leads nowhere: credentials are never sent to where an answer points.
pub fn a_redirect_is_not_followed(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    if !is_built_in(validator) {
        return Ok(());
    }
    let settings = Value::Object(valid_settings(validator)?);
    block_on(async {
        let mut findings = Findings::default();
        let elsewhere = Faulty::answering(200, &[("content-type", "application/json")], "{}").await;
        let target = format!("{}elsewhere", elsewhere.url());
        for status in [301, 302, 303, 307, 308] {
            let server = Faulty::answering(status, &[("location", &target)], "").await;
            let environment = environment_at(validator, server.address())?;
            let result = check(validator, &environment, settings.clone()).await;
            let unexpected =
                matches!(&result, Err(failure) if failure.cause() == Cause::UnexpectedResponse);
            findings.require(unexpected, || {
                format!(
                    "a redirect with status {status} must be `unexpected_response`, but the check says {}: end with \
                     `Answer::no_verdict` where the provider documents no such answer",
                    describe(&result)
                )
            });
        }
        findings.require(elsewhere.connections() == 0, || {
            "a redirect was followed: ask through `Context::get` and `Context::post` alone"
                .to_owned()
        });
        findings.into_result()
    })
}

/// An answer that is plainly not the provider's is neither a pass nor a rejection, whatever its status.
pub fn a_foreign_answer_is_no_verdict(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    const PAGE: &str = "<!DOCTYPE html><html><title>Sign in</title><p>Unauthorized</html>";
    const PROBLEM: &str = r#"{"type": "about:blank", "title": "Unauthorized", "status": 401}"#;
    if !is_built_in(validator) {
        return Ok(());
    }
    let settings = Value::Object(valid_settings(validator)?);
    let html = "text/html; charset=utf-8";
    let answers = [
        ("an HTML page with status 200", 200, html, PAGE),
        ("an HTML page with status 401", 401, html, PAGE),
        ("an HTML page with status 403", 403, html, PAGE),
        ("an HTML page with status 502", 502, html, PAGE),
        ("an empty answer with status 200", 200, "application/json", ""),
        ("a problem+json with status 401", 401, "application/problem+json", PROBLEM),
    ];
    block_on(async {
        let mut findings = Findings::default();
        let mut judge = async |what: &str, server: Faulty| {
            let environment = environment_at(validator, server.address())?;
            let result = check(validator, &environment, settings.clone()).await;
            findings.require(is_inconclusive(&result), || {
                format!(
                    "{what} must lead to no verdict, but the check says {}: conclude from the provider's own words \
                     alone, and end with `Answer::no_verdict` where there are none",
                    describe(&result)
                )
            });
            Ok::<_, String>(())
        };
        for (what, status, content_type, body) in answers {
            let server = Faulty::answering(status, &[("content-type", content_type)], body).await;
            judge(what, server).await?;
        }
        let server = Faulty::start([Act::Read, Act::say("SSH-2.0-OpenSSH_9.9\r\n")]).await;
        judge("an answer that is no HTTP", server).await?;
        let cut =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{}";
        judge("an answer that breaks off", Faulty::start([Act::Read, Act::say(cut)]).await).await?;
        findings.into_result()
    })
}
