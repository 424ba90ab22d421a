//! What the cases find wrong with what a provider does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bonafide_core::{Context, Destination, ExposeSecret as _, Failure, Outcome};
use bonafide_testkit::ProviderUnderTest;
use bonafide_testkit::cases::*;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

type Case = fn(&ProviderUnderTest<'_>) -> Result<(), String>;

/// The cases that play a group of faults.
const GROUPS: [Case; 14] = [
    a_provider_that_is_down_is_no_rejection,
    a_certificate_that_does_not_hold_is_no_rejection,
    a_silent_peer_is_waited_for_until_the_deadline,
    another_protocol_is_no_verdict,
    an_endless_answer_is_cut_off,
    a_body_of_another_kind_is_no_pass,
    a_foreign_page_is_no_verdict,
    foreign_json_is_no_verdict,
    a_redirect_is_not_followed,
    a_status_alone_is_no_verdict,
    an_error_of_the_server_is_no_rejection,
    a_limit_is_told_as_one,
    an_echo_of_the_credentials_is_not_passed_on,
    what_is_unusual_is_no_fault,
];

provider!(Telling, Settings, INTERACTIONS, async |_, settings: &Settings| {
    let key = settings.api_key.expose_secret();
    Ok::<_, Failure>(Outcome::valid().with_data(json!({"key": key})))
});

/// Whether the first check has blocked its thread.
static BLOCKED: AtomicBool = AtomicBool::new(false);

provider!(Blocking, Settings, INTERACTIONS, async |context, settings| {
    if !BLOCKED.swap(true, Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(3600));
    }
    by_status(context, settings).await
});

// Takes a slow answer for a refusal.
provider!(Impatient, Settings, INTERACTIONS, async |context: &Context, settings: &Settings| {
    let asking = timeout(Duration::from_millis(30), by_status(context, settings));
    asking.await.unwrap_or(Err(Failure::invalid_credentials("api_key")))
});

/// Dials the built-in host by itself, and asks for what nobody allows.
#[expect(clippy::disallowed_methods, reason = "this is what the case is to find")]
async fn around_the_guard(context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
    // A provider that knows its hosts needs no such detour.
    let shown = format!("{context:?}");
    let port = shown.split_once("port: Some(").and_then(|(_, rest)| rest.split_once(')'));
    let port = port.and_then(|(port, _)| port.parse::<u16>().ok()).unwrap_or_default();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await {
        let _ = stream.write_all(b"DELETE /v1/me HTTP/1.1\r\nhost: api\r\n\r\n").await;
        let _ = timeout(Duration::from_millis(100), stream.readable()).await;
    }
    by_status(context, settings).await
}
provider!(Rogue, Settings, INTERACTIONS, around_the_guard);

/// Logs in, and begins a message.
async fn begins_a_message(context: &Context, settings: &MailSettings) -> Result<Outcome, Failure> {
    let broken = |_| Failure::provider_unavailable();
    let host = Field::new("host", settings.host.as_str());
    let mut stream = context.dial(host, Field::new("port", settings.port.number())).await?;
    let commands = b"EHLO me\r\nMAIL FROM:<ada@example.com>\r\nQUIT\r\n";
    stream.write_all(commands).await.map_err(broken)?;
    let mut replies = String::new();
    let _ = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut replies).await;
    Ok(Outcome::valid())
}
provider!(
    Sending,
    MailSettings,
    MAIL_INTERACTIONS,
    begins_a_message,
    "9004",
    "sending",
    Destination::UserSupplied
);

provider!(Spawning, Settings, INTERACTIONS, async |context: &Context, settings: &Settings| {
    let waiting = tokio::spawn(std::future::pending::<()>());
    let outcome = by_status(context, settings).await;
    waiting.abort();
    outcome
});

/// Is content with a greeting, and leaves a task behind where it does not hear one.
async fn lingers(context: &Context, settings: &MailSettings) -> Result<Outcome, Failure> {
    let waiting = tokio::spawn(std::future::pending::<()>());
    let host = Field::new("host", settings.host.as_str());
    let stream = context.dial(host, Field::new("port", settings.port.number())).await?;
    let mut greeting = String::new();
    let heard = BufReader::new(stream).read_line(&mut greeting).await;
    waiting.abort();
    heard.map(|_| Outcome::valid()).map_err(|_| Failure::provider_unavailable())
}
provider!(
    Lingering,
    MailSettings,
    MAIL_INTERACTIONS,
    lingers,
    "9005",
    "lingering",
    Destination::UserSupplied
);

provider!(Leaking, Settings, INTERACTIONS, async |context: &Context, settings: &Settings| {
    let context: &'static Context = Box::leak(Box::new(context.clone()));
    let request = context.get(["v1", "me"]).bearer_auth(&settings.api_key);
    let response = Box::leak(Box::new(Box::pin(request.send()))).await?;
    match response.status() {
        200 => Ok(Outcome::valid()),
        _ => Err(Failure::invalid_credentials("api_key")),
    }
});

