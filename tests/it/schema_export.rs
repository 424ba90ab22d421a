//! An export is there whole or not at all, and an earlier one stays until the new one can take its place.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cli::{bonafide, code, run, text};

fn export(out: &Path, format: &str) -> Output {
    let out = out.to_str().unwrap();
    run(&mut bonafide(&["schema", "export", "--out", out, "--format", format]), "")
}

/// Every file of a folder, hidden ones too, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// The command failed, said this, printed nothing and left the folder as it was.
fn assert_refused(output: &Output, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!((code(output), text(&output.stdout)), (2, String::new()), "{said}");
    for word in words.iter().chain(&["error: cannot write `", "nothing is exported"]) {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn a_folder_is_made_with_those_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/b/c");
    assert_eq!(code(&export(&out, "typescript")), 0);
    assert_eq!(files(&out).into_keys().collect::<Vec<_>>(), ["bonafide.ts"]);
}

#[test]
fn a_file_where_the_folder_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert_refused(&export(&file, "json-schema"), &["file`", "Not a directory"]);
    assert_refused(&export(&file.join("a/b"), "openapi"), &["file/a/b`", "Not a directory"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_folder_where_a_file_should_be() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("smtp.schema.json")).unwrap();
    let output = export(folder.path(), "json-schema");
    assert_refused(&output, &["smtp.schema.json`", "a folder is in its place"]);
    assert_eq!(files(folder.path()), BTreeMap::new());
}

#[test]
fn a_folder_that_nobody_may_write_to() {
    // Not even the superuser may make anything in there.
    let nowhere = Path::new("/proc/self/nowhere");
    assert_refused(&export(nowhere, "json-schema"), &["/proc/self/nowhere`"]);
}

#[test]
fn a_disk_that_is_full_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    // The system refuses to let any file grow beyond some kilobytes, as it would on a full disk.
    let cramped = |out: &Path| {
        let script = "trap '' XFSZ; ulimit -f 2; exec \"$0\" schema export --out \"$1\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_bonafide")]).arg(out).env_clear();
        run(&mut command, "")
    };
    let new = folder.path().join("new/er");
    assert_refused(&cramped(&new), &["schema.json`", "File too large"]);
    assert!(!folder.path().join("new").exists());

    let earlier = folder.path().join("earlier");
    assert_eq!(code(&export(&earlier, "json-schema")), 0);
    std::fs::write(earlier.join("twilio.schema.json"), "{}").unwrap();
    let before = files(&earlier);
    assert_refused(&cramped(&earlier), &["File too large"]);
    assert_eq!(files(&earlier), before);
}

#[test]
fn what_an_earlier_export_wrote_goes_with_its_provider_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    assert_eq!(code(&export(&out, "json-schema")), 0);
    let current = files(&out);
    let index = out.join("index.json");
    let mut listed: Value = serde_json::from_slice(&current["index.json"]).unwrap();
    for name in ["gone.schema.json", "../outside.schema.json", "notes.json", "lost.schema.json"] {
        listed["items"].as_array_mut().unwrap().push(json!({"schema": name}));
    }
    std::fs::write(&index, listed.to_string()).unwrap();
    let mine = ["gone.schema.json", "../outside.schema.json", "notes.json", "other.schema.json"];
    for name in mine {
        std::fs::write(out.join(name), "mine").unwrap();
    }
    let output = export(&out, "json-schema");
    assert_eq!(code(&output), 0);
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("gone.schema.json: no linked provider has this schema"), "{said}");
    let mut expected = current;
    expected.insert("notes.json".to_owned(), b"mine".to_vec());
    expected.insert("other.schema.json".to_owned(), b"mine".to_vec());
    assert_eq!(files(&out), expected);
    assert!(folder.path().join("outside.schema.json").exists());
}
