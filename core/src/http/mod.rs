//! Guarded HTTP: a request that can only go to the provider's base URL, and the response to it.

mod error;
mod request;
mod response;
mod retry;
mod retry_after;
mod send;
mod url;

pub use self::request::Request;
pub use self::response::Response;
