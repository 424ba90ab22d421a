//! The kit, run on providers that do things wrong: each case can fail, and says what to do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bonafide_core::field::{ApiKey, HostName, Password, Port, Text};
use bonafide_core::{
    BaseUrl, Cause, Context, Descriptor, Destination, ExposeSecret as _, Failure, Field, Outcome,
    Provider, ProviderType, ProviderValidator, async_trait, register_provider,
};
use bonafide_testkit::cases::*;
use bonafide_testkit::{Act, Faulty, Logs, block_on, check, environment_at, exchange, play};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

const API: Destination =
    Destination::BuiltIn(&[BaseUrl { key: "base_url", url: "https://api.example.com" }]);

/// A provider of the tests. `$ask` is its check.
macro_rules! provider {
    ($name:ident, $settings:ty, $exchanges:expr, $ask:expr) => {
        provider!($name, $settings, $exchanges, $ask, "9001", "careless", API);
    };
    ($name:ident, $settings:ty, $exchanges:expr, $ask:expr, $id:expr, $provider:expr, $to:expr) => {
        struct $name;

        #[async_trait]
        impl Provider for $name {
            type Settings = $settings;

            const DESCRIPTOR: Descriptor = Descriptor {
                id: $id,
                name: $provider,
                provider_type: ProviderType::Sms,
                title: "Careless",
                destination: $to,
                requests: &[],
                exchanges: $exchanges,
            };

            async fn validate(
                &self,
                context: &Context,
                settings: &$settings,
            ) -> Result<Outcome, Failure> {
                ($ask)(context, settings).await
            }
        }
    };
}

/// Settings.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Settings {
    /// Found under "Keys".
    #[schemars(title = "API key")]
    api_key: ApiKey,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct OpenSettings {
    api_key: String,
}

const EXCHANGES: &str = r#"[
  {"name": "works", "title": "Works", "source": "inferred: for the test",
   "settings": {"api_key": "careless-key-works"},
   "dialogue": [{"request": {"method": "GET", "path": "/v1/me", "bearer": "{api_key}"}, "answer": {"status": 200}}],
   "verdict": {}},
  {"name": "refused", "title": "Refused", "source": "inferred: for the test",
   "settings": {"api_key": "careless-key-refused"},
   "dialogue": [{"request": {"method": "GET", "path": "/v1/me"}, "answer": {"status": 401}}],
   "verdict": {"cause": "invalid_credentials", "pointer": "/settings/api_key"}}
]"#;

/// Judges by the status alone.
async fn by_status(context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
    let answer = context.get(&["v1", "me"]).bearer(&settings.api_key).send().await?;
    match answer.status() {
        200 | 302 => Ok(Outcome::valid()),
        _ => Err(Failure::invalid_credentials("api_key")),
    }
}

provider!(Careless, Settings, EXCHANGES, by_status);
register_provider!(Careless);

provider!(Talkative, Settings, EXCHANGES, async |context, settings: &Settings| {
    tracing::trace!(key = settings.api_key.expose_secret(), "asking");
    by_status(context, settings).await
});

provider!(Refusing, Settings, EXCHANGES, async |context, settings| {
    by_status(context, settings).await.map_err(|_| Failure::invalid_credentials("api_key"))
});

provider!(Hasty, Settings, EXCHANGES, async |_, _| Err::<Outcome, _>(
    Failure::provider_unavailable()
));

provider!(Blocking, Settings, EXCHANGES, async |_, _| {
    std::thread::sleep(std::time::Duration::from_millis(3500));
    Ok::<_, Failure>(Outcome::valid())
});

provider!(
    Open,
    OpenSettings,
    EXCHANGES,
    async |_, settings: &OpenSettings| {
        Ok::<_, Failure>(Outcome::valid().with_data(json!({"key": settings.api_key})))
    },
    "ten",
    "Open",
    Destination::BuiltIn(&[BaseUrl { key: "base_url", url: "http://api.example.com/" }])
);

provider!(
    Undocumented,
    Settings,
    r#"[
      {"name": "Bad name", "title": "", "source": "somewhere",
       "settings": {"api_key": "undocumented-key"},
       "dialogue": [
         {"region": "eu", "request": {"method": "PUT", "path": "v1", "bearer": "{token}"}, "answer": {"status": 200}}
       ],
       "verdict": {"cause": "no_such_cause", "pointer": "/settings/token"}},
      {"name": "alone", "title": "Nobody is asked", "source": "inferred: for the test",
       "settings": {"api_key": "undocumented-key"}, "verdict": {"warnings": ["no_such_warning"]}},
      {"name": "refused_here", "title": "Refused before", "source": "inferred: for the test",
       "settings": {"key": "undocumented-key"},
       "dialogue": [{"request": {"method": "GET", "path": "/"}, "answer": {"status": 200}}],
       "verdict": {"cause": "invalid_settings"}}
    ]"#,
    by_status
);

