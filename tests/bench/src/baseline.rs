//! The baseline: the same service as people write it by hand, with axum, reqwest and lettre, one `match`, nothing checked,
//! nothing guarded.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Result;

#[derive(Deserialize)]
struct Request {
    provider_id: String,
    settings: Value,
}

#[derive(Deserialize)]
struct Scopes {
    scopes: Vec<String>,
}

struct Service {
    client: reqwest::Client,
    upstream: String,
    certificate: Option<Certificate>,
}

type Answer = (StatusCode, Json<Value>);

/// Serves for ever, on the runtime that `#[tokio::main]` makes.
pub(crate) fn run(upstream: &str, certificate: Option<&str>) -> Result<()> {
    let certificate = match certificate {
        Some(file) => Some(Certificate::from_pem(&std::fs::read(file)?)?),
        None => None,
    };
    let client = reqwest::Client::builder().build()?;
    let service = Service { client, upstream: upstream.to_owned(), certificate };
    serve(
        Router::new()
            .route("/healthz", get(async || "ok"))
            .route("/v1/hood/integrations/validate", post(validate))
            .with_state(Arc::new(service)),
    )
}

/// An answer that costs nothing to find: what axum alone can do.
pub(crate) fn run_static() -> Result<()> {
    serve(
        Router::new()
            .route("/healthz", get(async || "ok"))
            .route("/v1/hood/integrations/validate", post(async || StatusCode::NO_CONTENT)),
    )
}

fn serve(router: Router) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, router).await?;
        Ok(())
    })
}

async fn validate(
    State(service): State<Arc<Service>>,
    Json(request): Json<Request>,
) -> Result<StatusCode, Answer> {
    let setting = |name: &str| request.settings[name].as_str().unwrap_or_default();
    match request.provider_id.as_str() {
        "1001" => mail(&service, setting).await,
        "1003" => sendgrid(&service, setting("api_key")).await,
        _ => Err(refusal(StatusCode::BAD_REQUEST, "unknown provider")),
    }
}

async fn sendgrid(service: &Service, api_key: &str) -> Result<StatusCode, Answer> {
    let request =
        service.client.get(format!("{}/v3/scopes", service.upstream)).bearer_auth(api_key);
    let answer = request.send().await.map_err(no_verdict)?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        return Err(refusal(StatusCode::BAD_REQUEST, "the key is wrong"));
    }
    let scopes: Scopes = answer.json().await.map_err(no_verdict)?;
    if scopes.scopes.iter().any(|scope| scope == "mail.send") {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(refusal(StatusCode::BAD_REQUEST, "the key may not send"))
    }
}

async fn mail<'a>(
    service: &Service,
    setting: impl Fn(&'static str) -> &'a str,
) -> Result<StatusCode, Answer> {
    let host = setting("sending_domain");
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(certificate) = &service.certificate {
        parameters = parameters
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate.clone());
    }
    let parameters = parameters.build_rustls().map_err(no_verdict)?;
    let transport: AsyncSmtpTransport<Tokio1Executor> =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(setting("port").parse().map_err(no_verdict)?)
            .tls(Tls::Required(parameters))
            .credentials(Credentials::new(setting("username").into(), setting("password").into()))
            .build();
    match transport.test_connection().await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(refusal(StatusCode::BAD_REQUEST, "the server refuses")),
        Err(error) => Err(no_verdict(error)),
    }
}

fn refusal(status: StatusCode, message: &str) -> Answer {
    (status, Json(json!({ "message": message })))
}

fn no_verdict(error: impl std::fmt::Display) -> Answer {
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "message": error.to_string() })))
}
