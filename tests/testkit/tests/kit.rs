//! The kit, run on providers that do things wrong: each case can fail, and says what to do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bonafide_core::field::Field;
use bonafide_core::field::{ApiKey, HostName, Password, Port, Text};
use bonafide_core::{
    AllowedRequest, BaseUrl, Cause, Context, Descriptor, Destination, ExposeSecret as _, Failure,
    Outcome, Provider, ProviderType, ProviderValidator, Verdict, async_trait, register_provider,
};
use bonafide_testkit::cases::*;
use bonafide_testkit::{
    Faulty, Logs, ProviderUnderTest, ServerAction, block_on, check, environment_at, interaction,
    replay,
};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

const API: Destination = Destination::Fixed(&[BaseUrl::main("https://api.example.com")]);

/// A provider of the tests. `$ask` is its check.
macro_rules! provider {
    ($name:ident, $settings:ty, $interactions:expr, $ask:expr) => {
        provider!($name, $settings, $interactions, $ask, "9001", "careless", API);
    };
    ($name:ident, $settings:ty, $interactions:expr, $ask:expr, $id:expr, $provider:expr, $to:expr) => {
        struct $name;

        #[async_trait]
        impl Provider for $name {
            type Settings = $settings;

            const DESCRIPTOR: Descriptor = {
                let mut descriptor = Descriptor::new($id, $provider, ProviderType::Sms, "Careless")
                    .with_requests(&[
                        AllowedRequest::get("/v1/me", "reads the account"),
                        AllowedRequest::get("/v1/you", "reads the other account"),
                    ])
                    .with_interactions($interactions);
                descriptor.destination = $to;
                descriptor
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

// The macro is known below its definition alone, so the modules stand here.
#[path = "kit/behaviour.rs"]
mod behaviour;
#[macro_use]
#[path = "kit/descriptors.rs"]
mod descriptors;
#[path = "kit/interactions.rs"]
mod interactions;
#[path = "kit/settings.rs"]
mod settings;

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

const INTERACTIONS: &str = r#"[
  {"name": "works", "title": "Works", "source": "inferred: for the test",
   "settings": {"api_key": "careless-key-works"},
   "steps": [{"request": {"method": "GET", "path": "/v1/me", "bearer": "{api_key}"}, "response": {"status": 200}}],
   "expected": {}},
  {"name": "refused", "title": "Refused", "source": "inferred: for the test",
   "settings": {"api_key": "careless-key-refused"},
   "steps": [{"request": {"method": "GET", "path": "/v1/me"}, "response": {"status": 401}}],
   "expected": {"cause": "invalid_credentials", "pointer": "/settings/api_key"}}
]"#;

/// Judges by the status alone.
async fn by_status(context: &Context, settings: &Settings) -> Result<Outcome, Failure> {
    let response = context.get(["v1", "me"]).bearer_auth(&settings.api_key).send().await?;
    match response.status() {
        200 | 302 => Ok(Outcome::valid()),
        _ => Err(Failure::invalid_credentials("api_key")),
    }
}

provider!(Careless, Settings, INTERACTIONS, by_status);
register_provider!(Careless);

provider!(Talkative, Settings, INTERACTIONS, async |context, settings: &Settings| {
    tracing::trace!(key = settings.api_key.expose_secret(), "asking");
    by_status(context, settings).await
});

provider!(Credulous, Settings, INTERACTIONS, async |context: &Context, settings: &Settings| {
    let response = context.get(["v1", "me"]).bearer_auth(&settings.api_key).send().await?;
    match response.status() {
        401 => Err(Failure::invalid_credentials("api_key")),
        _ => Ok(Outcome::valid()),
    }
});

// Takes whatever comes for a yes.
provider!(Stamping, Settings, INTERACTIONS, async |context: &Context, settings: &Settings| {
    let _ = context.get(["v1", "me"]).bearer_auth(&settings.api_key).send().await;
    Ok::<_, Failure>(Outcome::valid())
});

// Asks until it hears what it wants to hear.
provider!(Insisting, Settings, INTERACTIONS, async |context: &Context, settings: &Settings| {
    for _ in 0..4 {
        let response = context.get(["v1", "me"]).bearer_auth(&settings.api_key).send().await?;
        if response.status() == 200 {
            return Ok(Outcome::valid());
        }
    }
    Err(Failure::invalid_credentials("api_key"))
});

provider!(Refusing, Settings, INTERACTIONS, async |context, settings| {
    by_status(context, settings).await.map_err(|_| Failure::invalid_credentials("api_key"))
});

provider!(Hasty, Settings, INTERACTIONS, async |_, _| Err::<Outcome, _>(
    Failure::provider_unavailable()
));

provider!(
    Open,
    OpenSettings,
    INTERACTIONS,
    async |_, settings: &OpenSettings| {
        Ok::<_, Failure>(Outcome::valid().with_data(json!({"key": settings.api_key})))
    },
    "ten",
    "Open",
    Destination::Fixed(&[BaseUrl::main("http://api.example.com/")])
);

provider!(
    Undocumented,
    Settings,
    r#"[
      {"name": "Bad name", "title": "", "source": "somewhere",
       "settings": {"api_key": "undocumented-key"},
       "steps": [
         {"base_url": "eu", "request": {"method": "PUT", "path": "v1", "bearer": "{token}"}, "response": {"status": 200}}
       ],
       "expected": {"cause": "no_such_cause", "pointer": "/settings/token"}},
      {"name": "alone", "title": "Nobody is asked", "source": "inferred: for the test",
       "settings": {"api_key": "undocumented-key"}, "expected": {"warnings": ["no_such_warning"]}},
      {"name": "refused_here", "title": "Refused before", "source": "inferred: for the test",
       "settings": {"key": "undocumented-key"},
       "steps": [{"request": {"method": "GET", "path": "/"}, "response": {"status": 200}}],
       "expected": {"cause": "invalid_settings"}}
    ]"#,
    by_status
);

provider!(
    DeadStep,
    Settings,
    r#"[
      {"name": "works", "title": "Works", "source": "inferred: for the test",
       "settings": {"api_key": "careless-key-works"},
       "steps": [
         {"request": {"method": "GET", "path": "/v1/me"}, "response": {"status": 200}},
         {"request": {"method": "GET", "path": "/v1/you"}, "response": {"status": 200}}
       ],
       "expected": {}},
      {"name": "shadowed", "title": "ResponseStub by the one above", "source": "inferred: for the test",
       "settings": {"api_key": "careless-key-shadowed"},
       "steps": [{"request": {"method": "GET", "path": "/v1/me"}, "response": {"status": 401}}],
       "expected": {"cause": "invalid_credentials", "pointer": "/settings/api_key"}}
    ]"#,
    by_status
);

const TWO_REQUESTS: &str = r#"[
  {"name": "works", "title": "Works", "source": "inferred: for the test",
   "settings": {"api_key": "careless-key-works"},
   "steps": [
     {"request": {"method": "GET", "path": "/v1/me"}, "response": {"status": 200}},
     {"request": {"method": "GET", "path": "/v1/you"}, "response": {"status": 200}}
   ],
   "expected": {}}
]"#;

