//! The registry's own promises, with providers that exist only here.

use bonafide_core::{
    BaseUrl, Context, Descriptor, Destination, Failure, Outcome, Provider, ProviderType,
    Registration, async_trait,
};
use bonafide_registry::{Registry, RegistryError};

const BASE_URLS: &[BaseUrl] = &[BaseUrl { key: "base_url", url: "https://api.example.com" }];

macro_rules! provider {
    ($type:ident, $id:literal, $name:literal, $destination:expr) => {
        struct $type;

        #[async_trait]
        impl Provider for $type {
            type Settings = NoSettings;

            const DESCRIPTOR: Descriptor = Descriptor {
                id: $id,
                name: $name,
                provider_type: ProviderType::Sms,
                title: $name,
                destination: $destination,
                requests: &[],
                exchanges: "[]",
            };

            async fn validate(&self, _: &Context, _: &NoSettings) -> Result<Outcome, Failure> {
                Ok(Outcome::valid())
            }
        }
    };
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct NoSettings {}

provider!(Alpha, "10", "alpha", Destination::BuiltIn(BASE_URLS));
provider!(Beta, "9", "beta", Destination::NamedBySettings);
provider!(SameId, "10", "gamma", Destination::BuiltIn(BASE_URLS));
provider!(SameName, "11", "alpha", Destination::BuiltIn(BASE_URLS));
provider!(WordAsId, "ten", "delta", Destination::BuiltIn(BASE_URLS));
provider!(CapitalName, "12", "Delta", Destination::BuiltIn(BASE_URLS));
provider!(NoBaseUrl, "13", "epsilon", Destination::BuiltIn(&[]));

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
    assert_eq!(registry.version("9"), Some("1.2.3"));
    assert_eq!(registry.version("11"), None);
    assert!(registry.get("").is_none());
    assert!(registry.get("010").is_none());
}

#[test]
fn two_providers_with_one_id_or_name_are_an_error_that_names_both_crates() {
    let alpha = || Registration::new(&Alpha, "crate-a", "1.2.3");
    let error = registry(&[alpha(), Registration::new(&SameId, "crate-b", "1.2.3")]).unwrap_err();
    assert_eq!(
        error,
        "the crates `crate-a` and `crate-b` both register provider id `10`: give one of them another id"
    );
    let error = registry(&[Registration::new(&SameName, "crate-b", "1.2.3"), alpha()]).unwrap_err();
    assert_eq!(
        error,
        "the crates `crate-a` and `crate-b` both register provider name `alpha`: give one of them another name"
    );
}

#[test]
fn an_empty_registry_is_an_error() {
    assert_eq!(Registry::from_registrations([]).unwrap_err(), RegistryError::Empty);
    // This program links no provider crate, so what the linker gathered is empty too.
    assert_eq!(Registry::collect().unwrap_err(), RegistryError::Empty);
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
