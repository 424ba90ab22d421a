//! How providers are spared: limits, waits that they ask for, and the circuit.

use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::metrics::metrics;
use crate::process::HANGS;
use crate::support::{Answer, OTHER_TOKEN, VALIDATE, api, request, send};
use crate::upstream::{Mitto, question_about};

async fn api_with(mitto: &Mitto, more: &str) -> Router {
    api(&format!(
        "[egress]\nallow = [\"127.0.0.0/8\"]\n[providers.mitto]\nbase_url = \"http://{}\"\ntimeout = \"5m\"\n{more}",
        mitto.address
    ))
    .await
}

fn ask(api: &Router, key: &str) -> JoinHandle<Answer> {
    let (api, request) = (api.clone(), request("POST", VALIDATE, question_about(key)));
    tokio::spawn(async move { send(&api, request).await })
}

/// Fails what hangs.
async fn answer(asking: JoinHandle<Answer>) -> Answer {
    timeout(HANGS, asking).await.expect("the answer does not come").unwrap()
}

/// The code of an answer without a verdict, its message, and how many seconds to wait.
fn no_verdict(answer: &Answer) -> (String, String, Option<u64>) {
    let error = &answer.error(500)["errors"][0];
    let text = |key: &str| error[key].as_str().unwrap().to_owned();
    let wait = answer.header("retry-after").map(|seconds| seconds.parse().unwrap());
    (text("code"), text("message"), wait)
}

/// What the metrics say of Mitto: a metric, and the rest of its labels.
async fn told(api: &Router, metric: &str, more: &str) -> String {
    metrics(api).await[&format!("bonafide_{metric}{{provider=\"mitto\"{more}}}")].clone()
}

/// How many checks were held back for this reason, as the metrics say.
async fn held_back(api: &Router, reason: &str) -> String {
    told(api, "checks_held_back_total", &format!(",reason=\"{reason}\"")).await
}