provider!(
    DeadStep,
    Settings,
    r#"[
      {"name": "works", "title": "Works", "source": "inferred: for the test",
       "settings": {"api_key": "careless-key-works"},
       "dialogue": [
         {"request": {"method": "GET", "path": "/v1/me"}, "answer": {"status": 200}},
         {"request": {"method": "GET", "path": "/v1/you"}, "answer": {"status": 200}}
       ],
       "verdict": {}},
      {"name": "shadowed", "title": "Answered by the one above", "source": "inferred: for the test",
       "settings": {"api_key": "careless-key-shadowed"},
       "dialogue": [{"request": {"method": "GET", "path": "/v1/me"}, "answer": {"status": 401}}],
       "verdict": {"cause": "invalid_credentials", "pointer": "/settings/api_key"}}
    ]"#,
    by_status
);

/// Settings that name a host.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct MailSettings {
    /// The server.
    #[schemars(title = "Host")]
    host: HostName,
    /// Its port.
    #[schemars(title = "Port")]
    port: Port,
    /// Who sends.
    #[schemars(title = "User name")]
    username: Text,
    /// The password of the user.
    #[schemars(title = "Password")]
    password: Password,
}

const MAIL_EXCHANGES: &str = r#"[
  {"name": "works", "title": "Works", "source": "inferred: for the test",
   "settings": {"host": "mail.example.com", "port": "587", "username": "ada", "password": "careless-password"},
   "smtp": {}, "verdict": {}},
  {"name": "refused", "title": "Refused", "source": "inferred: for the test",
   "settings": {"host": "mail.example.com", "port": "587", "username": "ada", "password": "another-password"},
   "smtp": {"greeting": "554 no", "auth": "535 5.7.8 No"},
   "verdict": {"cause": "invalid_credentials", "pointer": "/settings/password"}}
]"#;

/// Believes whatever comes after `STARTTLS`, and does without TLS where none is offered.
async fn in_clear(context: &Context, settings: &MailSettings) -> Result<Outcome, Failure> {
    let broken = |_| Failure::provider_unavailable();
    let host = Field::new("host", settings.host.as_str());
    let port = Field::new("port", settings.port.number());
    let mut stream = BufReader::new(context.dial(host, port).await?);
    let mut line = String::new();
    stream.read_line(&mut line).await.map_err(broken)?;
    stream.write_all(b"EHLO me\r\n").await.map_err(broken)?;
    let mut reply = String::new();
    while !line.starts_with("250 ") {
        line.clear();
        stream.read_line(&mut line).await.map_err(broken)?;
        reply.push_str(&line);
    }
    let pair = format!("\0{}\0{}", settings.username.as_str(), settings.password.expose_secret());
    let next = if reply.contains("STARTTLS") {
        "STARTTLS\r\n".to_owned()
    } else {
        format!("AUTH PLAIN {}\r\n", BASE64.encode(pair))
    };
    stream.write_all(next.as_bytes()).await.map_err(broken)?;
    loop {
        line.clear();
        stream.read_line(&mut line).await.map_err(broken)?;
        match line.get(..1) {
            Some("2") if !line.starts_with("235") => {}
            Some("2") => return Ok(Outcome::valid()),
            _ => return Err(Failure::invalid_credentials("password")),
        }
    }
}

provider!(
    Clear,
    MailSettings,
    MAIL_EXCHANGES,
    in_clear,
    "9002",
    "clear",
    Destination::NamedBySettings
);
provider!(
    Shrugging,
    MailSettings,
    MAIL_EXCHANGES,
    async |_, _| Err::<Outcome, _>(Failure::invalid_credentials("password")),
    "9003",
    "shrugging",
    Destination::NamedBySettings
);

