//! Each interaction, replayed.

use bonafide_core::interaction::{Interaction, Smtp};
use bonafide_core::{Descriptor, Failure, Outcome, ProviderValidator};
use bonafide_emulator::{Authority, Emulator, RecordedRequest, Stage};
use percent_encoding::percent_decode_str;

use super::Findings;
use super::compare::compare;
use crate::replay::schema_of;
use crate::replay::{Replayed, ReplayedAll, block_on, interactions, replay, replay_at};
use crate::{Logs, ProviderUnderTest, Secrets, texts_of};

/// The commands after which a message could leave.
const SENDS: [&str; 4] = ["MAIL", "RCPT", "DATA", "BDAT"];

/// The interactions of a provider, each replayed at an emulator that knows no other.
pub(crate) struct Isolated {
    pub(super) interactions: Vec<IsolatedReplay>,
    /// What was logged, if it could be captured and holds no secret.
    logs: Result<(), String>,
}

/// One of them, with what is wrong about it in each respect.
pub(super) struct IsolatedReplay {
    pub(super) interaction: Interaction,
    pub(super) result: Result<Outcome, Failure>,
    pub(super) requests: Vec<RecordedRequest>,
    pub(super) verdict: Result<(), String>,
    pub(super) harm: Vec<String>,
    pub(super) leaks: Vec<String>,
    never_asked: Vec<String>,
}

impl Isolated {
    pub(crate) fn replay(validator: &'static dyn ProviderValidator) -> Result<Self, String> {
        let logs = Logs::capture();
        let mut all = Secrets::default();
        let mut judged = Vec::new();
        for interaction in interactions(validator)? {
            let secrets = Secrets::of(validator, &interaction.settings)?;
            // One after the other: a provider that mixes checks up must not do so here.
            let replayed = block_on(replay(validator, &interaction))?;
            judged.push(IsolatedReplay::of(validator, interaction, replayed, &secrets));
            all.extend(secrets);
        }
        Ok(Self { interactions: judged, logs: check_logs(validator, &all, &logs.text()) })
    }

    /// What is wrong about each interaction, in one respect.
    fn findings<'a>(
        &'a self,
        respect: impl Fn(&'a IsolatedReplay) -> &'a [String],
    ) -> Result<(), String> {
        let mut findings = Findings::default();
        for replayed in &self.interactions {
            for finding in respect(replayed) {
                findings.add(format!("interaction `{}`: {finding}", replayed.interaction.name));
            }
        }
        findings.into_result()
    }
}

impl IsolatedReplay {
    fn of(
        validator: &dyn ProviderValidator,
        interaction: Interaction,
        Replayed { result, emulator }: Replayed,
        secrets: &Secrets,
    ) -> Self {
        let requests = emulator.requests();
        let (mut harm, mut leaks) = (Findings::default(), Findings::default());
        let sent =
            requests.iter().map(|one| (Some(one.base_url), one.method.as_str(), one.path.as_str()));
        check_requests(validator.descriptor(), sent, &mut harm);
        check_commands(emulator.commands().iter().map(String::as_str), &mut harm);
        check_texts(secrets, &result, &mut leaks);
        Self {
            verdict: compare(&interaction, &result, &emulator),
            harm: harm.0,
            leaks: leaks.0,
            never_asked: never_asked(&interaction, &emulator),
            interaction,
            result,
            requests,
        }
    }
}

/// Each interaction leads to the verdict that it documents, at an emulator that knows no other.
pub fn each_interaction_leads_to_its_verdict_alone(
    subject: &ProviderUnderTest<'_>,
) -> Result<(), String> {
    let mut findings = Findings::default();
    for replayed in &subject.isolated()?.interactions {
        findings.absorb(replayed.verdict.clone());
    }
    findings.into_result()
}

/// All of an interaction is needed: each step answers something, and a mail server comes to say what it says.
pub fn each_step_comes_up(subject: &ProviderUnderTest<'_>) -> Result<(), String> {
    subject.isolated()?.findings(|replayed| &replayed.never_asked)
}

/// Nothing is asked that the descriptor does not allow, and no mail server is told what could send a message.
pub fn only_harmless_requests_are_sent(subject: &ProviderUnderTest<'_>) -> Result<(), String> {
    subject.isolated()?.findings(|replayed| &replayed.harm)
}

/// No `Debug`, no `Display` and no part of a response holds a secret of the settings, whatever the provider answers.
pub fn no_verdict_holds_a_secret(subject: &ProviderUnderTest<'_>) -> Result<(), String> {
    subject.isolated()?.findings(|replayed| &replayed.leaks)
}

