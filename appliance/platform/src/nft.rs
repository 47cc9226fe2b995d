//! The kernel's packet filter, through nft(8). The rules themselves belong to the daemons.

use std::io::Write;
use std::process::{Command, Stdio};

/// nft is missing, or refused a script: its words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Refused(error.to_string())
    }
}

/// Applies a script as one transaction.
///
/// # Errors
/// nft's.
pub fn apply(script: &str) -> Result<(), Refused> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Refused(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

/// Whether there is such a table; `family` as nft spells it.
pub fn has_table(family: &str, table: &str) -> bool {
    let listed = Command::new("nft")
        .args(["list", "table", family, table])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    listed.is_ok_and(|status| status.success())
}