/// Asserts that a case fails and says each of these.
#[track_caller]
fn fails(result: Result<(), String>, words: &[&str]) {
    let text = result.err().unwrap_or_default();
    assert!(!text.is_empty(), "the case must fail");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn registration() {
    assert_eq!(the_provider_is_registered_once(&Careless, "bonafide-testkit"), Ok(()));
    fails(
        the_provider_is_registered_once(&Careless, "bonafide-other"),
        &["not by `bonafide-other`"],
    );
    fails(the_provider_is_registered_once(&Open, "bonafide-testkit"), &["register_provider!"]);
}

#[test]
fn descriptors_and_schemas() {
    assert_eq!(the_descriptor_is_well_formed(&Careless), Ok(()));
    assert_eq!(the_schema_is_well_formed(&Careless), Ok(()));
    fails(
        the_descriptor_is_well_formed(&Open),
        &["the id `ten`", "the name `Open`", "no `https://` URL", "no slash at the end"],
    );
    fails(
        the_schema_is_well_formed(&Open),
        &["has no title", "has no description", "a secret by its name"],
    );
    // Inside of a file there is no directory, so nothing can be written whatever insta is told.
    let nowhere = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    fails(
        the_schema_is_the_one_in_the_snapshot(&Careless, nowhere),
        &["careless.snap", "INSTA_UPDATE=always"],
    );
}

#[test]
fn exchanges_and_their_verdicts() {
    assert_eq!(the_exchanges_are_well_formed(&Careless), Ok(()));
    assert_eq!(each_exchange_leads_to_its_verdict_alone(&Careless), Ok(()));
    assert_eq!(each_exchange_leads_to_its_verdict_among_all(&Careless), Ok(()));
    fails(
        the_exchanges_are_well_formed(&Undocumented),
        &[
            "lower-case words",
            "the title is empty",
            "neither an `https://` URL",
            "`no_such_cause`",
            "`no_such_warning`",
            "`/settings/token` leads to no field",
            "`region` is not the key",
            "neither `GET` nor `POST`",
            "does not begin with `/`",
            "`{token}` names no field",
            "nobody is asked",
            "refused before the provider is asked",
            "no exchange leads to a pass",
            "no exchange shows refused credentials",
        ],
    );
    fails(
        each_exchange_leads_to_its_verdict_alone(&DeadStep),
        &["exchange `works`: step 2 never comes up"],
    );
    fails(
        each_exchange_leads_to_its_verdict_among_all(&DeadStep),
        &["exchange `shadowed` documents `invalid_credentials`", "another exchange answers"],
    );
    fails(
        each_exchange_leads_to_its_verdict_alone(&Hasty),
        &["exchange `works` documents a pass, but the check says `provider_unavailable`"],
    );
}

#[test]
fn secrets() {
    assert_eq!(no_text_holds_a_secret(&Careless), Ok(()));
    fails(no_text_holds_a_secret(&Talkative), &["`api_key`", "the logs, on a line of `kit"]);
    assert_eq!(unknown_missing_and_mistyped_fields_are_named(&Careless), Ok(()));
}

#[test]
fn misbehaviour() {
    assert_eq!(a_provider_that_is_down_is_no_rejection(&Careless), Ok(()));
    fails(a_provider_that_is_down_is_no_rejection(&Refusing), &["must be `provider_unavailable`"]);
    assert_eq!(a_silent_peer_is_waited_for_until_the_deadline(&Careless), Ok(()));
    fails(
        a_silent_peer_is_waited_for_until_the_deadline(&Hasty),
        &["accepts and is silent must end in `provider_timeout`", "in the middle of its answer"],
    );
    fails(a_redirect_is_not_followed(&Careless), &["status 302 must be `unexpected_response`"]);
    fails(
        a_foreign_answer_is_no_verdict(&Careless),
        &[
            "HTML page with status 200",
            "status 401",
            "status 403",
            "status 502",
            "empty answer",
            "problem+json",
        ],
    );
}

#[test]
fn hosts_that_settings_name() {
    assert_eq!(settings_cannot_name_our_own_network(&Clear), Ok(()));
    fails(
        settings_cannot_name_our_own_network(&Shrugging),
        &["`localhost` must be `destination_forbidden`", "`[::1]`", "`169.254.169.254`"],
    );
    fails(
        credentials_are_not_sent_in_clear(&Clear),
        &["sent in clear to a server that offers no STARTTLS", "must be `connection_failed`"],
    );
    fails(what_is_said_before_tls_does_not_count(&Clear), &["slipped in before TLS"]);
    assert_eq!(what_is_said_before_tls_does_not_count(&Shrugging), Ok(()));
    assert_eq!(a_provider_that_is_down_is_no_rejection(&Clear), Ok(()));
    fails(a_provider_that_is_down_is_no_rejection(&Shrugging), &["must be `connection_failed`"]);
    assert_eq!(a_silent_peer_is_waited_for_until_the_deadline(&Clear), Ok(()));
    fails(
        each_exchange_leads_to_its_verdict_alone(&Shrugging),
        &["exchange `refused`: `smtp.greeting` never comes up", "`smtp.auth`", "the server never"],
    );
    assert_eq!(a_redirect_is_not_followed(&Clear), Ok(()));
    assert_eq!(a_foreign_answer_is_no_verdict(&Clear), Ok(()));
}

#[test]
fn a_check_that_blocks_its_thread() {
    fails(a_silent_peer_is_waited_for_until_the_deadline(&Blocking), &["held the check for"]);
}

#[test]
fn the_helpers_serve_tests_of_a_provider_s_own() {
    let logs = Logs::capture();
    block_on(async {
        let mut documented = exchange(&Careless, "refused")?;
        documented.dialogue[0].answer.status = 200;
        let played = play(&Careless, &documented).await?;
        assert_eq!(played.result, Ok(Outcome::valid()));
        assert_eq!(
            played.emulator.requests()[0].header_names.iter().find(|name| *name == "cookie"),
            None
        );

        let server = Faulty::start([Act::Read, Act::say("HTTP/1.1 404 Gone\r\n\r\n")]).await;
        let environment = environment_at(&Careless, server.address())?;
        let result = check(&Careless, &environment, json!({"api_key": "some-key"})).await;
        assert!(
            matches!(&result, Err(failure) if failure.cause().http_status() == 400),
            "{result:?}"
        );
        let result = check(&Careless, &environment, json!("some-key")).await;
        assert!(matches!(&result, Err(failure) if failure.cause() == Cause::Internal));
        Ok::<_, String>(())
    })
    .unwrap();
    assert!(logs.text().contains("the emulator answers"));
    assert!(exchange(&Careless, "none").is_err());
    let validator: &dyn ProviderValidator = &Careless;
    assert_eq!(validator.descriptor().id, "9001");
}
