//! `bonafide new-provider`: a provider crate to begin with, which compiles, passes its tests and plays in the sandbox.

mod place;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bonafide_core::ProviderType;
use bonafide_registry::{LIBRARIES, Registry};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use self::place::{Form, Place};
use super::{CommandError, print};

/// What every new crate has, beside its manifest.
const FILES: [(&str, &str); 5] = [
    ("README.md", include_str!("new_provider/README.md.template")),
    ("interactions.json", include_str!("new_provider/interactions.json.template")),
    ("src/lib.rs", include_str!("new_provider/lib.rs.template")),
    ("tests/conformance.rs", include_str!("new_provider/conformance.rs.template")),
    ("tests/snapshots/@name@.snap", include_str!("new_provider/schema.snap.template")),
];
/// The manifest of a crate that inherits from our workspace.
const MEMBER_MANIFEST: &str = include_str!("new_provider/member.toml.template");
/// The manifest of a crate anywhere else.
const OWN_MANIFEST: &str = include_str!("new_provider/own.toml.template");

/// What a package registry takes, 64 characters, less `bonafide-`.
const MAX_NAME: usize = 55;
/// Ids are numbers of nine digits at most.
const MAX_ID: usize = 9;

/// The words that edition 2024 keeps for itself, in lower case.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The types that the crate's source already has under these names.
const TAKEN_TYPES: [&str; 29] = [
    "Account",
    "AllowedRequest",
    "ApiKey",
    "BaseUrl",
    "Box",
    "Clone",
    "Context",
    "Copy",
    "Debug",
    "Descriptor",
    "Deserialize",
    "Destination",
    "Err",
    "Failure",
    "JsonSchema",
    "None",
    "Ok",
    "Option",
    "Outcome",
    "Provider",
    "ProviderType",
    "Reason",
    "Refusal",
    "Result",
    "Settings",
    "Some",
    "String",
    "Text",
    "Vec",
];

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The provider's name: lower-case letters, digits and hyphens; the crate is `bonafide-NAME`
    name: String,
    /// The provider's id: a number that no other provider has or had
    #[arg(long)]
    id: String,
    /// What the provider carries
    #[arg(long = "type", value_name = "TYPE", value_parser = provider_type())]
    provider_type: ProviderType,
    /// The crate's folder, instead of `plugins/NAME` in Bonafide's workspace and `bonafide-NAME` elsewhere
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The checkout of Bonafide that a crate outside of its workspace depends on, instead of the one that this program
    /// was built from
    #[arg(long, value_name = "DIR")]
    checkout: Option<PathBuf>,
}

fn provider_type() -> impl TypedValueParser<Value = ProviderType> {
    PossibleValuesParser::new(ProviderType::ALL.iter().map(|known| known.as_str())).try_map(
        |word| {
            let mut types = ProviderType::ALL.iter().copied();
            types.find(|known| known.as_str() == word).ok_or("there is no such type")
        },
    )
}

pub(super) fn run(arguments: &Arguments, registry: &Registry) -> Result<ExitCode, CommandError> {
    let mut problems = Vec::new();
    problems.extend(problem_of_name(&arguments.name, registry));
    problems.extend(problem_of_id(&arguments.id, registry));
    // A name that is none leads to no folder.
    if !problems.is_empty() {
        return Err(CommandError::Usage(problems.join("\n")));
    }
    let place =
        Place::of(&arguments.name, arguments.path.as_deref(), arguments.checkout.as_deref())?;
    let planned = Crate {
        name: &arguments.name,
        id: &arguments.id,
        provider_type: arguments.provider_type,
        place: &place,
    };
    // Whatever can be refused is refused before anything is written.
    let (files, report) = (planned.files()?, planned.report()?);
    write(&place.folder, &files)?;
    print(&report)?;
    Ok(ExitCode::SUCCESS)
}

fn problem_of_name(name: &str, registry: &Registry) -> Option<String> {
    let shown = name.escape_debug();
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.split('-').all(is_word)
        && name.len() <= MAX_NAME;
    if !is_name {
        return Some(format!(
            "`{shown}` is no name of a provider: begin with a letter and use lower-case letters and digits, with single \
             hyphens between words, {MAX_NAME} characters at most, such as `acme-mail`"
        ));
    }
    if KEYWORDS.contains(&name) {
        return Some(format!(
            "`{shown}` is a keyword of Rust: take a name with another word in it, such as `{name}-messaging`"
        ));
    }
    if LIBRARIES.contains(&format!("bonafide-{name}").as_str()) {
        return Some(format!(
            "`{shown}` would make the crate `bonafide-{name}`, which is one of Bonafide's own: take another name, such \
             as `{name}-messaging`"
        ));
    }
    let taken = registry.descriptors().find(|known| known.name == name)?;
    Some(format!(
        "the name `{shown}` is taken by the linked provider {} (id `{}`): take another name",
        taken.title, taken.id
    ))
}