#[tokio::test]
async fn twenty_failures_in_a_row_open_the_circuit_and_an_answer_closes_it() {
    let mitto = Mitto::start().await;
    let api = api_with(&mitto, "").await;
    mitto.release(60);
    // Nineteen and another outcome, twice: nothing happens.
    for (other, status) in [("wrong-1", 400), ("key-1", 204)] {
        for number in 0..19 {
            let key = format!("down-{other}-{number}");
            assert_eq!(no_verdict(&answer(ask(&api, &key)).await).0, "provider_unavailable");
        }
        assert_eq!(answer(ask(&api, other)).await.status, status);
    }
    assert_eq!(mitto.asked().len(), 40);
    assert_eq!(told(&api, "circuit_open", "").await, "0");
    for number in 0..20 {
        answer(ask(&api, &format!("down-{number}"))).await.error(500);
    }
    assert_eq!(mitto.asked().len(), 60);
    let (code, message, wait) = no_verdict(&answer(ask(&api, "key-2")).await);
    assert_eq!(code, "provider_unavailable");
    assert!(message.contains("Bonafide has stopped asking"), "{message}");
    assert!((1..=5).contains(&wait.unwrap()), "{wait:?}");
    assert_eq!(mitto.asked().len(), 60);
    assert_eq!(told(&api, "circuit_open", "").await, "1");
    assert_eq!(held_back(&api, "circuit_open").await, "1");

    // The time comes, one tries, and is given up by its caller: the next one tries.
    let trying = loop {
        sleep(Duration::from_secs(1)).await;
        let trying = ask(&api, "key-3");
        timeout(HANGS, async {
            while !trying.is_finished() && mitto.in_flight().0 == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        if !trying.is_finished() {
            break trying;
        }
        let (code, _, wait) = no_verdict(&answer(trying).await);
        assert_eq!((code.as_str(), wait.is_some()), ("provider_unavailable", true));
    };
    let (_, message, wait) = no_verdict(&answer(ask(&api, "key-4")).await);
    assert_eq!((message.contains("Bonafide has stopped asking"), wait), (true, Some(1)));
    trying.abort();
    assert!(trying.await.unwrap_err().is_cancelled());
    mitto.release(3);
    assert_eq!(answer(ask(&api, "wrong-2")).await.status, 400);
    // It answered, which closes the circuit.
    assert_eq!(answer(ask(&api, "key-5")).await.status, 204);
    assert_eq!(told(&api, "circuit_open", "").await, "0");
}

#[tokio::test]
async fn a_fault_of_ours_does_not_open_the_circuit() {
    // A name of this machine, which nobody allowed.
    let api = api("[providers.mitto]\nbase_url = \"https://localhost:1\"\n").await;
    for number in 0..25 {
        let (code, message, wait) = no_verdict(&answer(ask(&api, &format!("key-{number}"))).await);
        assert_eq!((code.as_str(), wait), ("provider_unavailable", None), "{message}");
    }
}

#[tokio::test]
async fn settings_that_the_provider_asks_to_wait_with_are_not_sent_again_before() {
    let mitto = Mitto::start().await;
    let api = api_with(&mitto, "").await;
    mitto.release(10);
    let (code, _, wait) = no_verdict(&answer(ask(&api, "limited-3000-a")).await);
    assert_eq!((code.as_str(), wait), ("provider_rate_limited", Some(3000)));
    let (code, message, wait) = no_verdict(&answer(ask(&api, "limited-3000-a")).await);
    assert_eq!(code, "provider_rate_limited");
    assert!(message.contains("asked to wait"), "{message}");
    assert!((1..=60).contains(&wait.unwrap()), "{wait:?}");
    assert_eq!(mitto.asked()["limited-3000-a"], 1);
    assert_eq!(held_back(&api, "asked_to_wait").await, "1");
    // Others are asked about: other settings, and the same of another account.
    assert_eq!(answer(ask(&api, "key-a")).await.status, 204);
    let mut of_another = request("POST", VALIDATE, question_about("limited-3000-a"));
    let token = format!("Bearer {OTHER_TOKEN}").parse().unwrap();
    of_another.headers_mut().insert("authorization", token);
    send(&api, of_another).await.error(500);
    assert_eq!(mitto.asked()["limited-3000-a"], 2);
}

#[tokio::test]
async fn five_limited_settings_in_a_row_hold_the_others_back() {
    let mitto = Mitto::start().await;
    let api = api_with(&mitto, "").await;
    mitto.release(20);
    for number in 0..4 {
        answer(ask(&api, &format!("limited-3000-a{number}"))).await.error(500);
    }
    assert_eq!(answer(ask(&api, "key-1")).await.status, 204);
    for number in 0..5 {
        answer(ask(&api, &format!("limited-3000-b{number}"))).await.error(500);
    }
    let asked = mitto.asked();
    let (code, message, wait) = no_verdict(&answer(ask(&api, "key-2")).await);
    assert_eq!(code, "provider_rate_limited");
    assert!(message.contains("Bonafide has stopped asking"), "{message}");
    assert!((1..=30).contains(&wait.unwrap()), "{wait:?}");
    assert_eq!(mitto.asked(), asked);
    assert_eq!(held_back(&api, "provider_limit").await, "1");
}

async fn in_flight(mitto: &Mitto, wanted: usize) {
    timeout(HANGS, async {
        while mitto.in_flight().0 != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the number of questions does not become that");
}

#[tokio::test]
async fn no_more_than_so_many_are_asked_about_at_a_time() {
    let mitto = Mitto::start().await;
    let api = api_with(&mitto, "max_concurrent = 2\n").await;
    let asking: Vec<_> = (0..20).map(|number| ask(&api, &format!("key-{number}"))).collect();
    in_flight(&mitto, 2).await;
    mitto.release(20);
    for asking in asking {
        assert_eq!(answer(asking).await.status, 204);
    }
    assert_eq!(mitto.in_flight().1, 2);
}

#[tokio::test]
async fn who_joins_a_check_takes_no_place_and_who_leaves_gives_it_up() {
    let mitto = Mitto::start().await;
    let api = api_with(&mitto, "max_concurrent = 1\n").await;
    let first = ask(&api, "key-1");
    in_flight(&mitto, 1).await;
    assert_eq!(told(&api, "checks_in_flight", "").await, "1");
    let follower = ask(&api, "key-1");
    let leaves = ask(&api, "key-2");
    let last = ask(&api, "key-3");
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    mitto.release(1);
    assert_eq!(answer(first).await.status, 204);
    assert_eq!(answer(follower).await.status, 204);
    mitto.release(1);
    assert_eq!(answer(last).await.status, 204);
    let asked = [("key-1", 1), ("key-3", 1)];
    assert_eq!(mitto.asked(), asked.map(|(key, times)| (key.to_owned(), times)).into());
    assert_eq!(mitto.in_flight().1, 1);
    assert_eq!(told(&api, "checks_shared_total", "").await, "1");
    assert_eq!(told(&api, "checks_in_flight", "").await, "0");
}

#[tokio::test]
async fn a_check_whose_turn_cannot_come_in_time_is_told_so_at_once() {
    let mitto = Mitto::start().await;
    let api = api_with(&mitto, "max_per_second = 1\n").await;
    mitto.release(1000);
    // Half of five minutes is waited at most, which so many are ahead of the last one.
    let asking: Vec<_> = (0..400).map(|number| ask(&api, &format!("key-{number}"))).collect();
    let mut asking = asking.into_iter();
    assert_eq!(answer(asking.next().unwrap()).await.status, 204);
    let last = answer(asking.next_back().unwrap()).await;
    let (code, message, wait) = no_verdict(&last);
    assert_eq!(code, "provider_rate_limited");
    assert!(message.starts_with("Bonafide's own limit for Mitto"), "{message}");
    let hint: Value = last.json()["errors"][0]["hint"].clone();
    assert!(hint.as_str().unwrap().contains("`providers.mitto.max_per_second`"), "{hint}");
    assert!(wait.unwrap() > 60, "{wait:?}");
    assert_ne!(held_back(&api, "own_limit").await, "0");
    asking.for_each(|asking| asking.abort());
}
