//! The command line: exit codes, and what is printed.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// The command, without anything that the surroundings configure.
pub(crate) fn bonafide(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bonafide"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Everything that a person sees, with what changes from run to run left out.
fn seen(output: &Output) -> String {
    format!(
        "exit {}\n---- stdout\n{}---- stderr\n{}",
        code(output),
        text(&output.stdout),
        text(&output.stderr)
    )
}

macro_rules! assert_seen {
    ($output:expr) => {
        insta::with_settings!({filters => vec![
            (r"[0-9a-f]{8}-[0-9a-f-]{27}", "[trace id]"),
            (r"\b\d+ ms", "[elapsed] ms"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        ]}, { insta::assert_snapshot!(seen(&$output)) })
    };
}

fn twilio(token: &str) -> String {
    json!({"name": "x", "provider_id": "1000", "settings": {
        "account_sid": "AC00000000000000000000000000000001",
        "auth_token": token,
    }})
    .to_string()
}

const KNOWN: &str = "sandbox-token-with-numbers";

#[test]
fn a_pass() {
    let output = run(&mut bonafide(&["validate", "--sandbox"]), &twilio(KNOWN));
    assert_seen!(output);
}

#[test]
fn a_rejection_by_the_provider() {
    let output = run(&mut bonafide(&["validate", "--sandbox", "-"]), &twilio("wrong"));
    assert_seen!(output);
}

#[test]
fn a_rejection_by_us() {
    let body = r#"{"provider_id": "1000", "settings": {"account_sid": "x", "auth_tokn": "y"}, "status": 1}"#;
    assert_seen!(run(&mut bonafide(&["validate"]), body));
}

#[test]
fn no_verdict() {
    // Nobody listens on port 1 of this machine.
    let mut command = bonafide(&["validate"]);
    command.env("BONAFIDE_EGRESS__ALLOW", "127.0.0.0/8");
    command.env("BONAFIDE_PROVIDERS__TWILIO__BASE_URL", "http://127.0.0.1:1");
    let output = run(&mut command, &twilio(KNOWN));
    assert_seen!(output);
}

#[test]
fn reports_for_programs() {
    let report = |output: &Output| -> Value {
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["trace_id"].is_string() && report["elapsed_ms"].is_u64());
        report.as_object_mut().unwrap().retain(|key, _| key != "trace_id" && key != "elapsed_ms");
        report
    };
    let valid = run(&mut bonafide(&["validate", "--format", "json", "--sandbox"]), &twilio(KNOWN));
    assert_eq!(code(&valid), 0);
    let valid = report(&valid);
    assert_eq!(valid["data"][0]["incoming_phone_number"], "+12185550100");
    let mut keys: Vec<&str> = valid.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["data", "provider", "provider_id", "sandbox", "verdict"]);

    let unknown = run(
        &mut bonafide(&["validate", "--format=json"]),
        r#"{"name": "x", "provider_id": "1", "settings": {}}"#,
    );
    assert_eq!(code(&unknown), 1);
    let unknown = report(&unknown);
    assert_eq!(unknown["verdict"], "rejected");
    assert_eq!(unknown["errors"][0]["code"], "unknown_provider");
    assert_eq!(unknown.as_object().unwrap().len(), 2);
}

#[test]
fn mistakes_in_the_call_exit_with_2() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["validate", "/nowhere.json"],
        &["validate", "--format", "yaml"],
        &["validate", "--config", "/nowhere.toml"],
        &["serve", "--listen", "nowhere"],
        &["schema", "export", "--format", "xml"],
        &["schema", "export", "--out", "/dev/null/x"],
    ] {
        let output = run(&mut bonafide(arguments), "");
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let too_large = run(&mut bonafide(&["validate"]), &" ".repeat(70_000));
    assert_eq!(code(&too_large), 2);
    for arguments in [&["--help"][..], &["--version"], &["validate", "--help"]] {
        assert_eq!(code(&run(&mut bonafide(arguments), "")), 0);
    }
}

