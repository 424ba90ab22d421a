use std::collections::BTreeSet;

use bonafide_core::host::SubmittedSettings;
use bonafide_core::interaction::{Expected, Interaction, RequestMatcher};
use bonafide_core::{Cause, ProviderValidator, Verdict, WarningCode};
use serde_json::Value;

use super::Findings;
use super::compare::describe;
use crate::replay::schema_of;
use crate::replay::{first_valid, interactions, is_built_in, is_replayed};
use crate::secrets::MIN_LENGTH;

/// A sample secret that holds one of these, in any case, is plainly nobody's.
const MADE_UP: [&str; 4] = ["sandbox", "example", "sample", "nobody"];
/// So is one with as many characters in a row that are the same, or that follow each other.
const RUN: usize = 4;

/// Checks each interaction by itself.
fn for_each_interaction(
    validator: &dyn ProviderValidator,
    mut check: impl FnMut(&Interaction, &mut Findings) -> Result<(), String>,
) -> Result<(), String> {
    let mut findings = Findings::default();
    for interaction in interactions(validator)? {
        let mut of_this = Findings::default();
        check(&interaction, &mut of_this)?;
        for finding in of_this.0 {
            findings.add(format!("interaction `{}`: {finding}", interaction.name));
        }
    }
    findings.into_result()
}

/// The name of each interaction is its own, and made of lower-case words.
pub fn each_interaction_has_a_name_of_its_own(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let mut names = BTreeSet::new();
    for_each_interaction(validator, |interaction, findings| {
        findings.require(names.insert(interaction.name.clone()), || {
            "the name is taken twice: give each interaction its own".to_owned()
        });
        findings.require(interaction.name.split('_').all(is_word), || {
            "the name is not made of lower-case words joined by `_`".to_owned()
        });
        Ok(())
    })
}

/// Each interaction has a title: the provider's page in the docs prints it.
pub fn each_interaction_is_titled(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    for_each_interaction(validator, |interaction, findings| {
        findings.require(!interaction.title.trim().is_empty(), || {
            "the title is empty: say what the interaction shows".to_owned()
        });
        Ok(())
    })
}

/// Each interaction says where its answer is documented, or why it is believed.
pub fn each_interaction_names_its_source(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    for_each_interaction(validator, |interaction, findings| {
        let source = interaction.source.as_str();
        let is_source = source.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
            || source.strip_prefix("inferred").is_some_and(|rest| rest.len() > 2);
        findings.require(is_source, || {
            "the source is neither an `https://` URL nor `inferred: …` with the reason".to_owned()
        });
        Ok(())
    })
}

/// Each verdict is one that a check can have: causes and warnings exist, and nothing contradicts them.
pub fn each_documented_verdict_can_be_reached(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    for_each_interaction(validator, |interaction, findings| {
        check_verdict(&interaction.expected, findings);
        Ok(())
    })
}

fn check_verdict(verdict: &Expected, findings: &mut Findings) {
    if let Some(code) = &verdict.cause {
        findings.require(Cause::from_code(code).is_some(), || {
            format!("there is no cause `{code}`: take one of `bonafide_core::Cause`")
        });
        findings.require(verdict.data.is_none() && verdict.warnings.is_empty(), || {
            "the verdict has a cause, so it can have neither data nor warnings: take them away"
                .to_owned()
        });
    } else {
        findings.require(verdict.pointer.is_none() && verdict.retry_after.is_none(), || {
            "the verdict is a pass, so it can have neither `pointer` nor `retry_after`: give it a `cause`".to_owned()
        });
    }
    for code in &verdict.warnings {
        findings.require(WarningCode::from_code(code).is_some(), || {
            format!("there is no warning `{code}`: take one of `bonafide_core::WarningCode`")
        });
    }
}

/// Each pointer of a verdict leads to the settings or to one of their fields.
pub fn each_pointer_leads_to_a_field(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let schema = schema_of(validator)?;
    for_each_interaction(validator, |interaction, findings| {
        let pointer = interaction.expected.pointer.as_deref();
        if let Some(pointer) = pointer.filter(|pointer| *pointer != "/settings") {
            let field = pointer.strip_prefix("/settings/").unwrap_or_default();
            let field = field.split('/').next().unwrap_or_default();
            findings.require(schema.fields().any(|(name, _)| name == field), || {
                format!("the pointer `{pointer}` leads to no field of the settings, such as `/settings/api_key`")
            });
        }
        Ok(())
    })
}

/// Each secret among the settings is plainly nobody's: it says so, or no generator makes such a one.
pub fn each_sample_secret_is_made_up(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let schema = schema_of(validator)?;
    for_each_interaction(validator, |interaction, findings| {
        for (field, _) in schema.fields().filter(|(_, field)| field["writeOnly"] == true) {
            let sample =
                interaction.settings.get(field).and_then(Value::as_str).unwrap_or_default();
            // What is too short for a secret is nobody's either.
            let made_up = sample.chars().count() < MIN_LENGTH || is_made_up(sample);
            findings.require(made_up, || {
                format!(
                    "the `{field}` looks like somebody's: make one up that says so, such as `sandbox-key-that-works`, or with \
                     a run of zeros where its form leaves no room for words"
                )
            });
        }
        Ok(())
    })
}

fn is_made_up(sample: &str) -> bool {
    let lower = sample.to_ascii_lowercase();
    let bytes = lower.as_bytes();
    let is_run = |run: &[u8]| {
        let pairs = || run.iter().zip(run.iter().skip(1));
        pairs().all(|(one, next)| one == next) || pairs().all(|(one, next)| one + 1 == *next)
    };
    MADE_UP.iter().any(|word| lower.contains(word))
        || (lower.is_ascii() && bytes.windows(RUN).any(is_run))
}

