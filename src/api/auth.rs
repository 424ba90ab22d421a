//! Whose request it is: the bearer token and the account behind it.

use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::api::error::ApiError;
use crate::config::Account;
use crate::token::sha256;

/// Every account that may ask.
pub(crate) struct Accounts(RwLock<Arc<[Account]>>);

impl Accounts {
    pub(crate) fn new(accounts: Vec<Account>) -> Self {
        Self(RwLock::new(accounts.into()))
    }

    /// Takes these accounts instead, all at once. Requests that were let in already are not asked again.
    pub(crate) fn replace(&self, accounts: Vec<Account>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = accounts.into();
    }

    /// The id of the account whose token the request bears.
    ///
    /// Digests are compared, all of them and in constant time, so how long it takes tells nothing. Neither does the
    /// refusal: whether there is no token, or one of no account, or something else, its words are the same.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<str>, ApiError> {
        let digest = sha256(bearer_token(headers).ok_or_else(ApiError::unauthorized)?);
        let accounts = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let mut found = u64::MAX;
        for (index, account) in (0_u64..).zip(accounts.iter()) {
            found.conditional_assign(&index, account.token_sha256.ct_eq(&digest));
        }
        let account = usize::try_from(found).ok().and_then(|index| accounts.get(index));
        account.map(|account| Arc::clone(&account.id)).ok_or_else(ApiError::unauthorized)
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}