#[test]
fn variables_win_over_the_file_and_unknown_ones_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bonafide.toml");
    std::fs::write(
        &file,
        "[providers.twilio]\nbase_url = \"ftp://example.com\"\ntimeout = \"1h\"\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let refused = run(&mut bonafide(&["validate", "--config", file]), "");
    assert_eq!(code(&refused), 2);
    assert_eq!(
        text(&refused.stderr),
        format!(
            "error: `providers.twilio.timeout` cannot be used: it must be a duration from `100ms` to `5m`, such as `15s` (`{file}`, line 3)\n"
        )
    );
    let mut command = bonafide(&["validate", "--config", file]);
    command.env("BONAFIDE_PROVIDERS__TWILIO__TIMEOUT", "1s");
    let refused = run(&mut command, "");
    assert_eq!(
        text(&refused.stderr),
        format!(
            "error: `providers.twilio.base_url` cannot be used: it must begin with `https://`, or with `http://` for an allowed network (`{file}`, line 2)\n"
        )
    );
    command.env("BONAFIDE_PROVIDERS__TWILIO__BASE_URL", "https://example.com");
    assert_eq!(code(&run(&mut command, "{}")), 1);

    let mut command = bonafide(&["validate"]);
    command
        .env("BONAFIDE_LISTN", "127.0.0.1:1")
        .env("BONAFIDE_RATE_LIMIT__PER_SECOND", "hunter2")
        .env("BONAFIDE_ACCOUNTS", "[{id = 'a'}, {id = 'b', token_sha256 = 'hunter2'}]")
        .env("BONAFIDE_EGRESS__ALLOW", "10.0.0.0/8, nonsense")
        .env("BONAFIDE_SERVICE_PORT", "80");
    assert_seen!(run(&mut command, ""));
}

#[test]
fn certificates_are_found_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bonafide.toml");
    std::fs::write(&file, "[egress]\nextra_ca = \"ca.pem\"\n").unwrap();
    std::fs::write(folder.path().join("ca.pem"), "nothing\n").unwrap();
    let refused = run(&mut bonafide(&["validate", "--config", file.to_str().unwrap()]), "");
    assert_eq!(
        text(&refused.stderr),
        format!(
            "error: the certificates of `egress.extra_ca` cannot be used: the file does not contain a certificate (`{}`, line 2)\n",
            file.display()
        )
    );
}

#[test]
fn the_catalogue() {
    let listed = text(&run(&mut bonafide(&["providers"]), "").stdout);
    let sections: Vec<&str> = listed.split("\n\n").collect();
    insta::assert_snapshot!(sections[..2].join("\n\n"));
    let json = run(&mut bonafide(&["providers", "--format", "json"]), "");
    let catalogue: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(catalogue["total"], sections.len());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        bonafide(&["providers"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
}

#[test]
fn exports_are_the_same_on_each_run() {
    let folder = tempfile::tempdir().unwrap();
    let export = |out: &str, format: &str| {
        let out = folder.path().join(out);
        let output = run(
            &mut bonafide(&[
                "schema",
                "export",
                "--out",
                out.to_str().unwrap(),
                "--format",
                format,
            ]),
            "",
        );
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let mut files: Vec<(String, String)> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    std::fs::read_to_string(entry.path()).unwrap(),
                )
            })
            .collect();
        files.sort();
        let printed = text(&output.stdout);
        assert_eq!(printed.lines().count(), files.len());
        for (name, content) in &files {
            assert!(printed.contains(name.as_str()));
            assert!(content.ends_with('\n') && !content.ends_with("\n\n"), "{name}");
        }
        files
    };
    let schemas = export("a", "json-schema");
    assert_eq!(export("b", "json-schema"), schemas);
    assert_eq!(export("a", "json-schema"), schemas);
    assert_eq!(schemas[0].0, "index.json");
    let index: Value = serde_json::from_str(&schemas[0].1).unwrap();
    let mut listed: Vec<&str> = index["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["schema"].as_str().unwrap())
        .collect();
    listed.sort_unstable();
    let written: Vec<&str> = schemas[1..].iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(written, listed);
    assert!(written.contains(&"twilio.schema.json"));
    let openapi = export("c", "openapi");
    assert_eq!(export("d", "openapi"), openapi);
    assert_eq!(openapi[0].0, "openapi.json");
    let types = export("e", "typescript");
    assert_eq!(export("f", "typescript"), types);
    assert_eq!(types[0].0, "bonafide.ts");
}

#[test]
fn every_folder_under_plugins_is_linked() {
    let output = run(&mut bonafide(&["providers", "--format", "json"]), "");
    let catalogue: Value = serde_json::from_slice(&output.stdout).unwrap();
    let linked: Vec<&str> = catalogue["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            linked.contains(&name.as_str()),
            "`plugins/{name}` is not linked: add `use bonafide_{} as _;` to `src/providers.rs`",
            name.replace('-', "_")
        );
    }
}
