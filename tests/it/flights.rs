//! Checks that are in flight already: asked for again they are not run again, and nobody gets another one's answer.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::Request;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::process::HANGS;
use crate::support::{Answer, OTHER_TOKEN, VALIDATE, api, fake, request, send};
use crate::upstream::{Mitto, Upstream, accept, question_about};

async fn api_of(url: &str) -> Router {
    api(&format!(
        "[egress]\nallow = [\"127.0.0.0/8\"]\n[providers.mitto]\nbase_url = \"{url}\"\ntimeout = \"5m\"\n"
    ))
    .await
}

async fn api_of_mitto(mitto: &Mitto) -> Router {
    api_of(&format!("http://{}", mitto.address)).await
}

/// Asks in a task of its own. All tasks run on one thread, in turn, so each has joined before the next answer is read.
fn ask(api: &Router, body: &str) -> JoinHandle<Answer> {
    let (api, request) = (api.clone(), request("POST", VALIDATE, body.to_owned()));
    tokio::spawn(async move { send(&api, request).await })
}

/// Fails what hangs.
async fn answers(asking: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let all = timeout(HANGS, join_all(asking)).await.expect("the answers do not come");
    all.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn identical_checks_at_once_ask_once_and_all_are_answered() {
    for (key, status) in [("key", 204), ("wrong", 400), ("down", 500)] {
        let mitto = Mitto::start().await;
        let api = api_of_mitto(&mitto).await;
        // Members in any order, with any space between them.
        let question = |number: usize| {
            let settings = [
                json!({"api_key": key, "sender_name": "Example"}).to_string(),
                format!("{{ \"sender_name\" : \"Example\",\n\"api_key\": \"{key}\"}}"),
            ];
            let settings = &settings[number % 2];
            format!(r#"{{"name": "{number}", "settings": {settings}, "provider_id": "1004"}}"#)
        };
        let asking = (0..100).map(|number| ask(&api, &question(number))).collect();
        mitto.release(1);
        let mut traces = BTreeSet::new();
        for answer in answers(asking).await {
            assert_eq!(answer.status, status, "{key}");
            traces.insert(answer.header("x-trace-id").unwrap().to_owned());
        }
        assert_eq!(traces.len(), 100);
        assert_eq!(mitto.asked(), [(key.to_owned(), 1)].into());
        // Nothing is kept: the next one asks again.
        mitto.release(1);
        assert_eq!(answers(vec![ask(&api, &question(0))]).await[0].status, status);
        assert_eq!(mitto.asked(), [(key.to_owned(), 2)].into());
    }
}

#[tokio::test]
async fn the_first_to_ask_may_leave_and_the_others_are_answered() {
    let upstream = Upstream::listen().await;
    let api = api_of(&upstream.url()).await;
    let question = question_about("key");
    let first = ask(&api, &question);
    let mut stream = upstream.asked().await;
    let others: Vec<_> = (0..10).map(|_| ask(&api, &question)).collect();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    accept(&mut stream).await;
    for answer in answers(others).await {
        assert_eq!(answer.status, 204);
    }
}

#[tokio::test]
async fn a_check_ends_when_everybody_has_left() {
    let mitto = Mitto::start().await;
    let api = api_of_mitto(&mitto).await;
    let question = question_about("key");
    let asking: Vec<_> = (0..10).map(|_| ask(&api, &question)).collect();
    let gone = async |wanted: usize| {
        timeout(HANGS, async {
            while mitto.in_flight().0 != wanted {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the number of questions does not become that");
    };
    gone(1).await;
    let (last, others) = asking.split_last().unwrap();
    others.iter().for_each(JoinHandle::abort);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(mitto.in_flight().0, 1);
    last.abort();
    gone(0).await;
    // And the next one begins anew.
    mitto.release(1);
    assert_eq!(answers(vec![ask(&api, &question)]).await[0].status, 204);
    assert_eq!(mitto.asked(), [("key".to_owned(), 2)].into());
}

#[tokio::test]
async fn two_secrets_and_two_accounts_are_two_checks() {
    let mitto = Mitto::start().await;
    let api = api_of_mitto(&mitto).await;
    let of_another = {
        let mut request: Request<_> = request("POST", VALIDATE, question_about("key-a"));
        let token = format!("Bearer {OTHER_TOKEN}").parse().unwrap();
        request.headers_mut().insert("authorization", token);
        let api = api.clone();
        tokio::spawn(async move { send(&api, request).await })
    };
    let asking = vec![
        ask(&api, &question_about("key-a")),
        ask(&api, &question_about("key-b")),
        ask(&api, &question_about("key-A")),
        ask(&api, &question_about("wrong")),
        of_another,
    ];
    mitto.release(5);
    let statuses: Vec<u16> =
        answers(asking).await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [204, 204, 204, 400, 204]);
    let asked = [("key-A", 1), ("key-a", 2), ("key-b", 1), ("wrong", 1)];
    assert_eq!(mitto.asked(), asked.map(|(key, times)| (key.to_owned(), times)).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_thousand_at_once_none_gets_the_answer_of_another() {
    const CHECKS: usize = 2000;
    let mitto = Mitto::start().await;
    let api = api_of_mitto(&mitto).await;
    mitto.release(CHECKS);
    // Each twice, half of them wrong.
    let key = |number: usize| {
        let number = number / 2;
        if number.is_multiple_of(2) { format!("key-{number}") } else { format!("wrong-{number}") }
    };
    let asking = (0..CHECKS).map(|number| ask(&api, &question_about(&key(number)))).collect();
    for (number, answer) in answers(asking).await.into_iter().enumerate() {
        let expected = if key(number).starts_with("key") { 204 } else { 400 };
        assert_eq!(answer.status, expected, "{number}");
    }
    assert_eq!(mitto.asked().len(), CHECKS / 2);
}

#[tokio::test]
async fn a_panic_is_the_answer_of_all_who_wait_and_of_nobody_after_them() {
    let api = api("").await;
    let asking = (0..10).map(|_| ask(&api, &fake("panics-with-secret"))).collect();
    for answer in answers(asking).await {
        let code = answer.error(500)["errors"][0]["code"].clone();
        assert_eq!(code, Value::from("internal"));
    }
    assert_eq!(answers(vec![ask(&api, &fake("valid"))]).await[0].status, 204);
}
