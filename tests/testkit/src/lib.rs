#![doc = include_str!("../README.md")]

pub mod cases;
pub mod faults;
mod faulty;
mod logs;
mod play;
mod secrets;

pub use crate::faulty::{Act, Faulty, HeardCommand, HeardRequest};
pub use crate::logs::Logs;
pub use crate::play::{
    Played, block_on, check, concluded, environment_at, exchange, exchanges, play, valid_settings,
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
        $crate::conformance! { @cases $provider;
            the_descriptor_is_well_formed
            the_schema_is_well_formed
            schema_and_code_agree_on_generated_settings
            the_exchanges_are_well_formed
            each_exchange_leads_to_its_verdict_alone
            each_exchange_leads_to_its_verdict_among_all
            no_pass_is_a_rubber_stamp
            unknown_missing_and_mistyped_fields_are_named
            no_text_holds_a_secret
            a_provider_that_is_down_is_no_rejection
            a_silent_peer_is_waited_for_until_the_deadline
            a_redirect_is_not_followed
            a_foreign_answer_is_no_verdict
            what_passes_by_itself_is_asked_again
            settings_cannot_name_our_own_network
            credentials_are_not_sent_in_clear
            what_is_said_before_tls_does_not_count
        }

        #[test]
        fn a_later_request_that_goes_wrong_is_no_rejection() {
            $crate::report($crate::cases::a_later_request_that_goes_wrong_is_no_rejection(
                &$provider,
                &[$(($fault, $verdict)),*],
            ));
        }

        #[test]
        fn the_verdict_matrix_holds() {
            $crate::report($crate::cases::the_verdict_matrix_holds(
                &$provider,
                &[$(($fault, $verdict)),*],
            ));
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
    (@cases $provider:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::report($crate::cases::$case(&$provider));
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
