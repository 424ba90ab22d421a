//! Provider crates and hosts to be built, each as small as it can be.

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout that these tests are of.
const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

/// The host that names one provider less than it depends on, and denies that by rustc's lint.
pub(super) const STRICT: &str = "host-strict";

/// The package that asks for everything that our own workspace does, so that a build can share its target folder.
pub(super) const LIKE_OURS: &str = "like-ours";

/// What rustc says about it, in parts: the place, the crate, and the line to add.
pub(super) const RUSTC_SAYS: [&str; 3] = [
    "extern crate `bonafide_nested` is unused in crate `host_strict`",
    "add `use bonafide_nested as _;` to the crate root",
    "could not compile `host-strict`",
];

/// Each host that is built, its exit code, and what it says.
pub(super) const STARTS: [(&str, i32, &str); 6] = [
    ("host-complete", 0, "9001 plain\n9002 nested\n9003 nested-too\n"),
    (
        "host-forgetful",
        2,
        "error: `bonafide-nested` is a dependency in Cargo.toml and is not linked into this program: add the line \
         `use bonafide_nested as _;` to the program's source\n\
         a crate that is named and still missing registers nothing: it lacks the line `register_provider!(…);`, or is \
         not a provider and belongs into `not-providers = […]` under `[package.metadata.bonafide]` in Cargo.toml\n",
    ),
    (
        "host-one-id",
        2,
        "error: the crates `bonafide-other` 1.0.0 and `bonafide-plain` 1.0.0 both register provider id `9001`: give \
         one of them another in its `Descriptor::new`, or take one of them out of the program\n",
    ),
    (
        "host-one-name",
        2,
        "error: the crates `bonafide-plain` 1.0.0 and `bonafide-same` 1.0.0 both register provider name `plain`: give \
         one of them another in its `Descriptor::new`, or take one of them out of the program\n",
    ),
    (
        "host-two-versions",
        2,
        "error: two versions of the crate `bonafide-plain` are linked into this program, 1.0.0 and 2.0.0, and both \
         register provider id `9001`: `cargo tree --duplicates` shows who asks for which; change the line \
         `bonafide-plain = …` of one Cargo.toml so that all ask for one\n",
    ),
    (
        "host-empty",
        2,
        "error: no provider is linked into this program: make a provider crate a dependency in Cargo.toml, such as \
         `bonafide-twilio`, and add the line `use bonafide_twilio as _;` to the program's source\n",
    ),
];

const WORKSPACE: &str = r#"
[workspace]
members = ["hosts/*", "like-ours", "providers/*"]
# No workspace has two members of one name.
exclude = ["providers/plain-2"]
resolver = "3"
"#;

/// The dependencies are not optimised, which saves minutes and changes nothing about how they are linked; what registers and
/// what gathers is, as anybody's would be. LTO takes the level of the program: only the host that has everything gets the
/// highest, for the others it has to be one at which it still drops what nothing mentions.
const PROFILES: &str = r#"
[profile.dev]
debug = "line-tables-only"

[profile.thin-lto]
inherits = "release"
lto = "thin"

[profile.fat-lto]
inherits = "release"
lto = "fat"
codegen-units = 1

[profile.release]
opt-level = 1

[profile.release.package.host-complete]
opt-level = 3

[profile.release.package."*"]
opt-level = 0

[profile.release.package.bonafide-core]
opt-level = 3

[profile.release.package.bonafide-registry]
opt-level = 3

[profile.release.package.inventory]
opt-level = 3

[profile.release.package.bonafide-nested]
opt-level = 3

[profile.release.package.bonafide-plain]
opt-level = 3
"#;

/// What every host does: it lists the providers that it has, or says why it cannot start.
const HOST: &str = r#"use std::process::ExitCode;

use bonafide_core::ProviderValidator as _;

