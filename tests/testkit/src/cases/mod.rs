//! What every provider must do. Each case is a plain function that says what is wrong, if anything is.

mod agreement;
mod documented;
mod identity;
mod local;
mod matrix;
mod misbehaviour;
mod named_by_settings;
mod retries;
mod rubber_stamps;
mod schema;

pub use self::agreement::schema_and_code_agree_on_generated_settings;
pub use self::documented::{
    each_exchange_leads_to_its_verdict_alone, each_exchange_leads_to_its_verdict_among_all,
    no_text_holds_a_secret, the_exchanges_are_well_formed,
};
pub use self::identity::{the_descriptor_is_well_formed, the_provider_is_registered_once};
pub use self::local::unknown_missing_and_mistyped_fields_are_named;
pub use self::matrix::{a_later_request_that_goes_wrong_is_no_rejection, the_verdict_matrix_holds};
pub use self::misbehaviour::{
    a_foreign_answer_is_no_verdict, a_provider_that_is_down_is_no_rejection,
    a_redirect_is_not_followed, a_silent_peer_is_waited_for_until_the_deadline,
};
pub use self::named_by_settings::{
    credentials_are_not_sent_in_clear, settings_cannot_name_our_own_network,
    what_is_said_before_tls_does_not_count,
};
pub use self::retries::what_passes_by_itself_is_asked_again;
pub use self::rubber_stamps::no_pass_is_a_rubber_stamp;
pub use self::schema::{the_schema_is_the_one_in_the_snapshot, the_schema_is_well_formed};

/// Gathers what is wrong, so that an author sees all of it at once.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, finding: impl Into<String>) {
        self.0.push(finding.into());
    }

    fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.0.push(otherwise());
        }
    }

    fn absorb(&mut self, result: Result<(), String>) {
        self.0.extend(result.err());
    }

    fn into_result(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("\n")) }
    }
}
