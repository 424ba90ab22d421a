//! The result of a check that passed.

use serde_json::Value;

use crate::finding::{Warning, complete};
use crate::sanitize::sanitize;

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
    /// as it came: providers echo what they are sent. Whatever the form: control characters and characters that change the
    /// direction of text are left out of every text, and no text is longer than 1000 characters.
    pub fn with_data(mut self, mut data: Value) -> Self {
        sanitize(&mut data);
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
