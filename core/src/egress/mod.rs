//! The guard on everything that leaves: which addresses may be dialled, HTTP and raw TCP alike.

pub(crate) mod base_url;
pub(crate) mod guard;
pub(crate) mod http_client;
pub(crate) mod local_fault;
pub(crate) mod policy;
pub(crate) mod resolver;
mod special_purpose;

pub use self::policy::{Forbidden, MAIL_PORTS, Policy};
pub use self::resolver::NameResolver;
