//! Configurations that stop the start, and what is said about them.

use std::fmt::Write as _;

use crate::support::{MANIFEST, account, sha256};

async fn refusal(config: &str) -> String {
    bonafide::router(MANIFEST, config).await.expect_err(config).to_string()
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let mut said = String::new();
    for config in [
        "listen = \"localhost\"",
        "listen = 8080",
        "listne = \"127.0.0.1:1\"",
        "nonsense = 1",
        "[rate_limits]\nper_second = 1",
        "[rate_limit]\nper_second = -1",
        "[rate_limit]\nper_minute = \"many\"\nper_hour = 1",
        "rate_limit = 5",
        "[rate_limit]\nstore = \"rediss://user:hunter2@host\"",
        "[rate_limit]\nstore = \"hunter2\"",
        "[metrics]\nlisten = 9464\nlisen = \"\"",
        "[metrics]\nlisten = \"9464\"",
        "[limits]\nconnections = 0\nhead_bytes = 1023\nheaders = 9",
        "[limits]\nconnections = 1000001\nhead_bytes = 262145\nheaders = \"100\"",
        "[limits]\nhead_timeout = \"99ms\"\nbody_timeout = 30\nidle_timeout = \"1h\"",
        "[limits]\nhead_timout = \"1s\"\nbody_bytes = 1\nconnections.a = 1",
        "limits = 1",
        "[egress]\nallow = [\"10.0.0.0\"]",
        "[egress]\nallow = \"10.0.0.0/8\"\nports = [0]",
        "[egress]\nextra_ca = \"/nowhere/ca.pem\"",
        "[providers.twillio]\nbase_url = \"x\"",
        "[providers.nonsense]",
        "[providers.twilio]\nbase_uri = \"x\"\nbase_url = \"hunter2\"",
        "[providers.twilio]\nbase_url = \"http://127.0.0.1:1\"",
        "[providers.twilio]\nbase_url = \"https://user:hunter2@example.com\"",
        "[providers.twilio]\nimplicit_tls_ports = [465]",
        "[providers.smtp]\nbase_url = \"https://example.com\"\nimplicit_tls_ports = [\"x\"]",
        "[providers.mailgun]\ntimeout = \"50ms\"\neu_base_url = \"https://example.com/?a=1\"",
        "[providers.mailgun]\ntimeout = 15",
        "[providers.mailgun]\nmax_concurrent = -1\nmax_per_second = \"5\"\nmax_per_minute = 300",
        "[[accounts]]",
        "[[accounts]]\nid = \"a\"\ntoken_sha256 = \"hunter2\"\ntokn = 1",
        "[accounts]\nid = \"a\"",
        "accounts = [\"a\"]",
        "listen = \"hunter2",
        "listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"",
    ] {
        writeln!(said, "{}", config.escape_debug()).unwrap();
        for line in refusal(config).await.lines() {
            writeln!(said, "    {line}").unwrap();
            assert!(!line.contains("hunter2"), "{line}");
        }
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn accounts_must_differ() {
    let ids = refusal(&(account("a", "x") + &account("a", "y"))).await;
    assert!(ids.contains("`accounts[1].id` is the same as `accounts[0].id`"), "{ids}");
    let tokens = refusal(&(account("a", "x") + &account("b", "x"))).await;
    assert!(tokens.contains("`accounts[1].token_sha256` is the same"), "{tokens}");
    assert!(!tokens.contains(&sha256("x")));
}

#[tokio::test]
async fn every_key_is_taken() {
    let digest = sha256("x");
    let config = format!(
        r#"
        listen = "[::1]:0"
        [[accounts]]
        id = "a"
        token_sha256 = "{digest}"
        [limits]
        connections = 1
        head_bytes = 0x400
        headers = 10
        head_timeout = "100ms"
        body_timeout = "1m"
        idle_timeout = "5m"
        [metrics]
        listen = "[::1]:9464"
        [rate_limit]
        per_second = 0
        per_minute = 0x10
        store = "memory"
        [egress]
        allow = ["127.0.0.0/8", "::1/128"]
        ports = [587]
        [providers.twilio]
        base_url = "http://127.0.0.1:4010"
        timeout = "5m"
        [providers.mailgun]
        base_url = "https://api.example.com/prefix"
        eu_base_url = "https://api.eu.example.com"
        [providers.sendgrid]
        eu_base_url = "https://api.eu.example.com"
        [providers.smtp]
        implicit_tls_ports = [465, 8465]
        timeout = "100ms"
        max_concurrent = 0
        [providers.fake]
        max_concurrent = 10
        max_per_second = 0x10
        "#
    );
    let _router = bonafide::router(MANIFEST, &config).await.unwrap();
}
