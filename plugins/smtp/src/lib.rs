#![doc = include_str!("../README.md")]

mod dialogue;
mod reply;

use bonafide_core::field::{EmailAddress, Field, HostName, Password, Port, Text};
use bonafide_core::{
    Context, Descriptor, ExposeSecret, Failure, Outcome, Provider, ProviderType, async_trait,
    register_provider,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::dialogue::Dialogue;

/// A mail server of the user's own.
#[derive(Clone, Copy, Debug)]
pub struct Smtp;

register_provider!(Smtp);

/// What an integration with a mail server is made of.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// The host name of the mail server that takes submissions.
    #[schemars(title = "Sending domain", example = &"smtp.example.com")]
    pub sending_domain: HostName,
    /// The port: 465 for TLS from the first byte, 587 or another for STARTTLS.
    #[schemars(title = "Port", example = &"587")]
    pub port: Port,
    /// The name to log in with, often the whole e-mail address.
    #[schemars(title = "User name", example = &"news@example.com")]
    pub username: Text,
    /// The password to log in with; with some providers one made for applications.
    #[schemars(title = "Password")]
    pub password: Password,
    /// The address that mail is sent from.
    #[schemars(title = "Default sender email", example = &"news@example.com")]
    pub default_sender_email: Option<EmailAddress>,
    /// The name that recipients see.
    #[schemars(title = "Default sender name", example = &"Example News")]
    pub default_sender_name: Option<Text>,
}

/// The settings fields that replies are pinned on.
pub(crate) mod field {
    pub(crate) const HOST: &str = "sending_domain";
    pub(crate) const PORT: &str = "port";
    pub(crate) const PASSWORD: &str = "password";
}

#[async_trait]
impl Provider for Smtp {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor =
        Descriptor::new("1001", "smtp", ProviderType::Email, "Custom SMTP")
            .with_user_supplied_host()
            .with_interactions(include_str!("../interactions.json"));

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let host = Field::new(field::HOST, settings.sending_domain.as_str());
        let port = Field::new(field::PORT, settings.port.number());
        let stream = context.dial(host, port).await?;
        if context.speaks_implicit_tls(port.value) {
            let mut inside = Dialogue::new(context.tls(host, port, stream).await?);
            inside.greeting(context.deadline()).await?;
            log_in(inside, settings).await
        } else {
            let mut outside = Dialogue::new(stream);
            outside.greeting(context.deadline()).await?;
            let stream = outside.start_tls().await?;
            log_in(Dialogue::new(context.tls(host, port, stream).await?), settings).await
        }
    }
}

/// Says hello and logs in. It is only ever called inside TLS, so no password travels in clear.
async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    mut dialogue: Dialogue<S>,
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let offered = dialogue.hello().await?;
    let password = settings.password.expose_secret();
    let reply = dialogue.authenticate(&offered, settings.username.as_str(), password).await?;
    dialogue.quit().await;
    if reply.has_code(235) { Ok(Outcome::valid()) } else { Err(reply::to_auth(&reply, password)) }
}
