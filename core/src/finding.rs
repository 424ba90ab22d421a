//! Problems and warnings: a code, the settings field it is about, a sentence, and what to do.

use std::borrow::Cow;

use serde::Serialize;

use crate::cause::{Cause, Code, WarningCode};
use crate::json::pointer;

/// Something to tell about the settings.
///
/// The setters take texts of the source code, so a text that was submitted or that a provider answered cannot get into
/// one. A host formats its own with [`FindingExt`](crate::host::FindingExt).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding<C> {
    code: C,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<Cow<'static, str>>,
}

/// A finding that stands in the way of a pass.
pub type Problem = Finding<Cause>;

/// A finding that does not stand in the way of a pass.
pub type Warning = Finding<WarningCode>;

impl<C: Copy> Finding<C> {
    /// A finding without a field, whose message is the code's own sentence.
    pub fn new(code: C) -> Self {
        Self { code, pointer: None, message: Cow::Borrowed(""), hint: None }
    }

    /// Points at the settings field with this name.
    pub fn with_field(mut self, name: &'static str) -> Self {
        self.pointer = Some(settings_pointer(&[name]));
        self
    }

    /// Replaces the code's own sentence.
    pub fn with_message(mut self, message: &'static str) -> Self {
        self.message = Cow::Borrowed(message);
        self
    }

    /// Adds what to do about it.
    pub fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(Cow::Borrowed(hint));
        self
    }

    /// The code.
    pub fn code(&self) -> C {
        self.code
    }

    /// The RFC 6901 pointer into the request body, where a field is at fault.
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl Warning {
    /// The provider has not verified the sender that this field names.
    pub fn sender_unverified(field: &'static str) -> Self {
        Self::new(WarningCode::SenderUnverified).with_field(field)
    }

    /// The account does not list the number in this field.
    pub fn number_not_in_account(field: &'static str) -> Self {
        Self::new(WarningCode::NumberNotInAccount).with_field(field)
    }

    /// The credentials in this field are real; whether they may send could not be seen.
    ///
    /// ```
    /// # use bonafide_core::prelude::*;
    /// # fn outcome() -> Outcome {
    /// Outcome::valid().with_warning(Warning::rights_not_checked("api_key"))
    /// # }
    /// ```
    pub fn rights_not_checked(field: &'static str) -> Self {
        Self::new(WarningCode::RightsNotChecked).with_field(field)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Problem {}
    impl Sealed for super::Warning {}
}

/// Findings of a host, which checks the request around the settings and formats its messages.
///
/// The texts must hold nothing that was submitted.
pub trait FindingExt: sealed::Sealed + Sized {
    /// Points into the request body, not only into the settings.
    fn with_pointer(self, pointer: Option<String>) -> Self;

    /// Replaces the code's own sentence by one that is made at run time.
    fn with_formatted_message(self, message: impl Into<Cow<'static, str>>) -> Self;

    /// Adds a hint that is made at run time.
    fn with_formatted_hint(self, hint: impl Into<Cow<'static, str>>) -> Self;
}

impl<C> FindingExt for Finding<C>
where
    Self: sealed::Sealed,
{
    fn with_pointer(mut self, pointer: Option<String>) -> Self {
        self.pointer = pointer;
        self
    }

    fn with_formatted_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    fn with_formatted_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Fills in the code's own sentence where the finding has no message.
pub(crate) fn complete<C: Code>(finding: &mut Finding<C>, title: &str) {
    if finding.message.is_empty() {
        finding.message = Cow::Owned(finding.code.sentence(title));
    }
}

/// The RFC 6901 pointer to a place inside `settings`.
pub(crate) fn settings_pointer(path: &[&str]) -> String {
    let mut pointer = String::from("/settings");
    for step in path {
        pointer.push('/');
        pointer.push_str(&pointer::escape(step));
    }
    pointer
}
