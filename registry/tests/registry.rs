//! The registry's own promises, with providers that exist only here.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bonafide_core::host::Registration;
use bonafide_core::{
    BaseUrl, Context, Descriptor, Destination, Failure, Outcome, Provider, ProviderType,
    async_trait,
};
use bonafide_registry::{Entry, Registry, RegistryError};

const BASE_URLS: &[BaseUrl] = &[BaseUrl::main("https://api.example.com")];

macro_rules! provider {
    ($type:ident, $id:literal, $name:literal, $destination:expr) => {
        struct $type;

        #[async_trait]
        impl Provider for $type {
            type Settings = NoSettings;

            const DESCRIPTOR: Descriptor = {
                let mut descriptor = Descriptor::new($id, $name, ProviderType::Sms, $name);
                descriptor.destination = $destination;
                descriptor
            };

            async fn validate(&self, _: &Context, _: &NoSettings) -> Result<Outcome, Failure> {
                Ok(Outcome::valid())
            }
        }
    };
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct NoSettings {}

provider!(Alpha, "10", "alpha", Destination::Fixed(BASE_URLS));
provider!(Beta, "9", "beta", Destination::UserSupplied);
provider!(SameId, "10", "gamma", Destination::Fixed(BASE_URLS));
provider!(SameName, "11", "alpha", Destination::Fixed(BASE_URLS));
provider!(WordAsId, "ten", "delta", Destination::Fixed(BASE_URLS));
provider!(CapitalName, "12", "Delta", Destination::Fixed(BASE_URLS));
provider!(NoBaseUrl, "13", "epsilon", Destination::Fixed(&[]));

fn registry(registrations: &[Registration]) -> Result<Registry, String> {
    Registry::from_registrations(registrations).map_err(|error| error.to_string())
}

#[test]
fn finds_by_id_and_lists_in_id_order() {
    let registry = registry(&[
        Registration::new(&Beta, "crate-b", "1.2.3"),
        Registration::new(&Alpha, "crate-a", "1.2.3"),
    ])
    .unwrap();
    let ids: Vec<_> = registry.iter().map(|provider| provider.descriptor().id).collect();
    assert_eq!(ids, ["9", "10"]);
    assert_eq!(registry.get("9").map(|provider| provider.descriptor().name), Some("beta"));
    assert_eq!(registry.get("9").map(Entry::version), Some("1.2.3"));
    assert!(registry.get("").is_none());
    assert!(registry.get("010").is_none());
}

/// The order of the linker is not that of the messages.
fn refusal_in_any_order(first: Registration, second: Registration) -> String {
    let mut registrations = [first, second];
    let said = registry(&registrations).unwrap_err();
    registrations.reverse();
    assert_eq!(registry(&registrations).unwrap_err(), said);
    said
}

#[test]
fn each_message_names_the_crates_and_the_line_to_write() {
    let alpha = |version| Registration::new(&Alpha, "crate-a", version);
    let same_id = |crate_name| Registration::new(&SameId, crate_name, "1.2.3");
    let same_name = |crate_name| Registration::new(&SameName, crate_name, "1.2.3");
    let missing = "[package]\n[dependencies]\nbonafide-acme-mail = \"1\"\nbonafide-postal = \"1\"";
    let messages = [
        ("one id", refusal_in_any_order(alpha("0.1.0"), same_id("crate-b"))),
        ("one name", refusal_in_any_order(alpha("0.1.0"), same_name("crate-b"))),
        ("one id in one crate", refusal_in_any_order(alpha("1.2.3"), same_id("crate-a"))),
        ("one name in one crate", refusal_in_any_order(alpha("1.2.3"), same_name("crate-a"))),
        ("two versions of a crate", refusal_in_any_order(alpha("1.2.3"), alpha("2.0.0"))),
        ("two sources of a crate", refusal_in_any_order(alpha("1.2.3"), alpha("1.2.3"))),
        ("two not linked in", Registry::collect(missing).unwrap_err().to_string()),
        ("none", RegistryError::Empty.to_string()),
        ("no manifest", RegistryError::NoManifest.to_string()),
    ];
    let said: Vec<_> =
        messages.iter().map(|(when, message)| format!("{when}:\n{message}")).collect();
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn an_empty_registry_is_an_error() {
    assert_eq!(Registry::from_registrations([]).unwrap_err(), RegistryError::Empty);
    // This program links no provider crate, so what the linker gathered is empty too.
    let error = Registry::collect(include_str!("../Cargo.toml")).unwrap_err();
    assert_eq!(error, RegistryError::Empty);
}

/// The dependencies that are missed in a program that links nothing.
fn missed(manifest: &str) -> Vec<String> {
    match Registry::collect(&format!("[package]\nname = \"host\"\n{manifest}")) {
        Err(RegistryError::NotLinked { dependencies }) => dependencies,
        Err(RegistryError::Empty) => Vec::new(),
        other => panic!("{manifest}: {other:?}"),
    }
}

#[test]
fn a_dependency_that_is_a_provider_by_name_and_registers_nothing_is_missed() {
    for (manifest, expected) in [
        ("", vec![]),
        ("[dependencies]\ntokio = \"1\"\nbonafide = \"1\"", vec![]),
        ("[dependencies]\nbonafide-core = \"1\"\nbonafide-registry = { path = \"x\" }", vec![]),
        (
            "[dependencies]\nbonafide-a = \"1\"\nbonafide-b = { path = \"b\" }",
            vec!["bonafide-a", "bonafide-b"],
        ),
        ("[dependencies]\nbonafide_a = \"1\"", vec!["bonafide_a"]),
        ("[dependencies.bonafide-a]\nworkspace = true", vec!["bonafide-a"]),
        ("[dependencies]\na = { package = \"bonafide-a\", path = \"a\" }", vec!["a"]),
        ("[dependencies]\nbonafide-a = { package = \"acme\", path = \"a\" }", vec![]),
        ("[dependencies]\nbonafide-a = { path = \"a\", optional = false }", vec!["bonafide-a"]),
        // Whether these are part of this build is not in the manifest.
        ("[dependencies]\nbonafide-a = { path = \"a\", optional = true }", vec![]),
        ("[target.'cfg(unix)'.dependencies]\nbonafide-a = \"1\"", vec![]),
        ("[dev-dependencies]\nbonafide-a = \"1\"", vec![]),
        (
            "[package.metadata.bonafide]\nnot-providers = [\"bonafide-a\"]\n[dependencies]\nbonafide-a = \"1\"\nbonafide-b = \"1\"",
            vec!["bonafide-b"],
        ),
    ] {
        assert_eq!(missed(manifest), expected, "{manifest}");
    }
}

#[test]
fn what_is_no_manifest_of_a_package_is_refused() {
    for text in ["", "[workspace]\nmembers = []", "fn main() {}"] {
        assert_eq!(Registry::collect(text).unwrap_err(), RegistryError::NoManifest, "{text}");
    }
}

#[test]
fn a_descriptor_that_nothing_can_be_built_on_is_an_error_that_names_the_crate() {
    for provider in [
        Registration::new(&WordAsId, "crate-x", "1.2.3"),
        Registration::new(&CapitalName, "crate-x", "1.2.3"),
        Registration::new(&NoBaseUrl, "crate-x", "1.2.3"),
    ] {
        let error = registry(&[provider]).unwrap_err();
        assert!(error.starts_with("the crate `crate-x` registers a provider whose"), "{error}");
    }
}