fn main() -> ExitCode {
    match bonafide_registry::Registry::collect(include_str!("../Cargo.toml")) {
        Ok(registry) => {
            for provider in registry.iter() {
                println!("{} {}", provider.descriptor().id, provider.descriptor().name);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
"#;

/// A workspace of somebody else's, with a host for each way to lose a provider.
pub(super) struct Hosts(PathBuf);

impl Hosts {
    /// Writes them to a folder of this name that outlives the test, so that the next run replaces what this one built.
    pub(super) fn write(name: &str) -> Self {
        let hosts = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let root = hosts.folder();
        if root.exists() {
            fs::remove_dir_all(root).unwrap();
        }
        write(&root.join("Cargo.toml"), &format!("{WORKSPACE}{PROFILES}"));
        copy_lock(root);
        let ours = format!(
            "[dependencies]\nbonafide = {{ path = {CHECKOUT:?} }}\n\
             bonafide-testkit = {{ path = \"{CHECKOUT}/tests/testkit\" }}\n"
        );
        package(&root.join(LIKE_OURS), LIKE_OURS, "1.0.0", &ours, "");
        let plain = provider("Plain", "9001", "plain");
        provider_crate(root, "plain", "bonafide-plain", "1.0.0", &plain);
        provider_crate(root, "plain-2", "bonafide-plain", "2.0.0", &plain);
        let other = provider("Other", "9001", "other");
        provider_crate(root, "other", "bonafide-other", "1.0.0", &other);
        provider_crate(root, "same", "bonafide-same", "1.0.0", &provider("Same", "9004", "plain"));
        // Nothing outside of their own modules ever mentions these two.
        let nested = format!(
            "mod deep {{ mod deeper {{ {} }} mod beside {{ {} }} }}",
            provider("Nested", "9002", "nested"),
            provider("NestedToo", "9003", "nested-too"),
        );
        provider_crate(root, "nested", "bonafide-nested", "1.0.0", &nested);

        host(root, "host-complete", &["plain", "nested"], &["plain", "nested"], "");
        host(root, "host-forgetful", &["plain", "nested"], &["plain"], "");
        let strict = "#![deny(unused_crate_dependencies)]\n";
        host(root, STRICT, &["plain", "nested"], &["plain"], strict);
        host(root, "host-one-id", &["plain", "other"], &["plain", "other"], "");
        host(root, "host-one-name", &["plain", "same"], &["plain", "same"], "");
        host(root, "host-two-versions", &["plain", "plain-2"], &["plain", "plain_2"], "");
        host(root, "host-empty", &[], &[], "");
        hosts
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }
}

/// A host whose provider depends on a `bonafide-core` that is not ours.
pub(super) struct OtherCore(tempfile::TempDir);

impl OtherCore {
    pub(super) fn write(version: &str) -> Self {
        let other = Self(tempfile::tempdir().unwrap());
        let root = other.0.path();
        let links = format!("links = {:?}\n", links());
        package(&root.join("core"), "bonafide-core", version, &links, "");
        write(&root.join("core/build.rs"), "fn main() {}\n");
        let dependency = "[dependencies]\nbonafide-core = { path = \"../core\" }\n";
        package(&root.join("old"), "bonafide-old", "1.0.0", dependency, "");
        let dependencies = format!(
            "[dependencies]\nbonafide-registry = {{ path = \"{CHECKOUT}/registry\" }}\n\
             bonafide-old = {{ path = \"../old\" }}\n[workspace]\n{PROFILES}"
        );
        package(&other.host(), "host", "1.0.0", &dependencies, "");
        write(&other.host().join("src/main.rs"), "fn main() {}\n");
        copy_lock(&other.host());
        other
    }

    pub(super) fn host(&self) -> PathBuf {
        self.0.path().join("host")
    }
}

/// The value that every `bonafide-core` has, whatever its version.
fn links() -> String {
    let manifest = fs::read_to_string(Path::new(CHECKOUT).join("core/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["package"]["links"].as_str().unwrap().to_owned()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Our lock makes do without the internet.
fn copy_lock(folder: &Path) {
    fs::copy(Path::new(CHECKOUT).join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

fn package(folder: &Path, name: &str, version: &str, more: &str, library: &str) {
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n{more}"
    );
    write(&folder.join("Cargo.toml"), &manifest);
    write(&folder.join("src/lib.rs"), library);
}

fn provider_crate(root: &Path, folder: &str, name: &str, version: &str, source: &str) {
    let dependencies = format!(
        "[dependencies]\nbonafide-core = {{ path = \"{CHECKOUT}/core\" }}\nserde = \"1\"\nschemars = \"1\"\n"
    );
    package(&root.join("providers").join(folder), name, version, &dependencies, source);
}

/// The source of a provider that passes everything.
fn provider(name: &str, id: &str, word: &str) -> String {
    format!(
        r#"
use bonafide_core::{{
    Context, Descriptor, Failure, Outcome, Provider, ProviderType, async_trait, register_provider,
}};

struct {name};

register_provider!({name});

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Settings {{}}

#[async_trait]
impl Provider for {name} {{
    type Settings = Settings;

    const DESCRIPTOR: Descriptor =
        Descriptor::new("{id}", "{word}", ProviderType::Sms, "{name}").with_user_supplied_host();

    async fn validate(&self, _: &Context, _: &Settings) -> Result<Outcome, Failure> {{
        Ok(Outcome::valid())
    }}
}}
"#
    )
}

/// A host that depends on the providers in `folders`, names those of `named`, and lists what it has.
fn host(root: &Path, name: &str, folders: &[&str], named: &[&str], attribute: &str) {
    let depended: Vec<String> = folders
        .iter()
        .map(|folder| {
            let package = folder.trim_end_matches("-2");
            format!(
                "bonafide-{folder} = {{ package = \"bonafide-{package}\", path = \"../../providers/{folder}\" }}\n"
            )
        })
        .collect();
    let dependencies = format!(
        "[dependencies]\nbonafide-core = {{ path = \"{CHECKOUT}/core\" }}\n\
         bonafide-registry = {{ path = \"{CHECKOUT}/registry\" }}\n{}",
        depended.concat()
    );
    let uses: Vec<String> =
        named.iter().map(|name| format!("use bonafide_{name} as _;\n")).collect();
    let source = format!("{attribute}{}{HOST}", uses.concat());
    let folder = root.join("hosts").join(name);
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{dependencies}"
    );
    write(&folder.join("Cargo.toml"), &manifest);
    write(&folder.join("src/main.rs"), &source);
}
