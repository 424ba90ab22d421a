//! Whose request it is: the bearer token and the account behind it.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::api::error::ApiError;
use crate::config::Account;

/// Every account that may ask.
pub(crate) struct Accounts(Vec<Account>);

impl Accounts {
    pub(crate) fn new(accounts: Vec<Account>) -> Self {
        Self(accounts)
    }

    /// The account whose token the request bears.
    ///
    /// Digests are compared, all of them and in constant time, so how long it takes tells nothing.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<&Account, ApiError> {
        let token = bearer_token(headers).ok_or_else(|| {
            ApiError::unauthorized("The request needs a token: send `Authorization: Bearer TOKEN`.")
        })?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut found = u64::MAX;
        for (index, account) in (0_u64..).zip(&self.0) {
            found.conditional_assign(&index, account.token_sha256.ct_eq(&digest));
        }
        usize::try_from(found)
            .ok()
            .and_then(|index| self.0.get(index))
            .ok_or_else(|| ApiError::unauthorized("The token is not one of any account."))
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}
