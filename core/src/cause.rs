//! The codes of problems and warnings: one table each, which the API, the command, the logs and the docs read.

use std::fmt;

use serde::{Serialize, Serializer};

/// The overall result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The settings work.
    Valid,
    /// The settings do not work; other settings could.
    Rejected,
    /// There is no verdict: the provider could not be asked, or did not say.
    Inconclusive,
}

impl Verdict {
    /// The word in reports, for instance `rejected`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Rejected => "rejected",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A code that has a sentence for people.
pub(crate) trait Code: Copy {
    /// One sentence that names the provider by its title.
    fn sentence(self, title: &str) -> String;
}

/// Defines an enum of codes. Each row has the variant, its code, what it means in general, and the sentence that a person
/// reads, in which `{title}` stands for the provider's title.
macro_rules! codes {
    (
        $(#[$meta:meta])* $name:ident
        $($variant:ident $code:literal $meaning:literal $sentence:literal;)+
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(#[doc = $meaning] $variant,)+
        }

        impl $name {
            /// Every code, in the order of the docs.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The machine-readable name in snake case.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// The variant with this machine-readable name, if there is one.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.code() == code)
            }

            /// What the code means, in general.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }
        }

        impl Code for $name {
            fn sentence(self, title: &str) -> String {
                let template = match self {
                    $(Self::$variant => $sentence,)+
                };
                template.replace("{title}", title)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.code())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }
    };
}

/// Defines [`Cause`]: as [`codes!`], with the verdict that each cause leads to.
macro_rules! causes {
    ($($variant:ident $code:literal $verdict:ident $meaning:literal $sentence:literal;)+) => {
        codes! {
            /// Why a check did not pass.
            Cause
            $($variant $code $meaning $sentence;)+
        }

        impl Cause {
            /// The verdict of a check that ends with this cause.
            pub const fn verdict(self) -> Verdict {
                match self {
                    $(Self::$variant => Verdict::$verdict,)+
                }
            }
        }
    };
}

causes! {
    MalformedRequest "malformed_request" Rejected
        "The request is not JSON, or a member is missing or of the wrong type."
        "The request is malformed.";
    UnknownProvider "unknown_provider" Rejected
        "No provider has this `provider_id`."
        "No provider has this id.";
    InvalidSettings "invalid_settings" Rejected
        "A settings field is missing, unknown or malformed; the provider was not asked, or says so itself."
        "{title} does not accept this setting.";
    InvalidCredentials "invalid_credentials" Rejected
        "The provider refuses the credentials."
        "{title} refuses these credentials.";
    WrongCredentialKind "wrong_credential_kind" Rejected
        "A real kind of key, for something else."
        "These credentials are of a kind that cannot be used to send with {title}.";
    InsufficientPermission "insufficient_permission" Rejected
        "The credentials are real, but may not do what the integration needs."
        "{title} knows these credentials, but does not let them do what sending needs.";
    AccountSuspended "account_suspended" Rejected
        "The credentials are real, the account or domain is suspended, closed or disabled."
        "{title} says that the account or domain is suspended, closed or disabled.";
    NotFound "not_found" Rejected
        "The credentials are real, what the settings name is not in the account."
        "{title} accepts the credentials, but does not find in the account what the settings name.";
    ConnectionFailed "connection_failed" Rejected
        "A host or port that the settings name cannot be reached, or does not speak the expected protocol or TLS."
        "{title}: the server that the settings name cannot be reached, or does not speak the expected protocol.";
    DestinationForbidden "destination_forbidden" Rejected
        "The settings name a destination that the egress policy forbids."
        "{title}: the settings name a destination that this service may not dial.";
    ProviderRateLimited "provider_rate_limited" Inconclusive
        "The provider limits how often it may be asked."
        "{title} limits how often it may be asked, so there is no verdict.";
    ProviderUnavailable "provider_unavailable" Inconclusive
        "Connecting to a built-in host failed, or the provider says that it fails."
        "{title} cannot be reached or fails, so there is no verdict.";
    ProviderTimeout "provider_timeout" Inconclusive
        "No full answer came within the deadline."
        "{title} did not answer in time, so there is no verdict.";
    UnexpectedResponse "unexpected_response" Inconclusive
        "The answer is not the provider's."
        "The answer is not one that {title} gives, so there is no verdict.";
    Internal "internal" Inconclusive
        "A defect of Bonafide or of a provider crate."
        "The check of {title} failed for a reason that is not the provider's, so there is no verdict.";
}

codes! {
    /// What is worth knowing although the credentials work.
    WarningCode
    SenderUnverified "sender_unverified"
        "The provider has not verified the sender address or domain, so it may refuse to send."
        "{title} has not verified this sender, so it may refuse to send.";
    NumberNotInAccount "number_not_in_account"
        "The account's list of numbers does not hold the number that the settings name."
        "This number is not among those that {title} lists for the account.";
    AccountLimited "account_limited"
        "The account's plan limits what can be sent, or to whom."
        "The {title} account's plan limits what can be sent, or to whom.";
    RightsNotChecked "rights_not_checked"
        "The credentials are real; whether they may send could not be seen."
        "{title} accepts these credentials, but does not let them show whether they may send.";
}
