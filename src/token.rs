//! Tokens: how they are made, and the digests that stand for them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// How many random bytes a token holds.
const BYTES: usize = 32;

/// A token that was just made. It is wiped when it is dropped, and kept nowhere else.
pub(crate) struct Token(Zeroizing<String>);

/// The system has no randomness, without which there is no token.
#[derive(Debug, thiserror::Error)]
#[error("no token can be made: the system gives no random bytes: {0}")]
pub(crate) struct NoRandomness(getrandom::Error);

impl Token {
    /// Makes a token of 32 random bytes, as text that may stand in a URL and in a header.
    pub(crate) fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(NoRandomness)?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// The token itself, to be shown once.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What the configuration keeps instead of the token.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// The digest of a token, by which it is recognised.
pub(crate) fn sha256(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}
