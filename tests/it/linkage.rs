//! What the linker and `inventory` are silent about ends the build or the start, in every profile.
//!
//! The providers and the hosts are written for the purpose, outside of our workspace, so that each host is small:
//! `fixture` writes them.

mod fixture;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use self::fixture::{Hosts, OtherCore};
use crate::support::config;

/// How the hosts are built.
struct Build {
    /// The profile, of Cargo's or of the hosts' workspace.
    profile: &'static str,
    arguments: &'static [&'static str],
    target: &'static str,
    folder: &'static str,
}

/// Shares our target folder, which Cargo has let go of when tests run, and our features, and so compiles hardly more than
/// the hosts.
const DEV: Build = Build {
    profile: "dev",
    arguments: &[],
    target: concat!(env!("CARGO_TARGET_TMPDIR"), "/.."),
    folder: "debug",
};

const OPTIMISED: [Build; 3] = [optimised("release"), optimised("thin-lto"), optimised("fat-lto")];

const fn optimised(profile: &'static str) -> Build {
    Build {
        profile,
        // Its features are of no use where no folder is shared.
        arguments: &["--exclude", fixture::LIKE_OURS],
        target: concat!(env!("CARGO_TARGET_TMPDIR"), "/linkage"),
        folder: profile,
    }
}

impl Build {
    /// Builds a whole workspace, so that the features are the same every time.
    fn cargo(&self, folder: &Path, more: &[&str]) -> Output {
        Command::new(env!("CARGO"))
            .args(["build", "--offline", "--quiet", "--workspace", "--profile", self.profile])
            .args(self.arguments)
            .args(more)
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", self.target)
            .output()
            .unwrap()
    }

    /// What one reads when the build fails, which must be for these reasons.
    fn assert_refused(&self, folder: &Path, reasons: &[&str]) {
        let output = self.cargo(folder, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{}: it is built: {said}", self.profile);
        for reason in reasons {
            assert!(said.contains(reason), "{}: {reason} is not said in: {said}", self.profile);
        }
    }

    /// The exit code of a host, and what it prints.
    fn start(&self, host: &str) -> (Option<i32>, String) {
        let program = Path::new(self.target).join(self.folder).join(host);
        let output = Command::new(program).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// Provokes each way to lose a provider.
    #[expect(clippy::print_stdout, reason = "the log of the tests says what was proved")]
    fn prove(&self, hosts: &Hosts) {
        let profile = self.profile;
        let output = self.cargo(hosts.folder(), &["--exclude", fixture::STRICT]);
        assert!(output.status.success(), "{profile}: {}", String::from_utf8_lossy(&output.stderr));
        for (host, code, expected) in fixture::STARTS {
            assert_eq!(self.start(host), (Some(code), expected.to_owned()), "{profile}: {host}");
        }
        self.assert_refused(hosts.folder(), &fixture::RUSTC_SAYS);
        println!("{profile}: all are found, and each way to lose one is refused");
    }
}

#[test]
fn no_provider_is_lost_in_a_development_build() {
    DEV.prove(&Hosts::write("hosts-in-dev"));
}

#[test]
#[ignore = "links in release, thin LTO and fat LTO for minutes; .ci/run runs it"]
fn no_provider_is_lost_in_release_thin_lto_and_fat_lto() {
    let hosts = Hosts::write("hosts-in-release");
    for build in OPTIMISED {
        build.prove(&hosts);
    }
}

/// A provider built against another version of `bonafide-core` would register itself where nobody looks. Cargo
/// finds it while it resolves, before any profile matters, so that all of them are tried in no time.
#[test]
fn two_versions_of_core_in_one_program_end_the_build_in_every_profile() {
    for version in ["0.1.0", "0.1.1", "0.2.0", "9.9.9"] {
        let other = OtherCore::write(version);
        for build in [DEV].iter().chain(&OPTIMISED) {
            build.assert_refused(
                &other.host(),
                &[
                    "package `bonafide-core` links to the native library `bonafide-core-one-version-per-program`",
                    &format!("package `bonafide-core v{version} ("),
                    "of package `bonafide-old v1.0.0 (",
                ],
            );
        }
    }
}

#[tokio::test]
async fn a_program_that_mounts_the_api_is_held_to_its_manifest_too() {
    let manifest = "[package]\n[dependencies]\nbonafide = \"1\"\nbonafide-postmark = \"1\"\n";
    let error = bonafide::router(manifest, &config("")).await.unwrap_err().to_string();
    assert!(error.contains("add the line `use bonafide_postmark as _;`"), "{error}");
}

#[test]
fn the_libraries_that_no_program_is_asked_for_are_all_of_ours() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let mut libraries: Vec<&str> = packages
        .filter(|package| !package["manifest_path"].as_str().unwrap().contains("/plugins/"))
        .map(|package| package["name"].as_str().unwrap())
        .filter(|name| name.starts_with("bonafide-"))
        .collect();
    libraries.sort_unstable();
    assert_eq!(libraries, bonafide_registry::LIBRARIES);
}
