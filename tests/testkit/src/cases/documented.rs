use std::collections::BTreeSet;

use bonafide_core::exchange::{Conclusion, Exchange, Smtp};
use bonafide_core::{
    Cause, Destination, Environment, Failure, Outcome, ProviderValidator, SettingsSchema,
    SubmittedSettings, Verdict, WarningCode,
};
use bonafide_emulator::{Authority, Emulator, Stage};
use serde_json::Value;

use super::Findings;
use crate::play::{AllPlayed, block_on, concluded, exchanges, is_played, play, play_at};
use crate::{Logs, Secrets, texts_of};

/// The documented exchanges can be read and played, name where they are documented, and show a pass and a refusal.
pub fn the_exchanges_are_well_formed(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let exchanges = exchanges(validator)?;
    let schema = validator.settings_schema().map_err(|error| error.to_string())?;
    let environment = Environment::builder().build().map_err(|error| error.to_string())?;
    let mut findings = Findings::default();
    let mut names = BTreeSet::new();
    for exchange in &exchanges {
        let mut of_this = Findings::default();
        of_this.require(names.insert(&exchange.name), || "the name is taken twice".to_owned());
        judge_texts(exchange, &mut of_this);
        judge_verdict(&exchange.verdict, &schema, &mut of_this);
        judge_steps(exchange, validator, &mut of_this);
        judge_settings(exchange, validator, &environment, &mut of_this);
        for finding in of_this.0 {
            findings.add(format!("exchange `{}`: {finding}", exchange.name));
        }
    }
    let played = || exchanges.iter().filter(|exchange| is_played(exchange));
    findings.require(played().any(|exchange| exchange.verdict.cause.is_none()), || {
        "no exchange leads to a pass: document what the provider answers to credentials that work".to_owned()
    });
    let refusals = [
        Cause::InvalidCredentials,
        Cause::WrongCredentialKind,
        Cause::InsufficientPermission,
        Cause::AccountSuspended,
    ];
    let is_refusal = |exchange: &Exchange| {
        let cause = exchange.verdict.cause.as_deref().and_then(Cause::from_code);
        cause.is_some_and(|cause| refusals.contains(&cause))
    };
    findings.require(played().any(is_refusal), || {
        "no exchange shows refused credentials: document what the provider answers to a wrong key, with \
         `\"cause\": \"invalid_credentials\"`"
            .to_owned()
    });
    findings.into_result()
}

fn judge_texts(exchange: &Exchange, findings: &mut Findings) {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    findings.require(exchange.name.split('_').all(is_word), || {
        "the name is not made of lower-case words joined by `_`".to_owned()
    });
    findings.require(!exchange.title.trim().is_empty(), || {
        "the title is empty: say what the exchange shows".to_owned()
    });
    let source = exchange.source.as_str();
    let is_source = source.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        || source.strip_prefix("inferred").is_some_and(|rest| rest.len() > 2);
    findings.require(is_source, || {
        "the source is neither an `https://` URL nor `inferred: …` with the reason".to_owned()
    });
}

fn judge_verdict(verdict: &Conclusion, schema: &SettingsSchema, findings: &mut Findings) {
    if let Some(code) = &verdict.cause {
        findings
            .require(Cause::from_code(code).is_some(), || format!("there is no cause `{code}`"));
        findings.require(verdict.data.is_none() && verdict.warnings.is_empty(), || {
            "the verdict has a cause, so it can have neither data nor warnings".to_owned()
        });
    } else {
        findings.require(verdict.pointer.is_none() && verdict.retry_after.is_none(), || {
            "the verdict is a pass, so it can have neither `pointer` nor `retry_after`: give it a `cause`".to_owned()
        });
    }
    for code in &verdict.warnings {
        findings.require(WarningCode::ALL.iter().any(|known| known.code() == code), || {
            format!("there is no warning `{code}`")
        });
    }
    if let Some(pointer) = verdict.pointer.as_deref().filter(|pointer| *pointer != "/settings") {
        let field = pointer.strip_prefix("/settings/").unwrap_or_default();
        let field = field.split('/').next().unwrap_or_default();
        findings.require(schema.fields().any(|(name, _)| name == field), || {
            format!("the pointer `{pointer}` leads to no field of the settings, such as `/settings/api_key`")
        });
    }
}

