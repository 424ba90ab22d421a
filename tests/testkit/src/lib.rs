#![doc = include_str!("../README.md")]

pub mod cases;
pub mod faults;
mod faulty;
mod logs;
mod provider_under_test;
mod replay;
mod secrets;

pub use crate::faulty::{Faulty, HeardCommand, HeardRequest, ServerAction};
pub use crate::logs::Logs;
pub use crate::provider_under_test::ProviderUnderTest;
pub use crate::replay::{
    Replayed, block_on, check, environment_at, interaction, interactions, observed, replay,
    schema_of, valid_settings,
};
pub use crate::secrets::{Secrets, texts_of};

/// So that a provider crate needs no other dev-dependency.
pub use bonafide_emulator as emulator;
/// Makes the settings of a check.
pub use serde_json::json;

/// Runs every case of the kit on a provider, each as a test of its own.
///
/// The provider is given as the unit struct that implements [`Provider`](bonafide_core::Provider). Where it documents
/// other verdicts than the table of [`faults`] has, it says so, fault by fault:
///
/// ```ignore
/// bonafide_testkit::conformance!(bonafide_mitto::Mitto, differs: {
///     // Mitto documents no body, so the status counts.
///     "401_empty" => "invalid_credentials at /settings/api_key",
/// });
/// ```
#[macro_export]
macro_rules! conformance {
    ($provider:expr) => {
        $crate::conformance!($provider, differs: {});
    };
    ($provider:expr, differs: { $($fault:literal => $verdict:literal),* $(,)? }) => {
        /// Where the cases keep what several of them look at.
        static CONFORMANCE: $crate::ProviderUnderTest<'static> =
            $crate::ProviderUnderTest::new(&$provider, &[$(($fault, $verdict)),*]);

        $crate::conformance! { @cases &$provider;
            the_id_is_a_number
            the_name_can_be_a_configuration_key
            the_title_can_begin_a_sentence
            each_base_url_has_its_key
            each_base_url_is_encrypted_and_bare
            the_allowed_requests_are_well_formed
            each_allowed_request_has_its_reason
            each_allowed_request_is_in_an_interaction
            the_schema_is_one_of_draft_2020_12
            the_schema_is_closed
            the_schema_holds_no_reference
            each_field_is_titled
            each_field_is_described
            each_field_is_a_string
            each_secret_is_marked
            each_example_is_valid
            schema_and_code_agree_on_generated_settings
            an_unknown_field_is_named
            a_missing_field_is_named
            a_mistyped_field_is_named
            no_refusal_repeats_what_was_submitted
            each_interaction_has_a_name_of_its_own
            each_interaction_is_titled
            each_interaction_names_its_source
            each_documented_verdict_can_be_reached
            each_pointer_leads_to_a_field
            each_sample_secret_is_made_up
            each_step_can_be_replayed
            each_interaction_has_the_steps_that_its_settings_need
            an_interaction_leads_to_a_pass
            an_interaction_shows_refused_credentials
            an_interaction_answers_unknown_credentials
            each_interaction_leads_to_its_verdict_among_all
            no_pass_is_a_false_positive
            an_outage_of_a_moment_does_not_stand_in_the_way
            nothing_is_asked_more_often_than_it_may
            the_pauses_between_requests_count_for_the_deadline
            what_the_policy_forbids_is_not_dialled
            settings_cannot_name_our_own_network
            credentials_are_not_sent_in_clear
            what_is_said_before_tls_does_not_count
        }

        $crate::conformance! { @cases &CONFORMANCE;
            each_interaction_leads_to_its_verdict_alone
            each_step_comes_up
            only_harmless_requests_are_sent
            no_verdict_holds_a_secret
            no_log_line_holds_a_secret
            a_rejection_is_final
            a_provider_that_is_down_is_no_rejection
            a_certificate_that_does_not_hold_is_no_rejection
            a_silent_peer_is_waited_for_until_the_deadline
            another_protocol_is_no_verdict
            an_endless_answer_is_cut_off
            a_body_of_another_kind_is_no_pass
            a_foreign_page_is_no_verdict
            foreign_json_is_no_verdict
            a_redirect_is_not_followed
            a_status_alone_is_no_verdict
            an_error_of_the_server_is_no_rejection
            a_limit_is_told_as_one
            an_echo_of_the_credentials_is_not_passed_on
            what_is_unusual_is_no_fault
            the_verdict_matrix_holds
            a_later_request_that_goes_wrong_is_no_rejection
            a_check_that_is_dropped_leaves_nothing_behind
            two_thousand_checks_at_once_do_not_mix_up
        }

        #[test]
        fn the_provider_is_registered_once() {
            $crate::report($crate::cases::the_provider_is_registered_once(
                &$provider,
                env!("CARGO_PKG_NAME"),
            ));
        }

        #[test]
        fn the_schema_is_the_one_in_the_snapshot() {
            $crate::report($crate::cases::the_schema_is_the_one_in_the_snapshot(
                &$provider,
                env!("CARGO_MANIFEST_DIR"),
            ));
        }
    };
    (@cases $subject:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::report($crate::cases::$case($subject));
            }
        )*
    };
}

/// Fails the test with what a case says.
#[doc(hidden)]
#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
pub fn report(result: Result<(), String>) {
    if let Err(text) = result {
        panic!("{text}");
    }
}
