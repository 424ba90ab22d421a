//! The HTTP API: its routes, and what their handlers share.

mod auth;
pub(crate) mod catalogue;
mod error;
mod metrics;
pub(crate) mod openapi;
mod rate_limit;
pub(crate) mod server;
mod trace;
mod validate;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router, middleware};
use futures_util::FutureExt as _;
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;

use self::auth::Accounts;
use self::error::ApiError;
pub(crate) use self::error::{TITLES, whole_seconds};
use self::metrics::Metrics;
use self::rate_limit::RateLimiter;
use crate::StartError;
use crate::check::Checks;
use crate::config::{Account, Config};

/// The largest body that is read, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// What the handlers share. Made once; cloning it shares it.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

struct Shared {
    checks: Checks,
    accounts: Accounts,
    rate_limiter: RateLimiter,
    metrics: Metrics,
    body_timeout: Duration,
    sandbox: bool,
    openapi: OnceLock<serde_json::Value>,
}

impl Api {
    pub(crate) async fn new(
        checks: Checks,
        config: &Config,
        sandbox: bool,
    ) -> Result<Self, StartError> {
        let rate_limiter = RateLimiter::new(&config.rate_limit).await?;
        let metrics = Metrics::new(&checks, &rate_limiter);
        let accounts = Accounts::new(config.accounts.clone());
        Ok(Self(Arc::new(Shared {
            checks,
            accounts,
            rate_limiter,
            metrics,
            body_timeout: config.limits.body_timeout,
            sandbox,
            openapi: OnceLock::new(),
        })))
    }

    /// How many connections of clients are open, for who opens them.
    pub(crate) fn connections(&self) -> Gauge {
        self.0.metrics.connections().clone()
    }

    /// Lets these accounts in from now on, and no others. What an account that stays has used up stays used up.
    pub(crate) fn replace_accounts(&self, accounts: Vec<Account>) {
        self.0.accounts.replace(accounts);
    }
}

/// Where checks are asked for.
const VALIDATE: &str = "/v1/hood/integrations/validate";
/// Where Prometheus asks.
const METRICS: &str = "/metrics";

/// A route: its path, its method in lower case, and who answers.
type Route = (&'static str, &'static str, fn() -> MethodRouter<Api>);

/// Every route there is. The OpenAPI document describes each of them, which a test keeps true.
pub(crate) const ROUTES: [Route; 8] = [
    (VALIDATE, "post", || post(validate::handle)),
    ("/v1/hood/providers", "get", || get(catalogue::list)),
    ("/v1/hood/providers/{id}", "get", || get(catalogue::one)),
    ("/v1/hood/providers/{id}/schema", "get", || get(catalogue::schema)),
    ("/openapi.json", "get", || get(openapi::show)),
    (METRICS, "get", || get(metrics::show)),
    ("/healthz", "get", || get(alive)),
    ("/readyz", "get", || get(alive)),
];

/// What a listener serves.
#[derive(Clone)]
pub(crate) struct Service {
    router: TowerToHyperService<Router>,
    /// Whom checks are asked of past the router. It knows that route too, and answers the same.
    checks: Option<Api>,
}

impl Service {
    /// Every route.
    pub(crate) fn of_all(api: Api) -> Self {
        Self { router: TowerToHyperService::new(router(api.clone())), checks: Some(api) }
    }

    /// The metrics alone, for whoever asks. Only for a listener that the operator chose.
    pub(crate) fn of_metrics(api: Api) -> Self {
        let router = Router::new().route(METRICS, get(metrics::show_to_anybody));
        Self { router: TowerToHyperService::new(answering(router, api)), checks: None }
    }

    pub(crate) fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response> {
        match &self.checks {
            Some(api) if request.method() == Method::POST && request.uri().path() == VALIDATE => {
                let check = |request, trace_id| validate::validate(api, request, trace_id);
                Either::Left(trace::trace(api, Some(VALIDATE), request, check))
            }
            _ => Either::Right(self.router.call(request).map(|answer| {
                let Ok(response) = answer;
                response
            })),
        }
    }
}

/// Every route, to be mounted.
pub(crate) fn router(api: Api) -> Router {
    let mut router = Router::new();
    for (path, _, answer) in ROUTES {
        router = router.route(path, answer());
    }
    answering(router, api)
}

/// These routes, and what every answer has.
fn answering(router: Router<Api>, api: Api) -> Router {
    router
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .fallback(async || ApiError::not_found("There is no such route."))
        .layer(middleware::from_fn_with_state(api.clone(), trace::trace_router))
        .with_state(api)
}

async fn alive() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// A JSON answer of a media type of its own.
fn json_as(media_type: &'static str, value: &serde_json::Value) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, media_type)], value.to_string()).into_response()
}
