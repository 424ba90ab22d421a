//! `bonafide token`: a token, and the lines of the configuration that let it in.

use std::fmt::Write as _;
use std::process::ExitCode;

use uuid::Uuid;

use super::{CommandError, print};
use crate::token::Token;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The id of the account that the token belongs to; made up where none is given
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    account: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let token = Token::generate()?;
    let account = arguments.account.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    print(&format!(
        "token: {}\n\nIt is shown this once. The configuration knows it by its digest:\n\n[[accounts]]\nid = {}\ntoken_sha256 = \"{}\"\n",
        token.reveal(),
        toml::Value::String(account),
        hex(&token.sha256()),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
