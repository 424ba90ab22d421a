//! What is said to a mail server, from the greeting to the farewell.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bonafide_core::Verdict;
use bonafide_core::interaction::Interaction;
use bonafide_smtp::Smtp;
use bonafide_testkit::{block_on, interaction, observed, replay};

fn said(interaction: &Interaction) -> (Verdict, Vec<String>) {
    let replayed = block_on(replay(&Smtp, interaction)).unwrap();
    (observed(&replayed.result).verdict(), replayed.emulator.commands())
}

#[test]
fn a_login_ends_with_a_farewell_and_says_nothing_of_mail() {
    let after_starttls = interaction(&Smtp, "login_after_starttls").unwrap();
    assert_eq!(
        said(&after_starttls),
        (Verdict::Valid, ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"].map(str::to_owned).into())
    );
    let inside_tls = interaction(&Smtp, "login_inside_tls").unwrap();
    assert_eq!(
        said(&inside_tls),
        (Verdict::Valid, ["EHLO", "AUTH", "QUIT"].map(str::to_owned).into())
    );
}

#[test]
fn a_server_may_have_much_to_offer() {
    let mut talkative = interaction(&Smtp, "login_after_starttls").unwrap();
    let extensions = (0..300).map(|number| format!("X-EXTENSION-{number} {}", "x".repeat(60)));
    talkative.smtp.as_mut().unwrap().ehlo_inside_tls.extend(extensions);
    assert_eq!(said(&talkative).0, Verdict::Valid);
}