/// Whether a check is under way, as far as its provider knows.
static BUSY: AtomicBool = AtomicBool::new(false);

provider!(Busy, Settings, INTERACTIONS, async |context: &Context, settings: &Settings| {
    if BUSY.swap(true, Ordering::Relaxed) {
        return Err(Failure::internal("one check at a time"));
    }
    let outcome = by_status(context, settings).await;
    BUSY.store(false, Ordering::Relaxed);
    outcome
});

/// The key that was checked last.
static LAST: Mutex<String> = Mutex::new(String::new());

provider!(Mixing, Settings, INTERACTIONS, async |context: &Context, settings: &Settings| {
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    settings.api_key.expose_secret().clone_into(&mut *last());
    let _ = by_status(context, settings).await?;
    // As far as this provider knows, the answer is the one to that key.
    if last().ends_with("works") {
        Ok(Outcome::valid())
    } else {
        Err(Failure::invalid_credentials("api_key"))
    }
});

#[test]
fn secrets() {
    assert_eq!(no_verdict_holds_a_secret(&subject(&Careless)), Ok(()));
    fails(
        no_verdict_holds_a_secret(&subject(&Telling)),
        &["interaction `works`: the value of `api_key` stands as it is in the data of the outcome"],
    );
    assert_eq!(no_log_line_holds_a_secret(&subject(&Careless)), Ok(()));
    fails(
        no_log_line_holds_a_secret(&subject(&Talkative)),
        &["`api_key`", "the logs, on a line of `kit", "expose it only where it is sent"],
    );
}

#[test]
fn requests_that_nobody_allows() {
    assert_eq!(only_harmless_requests_are_sent(&subject(&Careless)), Ok(()));
    fails(
        only_harmless_requests_are_sent(&subject(&Rogue)),
        &["interaction `works`: a DELETE was sent that the descriptor does not allow"],
    );
    fails(
        only_harmless_requests_are_sent(&subject(&Sending)),
        &["interaction `works`: the server was told `MAIL`: end the dialogue after the login"],
    );
}

#[test]
fn the_policy() {
    assert_eq!(what_the_policy_forbids_is_not_dialled(&Careless), Ok(()));
    assert_eq!(what_the_policy_forbids_is_not_dialled(&Clear), Ok(()));
    fails(
        what_the_policy_forbids_is_not_dialled(&Refusing),
        &["must be `provider_unavailable`, but the check says `invalid_credentials`"],
    );
    fails(
        what_the_policy_forbids_is_not_dialled(&Shrugging),
        &["must be `destination_forbidden`, but the check says `invalid_credentials`"],
    );
    fails(
        what_the_policy_forbids_is_not_dialled(&Rogue),
        &["was dialled 1 times: reach out through `Context::get`"],
    );
}

