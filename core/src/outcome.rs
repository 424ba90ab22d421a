//! What a passed check has to tell.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::failure::{Finding, Sentence, complete};

/// What is worth knowing although the credentials work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WarningCode {
    /// The provider has not verified the sender address or domain, so it may refuse to send.
    SenderUnverified,
    /// The account's list of numbers does not hold the number that the settings name.
    NumberNotInAccount,
    /// The account's plan limits what can be sent, or to whom.
    AccountLimited,
}

impl WarningCode {
    /// Every code, in the order of the docs.
    pub const ALL: [Self; 3] =
        [Self::SenderUnverified, Self::NumberNotInAccount, Self::AccountLimited];

    /// The machine-readable name, for instance `sender_unverified`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::SenderUnverified => "sender_unverified",
            Self::NumberNotInAccount => "number_not_in_account",
            Self::AccountLimited => "account_limited",
        }
    }

    /// What the code means, in general.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::SenderUnverified => {
                "The provider has not verified the sender address or domain, so it may refuse to send."
            }
            Self::NumberNotInAccount => {
                "The account's list of numbers does not hold the number that the settings name."
            }
            Self::AccountLimited => "The account's plan limits what can be sent, or to whom.",
        }
    }
}

impl Sentence for WarningCode {
    fn sentence(self, title: &str) -> String {
        match self {
            Self::SenderUnverified => {
                format!("{title} has not verified this sender, so it may refuse to send.")
            }
            Self::NumberNotInAccount => {
                format!("This number is not among those that {title} lists for the account.")
            }
            Self::AccountLimited => {
                format!("The {title} account's plan limits what can be sent, or to whom.")
            }
        }
    }
}

impl fmt::Display for WarningCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for WarningCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// A finding that does not stand in the way of a pass.
pub type Warning = Finding<WarningCode>;

impl Warning {
    /// The provider has not verified the sender that this field names.
    pub fn sender_unverified(field: &str) -> Self {
        Self::new(WarningCode::SenderUnverified).at(field)
    }

    /// The account does not list the number in this field.
    pub fn number_not_in_account(field: &str) -> Self {
        Self::new(WarningCode::NumberNotInAccount).at(field)
    }
}

/// A passed check: the credentials work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    data: Option<Value>,
    warnings: Vec<Warning>,
}

impl Outcome {
    /// The credentials work, and there is nothing else to tell.
    pub fn valid() -> Self {
        Self::default()
    }

    /// Adds what the caller gets as the body of the answer.
    ///
    /// It must be built from single fields of the provider's answer whose form was checked, never from the answer
    /// as it came: providers echo what they are sent.
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Adds a warning.
    pub fn with_warning(mut self, warning: Warning) -> Self {
        self.warnings.push(warning);
        self
    }

    /// What the caller gets as the body of the answer, if anything.
    pub fn data(&self) -> Option<&Value> {
        self.data.as_ref()
    }

    /// What is worth knowing although the credentials work.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(crate) fn complete(mut self, title: &str) -> Self {
        for warning in &mut self.warnings {
            complete(warning, title);
        }
        self
    }
}