/// Each step of a dialogue is in the form in which the emulator replays it.
pub fn each_step_can_be_replayed(validator: &'static dyn ProviderValidator) -> Result<(), String> {
    for_each_interaction(validator, |interaction, findings| {
        check_steps(interaction, validator, findings);
        Ok(())
    })
}

fn check_steps(
    interaction: &Interaction,
    validator: &dyn ProviderValidator,
    findings: &mut Findings,
) {
    let built_in = is_built_in(validator);
    findings.require(!built_in || interaction.smtp.is_none(), || {
        "`smtp` is for providers whose settings name the host: use `steps`".to_owned()
    });
    findings.require(built_in || interaction.steps.is_empty(), || {
        "`steps` is for providers with hosts of their own: use `smtp`".to_owned()
    });
    for (index, step) in interaction.steps.iter().enumerate() {
        let mut require = |holds: bool, otherwise: &str| {
            findings.require(holds, || format!("step {}: {otherwise}", index + 1));
        };
        let asked = &step.request;
        let base_urls = validator.descriptor().base_urls();
        let known =
            step.base_url.as_deref().is_none_or(|key| base_urls.iter().any(|url| url.key == key));
        require(
            known,
            "`base_url` is not the key of a base URL of the descriptor: write one of its keys, or add a `BaseUrl::service`",
        );
        require(
            matches!(asked.method.as_str(), "GET" | "POST"),
            "`method` is neither `GET` nor `POST`",
        );
        require(asked.path.starts_with('/'), "`path` does not begin with `/`");
        require(!asked.path.contains('?'), "`path` holds a query: use `query`");
        let lower = |name: &String| !name.bytes().any(|byte| byte.is_ascii_uppercase());
        let names = asked.headers.keys().chain(step.response.headers.keys());
        require(names.into_iter().all(lower), "the name of a header is not in lower case");
        for field in templates(asked) {
            require(
                interaction.settings.contains_key(field),
                &format!("`{{{field}}}` names no field of the interaction's settings"),
            );
        }
    }
}

/// The settings fields whose values a request must hold: the names between braces.
fn templates(request: &RequestMatcher) -> impl Iterator<Item = &str> {
    let RequestMatcher { path, bearer, basic, authorization, .. } = request;
    let texts = [bearer, basic, authorization].into_iter().flatten().chain([path]);
    let values = request.query.values().chain(request.headers.values());
    let values = values.chain(request.form.values()).chain(&request.body);
    texts.map(String::as_str).chain(values.flat_map(strings)).flat_map(names_in_braces)
}

fn names_in_braces(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// Every text in a JSON value.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Where somebody is asked, the settings are such that somebody is; and the other way round.
pub fn each_interaction_has_the_steps_that_its_settings_need(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let schema = schema_of(validator)?;
    for_each_interaction(validator, |interaction, findings| {
        let settings = SubmittedSettings::new(interaction.settings.clone());
        match (validator.check_settings(&schema, settings), is_replayed(interaction)) {
            (Ok(_), true) | (Err(_), false) => {}
            (Err(failure), true) => findings.add(format!(
                "its settings are refused before the provider is asked ({}): mend them, or take the dialogue away",
                describe(&Err(failure))
            )),
            (Ok(_), false) => findings.add(
                "nobody is asked, though nothing is wrong with its settings: add the `steps` or `smtp`",
            ),
        }
        Ok(())
    })
}

/// An interaction shows what the provider answers to credentials that work.
pub fn an_interaction_leads_to_a_pass(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    first_valid(validator).map(drop)
}

/// An interaction shows what the provider answers to credentials that it refuses.
pub fn an_interaction_shows_refused_credentials(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let refusals = [
        Cause::InvalidCredentials,
        Cause::WrongCredentialKind,
        Cause::InsufficientPermission,
        Cause::AccountSuspended,
    ];
    let is_refusal = |interaction: &Interaction| {
        let cause = interaction.expected.cause.as_deref().and_then(Cause::from_code);
        is_replayed(interaction) && cause.is_some_and(|cause| refusals.contains(&cause))
    };
    if interactions(validator)?.iter().any(is_refusal) {
        return Ok(());
    }
    Err("no interaction shows refused credentials: document what the provider answers to a wrong key, with \
         `\"cause\": \"invalid_credentials\"`"
        .to_owned())
}

/// One interaction answers whatever no other is for, with a rejection: in the sandbox, a key that nobody knows is refused.
pub fn an_interaction_answers_unknown_credentials(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let mut interactions = interactions(validator)?;
    interactions.retain(|interaction| interaction.fallback);
    let [fallback] = interactions.as_slice() else {
        return Err(format!(
            "{} interactions answer whatever no other is for: give `\"fallback\": true` to the one that shows a key that \
             nobody knows",
            interactions.len()
        ));
    };
    let Interaction { name, .. } = fallback;
    let mut findings = Findings::default();
    findings.require(fallback.expected.verdict() == Verdict::Rejected, || {
        format!(
            "interaction `{name}` answers whatever no other is for, and is no rejection: give `\"fallback\": true` to the one \
             that shows a key that nobody knows"
        )
    });
    for field in fallback.steps.iter().flat_map(|step| templates(&step.request)) {
        findings.add(format!(
            "interaction `{name}` answers whatever no other is for, but asks for one value of `{field}`: take `{{{field}}}` away, \
             and write `*` for a segment of the path, as in `/*/getMe`"
        ));
    }
    findings.into_result()
}