/// Each group, a provider that is wrong in it, a cell that is, and one that is not.
#[test]
fn each_group_of_faults_can_be_wrong() {
    let (careless, credulous) = (subject(&Careless), subject(&Credulous));
    let (refusing, hasty) = (subject(&Refusing), subject(&Hasty));
    let subjects: [(&ProviderUnderTest<'_>, &str, &str); GROUPS.len()] = [
        (&refusing, "refused`: the server does not listen", "provider_unavailable"),
        (&refusing, "tls_expired`: the server has a certificate", "provider_unavailable"),
        (&hasty, "silent`: the server accepts and is silent", "provider_timeout"),
        (&refusing, "not_http`: the server speaks another protocol", "unexpected_response"),
        (&refusing, "endless_body`: the server gives chunks without end", "unexpected_response"),
        (&careless, "200_array`: the server gives 200 and a JSON array", "unexpected_response"),
        (&careless, "401_html`: the server gives 401 and an HTML page", "unexpected_response"),
        (&careless, "403_problem_json`: the server gives 403 and a", "unexpected_response"),
        (&careless, "302_elsewhere`: the server gives 302 and a link", "unexpected_response"),
        (&credulous, "204_bare`: the server gives 204 without a body", "unexpected_response"),
        (&careless, "503_bare`: the server gives 503 without a body", "provider_unavailable"),
        (&careless, "429_seconds`: the server gives 429 with", "provider_rate_limited after 7 s"),
        (&careless, "400_echo`: the server gives 400 and the request", "unexpected_response"),
        (&hasty, "harmless_headers`: the server answers as documented, with", "valid"),
    ];
    for (case, (subject, cell, expected)) in GROUPS.into_iter().zip(subjects) {
        fails(
            case(subject),
            &[
                &format!(", cell `{cell}"),
                &format!(", which must be `{expected}`, but the check says "),
                "end with `Response::inconclusive` where there are none",
                "say so with `differs: { \"",
            ],
        );
    }
    // What the core decides for everybody is right with the worst of providers.
    for case in &GROUPS[..4] {
        assert_eq!(case(&careless), Ok(()));
    }
    let whole = the_verdict_matrix_holds(&careless);
    fails(
        whole.clone(),
        &[
            "careless: `a_foreign_page_is_no_verdict` says what is wrong in `200_html`, `400_html`, ",
            "careless: `a_limit_is_told_as_one` says what is wrong in `429_bare`, ",
            " wrong",
        ],
    );
    let cells = wrong_cells(whole);
    for cell in ["works", "refused", "reset_in_the_body", "tls_expired", "not_http"] {
        assert!(cells.iter().all(|wrong| wrong != cell), "{cell} is in {cells:?}");
    }
}

#[test]
fn a_group_looks_for_secrets_too() {
    fails(
        what_is_unusual_is_no_fault(&subject(&Talkative)),
        &["`api_key`", "the logs, on a line of `kit"],
    );
    fails(
        the_verdict_matrix_holds(&subject(&Talkative)),
        &["careless: `what_is_unusual_is_no_fault` says what is wrong"],
    );
}

#[test]
fn a_check_that_blocks_its_thread() {
    fails(
        a_silent_peer_is_waited_for_until_the_deadline(&subject(&Blocking)),
        &["and the check took ", "do not block the thread"],
    );
}

#[test]
fn the_groups_of_a_mail_server() {
    let shrugging = subject(&Shrugging);
    fails(
        a_provider_that_is_down_is_no_rejection(&shrugging),
        &[
            "shrugging, cell `refused`: the server does not listen, which must be `connection_failed at \
             /settings/port`, but the check says `invalid_credentials`",
            "`closed_at_auth`",
        ],
    );
    fails(
        a_certificate_that_does_not_hold_is_no_rejection(&shrugging),
        &[
            "shrugging, cell `starttls_expired`: the server has a certificate that has expired, which must be \
             `connection_failed at /settings/host`",
        ],
    );
    for (case, cell) in [
        (a_silent_peer_is_waited_for_until_the_deadline as Case, "silent_after_auth"),
        (another_protocol_is_no_verdict, "web_server"),
        (an_endless_answer_is_cut_off, "endless_line_to_auth"),
        (an_echo_of_the_credentials_is_not_passed_on, "echo_of_auth"),
        (what_is_unusual_is_no_fault, "harmless_bare_line_feeds"),
    ] {
        fails(case(&shrugging), &[&format!("shrugging, cell `{cell}`: the server ")]);
    }
}

#[test]
fn asking_again() {
    assert_eq!(an_outage_of_a_moment_does_not_stand_in_the_way(&Careless), Ok(()));
    fails(
        an_outage_of_a_moment_does_not_stand_in_the_way(&Hasty),
        &[
            "one 502 and then the documented answer: interaction `works` documents a pass, but the check",
        ],
    );
    fails(
        nothing_is_asked_more_often_than_it_may(&Insisting),
        &[
            "503 for ever was asked 12 times",
            "429 with a wait of 5 seconds was asked 4 times",
            "leave asking again to the core",
        ],
    );
    fails(
        nothing_is_asked_more_often_than_it_may(&Careless),
        &["500 for ever must be `provider_unavailable`, but the check says `invalid_credentials`"],
    );
    fails(
        the_pauses_between_requests_count_for_the_deadline(&Impatient),
        &["503 for ever must lead to no verdict, but the check says `invalid_credentials`"],
    );
    assert_eq!(a_rejection_is_final(&subject(&Careless)), Ok(()));
    fails(
        a_rejection_is_final(&subject(&Insisting)),
        &[
            "interaction `refused` ends in a rejection after 1 requests, but 4 were sent: ask nothing",
        ],
    );
}

#[test]
fn what_a_dropped_check_leaves_behind() {
    let dropped = |validator| a_check_that_is_dropped_leaves_nothing_behind(&subject(validator));
    assert_eq!(dropped(&Careless), Ok(()));
    fails(
        dropped(&Spawning),
        &[
            "interaction `works`, step 1: the check is dropped, and 1 of its tasks go on: spawn none",
        ],
    );
    fails(
        dropped(&Lingering),
        &[
            "interaction `works`, where the server never greets: the check is dropped, and 1 of its tasks",
        ],
    );
    fails(
        dropped(&Leaking),
        &["interaction `works`, step 1: the check is dropped, and its connection stays open"],
    );
    fails(
        dropped(&Busy),
        &[
            "interaction `works`, step 1: after a check that was dropped, the next one goes wrong: interaction `works` documents \
             a pass, but the check says `internal`",
            "keep nothing between checks",
        ],
    );
}

#[test]
fn checks_at_once() {
    let at_once = |validator| two_thousand_checks_at_once_do_not_mix_up(&subject(validator));
    assert_eq!(at_once(&Careless), Ok(()));
    fails(
        at_once(&Mixing),
        &[
            " alone, and to ",
            " of 2000 checks at once conclude something else than alone: keep nothing between checks",
        ],
    );
    fails(at_once(&Untold), &["there is nothing to mix up: document"]);
}