fn problem_of_id(id: &str, registry: &Registry) -> Option<String> {
    let is_id = (1..=MAX_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && !id.starts_with('0');
    if !is_id {
        return Some(format!(
            "`{}` is no id of a provider: write 1 to {MAX_ID} decimal digits, the first not 0, such as `2000`",
            id.escape_debug()
        ));
    }
    let taken = registry.get(id)?.descriptor();
    Some(format!(
        "the id `{id}` is taken by the linked provider {} (`{}`): take one that `bonafide providers` does not list",
        taken.title, taken.name
    ))
}

/// A crate that is to be written.
struct Crate<'a> {
    name: &'a str,
    id: &'a str,
    provider_type: ProviderType,
    place: &'a Place,
}

impl Crate<'_> {
    /// The words of the name, each with a capital.
    fn words(&self) -> Vec<String> {
        let capital = |word: &str| {
            let (first, rest) = word.split_at(usize::from(!word.is_empty()));
            first.to_ascii_uppercase() + rest
        };
        self.name.split('-').map(capital).collect()
    }

    fn title(&self) -> String {
        self.words().join(" ")
    }

    fn type_name(&self) -> String {
        let name = self.words().concat();
        if TAKEN_TYPES.contains(&name.as_str()) { name + "Provider" } else { name }
    }

    fn library(&self) -> String {
        self.name.replace('-', "_")
    }

    fn fill(&self, template: &str) -> String {
        [
            ("@name@", self.name),
            ("@id@", self.id),
            ("@title@", &self.title()),
            ("@type@", &self.type_name()),
            ("@library@", &self.library()),
            // The variants are the words of the catalogue with a capital, which `Debug` gives.
            ("@provider_type@", &format!("{:?}", self.provider_type)),
            ("@word@", self.provider_type.as_str()),
        ]
        .into_iter()
        .fold(template.to_owned(), |text, (hole, value)| text.replace(hole, value))
    }

    fn manifest(&self) -> Result<String, CommandError> {
        let Form::Own { checkout, inside } = &self.place.form else {
            return Ok(self.fill(MEMBER_MANIFEST));
        };
        let dependency = |folder: &str| match checkout {
            Some(checkout) => by_path(&checkout.join(folder)),
            None => Ok(format!("\"{}\"", place::VERSION)),
        };
        let mut manifest =
            self.fill(OWN_MANIFEST).replace("@rust@", env!("CARGO_PKG_RUST_VERSION"));
        if inside.is_some() {
            manifest.push_str("\n[workspace]\n");
        }
        // Last, so that nothing in a path is taken for a hole.
        let core = dependency("core")?;
        let testkit = dependency("tests/testkit")?;
        Ok(manifest.replace("@testkit@", &testkit).replacen("@core@", &core, 1))
    }

    fn files(&self) -> Result<Vec<(String, String)>, CommandError> {
        let filled = FILES.map(|(path, template)| (self.fill(path), self.fill(template)));
        let mut files = vec![("Cargo.toml".to_owned(), self.manifest()?)];
        files.extend(filled);
        Ok(files)
    }

    /// What the author is told: where the crate is, the two lines of a host, and what to do now.
    fn report(&self) -> Result<String, CommandError> {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.render(&mut text, &by_path(self.place.seen_from_host())?);
        Ok(text)
    }

    fn render(&self, text: &mut String, dependency: &str) -> std::fmt::Result {
        let Self { name, id, .. } = self;
        let shown = self.place.seen_from_host().display();
        writeln!(text, "wrote `{shown}`: the crate `bonafide-{name}`, provider id `{id}`\n")?;
        writeln!(text, "A host needs two lines. In its `Cargo.toml`, under `[dependencies]`:\n")?;
        writeln!(text, "    bonafide-{name} = {dependency}\n")?;
        let (providers, whose, command) = match self.place.form {
            Form::Member { .. } => {
                ("here `src/providers.rs`", "workspace", format!("cargo test -p bonafide-{name}"))
            }
            Form::Own { .. } => ("such as its `main.rs`", "crate", "cargo test".to_owned()),
        };
        writeln!(text, "Where it names its providers, {providers}:\n")?;
        writeln!(text, "    use bonafide_{} as _;\n", self.library())?;
        self.render_remarks(text)?;
        let body = format!(
            r#"{{"name": "Example", "provider_id": "{id}", "settings": {{"api_key": "sandbox-key-that-works"}}}}"#
        );
        writeln!(
            text,
            "Next:\n\n\
             1. `{command}` in the folder of the {whose} passes as it is.\n\
             2. With the two lines in place, the host knows the example in the sandbox:\n\n    \
                echo '{body}' | cargo run -- validate --sandbox\n\n\
             3. The host, the path and the answers are made up. Put what {title} documents in their place, in\n   \
                `interactions.json`, `src/lib.rs` and `README.md`; Bonafide's `docs/adding-a-provider.md` says how.\n\
             4. Where that changes the settings, write the snapshot of their schema again and commit it:\n\n    \
                INSTA_UPDATE=always {command} the_schema_is_the_one_in_the_snapshot",
            title = self.title(),
        )
    }

    fn render_remarks(&self, text: &mut String) -> std::fmt::Result {
        let Form::Own { checkout, inside } = &self.place.form else { return Ok(()) };
        match checkout {
            Some(checkout) => writeln!(
                text,
                "The crate depends on the checkout of Bonafide in `{}`: where yours is elsewhere, change the two paths in\n\
                 the crate's `Cargo.toml`.\n",
                checkout.display()
            )?,
            None => writeln!(
                text,
                "The crate asks for version {version} of `bonafide-core` and `bonafide-testkit`, because no checkout of\n\
                 Bonafide was found. While they are not published, replace `\"{version}\"` in the crate's `Cargo.toml` by\n\
                 `{{ path = \"…/core\" }}` and `{{ path = \"…/tests/testkit\" }}`; `--checkout DIR` does so at once.\n",
                version = place::VERSION
            )?,
        }
        if let Some(inside) = inside {
            writeln!(
                text,
                "The crate's `Cargo.toml` ends with an empty `[workspace]`, because it is no member of the workspace around\n\
                 it. Before a host of that workspace links it, take that away and add the crate's folder to `members` in\n\
                 `{}`.\n",
                inside.join("Cargo.toml").display()
            )?;
        }
        Ok(())
    }
}

