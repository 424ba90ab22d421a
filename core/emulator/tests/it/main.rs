//! The emulator, asked over real sockets.

#![expect(clippy::disallowed_methods, reason = "only loopback is dialled here")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod http;
mod smtp;

use std::time::Duration;

use bonafide_core::interaction::{Interaction, parse};
use bonafide_core::{BaseUrl, Descriptor, Destination, ProviderType};

static API: Descriptor = Descriptor {
    id: "9000",
    name: "api",
    provider_type: ProviderType::Email,
    title: "API",
    destination: Destination::BuiltIn(&[
        BaseUrl { key: "base_url", url: "https://api.example.com" },
        BaseUrl { key: "eu_base_url", url: "https://api.eu.example.com" },
    ]),
    requests: &[],
    interactions: include_str!("api.json"),
};

static MAIL: Descriptor = Descriptor {
    id: "9001",
    name: "mail",
    provider_type: ProviderType::Email,
    title: "Mail",
    destination: Destination::NamedBySettings,
    requests: &[],
    interactions: include_str!("mail.json"),
};

fn interactions(descriptor: &Descriptor, names: &[&str]) -> Vec<Interaction> {
    let all = parse(descriptor.interactions).unwrap();
    all.into_iter().filter(|interaction| names.contains(&interaction.name.as_str())).collect()
}

/// Whether what must come soon has come.
async fn eventually(mut condition: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..200 {
        if condition().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
