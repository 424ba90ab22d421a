//! Every request in `docs/examples` does in the sandbox what its name says, and so does each client of the docs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cli::bonafide;
use crate::process::Server;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples")
}

#[test]
fn each_example_has_its_verdict() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut table = String::new();
    for file in files {
        let output =
            bonafide(&["validate", file.to_str().unwrap(), "--sandbox", "--format", "json"])
                .output()
                .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let codes = |list: &str| -> Vec<String> {
            let findings = report[list].as_array().into_iter().flatten();
            findings
                .map(|finding| format!("{} at {}", finding["code"], finding["pointer"]))
                .collect()
        };
        let name = file.file_name().unwrap().to_str().unwrap();
        let exit = output.status.code().unwrap();
        writeln!(table, "{name}: exit {exit}, {}", report["verdict"].as_str().unwrap()).unwrap();
        for finding in [codes("errors"), codes("warnings")].concat() {
            writeln!(table, "    {}", finding.replace('"', "")).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[expect(clippy::print_stdout, reason = "says why nothing was tested")]
fn skip(language: &str) {
    println!("skipped: there is no `{language}` on this machine");
}

/// Runs a client of another language against the sandbox: it validates each provider's example.
fn speak(language: &str, script: &str) {
    if Command::new(language).arg("--version").output().is_err() {
        return skip(language);
    }
    let mut server =
        Server::start(&mut bonafide(&["serve", "--sandbox", "--listen", "127.0.0.1:0"]));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let token = server.token.take().unwrap();
    let examples = ["twilio", "smtp", "mandrill", "sendgrid", "mitto", "mailgun"]
        .map(|name| folder().join(format!("{name}.json")));
    let output = Command::new(language)
        .arg(script)
        .arg(format!("http://{}", server.address))
        .arg(token)
        .args(examples)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaint}");
    assert_eq!(
        said,
        "200 3 numbers\n204\n204\n204\n204\n204\n400 invalid_credentials /settings/auth_token\n400 malformed_request\n",
        "{complaint}"
    );
}

#[test]
fn javascript_fetch() {
    speak("node", "validate.mjs");
}

#[test]
fn php_curl() {
    speak("php", "validate.php");
}
