//! What `schema export` writes, judged by the tools that other people use: the tests in `tests/node`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::bonafide;

const CHROMIUM: &str = "/usr/bin/chromium";

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What is missing for the tests of Node, and where it comes from.
fn missing(browser: bool) -> Option<String> {
    if Command::new("node").arg("--version").output().is_err() {
        return Some("there is no `node` on this machine".to_owned());
    }
    if !in_repository("tests/node/node_modules").is_dir() {
        return Some("run `npm ci --prefix tests/node` first".to_owned());
    }
    if browser && !Path::new(CHROMIUM).exists() {
        return Some(format!("there is no `{CHROMIUM}` on this machine"));
    }
    None
}

/// Says it past the macros, whose output the test harness keeps from whoever reads the run.
fn say(test: &str, what: &str) {
    let _ = std::io::stdout().lock().write_all(format!("{test}: {what}\n").as_bytes());
}

/// Runs one file of `tests/node` against a fresh export in every format.
fn run(test: &str, browser: bool) {
    if let Some(missing) = missing(browser) {
        return say(test, &format!("skipped, {missing}"));
    }
    let export = tempfile::tempdir().unwrap();
    for format in ["json-schema", "openapi", "typescript"] {
        let output = bonafide(&["schema", "export", "--format", format, "--out"])
            .arg(export.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let output = Command::new("node")
        .args(["--test", "--test-reporter=spec", test])
        .current_dir(in_repository("tests/node"))
        .env("BONAFIDE_SCHEMAS", export.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().find_map(|line| line.strip_prefix("ℹ pass ")).unwrap_or("0");
    assert_ne!(passed, "0", "{said}");
    say(test, &format!("all right, tests: {passed}"));
}

#[test]
fn ajv_compiles_every_schema_in_strict_mode() {
    run("ajv.test.mjs", false);
}

#[test]
fn a_linter_has_nothing_to_say_against_the_api_document() {
    run("openapi.test.mjs", false);
}

#[test]
fn a_strict_typescript_compiler_takes_the_types() {
    run("typescript.test.mjs", false);
}

#[test]
fn a_form_generator_draws_every_provider_in_a_browser() {
    run("form.test.mjs", true);
}

#[test]
fn the_page_about_forms_shows_the_tested_lines_and_every_form() {
    let page = std::fs::read_to_string(in_repository("docs/forms.md")).unwrap();
    let form = std::fs::read_to_string(in_repository("tests/node/form.jsx")).unwrap();
    assert!(
        page.contains(&format!("```jsx\n{form}```\n")),
        "docs/forms.md does not quote tests/node/form.jsx as it is: copy it there"
    );
    for folder in std::fs::read_dir(in_repository("plugins")).unwrap() {
        let picture = format!("images/forms/{}.png", folder.unwrap().file_name().to_str().unwrap());
        assert!(page.contains(&picture), "docs/forms.md does not show {picture}");
        let size = std::fs::metadata(in_repository("docs").join(&picture)).map(|file| file.len());
        assert!(
            size.is_ok_and(|bytes| (1..60_000).contains(&bytes)),
            "docs/{picture} is missing or too large: `BONAFIDE_REFRESH=1 cargo test --test it tools` takes it"
        );
    }
}