provider!(Curious, Settings, TWO_REQUESTS, async |context: &Context, settings: &Settings| {
    let outcome = by_status(context, settings).await?;
    let second = context.get(["v1", "you"]).send();
    let _ = tokio::time::timeout(std::time::Duration::from_millis(100), second).await;
    Ok(outcome)
});

provider!(Choosy, Settings, TWO_REQUESTS, async |context: &Context, settings: &Settings| {
    let outcome = by_status(context, settings).await?;
    match context.get(["v1", "you"]).send().await?.status() {
        401 => Err(Failure::invalid_credentials("api_key")),
        _ => Ok(outcome),
    }
});

provider!(
    Untold,
    Settings,
    r#"[
      {"name": "works", "title": "Works", "source": "inferred: for the test",
       "settings": {"api_key": "careless-key-works"},
       "steps": [{"request": {"method": "GET", "path": "/v1/me"}, "response": {"status": 200}}],
       "expected": {}}
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

const MAIL_INTERACTIONS: &str = r#"[
  {"name": "works", "title": "Works", "source": "inferred: for the test",
   "settings": {"host": "mail.example.com", "port": "587", "username": "ada", "password": "careless-password"},
   "smtp": {}, "expected": {}},
  {"name": "refused", "title": "Refused", "source": "inferred: for the test",
   "settings": {"host": "mail.example.com", "port": "587", "username": "ada", "password": "another-password"},
   "smtp": {"greeting": "554 no", "auth": "535 5.7.8 No"},
   "expected": {"cause": "invalid_credentials", "pointer": "/settings/password"}}
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
    MAIL_INTERACTIONS,
    in_clear,
    "9002",
    "clear",
    Destination::UserSupplied
);
provider!(
    Shrugging,
    MailSettings,
    MAIL_INTERACTIONS,
    async |_, _| Err::<Outcome, _>(Failure::invalid_credentials("password")),
    "9003",
    "shrugging",
    Destination::UserSupplied
);

