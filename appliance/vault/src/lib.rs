//! Vault.
#![forbid(unsafe_code)]
