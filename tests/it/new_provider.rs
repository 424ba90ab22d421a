//! `bonafide new-provider`: what it refuses, what it says, and that what it writes is a provider.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cli::bonafide;

/// The checkout that these tests are of.
const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");
const FILES: [&str; 6] = [
    "Cargo.toml",
    "README.md",
    "interactions.json",
    "src/lib.rs",
    "tests/conformance.rs",
    "tests/snapshots/acme-mail.snap",
];

/// A folder to work in, outside of any workspace, without links in its path.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

fn new_provider(folder: &Path, arguments: &str) -> Output {
    bonafide(&["new-provider"])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

/// What is printed, with the folder and the checkout left out.
fn printed(bytes: &[u8], folder: &Path) -> String {
    String::from_utf8(bytes.to_vec())
        .unwrap()
        .replace(folder.to_str().unwrap(), "[folder]")
        .replace(CHECKOUT, "[checkout]")
}

/// Runs the command, which must do what it is for, and returns what it printed.
fn written(folder: &Path, arguments: &str) -> String {
    let output = new_provider(folder, arguments);
    let complaint = printed(&output.stderr, folder);
    assert_eq!((output.status.code(), complaint.as_str()), (Some(0), ""));
    printed(&output.stdout, folder)
}

/// Every file under this folder, and every empty folder.
fn everything(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries: Vec<PathBuf> =
            fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()).collect();
        let (inner, mut files): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|path| path.is_dir());
        if inner.is_empty() && files.is_empty() {
            files.push(next);
        }
        folders.extend(inner);
        let shown =
            |path: &PathBuf| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        found.extend(files.iter().map(shown));
    }
    found.sort();
    found
}

/// A workspace that looks like ours.
fn our_workspace(folder: &Path) {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nexclude = [\"docs/own-host\"]\nmembers = [\"plugins/*\"]\n");
    write("core/Cargo.toml", "[package]\nname = \"bonafide-core\"\n");
    write("tests/testkit/Cargo.toml", "[package]\nname = \"bonafide-testkit\"\n");
    fs::create_dir_all(folder.join("plugins")).unwrap();
    fs::create_dir_all(folder.join("docs/own-host")).unwrap();
}

#[test]
fn refusals_name_the_thing_and_the_way_out() {
    let (_guard, folder) = folder();
    our_workspace(&folder.join("ours"));
    fs::create_dir(folder.join("bonafide-there")).unwrap();
    fs::create_dir(folder.join("broken")).unwrap();
    fs::write(folder.join("broken/Cargo.toml"), "[workspace\n").unwrap();
    let before = everything(&folder);
    let long = "a".repeat(56);
    let mut seen = String::new();
    for arguments in [
        "Acme --id 2000 --type sms",
        "1acme --id 2000 --type sms",
        "acme_mail --id 2000 --type sms",
        "acme--mail --id 2000 --type sms",
        "acme- --id 2000 --type sms",
        "../acme --id 2000 --type sms",
        &format!("{long} --id 2000 --type sms"),
        "type --id 2000 --type sms",
        "core --id 2000 --type sms",
        "registry --id 2000 --type sms",
        "emulator --id 2000 --type sms",
        "testkit --id 2000 --type sms",
        "sendgrid --id 2000 --type sms",
        "acme --id 1003 --type sms",
        "twilio --id 1000 --type sms",
        "acme --id 0 --type sms",
        "acme --id 0123 --type sms",
        "acme --id 2a --type sms",
        "acme --id 1234567890 --type sms",
        "acme --id 2000 --type fax",
        "acme --id 2000",
        "acme --type sms",
        "there --id 2000 --type sms",
        "acme --id 2000 --type sms --path .",
        "acme --id 2000 --type sms --path broken/acme",
        "acme --id 2000 --type sms --path broken/Cargo.toml/acme",
        "acme --id 2000 --type sms --path /dev/null/acme",
        "acme --id 2000 --type sms --checkout broken",
        "acme --id 2000 --type sms --path ours/plugins/acme --checkout ours",
    ] {
        let output = new_provider(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(output.stdout.is_empty(), "{arguments}");
        let error = printed(&output.stderr, &folder);
        writeln!(seen, "$ bonafide new-provider {arguments}\n{error}").unwrap();
    }
    insta::assert_snapshot!(seen);
    assert_eq!(everything(&folder), before, "nothing is written");
}

#[test]
fn a_folder_that_no_manifest_can_name_is_refused() {
    let (_guard, folder) = folder();
    let output = bonafide(&["new-provider", "acme", "--id=2000", "--type=sms", "--path"])
        .arg(OsStr::from_bytes(b"\xff"))
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output.stderr, &folder).contains("is not UTF-8"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn outside_of_a_workspace_the_manifest_says_everything() {
    let (_guard, folder) = folder();
    insta::assert_snapshot!(written(&folder, "acme-mail --id 2000 --type email"));
    let manifest = fs::read_to_string(folder.join("bonafide-acme-mail/Cargo.toml")).unwrap();
    insta::assert_snapshot!(manifest.replace(CHECKOUT, "[checkout]"));
    assert_eq!(everything(&folder), FILES.map(|file| format!("bonafide-acme-mail/{file}")));
    assert_eq!(new_provider(&folder, "acme-mail --id 2000 --type email").status.code(), Some(2));
}

#[test]
fn in_a_workspace_of_somebody_else_it_is_no_member_unless_listed() {
    let (_guard, folder) = folder();
    let theirs = "[workspace]\nmembers = [\"crates/*\"]\nexclude = [\"apart\"]\n";
    fs::write(folder.join("Cargo.toml"), theirs).unwrap();
    let said = written(&folder, "acme-mail --id 2000 --type email");
    assert!(
        said.contains("add the crate's folder to `members` in\n`[folder]/Cargo.toml`"),
        "{said}"
    );
    for (path, has_table) in
        [("bonafide-acme-mail", true), ("crates/acme", false), ("apart/acme", false)]
    {
        if path != "bonafide-acme-mail" {
            let said = written(&folder, &format!("acme --id 2000 --type email --path {path}"));
            assert!(!said.contains("[workspace]"), "{said}");
        }
        let manifest = fs::read_to_string(folder.join(path).join("Cargo.toml")).unwrap();
        assert_eq!(manifest.ends_with("\n[workspace]\n"), has_table, "{manifest}");
    }
}

#[test]
fn in_our_workspace_it_is_a_plugin_like_the_others() {
    let (_guard, folder) = folder();
    our_workspace(&folder);
    // From a folder within, too.
    insta::assert_snapshot!(written(&folder.join("core"), "acme-mail --id 2000 --type push"));
    let crate_folder = folder.join("plugins/acme-mail");
    assert_eq!(everything(&crate_folder), FILES);
    let sendgrid = fs::read_to_string(Path::new(CHECKOUT).join("plugins/sendgrid/Cargo.toml"));
    assert_eq!(
        fs::read_to_string(crate_folder.join("Cargo.toml")).unwrap(),
        sendgrid.unwrap().replace("sendgrid", "acme-mail").replace("SendGrid", "Acme Mail")
    );
    let source = fs::read_to_string(crate_folder.join("src/lib.rs")).unwrap();
    for part in [
        "pub struct AcmeMail;",
        "Descriptor::new(\"2000\", \"acme-mail\", ProviderType::Push, \"Acme Mail\")",
    ] {
        assert!(source.contains(part), "{part}");
    }
    // What is excluded, or too deep for the pattern, is a crate of its own.
    for path in ["docs/own-host/acme", "plugins/group/acme"] {
        written(&folder, &format!("acme --id 2000 --type push --path {path}"));
        let manifest = fs::read_to_string(folder.join(path).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("edition = \"2024\""), "{manifest}");
    }
}

#[test]
fn no_hole_is_left_in_any_file() {
    let (_guard, folder) = folder();
    for (name, kind) in [("x", "sms"), ("settings", "email"), ("a1-b2-c3", "voice")] {
        written(&folder, &format!("{name} --id 999999999 --type {kind} --path {name}"));
        for file in everything(&folder.join(name)) {
            let text = fs::read_to_string(folder.join(name).join(&file)).unwrap();
            assert!(!text.contains('@'), "{file}: {text}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{file}");
        }
    }
    // A name that the source needs for something else.
    let source = fs::read_to_string(folder.join("settings/src/lib.rs")).unwrap();
    assert!(source.contains("pub struct SettingsProvider;"));
    let source = fs::read_to_string(folder.join("a1-b2-c3/src/lib.rs")).unwrap();
    assert!(source.contains("pub struct A1B2C3;"));
}

/// Runs Cargo on a host outside of our workspace.
///
/// It shares our target folder and our profile, so that it compiles the crates with a path and hardly anything else;
/// Cargo has let go of that folder when tests run. Our lock makes do without the internet.
fn cargo(host: &Path, arguments: &[&str]) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--workspace"])
        .current_dir(host)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("INSTA_UPDATE", "no")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}{complaint}");
    if arguments.first() == Some(&"test") {
        assert!(said.contains("acme-mail: ") && said.contains(" cells, all right"), "{said}");
    }
}