/// The provider, with nothing replayed of it.
fn subject(validator: &'static dyn ProviderValidator) -> ProviderUnderTest<'static> {
    ProviderUnderTest::new(validator, &[])
}

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

/// The cells that the matrix is wrong in.
fn wrong_cells(result: Result<(), String>) -> Vec<String> {
    let text = result.err().unwrap_or_default();
    let of_line = |line: &str| Some(line.split_once(" says what is wrong in ")?.1.replace('`', ""));
    let cells: Vec<String> = text.lines().filter_map(of_line).collect();
    cells.join(", ").split(", ").map(str::to_owned).collect()
}

#[test]
fn what_a_provider_says_of_the_matrix() {
    let differs = [
        ("401_html", "invalid_credentials at /settings/api_key"),
        ("403_html", "no_such_cause"),
        ("no_such_fault", "internal"),
        ("204_bare", "unexpected_response"),
    ];
    let subject = ProviderUnderTest::new(&Careless, &differs);
    let result = the_verdict_matrix_holds(&subject);
    fails(
        result.clone(),
        &[
            "`differs`, at `403_html`: `no_such_cause` is no verdict",
            "`differs` names `no_such_fault`, but no fault is called so",
            "`differs` gives `204_bare` the verdict that the table has for it",
        ],
    );
    let cells = wrong_cells(result);
    assert!(!cells.iter().any(|cell| cell == "401_html"), "{cells:?}");
    assert!(cells.iter().any(|cell| cell == "401_empty"), "{cells:?}");
}

#[test]
fn later_requests() {
    let later = |validator| a_later_request_that_goes_wrong_is_no_rejection(&subject(validator));
    assert_eq!(later(&Careless), Ok(()), "it asks once");
    assert_eq!(later(&Curious), Ok(()), "a pass whatever the second request says");
    fails(
        later(&Choosy),
        &[
            "interaction `works`, step 2, cell `401_html`: the server gives 401 and an HTML page, which must be \
             `unexpected_response`, or a pass where the request does not decide, but the check says \
             `invalid_credentials`",
            "so the request decides sometimes; those are",
        ],
    );
}

#[test]
fn false_positives() {
    assert_eq!(no_pass_is_a_false_positive(&Careless), Ok(()));
    fails(
        no_pass_is_a_false_positive(&Stamping),
        &["interaction `works` with a refusal as its decisive answer must not be valid"],
    );
    fails(no_pass_is_a_false_positive(&Untold), &["no interaction shows how one of its requests"]);
    assert_eq!(no_pass_is_a_false_positive(&Shrugging), Ok(()));
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
}

#[test]
fn the_helpers_serve_tests_of_a_provider_s_own() {
    let logs = Logs::capture();
    block_on(async {
        let mut documented = interaction(&Careless, "refused")?;
        documented.steps[0].response.status = 200;
        let replayed = replay(&Careless, &documented).await?;
        assert_eq!(replayed.result, Ok(Outcome::valid()));
        assert_eq!(
            replayed.emulator.requests()[0].header_names.iter().find(|name| *name == "cookie"),
            None
        );

        let server =
            Faulty::start([ServerAction::Read, ServerAction::say("HTTP/1.1 404 Gone\r\n\r\n")])
                .await;
        let environment = environment_at(&Careless, server.address())?;
        let result = check(&Careless, &environment, json!({"api_key": "some-key"})).await;
        assert!(
            matches!(&result, Err(failure) if failure.cause().verdict() == Verdict::Rejected),
            "{result:?}"
        );
        let result = check(&Careless, &environment, json!("some-key")).await;
        assert!(matches!(&result, Err(failure) if failure.cause() == Cause::Internal));
        Ok::<_, String>(())
    })
    .unwrap();
    assert!(logs.text().contains("the emulator answers"));
    assert!(interaction(&Careless, "none").is_err());
    let validator: &dyn ProviderValidator = &Careless;
    assert_eq!(validator.descriptor().id, "9001");
}
