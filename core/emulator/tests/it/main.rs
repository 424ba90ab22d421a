//! The emulator, asked over real sockets.

#![expect(clippy::disallowed_methods, reason = "only loopback is dialled here")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod http;
mod smtp;

use std::time::Duration;

use bonafide_core::interaction::{Interaction, parse};
use bonafide_core::{BaseUrl, Descriptor, ProviderType};

static API: Descriptor = Descriptor::new("9000", "api", ProviderType::Email, "API")
    .with_base_urls(&[
        BaseUrl::main("https://api.example.com"),
        BaseUrl::region("eu_base_url", "https://api.eu.example.com"),
    ])
    .with_interactions(include_str!("api.json"));

static MAIL: Descriptor = Descriptor::new("9001", "mail", ProviderType::Email, "Mail")
    .with_user_supplied_host()
    .with_interactions(include_str!("mail.json"));

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
