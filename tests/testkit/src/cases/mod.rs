//! What every provider must do. Each case is a plain function that says what is wrong, if anything is.

mod agreement;
mod at_once;
mod cancellation;
mod compare;
mod documented;
mod false_positives;
mod identity;
mod isolated;
mod local;
mod matrix;
mod policy;
mod retries;
mod schema;
mod user_supplied_host;

use std::time::Duration;

pub use self::agreement::schema_and_code_agree_on_generated_settings;
pub use self::at_once::two_thousand_checks_at_once_do_not_mix_up;
pub use self::cancellation::a_check_that_is_dropped_leaves_nothing_behind;
pub use self::documented::{
    an_interaction_answers_unknown_credentials, an_interaction_leads_to_a_pass,
    an_interaction_shows_refused_credentials, each_documented_verdict_can_be_reached,
    each_interaction_has_a_name_of_its_own, each_interaction_has_the_steps_that_its_settings_need,
    each_interaction_is_titled, each_interaction_names_its_source, each_pointer_leads_to_a_field,
    each_sample_secret_is_made_up, each_step_can_be_replayed,
};
pub use self::false_positives::no_pass_is_a_false_positive;
pub use self::identity::{
    each_allowed_request_has_its_reason, each_allowed_request_is_in_an_interaction,
    each_base_url_has_its_key, each_base_url_is_encrypted_and_bare,
    the_allowed_requests_are_well_formed, the_id_is_a_number, the_name_can_be_a_configuration_key,
    the_provider_is_registered_once, the_title_can_begin_a_sentence,
};
pub use self::isolated::{
    each_interaction_leads_to_its_verdict_alone, each_interaction_leads_to_its_verdict_among_all,
    each_step_comes_up, no_log_line_holds_a_secret, no_verdict_holds_a_secret,
    only_harmless_requests_are_sent,
};
pub use self::local::{
    a_missing_field_is_named, a_mistyped_field_is_named, an_unknown_field_is_named,
    no_refusal_repeats_what_was_submitted,
};
pub use self::matrix::{
    a_body_of_another_kind_is_no_pass, a_certificate_that_does_not_hold_is_no_rejection,
    a_foreign_page_is_no_verdict, a_later_request_that_goes_wrong_is_no_rejection,
    a_limit_is_told_as_one, a_provider_that_is_down_is_no_rejection, a_redirect_is_not_followed,
    a_silent_peer_is_waited_for_until_the_deadline, a_status_alone_is_no_verdict,
    an_echo_of_the_credentials_is_not_passed_on, an_endless_answer_is_cut_off,
    an_error_of_the_server_is_no_rejection, another_protocol_is_no_verdict,
    foreign_json_is_no_verdict, the_verdict_matrix_holds, what_is_unusual_is_no_fault,
};
pub use self::policy::what_the_policy_forbids_is_not_dialled;
pub use self::retries::{
    a_rejection_is_final, an_outage_of_a_moment_does_not_stand_in_the_way,
    nothing_is_asked_more_often_than_it_may, the_pauses_between_requests_count_for_the_deadline,
};
pub use self::schema::{
    each_example_is_valid, each_field_is_a_string, each_field_is_described, each_field_is_titled,
    each_secret_is_marked, the_schema_holds_no_reference, the_schema_is_closed,
    the_schema_is_one_of_draft_2020_12, the_schema_is_the_one_in_the_snapshot,
};
pub use self::user_supplied_host::{
    credentials_are_not_sent_in_clear, settings_cannot_name_our_own_network,
    what_is_said_before_tls_does_not_count,
};

pub(crate) use self::isolated::Isolated;
pub(crate) use self::matrix::Cells;

/// How much later than the deadline a check may end on a busy machine.
const GRACE: Duration = Duration::from_secs(3);

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
