//! What SendGrid's list of senders tells when it is long.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bonafide_sendgrid::SendGrid;
use bonafide_testkit::{block_on, interaction, json, observed, replay};

/// The warnings for a sender that is not among so many others.
fn warnings(senders: usize) -> Vec<String> {
    let mut unknown = interaction(&SendGrid, "sender_unknown").unwrap();
    let others: Vec<_> = (0..senders)
        .map(|number| json!({"from_email": format!("{number}@example.com"), "verified": true}))
        .collect();
    unknown.steps.last_mut().unwrap().response.body = Some(json!({"results": others}));
    let replayed = block_on(replay(&SendGrid, &unknown)).unwrap();
    observed(&replayed.result).warnings
}

#[test]
fn a_list_that_may_go_on_says_nothing_about_who_is_not_on_it() {
    assert_eq!(warnings(999), ["sender_unverified"]);
    assert_eq!(warnings(1000), [""; 0]);
    assert_eq!(warnings(1001), [""; 0]);
}
