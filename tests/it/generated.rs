//! The pages of the book that are made from the code are what the code would make now.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use bonafide_core::interaction::{self, Expected, Interaction, ResponseStub, Smtp};
use bonafide_core::{Cause, Verdict, WarningCode};
use bonafide_registry::{Entry, Registry};
use serde_json::Value;

use crate::cli::bonafide;
use crate::support::MANIFEST;

/// Compares a committed file with what it should hold, or writes it when asked to.
fn assert_current(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if option_is_set("BONAFIDE_REFRESH") {
        std::fs::write(&file, expected).unwrap();
        return;
    }
    // A provider has a page when its author wants one.
    if path.starts_with("docs/providers/") && !file.exists() {
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is out of date: run `BONAFIDE_REFRESH=1 cargo test --test it generated` and commit what it changes"
    );
}

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the product")]
fn option_is_set(name: &str) -> bool {
    std::env::var(name).is_ok()
}

#[test]
fn causes() {
    let mut page = String::from(
        "# Causes\n\n<!-- Made by `just refresh`. -->\n\nWhy a check did not pass, as `errors[].code` says it. A rejection is final \
         until the settings are mended; without a verdict, ask again later.\n\n\
         | code | HTTP | verdict | meaning |\n|---|---|---|---|\n",
    );
    for cause in Cause::ALL {
        let (verdict, meaning) = (cause.verdict(), cause.meaning());
        let status = if verdict == Verdict::Rejected { 400 } else { 500 };
        writeln!(page, "| `{cause}` | {status} | {verdict} | {meaning} |").unwrap();
    }
    page.push_str(
        "\n# Warnings\n\nWhat is worth knowing although the credentials work, as `warnings[].code` of the command says it.\n\n\
         | code | meaning |\n|---|---|\n",
    );
    for code in WarningCode::ALL {
        writeln!(page, "| `{code}` | {} |", code.meaning()).unwrap();
    }
    assert_current("docs/causes.md", &page);
}

#[test]
fn providers() {
    // This program links providers of its own too, which have no folder.
    let has_folder =
        |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins").join(name).is_dir();
    for provider in Registry::collect(MANIFEST).unwrap().iter() {
        let name = provider.descriptor().name;
        if !has_folder(name) {
            continue;
        }
        assert_current(&format!("docs/providers/{name}.md"), &page(provider));
    }
}

#[test]
fn schemas() {
    // The command links the providers that ship with it, and none of this program's.
    let folder = tempfile::tempdir().unwrap();
    for format in ["json-schema", "openapi", "typescript"] {
        let out = folder.path().to_str().unwrap();
        let mut export = bonafide(&["schema", "export", "--format", format, "--out", out]);
        assert!(export.output().unwrap().status.success());
    }
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    std::fs::create_dir_all(&committed).unwrap();
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    for name in names(folder.path()) {
        let text = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        assert_current(&format!("docs/schemas/{name}"), &text);
    }
    assert_eq!(names(&committed), names(folder.path()), "docs/schemas holds what nobody exports");
}

fn page(provider: &Entry) -> String {
    let descriptor = provider.descriptor();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("plugins/{}/README.md", descriptor.name));
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, body) = readme.split_once('\n').unwrap();
    let mut page = format!("# {}\n\n<!-- Made by `just refresh`. -->\n{body}\n", descriptor.title);

    page.push_str("## Settings\n\n| field | what | to validate | to save |\n|---|---|---|---|\n");
    let schema = provider.schema();
    let yes = |needed| if needed { "needed" } else { "" };
    for (field, property) in schema.fields() {
        let description = property["description"].as_str().unwrap_or_default();
        let validate = yes(schema.is_required(field));
        let save = yes(schema.is_required_to_save(field));
        writeln!(page, "| `{field}` | {description} | {validate} | {save} |").unwrap();
    }

    page.push_str(
        "\n## Documented interactions\n\nWhat the provider answers, and the verdict that follows. The tests replay these, and so does the sandbox, \
         for the settings that stand beside each.\n",
    );
    for interaction in interaction::parse(descriptor.interactions).unwrap() {
        section(&mut page, &interaction);
    }
    page
}

