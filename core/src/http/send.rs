//! The way of a request to its response, retries included.

use std::mem::take;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::error::RequestError;
use super::request::{Parts, Request};
use super::response::Response;
use super::retry;
use crate::context::Context;
use crate::failure::Failure;

impl Request<'_> {
    /// Sends the request and reads the response, whatever its status.
    ///
    /// Sends it again, twice at most and while there is time, where that can change the response: after a connection
    /// that failed at once or broke off before the response began, after a 502, 503 or 504, and after a 429 that asks for a second
    /// at most. Each of these tries has a connection of its own.
    ///
    /// Fails with `provider_unavailable` when the provider cannot be reached or breaks off, and with
    /// `unexpected_response` when what comes back is not HTTP, or longer than
    /// [`max_response_bytes`](Self::max_response_bytes). Redirects are not followed.
    pub async fn send(self) -> Result<Response, Failure> {
        // Boxed, so that the futures of providers stay small however often they ask.
        Box::pin(self.send_with_retries()).await
    }

    async fn send_with_retries(self) -> Result<Response, Failure> {
        let Self { context, parts } = self;
        let parts = parts?;
        // Yield once, so that concurrent requests are written in batches.
        yield_now().await;
        let mut retries = 0;
        loop {
            let (result, wait) = match parts.send_once(context, retries > 0).await {
                Ok(response) => {
                    let wait = retry::wait_after(&response);
                    (Ok(response), wait)
                }
                Err(RequestError { failure, is_retryable }) => {
                    (Err(failure), is_retryable.then_some(Duration::ZERO))
                }
            };
            let Some(wait) = wait.filter(|_| retries < retry::MAX_RETRIES) else { return result };
            let pause = wait.max(retry::backoff(retries));
            if pause > context.time_left() / 2 {
                return result;
            }
            sleep(pause).await;
            retries += 1;
        }
    }
}

impl Parts<'_> {
    async fn send_once(&self, context: &Context, is_retry: bool) -> Result<Response, RequestError> {
        // Of an earlier response, which led to nothing.
        context.record_status(0);
        let fail = |failure| RequestError { failure, is_retryable: false };
        let url = self.url.to_url().map_err(fail)?;
        let client = context.environment().http().get(url.scheme(), is_retry);
        let mut request = reqwest::Request::new(self.method.clone(), url);
        let headers = request.headers_mut();
        headers.reserve(self.headers.len());
        for (name, value) in &self.headers {
            // Of a header that is set twice, the last value is sent.
            headers.insert(name.clone(), value.clone());
        }
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        } else if self.method == Method::POST {
            // RFC 9110, section 8.6: some servers refuse a POST without a length.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let response = client.execute(request).await;
        let mut response = response.map_err(|error| RequestError::of_send(&error))?;
        let (status, headers) = (response.status(), take(response.headers_mut()));
        context.record_status(status.as_u16());
        let body = reqwest::Body::from(response);
        let body = Limited::new(body, self.max_response_bytes).collect().await;
        let body = body.map_err(|error| RequestError::of_body(error.as_ref()))?.to_bytes();
        Ok(Response::new(status, headers, body))
    }
}