fn judge_steps(exchange: &Exchange, validator: &dyn ProviderValidator, findings: &mut Findings) {
    let built_in = matches!(validator.descriptor().destination, Destination::BuiltIn(_));
    findings.require(!built_in || exchange.smtp.is_none(), || {
        "`smtp` is for providers whose settings name the host: use `dialogue`".to_owned()
    });
    findings.require(built_in || exchange.dialogue.is_empty(), || {
        "`dialogue` is for providers with hosts of their own: use `smtp`".to_owned()
    });
    for (index, step) in exchange.dialogue.iter().enumerate() {
        let mut require = |holds: bool, otherwise: &str| {
            findings.require(holds, || format!("step {}: {otherwise}", index + 1));
        };
        let asked = &step.request;
        let regions = validator.descriptor().base_urls();
        let known =
            step.region.as_deref().is_none_or(|key| regions.iter().any(|url| url.key == key));
        require(known, "`region` is not the key of a base URL of the descriptor");
        require(
            matches!(asked.method.as_str(), "GET" | "POST"),
            "`method` is neither `GET` nor `POST`",
        );
        require(asked.path.starts_with('/'), "`path` does not begin with `/`");
        require(!asked.path.contains('?'), "`path` holds a query: use `query`");
        let lower = |name: &String| !name.bytes().any(|byte| byte.is_ascii_uppercase());
        let names = asked.headers.keys().chain(step.answer.headers.keys());
        require(names.into_iter().all(lower), "the name of a header is not in lower case");
        let texts = asked.bearer.iter().chain(&asked.basic).chain([&asked.path]);
        let values = asked.query.values().chain(asked.headers.values()).filter_map(Value::as_str);
        for field in texts.map(String::as_str).chain(values).flat_map(templates) {
            require(
                exchange.settings.contains_key(field),
                &format!("`{{{field}}}` names no field of the exchange's settings"),
            );
        }
    }
}