/// No log line down to `TRACE` holds a secret of the settings, whatever the provider answers.
pub fn no_log_line_holds_a_secret(subject: &ProviderUnderTest<'_>) -> Result<(), String> {
    subject.isolated()?.logs.clone()
}

pub(super) fn check_texts(
    secrets: &Secrets,
    result: &Result<Outcome, Failure>,
    wrong: &mut Findings,
) {
    for (place, text) in texts_of(result) {
        wrong.absorb(secrets.absent_from(place, &text));
    }
}

/// Each request is a base URL's key, where it is known, a method and a path. The path may hold a secret, so it is not shown.
pub(super) fn check_requests<'a>(
    descriptor: &Descriptor,
    requests: impl Iterator<Item = (Option<&'a str>, &'a str, &'a str)>,
    wrong: &mut Findings,
) {
    for (key, method, path) in requests {
        let path = path.trim_start_matches('/');
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let allowed = descriptor
            .base_urls()
            .iter()
            .filter(|base_url| key.is_none_or(|key| key == base_url.key))
            .any(|base_url| {
                descriptor.requests.iter().any(|one| one.covers(base_url, method, &segments))
            });
        wrong.require(allowed, || {
            format!(
                "a {method} was sent that the descriptor does not allow: ask through `Context::get` and `Context::post` \
                 alone"
            )
        });
    }
}

pub(super) fn check_commands<'a>(commands: impl Iterator<Item = &'a str>, wrong: &mut Findings) {
    for verb in commands.filter(|verb| SENDS.contains(verb)) {
        wrong.add(format!("the server was told `{verb}`: end the dialogue after the login"));
    }
}

fn check_logs(
    validator: &dyn ProviderValidator,
    secrets: &Secrets,
    logs: &str,
) -> Result<(), String> {
    let schema = schema_of(validator)?;
    if !secrets.is_empty() || schema.fields().all(|(_, field)| field["writeOnly"] != true) {
        return absent_from_logs(secrets, logs);
    }
    Err("no interaction has a secret of six characters or more, so nothing could be looked for: use longer samples"
        .to_owned())
}

/// Fails when the logs hold a secret, or nothing at all.
pub(super) fn absent_from_logs(secrets: &Secrets, logs: &str) -> Result<(), String> {
    if !logs.contains("the emulator is up") {
        return Err("the logs could not be captured: no other subscriber may be set in this test"
            .to_owned());
    }
    let Some(line) = logs.lines().find(|line| secrets.absent_from("a line", line).is_err()) else {
        return Ok(());
    };
    // The target of the line leads to its author; the line itself holds the secret.
    let target = line.split_whitespace().nth(2).unwrap_or_default().trim_end_matches(':');
    secrets.absent_from(&format!("the logs, on a line of `{target}`"), line)
}

/// What an interaction documents and the check never came to.
fn never_asked(interaction: &Interaction, emulator: &Emulator) -> Vec<String> {
    let requests = emulator.requests();
    let answered = |step: usize| {
        requests
            .iter()
            .any(|request| request.answered_by.as_ref().is_some_and(|by| by.step == step))
    };
    let steps = (0..interaction.steps.len()).filter(|step| !answered(*step));
    let mut never: Vec<String> = steps.map(|step| format!("step {}", step + 1)).collect();
    if let Some(smtp) = interaction.smtp.as_ref().filter(|smtp| !smtp.refuses_connections) {
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
    for what in &mut never {
        what.push_str(
            " never comes up when it is replayed alone: take it away, or mend what comes before it",
        );
    }
    never
}

/// Each interaction leads to the verdict that it documents, at an emulator that replays all of them, as the
/// sandbox does.
pub fn each_interaction_leads_to_its_verdict_among_all(
    validator: &'static dyn ProviderValidator,
) -> Result<(), String> {
    let interactions = interactions(validator)?;
    block_on(async {
        let ReplayedAll { results, emulator } = replay_all(validator, &interactions).await?;
        let mut findings = Findings::default();
        for (interaction, result) in interactions.iter().zip(&results) {
            let compared = compare(interaction, result, &emulator);
            findings.absorb(compared.map_err(|finding| {
                format!("{finding}; if it does so alone, another interaction answers in its place: give them different settings")
            }));
        }
        findings.into_result()
    })
}

async fn replay_all(
    validator: &dyn ProviderValidator,
    interactions: &[Interaction],
) -> Result<ReplayedAll, String> {
    let authority = Authority::new().map_err(|error| error.to_string())?;
    let emulator = Emulator::start(validator.descriptor(), &authority)
        .await
        .map_err(|error| error.to_string())?;
    replay_at(validator, authority, emulator, interactions).await
}