/// A dependency on the crate in this folder, as TOML.
fn by_path(folder: &Path) -> Result<String, CommandError> {
    let path = folder.to_str().ok_or_else(|| {
        CommandError::Usage(format!(
            "`{}` is not UTF-8, so no manifest can name it: choose another folder",
            folder.display()
        ))
    })?;
    Ok(format!("{{ path = {} }}", toml::Value::from(path)))
}

/// Writes beside the folder first, so that nobody ever finds half of a crate.
fn write(folder: &Path, files: &[(String, String)]) -> Result<(), CommandError> {
    let write = || -> std::io::Result<()> {
        let parent = folder.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)?;
        let name = folder.file_name().unwrap_or(OsStr::new("provider"));
        let mut prefix = OsStr::new(".").to_owned();
        prefix.push(name);
        let unfinished = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(std::fs::Permissions::from_mode(0o777))
            .tempdir_in(parent)?;
        for (path, text) in files {
            let path = unfinished.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(parent))?;
            std::fs::write(path, text)?;
        }
        std::fs::rename(unfinished.path(), folder)?;
        // It has another name now, so there is nothing to clean up.
        let _ = unfinished.keep();
        Ok(())
    };
    write().map_err(|error| {
        CommandError::Usage(format!("cannot write `{}`: {error}", folder.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(checkout: Option<&str>) -> Place {
        let form = Form::Own { checkout: checkout.map(PathBuf::from), inside: None };
        Place { folder: PathBuf::from("/srv/bonafide-acme"), form }
    }

    fn acme(place: &Place) -> Crate<'_> {
        Crate { name: "acme", id: "2000", provider_type: ProviderType::Sms, place }
    }

    #[test]
    fn without_a_checkout_it_says_what_to_change() {
        let place = place(None);
        let version = place::VERSION;
        let manifest: toml::Table = acme(&place).manifest().unwrap().parse().unwrap();
        assert_eq!(manifest["dependencies"]["bonafide-core"].as_str(), Some(version));
        assert_eq!(manifest["dev-dependencies"]["bonafide-testkit"].as_str(), Some(version));
        let report = acme(&place).report().unwrap();
        assert!(report.contains(&format!("asks for version {version}")), "{report}");
        assert!(report.contains("`--checkout DIR`"), "{report}");
    }

    #[test]
    fn a_path_is_written_as_toml_has_it() {
        let root = "/srv/@testkit@ \"quoted\" 'and' \\ back";
        let place = place(Some(root));
        let manifest: toml::Table = acme(&place).manifest().unwrap().parse().unwrap();
        assert_eq!(
            manifest["dependencies"]["bonafide-core"]["path"].as_str(),
            Some(format!("{root}/core").as_str())
        );
        assert_eq!(
            manifest["dev-dependencies"]["bonafide-testkit"]["path"].as_str(),
            Some(format!("{root}/tests/testkit").as_str())
        );
    }

    #[test]
    fn each_type_is_a_variant() {
        for provider_type in ProviderType::ALL {
            let variant = format!("{provider_type:?}");
            assert_eq!(variant.to_ascii_lowercase(), provider_type.as_str());
        }
    }

    #[test]
    fn a_crate_that_cannot_be_finished_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let files = [("a", "1"), ("a/b", "a file is in the way")];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert!(write(&parent.path().join("acme"), &files).is_err());
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