/// The names between braces.
fn templates(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// Where somebody is asked, the settings must be such that somebody is; and the other way round.
fn judge_settings(
    exchange: &Exchange,
    validator: &dyn ProviderValidator,
    environment: &Environment,
    findings: &mut Findings,
) {
    let settings = SubmittedSettings::new(exchange.settings.clone());
    match (validator.check_settings(environment, settings), is_played(exchange)) {
        (Ok(_), true) | (Err(_), false) => {}
        (Err(failure), true) => findings.add(format!(
            "its settings are refused before the provider is asked ({}): mend them, or take the dialogue away",
            describe(&Err(failure))
        )),
        (Ok(_), false) => findings.add(
            "nobody is asked, though nothing is wrong with its settings: add the `dialogue` or `smtp`".to_owned(),
        ),
    }
}

/// Each exchange leads to the verdict that it documents, at an emulator that knows no other, and all of it is needed.
pub fn each_exchange_leads_to_its_verdict_alone(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let exchanges = exchanges(validator)?;
    block_on(async {
        let mut findings = Findings::default();
        for exchange in &exchanges {
            let played = play(validator, exchange).await?;
            findings.absorb(compare(exchange, &played.result, &played.emulator));
            for what in never_asked(exchange, &played.emulator) {
                findings.add(format!(
                    "exchange `{}`: {what} never comes up when it is played alone: take it away, or mend what comes \
                     before it",
                    exchange.name
                ));
            }
        }
        findings.into_result()
    })
}

/// What an exchange documents and the check never came to.
fn never_asked(exchange: &Exchange, emulator: &Emulator) -> Vec<String> {
    let requests = emulator.requests();
    let answered = |step: usize| {
        requests
            .iter()
            .any(|request| request.answered_by.as_ref().is_some_and(|by| by.step == step))
    };
    let steps = (0..exchange.dialogue.len()).filter(|step| !answered(*step));
    let mut never: Vec<String> = steps.map(|step| format!("step {}", step + 1)).collect();
    if let Some(smtp) = exchange.smtp.as_ref().filter(|smtp| !smtp.refuses_connections) {
        let usual = Smtp::default();
        let reached = emulator.stages();
        for (said, stage, field) in [
            (smtp.greeting != usual.greeting, Stage::Greeting, "greeting"),
            (smtp.ehlo != usual.ehlo, Stage::Ehlo, "ehlo"),
            (smtp.starttls != usual.starttls, Stage::StartTls, "starttls"),
            (
                smtp.ehlo_inside_tls != usual.ehlo_inside_tls,
                Stage::EhloInsideTls,
                "ehlo_inside_tls",
            ),
            (smtp.auth != usual.auth, Stage::Auth, "auth"),
        ] {
            if said && !reached.contains(&stage) {
                never.push(format!("`smtp.{field}`"));
            }
        }
        if emulator.connections() == 0 {
            never.push("the server".to_owned());
        }
    }
    never
}

/// Each exchange leads to the verdict that it documents, at an emulator that plays all of them: the sandbox.
pub fn each_exchange_leads_to_its_verdict_among_all(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let exchanges = exchanges(validator)?;
    block_on(async {
        let AllPlayed { results, emulator } = play_all(validator, &exchanges).await?;
        let mut findings = Findings::default();
        for (exchange, result) in exchanges.iter().zip(&results) {
            let compared = compare(exchange, result, &emulator);
            findings.absorb(compared.map_err(|finding| {
                format!("{finding}; if it does so alone, another exchange answers in its place: give them different settings")
            }));
        }
        findings.into_result()
    })
}

async fn play_all(
    validator: &dyn ProviderValidator,
    exchanges: &[Exchange],
) -> Result<AllPlayed, String> {
    let authority = Authority::new().map_err(|error| error.to_string())?;
    let emulator = Emulator::start(validator.descriptor(), &authority)
        .await
        .map_err(|error| error.to_string())?;
    play_at(validator, authority, emulator, exchanges).await
}

pub(super) fn compare(
    exchange: &Exchange,
    result: &Result<Outcome, Failure>,
    emulator: &Emulator,
) -> Result<(), String> {
    let sorted = |mut conclusion: Conclusion| {
        conclusion.warnings.sort_unstable();
        conclusion
    };
    let documented = sorted(exchange.verdict.clone());
    let mut actual = sorted(concluded(result));
    if documented.retry_after.is_none() {
        actual.retry_after = None;
    }
    if documented == actual {
        return Ok(());
    }
    let missed: Vec<String> = emulator
        .requests()
        .into_iter()
        .filter_map(|request| {
            Some(format!("a {} found no answer: {}", request.method, request.missed_by?))
        })
        .collect();
    let missed = if missed.is_empty() { String::new() } else { format!("; {}", missed.join("; ")) };
    Err(format!(
        "exchange `{}` documents {}, but the check says {}{missed}",
        exchange.name,
        show(&documented),
        describe(result),
    ))
}

fn show(conclusion: &Conclusion) -> String {
    let warnings = &conclusion.warnings;
    let parts = [
        Some(conclusion.cause.as_ref().map_or("a pass".to_owned(), |cause| format!("`{cause}`"))),
        conclusion.pointer.as_ref().map(|pointer| format!("at `{pointer}`")),
        conclusion.retry_after.map(|seconds| format!("retry after {seconds} s")),
        conclusion.data.as_ref().map(|data| format!("data {data}")),
        (!warnings.is_empty()).then(|| format!("warnings {}", warnings.join(" "))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What a check concluded, with what only the log would say.
pub(super) fn describe(result: &Result<Outcome, Failure>) -> String {
    let text = show(&concluded(result));
    let Err(failure) = result else { return text };
    let status = failure.status().map(|status| format!(", status {status}"));
    let remark = failure.remark().map(|remark| format!(" ({remark})"));
    [Some(text), status, remark].into_iter().flatten().collect()
}

pub(super) fn is_inconclusive(result: &Result<Outcome, Failure>) -> bool {
    matches!(result, Err(failure) if failure.cause().verdict() == Verdict::Inconclusive)
}

/// No log line down to `TRACE`, no `Debug`, no `Display` and no part of a response holds a secret of the settings,
/// whatever the provider answers.
pub fn no_text_holds_a_secret(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    let exchanges = exchanges(validator)?;
    let logs = Logs::capture();
    let results = block_on(play_all(validator, &exchanges))?.results;
    let logs = logs.text();
    if !logs.contains("the emulator is up") {
        return Err("the logs could not be captured: no other subscriber may be set in this test"
            .to_owned());
    }
    let mut findings = Findings::default();
    let mut all = Secrets::default();
    for (exchange, result) in exchanges.iter().zip(&results) {
        let secrets = Secrets::of(validator, &exchange.settings)?;
        for (place, text) in texts_of(result) {
            let place = format!("{place} of exchange `{}`", exchange.name);
            findings.absorb(secrets.absent_from(&place, &text));
        }
        all.extend(secrets);
    }
    findings.require(!all.is_empty() || !has_secrets(validator), || {
        "no exchange has a secret of six characters or more, so nothing could be looked for: use longer samples".to_owned()
    });
    findings.absorb(absent_from_logs(&all, &logs));
    findings.into_result()
}

pub(super) fn absent_from_logs(secrets: &Secrets, logs: &str) -> Result<(), String> {
    let Some(line) = logs.lines().find(|line| secrets.absent_from("a line", line).is_err()) else {
        return Ok(());
    };
    // The target of the line leads to its author; the line itself holds the secret.
    let target = line.split_whitespace().nth(2).unwrap_or_default().trim_end_matches(':');
    secrets.absent_from(&format!("the logs, on a line of `{target}`"), line)
}

fn has_secrets(validator: &dyn ProviderValidator) -> bool {
    validator
        .settings_schema()
        .is_ok_and(|schema| schema.fields().any(|(_, field)| field["writeOnly"] == true))
}
