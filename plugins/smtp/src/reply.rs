//! What the replies of a mail server mean: RFC 4954, RFC 3207, RFC 5321 and RFC 3463.

use bonafide_core::{Cause, Failure};
use lettre::transport::smtp::response::Response;

use crate::field::{HOST, PASSWORD, PORT};

/// The reply code, and the enhanced code where the server gives one; its class digit goes first.
struct Code {
    basic: u16,
    enhanced: Option<(u16, u16, u16)>,
}

impl Code {
    fn of(reply: &Response) -> Self {
        let basic = u16::from(reply.code());
        let enhanced = reply.first_word().and_then(|word| {
            let mut numbers = word.split('.').map(|number| number.parse().ok());
            let enhanced = (numbers.next()??, numbers.next()??, numbers.next()??);
            (numbers.next().is_none() && matches!(enhanced.0, 2 | 4 | 5)).then_some(enhanced)
        });
        Self { basic, enhanced }
    }

    fn is_transient(&self) -> bool {
        self.enhanced.map_or(self.basic / 100, |(class, _, _)| class) == 4
    }

    fn detail(&self) -> Option<(u16, u16)> {
        self.enhanced.map(|(_, subject, detail)| (subject, detail))
    }

    /// The meaning of a reply that says "not now".
    fn transient(&self) -> Failure {
        match (self.basic, self.detail()) {
            (421, Some((7, _))) => Failure::new(Cause::ProviderRateLimited).with_hint(
                "The server asks to be left alone for a while: too many connections or logins.",
            ),
            _ => Failure::provider_unavailable().with_message(
                "The server says that it cannot do this at the moment, so there is no verdict.",
            ),
        }
    }
}

/// A greeting or a reply to `EHLO` that is not positive.
pub(crate) fn to_greeting(reply: &Response) -> Failure {
    let code = Code::of(reply);
    let failure = if code.is_transient() {
        code.transient()
    } else {
        Failure::connection_failed(HOST).with_message("The server turns us away before any login.").with_hint(
            "It may refuse the address that this service connects from, or take no mail at all.",
        )
    };
    failure.with_provider_status(code.basic)
}

/// A refusal of `STARTTLS`.
pub(crate) fn to_starttls(reply: &Response) -> Failure {
    let code = Code::of(reply);
    let failure = if code.is_transient() {
        code.transient()
    } else {
        Failure::connection_failed(PORT)
            .with_message("The server offers STARTTLS and then refuses it, and a password must not travel in clear.")
            .with_hint("Use 465, where TLS begins with the first byte, if the server has it.")
    };
    failure.with_provider_status(code.basic)
}

/// A login that did not succeed.
pub(crate) fn to_auth(reply: &Response, password: &str) -> Failure {
    let code = Code::of(reply);
    let failure = match (code.basic, code.detail()) {
        (432, _) | (_, Some((7, 12))) => Failure::insufficient_permission(PASSWORD)
            .with_message("The server wants the password to be set anew before it accepts a login.")
            .with_hint("Log in by hand once, as the server's provider describes it."),
        _ if code.is_transient() => code.transient(),
        (_, Some((7, 139))) => Failure::insufficient_permission(PASSWORD)
            .with_message(
                "Logging in by password is switched off for this mailbox or its organisation.",
            )
            .with_hint("An administrator must enable authenticated SMTP for the mailbox."),
        (534, _) | (_, Some((7, 9))) => Failure::wrong_credential_kind(PASSWORD)
            .with_message("The server does not accept this kind of password.")
            .with_hint("Create a password for applications in the account's security settings."),
        (535, _) | (_, Some((7, 3 | 8))) => {
            let failure = Failure::invalid_credentials(PASSWORD);
            if password.trim() == password {
                failure.with_hint("Check the user name and the password; many servers want the whole e-mail address as the name.")
            } else {
                failure.with_hint("The password begins or ends with white space, which is sent as it is: check that it belongs there.")
            }
        }
        (530 | 538, _) => Failure::connection_failed(PORT)
            .with_message("The server wants another kind of encryption before a login."),
        (502..=504, _) => Failure::connection_failed(PORT)
            .with_message("The server does not accept a login here.")
            .with_hint("Use the port for submissions, 587 or 465."),
        (521, _) => Failure::connection_failed(HOST).with_message("The server takes no mail."),
        (500, _) => Failure::invalid_settings(PASSWORD)
            .with_message("The server cannot take a login line of this length.")
            .with_hint("The user name or the password is longer than the server allows."),
        (501, _) => Failure::internal("the server cannot decode the login"),
        _ => Failure::unexpected_response().with_note("a reply that no standard gives for a login"),
    };
    failure.with_provider_status(code.basic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_enhanced_code_is_three_numbers_and_begins_with_the_class() {
        let enhanced = |text: &str| Code::of(&format!("535 {text}\r\n").parse().unwrap()).enhanced;
        assert_eq!(enhanced("5.7.8 no"), Some((5, 7, 8)));
        assert_eq!(enhanced("4.7.0"), Some((4, 7, 0)));
        assert_eq!(enhanced("5.7.139 no"), Some((5, 7, 139)));
        for text in ["no", "5.7 no", "5.7.8.1 no", "9.7.8 no", "5.7.x no", "5,7,8", "no 5.7.8"] {
            assert_eq!(enhanced(text), None, "{text}");
        }
    }

    #[test]
    fn white_space_around_a_refused_password_is_mentioned() {
        let hint = |password| {
            let reply = "535 5.7.8 no\r\n".parse().unwrap();
            to_auth(&reply, password).problems()[0].hint().unwrap().to_owned()
        };
        assert!(hint(" secret").contains("white space") && hint("secret ").contains("white space"));
        assert!(!hint("sec ret").contains("white space"));
    }
}
