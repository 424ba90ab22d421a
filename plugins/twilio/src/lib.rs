#![doc = include_str!("../README.md")]

use bonafide_core::prelude::*;

/// Twilio's programmable messaging.
#[derive(Clone, Copy, Debug)]
pub struct Twilio;

register_provider!(Twilio);

/// What a Twilio integration is made of.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// The account's SID, from the Console's Account Info: `AC` and 32 hexadecimal digits.
    #[schemars(
        title = "Account SID",
        regex(pattern = "^AC[0-9a-fA-F]{32}$"),
        extend("x-expected" = "an account SID: `AC` and 32 hexadecimal digits"),
        example = &"AC00000000000000000000000000000001"
    )]
    pub account_sid: String,
    /// The account's live auth token, from the Console's Account Info.
    #[schemars(title = "Auth token")]
    pub auth_token: ApiKey,
    /// The number that messages are sent from, with its country code.
    #[schemars(title = "Default phone number", example = &"+12185550100")]
    pub default_phone_number: Option<PhoneNumber>,
}

/// The largest page that Twilio gives: <https://www.twilio.com/docs/api/errors/20007>.
const PAGE_SIZE: &str = "1000";
/// A page of 1000 numbers is about 1.5 MB.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// No account has this many pages: it would be a list without end.
const MAX_PAGES: usize = 200;

/// One page of the account's numbers. Twilio may leave out or null any field of a number.
#[derive(Deserialize)]
struct Page {
    incoming_phone_numbers: Vec<IncomingPhoneNumber>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct IncomingPhoneNumber {
    phone_number: Option<String>,
}

#[async_trait]
impl Provider for Twilio {
    type Settings = Settings;

    const DESCRIPTOR: Descriptor = Descriptor::new("1000", "twilio", ProviderType::Sms, "Twilio")
        .with_base_urls(&[BaseUrl::main("https://api.twilio.com")])
        .with_requests(&[AllowedRequest::get(
            "/2010-04-01/Accounts/*/IncomingPhoneNumbers.json",
            "lists numbers: https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource",
        )])
        .with_interactions(include_str!("../interactions.json"));

    async fn validate(&self, context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
        let list = ["2010-04-01", "Accounts", &settings.account_sid, "IncomingPhoneNumbers.json"];
        let mut numbers = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let request = context.get(list).basic_auth(&settings.account_sid, &settings.auth_token);
            let request = match &next {
                None => request.query("PageSize", PAGE_SIZE),
                Some(link) => request.next_page(link),
            };
            let response = request.max_response_bytes(MAX_PAGE_BYTES).send().await?;
            let Some(page) = response.json_if_ok::<Page>() else { return Err(classify(&response)) };
            // Only what has the form of a number is handed on, whatever else the answer may hold.
            numbers.extend(
                page.incoming_phone_numbers.into_iter().filter_map(|number| {
                    number.phone_number.as_deref().and_then(PhoneNumber::parse)
                }),
            );
            match page.next_page_uri {
                Some(link) if next.as_ref() == Some(&link) => break,
                Some(link) if !link.is_empty() => next = Some(link),
                _ => return Ok(outcome(&numbers, settings.default_phone_number.as_ref())),
            }
        }
        Err(Failure::unexpected_response().with_note("the list of numbers has no end"))
    }
}

fn outcome(numbers: &[PhoneNumber], default: Option<&PhoneNumber>) -> Outcome {
    let data =
        numbers.iter().map(|number| json!({"incoming_phone_number": number.as_str()})).collect();
    let outcome = Outcome::valid().with_data(data);
    match default {
        Some(default) if numbers.iter().all(|number| number.as_str() != default.as_str()) => outcome
            .with_warning(Warning::number_not_in_account("default_phone_number").with_hint(
                "Buy or port the number in this account, unless it is a short code or a hosted sender, which Twilio lists elsewhere.",
            )),
        _ => outcome,
    }
}

/// The meaning of Twilio's error codes: <https://www.twilio.com/docs/api/errors>, in Twilio's own form of an error:
/// <https://www.twilio.com/docs/usage/twilios-response>.
fn classify(response: &Response) -> Failure {
    let (400..=499, Some(code)) = response.error_code::<u32>("/code") else {
        return response.inconclusive();
    };
    match code {
        20003 => Failure::invalid_credentials("auth_token").with_hint(
            "Check both: the SID and the token must be of one account and one Region. Twilio answers the same for a suspended account and for test credentials.",
        ),
        20008 => Failure::wrong_credential_kind("auth_token")
            .with_message("These are Twilio test credentials, which can neither list numbers nor send.")
            .with_hint("Use the live account SID and auth token."),
        20403 | 20005 | 10001 | 90010 => Failure::account_suspended("account_sid")
            .with_hint("See the account's status and balance in the Twilio Console."),
        70051 => Failure::insufficient_permission("auth_token").with_hint(
            "A restricted key lacks a permission, or the credentials are of another or a suspended account.",
        ),
        20404 => Failure::invalid_settings("account_sid")
            .with_message("Twilio finds no account with this SID.")
            .with_hint("Copy the Account SID from the Console; the SID of an API key does not take its place."),
        20007 => Failure::internal("the page size is larger than Twilio allows"),
        _ => response.inconclusive(),
    }
}
