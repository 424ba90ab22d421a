//! The command that compares schemas with an earlier export: what it says, and how it exits.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{bonafide, code, run, text};

/// The export of the last release, which a release alone changes.
const RELEASED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemas");

fn exported() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    assert_eq!(code(&run(&mut bonafide(&["schema", "export", "--out", out]), "")), 0);
    folder
}

/// Exit status, output, and errors.
fn check(baseline: &Path, more: &[&str]) -> (i32, String, String) {
    let arguments = [&["schema", "check", baseline.to_str().unwrap()], more].concat();
    let output = run(&mut bonafide(&arguments), "");
    (code(&output), text(&output.stdout), text(&output.stderr))
}

fn edit(baseline: &Path, file: &str, edit: impl FnOnce(&mut Value)) {
    let path = baseline.join(file);
    let mut document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut document);
    std::fs::write(&path, document.to_string()).unwrap();
}

#[test]
fn nothing_that_the_last_release_took_is_refused() {
    let (code, said, error) = check(Path::new(RELEASED), &[]);
    assert_eq!(code, 0, "{said}{error}\nCONTRIBUTING.md says what to do when a break is meant");
}

#[test]
fn an_export_of_its_own_has_not_changed() {
    let folder = exported();
    let nothing = (0, "Nothing has changed.\n".to_owned(), String::new());
    assert_eq!(check(folder.path(), &[]), nothing);
}

#[test]
fn changes_are_told_and_a_break_exits_with_1() {
    let folder = exported();
    edit(folder.path(), "mitto.schema.json", |schema| {
        schema["properties"]["sender_name"]["title"] = "Sender".into();
    });
    let (code, said, _) = check(folder.path(), &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.ends_with("1 change, which does not break stored settings.\n"), "{said}");

    edit(folder.path(), "smtp.schema.json", |schema| {
        // Tabs were taken before, and a longer name.
        schema["properties"]["password"]["pattern"] =
            r"^[^\u0000-\u0008\u000a-\u001f\u007f-\u009f]+$".into();
        schema["properties"]["username"]["maxLength"] = 260.into();
        schema["properties"]["\u{1b}[2Jodd"] = json!({"type": "string"});
    });
    edit(folder.path(), "index.json", |index| {
        let mut gone = index["items"][0].clone();
        gone["id"] = "2000".into();
        gone["name"] = "gone".into();
        index["items"].as_array_mut().unwrap().push(gone);
    });
    let (code, said, error) = check(folder.path(), &[]);
    assert_eq!((code, error.as_str()), (1, ""));
    insta::assert_snapshot!(said);
}

#[test]
fn programs_get_the_same_as_json() {
    let folder = exported();
    edit(folder.path(), "twilio.schema.json", |schema| {
        schema["properties"]["account_sid"]["pattern"] = "^(?:AC|SK)[0-9a-fA-F]{32}$".into();
    });
    let (code, said, _) = check(folder.path(), &["--format", "json"]);
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&report["breaks"], &report["total"], &report["breaking"]),
        (&json!(true), &json!(1), &json!(1))
    );
    let change = &report["changes"][0];
    assert_eq!(change["kind"], "pattern-changed");
    assert_eq!(change["provider_id"], "1000");
    assert_eq!(change["document"], "twilio.schema.json");
    assert_eq!(change["pointer"], "/properties/account_sid/pattern");
    assert!(change["refused"]["account_sid"].as_str().unwrap().starts_with("SK"), "{change}");
    assert_eq!(check(folder.path(), &["--format", "json"]).1, said, "it says the same each time");
}

#[test]
fn what_is_no_export_exits_with_2_and_says_why() {
    let folder = exported();
    let file = folder.path().join("smtp.schema.json");
    let refused = |baseline: &Path, words: &str| {
        let (code, said, error) = check(baseline, &[]);
        assert_eq!((code, said.as_str()), (2, ""));
        assert!(error.contains(words), "`{words}` is not in: {error}");
        // What a person can do about it.
        assert!(error.contains("export"), "{error}");
    };
    refused(Path::new("/nowhere"), "there is no earlier export in `/nowhere`");
    std::fs::write(&file, "{\n]").unwrap();
    refused(folder.path(), "smtp.schema.json` is no file of an export: it is not JSON (line 2)");
    std::fs::write(&file, r#"{"type": "strange"}"#).unwrap();
    refused(folder.path(), "smtp.schema.json` holds no JSON Schema of draft 2020-12");
    std::fs::remove_file(&file).unwrap();
    refused(folder.path(), "smtp.schema.json` of the earlier export cannot be read");
    edit(folder.path(), "index.json", |index| index["items"][0]["id"] = 1000.into());
    refused(folder.path(), "a member is missing or of another type");
}
