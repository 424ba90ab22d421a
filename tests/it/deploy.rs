//! The files that people deploy with do what the book says of them.

use std::process::Command;

use crate::cli::bonafide;
use crate::process::Server;
use crate::support::{TOKEN, account};

const UNIT: &str = include_str!("../../docs/deploy/bonafide.service");
const DOCKERFILE: &str = include_str!("../../Dockerfile");

/// What stands behind this in the one line that begins with it.
fn value_of<'a>(file: &'a str, beginning: &str) -> &'a str {
    let mut lines = file.lines().filter_map(|line| line.strip_prefix(beginning));
    let (Some(value), None) = (lines.next(), lines.next()) else { panic!("{beginning}") };
    value
}

#[test]
#[expect(clippy::print_stderr, reason = "says why nothing was tested")]
fn systemd_takes_the_unit() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/deploy/bonafide.service");
    let Ok(output) = Command::new("systemd-analyze").args(["verify", unit]).output() else {
        eprintln!("skipped: there is no `systemd-analyze` on the path");
        return;
    };
    // A key that it does not know is a warning, and no failure.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[tokio::test]
async fn what_the_unit_starts_gets_its_store_from_the_credential() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bonafide.toml");
    std::fs::write(&config, "listen = \"127.0.0.1:0\"\n".to_owned() + &account("a", TOKEN))
        .unwrap();
    std::fs::write(folder.path().join("redis-url"), "redis://127.0.0.1:1/0\n").unwrap();
    let script = value_of(UNIT, "ExecStart=/bin/sh -c '").strip_suffix('\'').unwrap();
    let script = script
        .replace("$$", "$")
        .replace("/usr/local/bin/bonafide", env!("CARGO_BIN_EXE_bonafide"))
        .replace("/etc/bonafide/bonafide.toml", config.to_str().unwrap());
    let command = || {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).env_clear().env("CREDENTIALS_DIRECTORY", folder.path());
        command
    };
    let away = command().output().unwrap();
    let said = String::from_utf8_lossy(&away.stderr);
    assert!(said.contains("Redis at `127.0.0.1:1`"), "{said}");
    std::fs::write(folder.path().join("redis-url"), "memory\n").unwrap();
    let server = Server::start(&mut command());
    assert!(server.ask("GET", "/readyz", "", "").await.starts_with("HTTP/1.1 200 "));
    // It took the place of the shell, so this is where signals arrive.
    server.terminate();
    server.end();
}

#[tokio::test]
async fn the_health_check_of_the_image_says_whether_it_serves() {
    let check: Vec<String> = serde_json::from_str(value_of(DOCKERFILE, "    CMD ")).unwrap();
    let server = Server::start(&mut bonafide(&["serve", "--listen", "127.0.0.1:0"]));
    let port = format!("127.0.0.1/{}", server.address.port());
    let is_healthy = || {
        let arguments = check.iter().skip(1).map(|word| word.replace("127.0.0.1/8080", &port));
        let output = Command::new(&check[0]).args(arguments).output().unwrap();
        output.status.success()
    };
    assert!(is_healthy());
    server.terminate();
    server.end();
    assert!(!is_healthy());
}

#[test]
fn the_image_is_built_with_the_toolchain_that_is_pinned() {
    let pinned = value_of(include_str!("../../rust-toolchain.toml"), "channel = ");
    let pinned = pinned.trim_matches('"');
    assert_eq!(value_of(DOCKERFILE, "ENV RUSTUP_TOOLCHAIN="), pinned);
    let image = value_of(DOCKERFILE, "FROM rust:").split('-').next().unwrap();
    assert!(pinned.starts_with(image), "{image} is not {pinned}");
}
