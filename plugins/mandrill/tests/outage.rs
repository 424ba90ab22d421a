//! Mandrill's names decide, but never against a status that only an outage or a limit has.

use bonafide_core::Verdict;
use bonafide_mandrill::Mandrill;
use bonafide_testkit::{block_on, interactions, observed, replay};

#[test]
fn no_name_makes_a_rejection_of_an_outage() {
    let refusals: Vec<_> = interactions(&Mandrill)
        .unwrap()
        .into_iter()
        .filter(|interaction| {
            interaction.expected.verdict() == Verdict::Rejected && !interaction.steps.is_empty()
        })
        .collect();
    assert!(refusals.len() > 1);
    for refusal in refusals {
        for status in [302, 307, 408, 425, 429, 501, 502, 503, 504, 520, 599] {
            let mut refusal = refusal.clone();
            refusal.steps[0].response.status = status;
            let replayed = block_on(replay(&Mandrill, &refusal)).unwrap();
            let verdict = observed(&replayed.result).verdict();
            assert_eq!(verdict, Verdict::Inconclusive, "{} with {status}", refusal.name);
        }
    }
}
