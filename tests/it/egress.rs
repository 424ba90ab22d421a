//! What leads a check elsewhere, and does not: a proxy of the surroundings, a redirect.

use bonafide_testkit::emulator::{Authority, Certificate};
use bonafide_testkit::{Faulty, ServerAction};
use serde_json::{Value, json};

use crate::cli::{bonafide, run};

const RECEIPT: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\
     {\"id\":\"1\",\"timestamp\":\"x\",\"responseCode\":0,\"textLength\":5,\"responseText\":\"SMS sent\",\"test\":true}";

fn mitto() -> String {
    json!({"name": "x", "provider_id": "1004", "settings": {"api_key": "key"}}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_of_the_surroundings_sees_nothing() {
    let authority = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let plain = [ServerAction::Read, ServerAction::say(RECEIPT)];
    let inside_tls =
        [ServerAction::Tls(Certificate::Trusted), ServerAction::Read, ServerAction::say(RECEIPT)];
    for (scheme, script) in [("http", plain.as_slice()), ("https", &inside_tls)] {
        let provider = Faulty::trusted_by(&authority, vec![script.to_vec()]).await;
        let proxy = Faulty::answering(502, &[], "").await;
        let mut command = bonafide(&["validate", "--format", "json"]);
        command.env("BONAFIDE_EGRESS__ALLOW", "127.0.0.0/8").env("BONAFIDE_EGRESS__EXTRA_CA", &ca);
        let base_url = format!("{scheme}://{}", provider.address());
        command.env("BONAFIDE_PROVIDERS__MITTO__BASE_URL", base_url);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, proxy.url().as_str());
            command.env(name.to_ascii_lowercase(), proxy.url().as_str());
        }
        let output = run(&mut command, &mitto());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["verdict"], "valid", "{report}");
        assert_eq!((provider.connections(), proxy.connections()), (1, 0), "{scheme}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_redirect_leads_nobody_comes() {
    for status in [300, 301, 302, 303, 307, 308] {
        let elsewhere = Faulty::start([ServerAction::Read, ServerAction::say(RECEIPT)]).await;
        let location = elsewhere.url();
        let provider = Faulty::answering(status, &[("location", location.as_str())], "").await;
        let mut command = bonafide(&["validate", "--format", "json"]);
        command.env("BONAFIDE_EGRESS__ALLOW", "127.0.0.0/8");
        command.env("BONAFIDE_PROVIDERS__MITTO__BASE_URL", provider.url().as_str());
        let output = run(&mut command, &mitto());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["errors"][0]["code"], "unexpected_response", "{status}: {report}");
        assert_eq!((provider.connections(), elsewhere.connections()), (1, 0), "{status}");
    }
}
