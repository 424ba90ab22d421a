//! Mandrill's names decide, but never against a status that only an outage or a limit has.

use bonafide_core::Verdict;
use bonafide_mandrill::Mandrill;
use bonafide_testkit::{block_on, concluded, exchanges, play};

#[test]
fn no_name_makes_a_rejection_of_an_outage() {
    let refusals: Vec<_> = exchanges(&Mandrill)
        .unwrap()
        .into_iter()
        .filter(|exchange| {
            exchange.verdict.verdict() == Verdict::Rejected && !exchange.dialogue.is_empty()
        })
        .collect();
    assert!(refusals.len() > 1);
    for refusal in refusals {
        for status in [302, 307, 408, 425, 429, 501, 502, 503, 504, 520, 599] {
            let mut refusal = refusal.clone();
            refusal.dialogue[0].answer.status = status;
            let played = block_on(play(&Mandrill, &refusal)).unwrap();
            let verdict = concluded(&played.result).verdict();
            assert_eq!(verdict, Verdict::Inconclusive, "{} with {status}", refusal.name);
        }
    }
}