#[test]
fn what_it_writes_passes_its_tests_and_plays_in_the_sandbox_of_a_host() {
    let (_guard, host) = folder();
    written(&host, "acme-mail --id 2000 --type email");
    let said = written(&host, "acme-mail --id 2000 --type email --path said");
    // The two lines, as they are printed.
    let line = |start: &str| {
        let mut lines = said.lines().map(str::trim_start);
        lines.find(|line| line.starts_with(start)).unwrap().to_owned()
    };
    let dependency = line("bonafide-acme-mail = ").replace("[folder]/said", "bonafide-acme-mail");
    fs::remove_dir_all(host.join("said")).unwrap();
    fs::write(
        host.join("Cargo.toml"),
        format!(
            "[package]\nname = \"host-of-acme-mail\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nbonafide = {{ path = {CHECKOUT:?} }}\n{dependency}\n\n[workspace]\nresolver = \"3\"\n"
        ),
    )
    .unwrap();
    fs::create_dir(host.join("src")).unwrap();
    fs::write(
        host.join("src/main.rs"),
        format!(
            "{}\n\nfn main() -> std::process::ExitCode {{\n    bonafide::run(include_str!(\"../Cargo.toml\"))\n}}\n",
            line("use ")
        ),
    )
    .unwrap();
    fs::copy(Path::new(CHECKOUT).join("Cargo.lock"), host.join("Cargo.lock")).unwrap();

    // All at once, so that both commands want the same features and nothing is compiled twice.
    cargo(&host, &["build", "--all-targets"]);
    cargo(&host, &["test", "--all-targets"]);

    let interactions = fs::read(host.join("bonafide-acme-mail/interactions.json")).unwrap();
    let interactions: Value = serde_json::from_slice(&interactions).unwrap();
    let settings = &interactions[0]["settings"];
    let request = json!({"name": "Example", "provider_id": "2000", "settings": settings});
    fs::write(host.join("request.json"), request.to_string()).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new(target.join("debug/host-of-acme-mail"))
        .args(["validate", "request.json", "--sandbox"])
        .current_dir(&host)
        .env_clear()
        .output()
        .unwrap();
    let said = printed(&output.stdout, &host);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("Acme Mail (2000): valid"), "{said}");
}
