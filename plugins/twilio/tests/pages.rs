//! Twilio's list of numbers when it is long, and when it does not end.

use bonafide_testkit::{block_on, interaction, json, observed, replay};
use bonafide_twilio::Twilio;

#[test]
fn a_page_of_a_thousand_numbers_is_read_in_order() {
    let mut full = interaction(&Twilio, "no_numbers").unwrap();
    let numbers: Vec<String> = (0..1000).map(|number| format!("+1218555{number:04}")).collect();
    let page: Vec<_> = numbers
        .iter()
        .map(|number| json!({"phone_number": number, "friendly_name": "x".repeat(4000)}))
        .collect();
    full.steps[0].response.body =
        Some(json!({"incoming_phone_numbers": page, "next_page_uri": null}));
    let replayed = block_on(replay(&Twilio, &full)).unwrap();
    let expected: Vec<_> =
        numbers.iter().map(|number| json!({"incoming_phone_number": number})).collect();
    assert_eq!(observed(&replayed.result).data, Some(expected.into()));
}

#[test]
fn a_page_that_leads_to_itself_is_not_asked_for_again() {
    let same = interaction(&Twilio, "next_page_is_the_same").unwrap();
    let replayed = block_on(replay(&Twilio, &same)).unwrap();
    assert_eq!(replayed.emulator.requests().len(), 2);
}

#[test]
fn pages_in_a_circle_are_given_up() {
    let circle = interaction(&Twilio, "pages_without_end").unwrap();
    let replayed = block_on(replay(&Twilio, &circle)).unwrap();
    assert_eq!(replayed.emulator.requests().len(), 200);
}