fn section(page: &mut String, interaction: &Interaction) {
    writeln!(page, "\n### {}\n", interaction.title).unwrap();
    for step in &interaction.steps {
        let base_url = step.base_url.as_ref();
        let base_url = base_url.map(|key| format!(" of `{key}`")).unwrap_or_default();
        let (method, path) = (&step.request.method, &step.request.path);
        writeln!(page, "- `{method} {path}`{base_url} is answered {}", answer(&step.response))
            .unwrap();
    }
    if let Some(smtp) = &interaction.smtp {
        for (stage, reply) in replies(smtp) {
            writeln!(page, "- {stage} `{}`", reply.replace(['\r', '\n'], " ")).unwrap();
        }
    }
    writeln!(page, "- Verdict: {}", verdict(&interaction.expected)).unwrap();
    let source = if interaction.source.starts_with("https://") {
        format!("<{}>", interaction.source)
    } else {
        interaction.source.clone()
    };
    writeln!(page, "- Source: {source}").unwrap();
    let mut settings = interaction.settings.clone();
    settings.retain(|field, _| !field.starts_with("default_") && !field.starts_with("sender_"));
    let settings = Value::Object(settings);
    let note = if interaction.fallback { ", and any that no other interaction names" } else { "" };
    writeln!(page, "- Settings: `{settings}`{note}").unwrap();
}

fn answer(answer: &ResponseStub) -> String {
    let body = match (&answer.body, &answer.text) {
        (Some(body), _) => {
            let text = body.to_string();
            let shown: String = text.chars().take(160).collect();
            let ellipsis = if shown.len() < text.len() { " …" } else { "" };
            format!(" `{shown}{ellipsis}`")
        }
        (None, Some(text)) => format!(" `{text}`"),
        (None, None) => " without a body".to_owned(),
    };
    format!("{}{body}", answer.status)
}

/// What the server says otherwise than one where everything goes well.
fn replies(smtp: &Smtp) -> Vec<(&'static str, String)> {
    let usual = Smtp::default();
    let mut replies = Vec::new();
    let mut add = |stage, reply: String, usual: String| {
        if reply != usual {
            let reply = if reply.is_empty() { "(closes the connection)".to_owned() } else { reply };
            replies.push((stage, reply));
        }
    };
    add("The greeting is", smtp.greeting.clone(), usual.greeting);
    add("`EHLO` is answered", smtp.ehlo.join(", "), usual.ehlo.join(", "));
    add("`STARTTLS` is answered", smtp.starttls.clone(), usual.starttls);
    add(
        "`EHLO` inside TLS is answered",
        smtp.ehlo_inside_tls.join(", "),
        usual.ehlo_inside_tls.join(", "),
    );
    add("`AUTH` is answered", smtp.auth.clone(), String::new());
    if smtp.refuses_connections {
        replies = vec![("Connecting is answered", "(refused)".to_owned())];
    }
    replies
}

fn verdict(conclusion: &Expected) -> String {
    let mut text = match &conclusion.cause {
        None => "valid".to_owned(),
        Some(cause) => format!("{}, `{cause}`", conclusion.verdict()),
    };
    if let Some(pointer) = &conclusion.pointer {
        write!(text, " at `{pointer}`").unwrap();
    }
    if let Some(seconds) = conclusion.retry_after {
        write!(text, ", to be asked again after {seconds} s").unwrap();
    }
    for warning in &conclusion.warnings {
        write!(text, ", with the warning `{warning}`").unwrap();
    }
    if let Some(data) = &conclusion.data {
        write!(text, ", `{data}`").unwrap();
    }
    text
}
