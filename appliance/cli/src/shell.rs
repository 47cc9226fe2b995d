//! `start shell`: a shell of the system, for administrators.

use crate::terminal::Terminal;
use crate::{CliError, Client};
use ravelin_ctl::host::wanted::Class;
use ravelin_ctl::operator::{Reply, Request};
use std::process::Command;

const SHELL: &str = "/bin/bash";

/// Runs it, as the user or as root, until it ends. sudo judges by the user's groups as well.
pub(crate) fn start(client: &Client, terminal: &Terminal, root: bool) -> Result<(), CliError> {
    match client.ask(Request::Session) {
        Ok(Reply::Session(session)) if session.class < Class::SuperUser => {
            let line = "permission denied: this takes class super-user".to_owned();
            return Err(CliError::Refused(vec![line]));
        }
        Ok(Reply::Failed(lines)) => return Err(CliError::Refused(lines)),
        Ok(_) => {}
        // A shell may be what brings mgmtd back; sudo knows the groups of who asks.
        Err(error) => eprintln!("error: {error}"),
    }
    let mut command = if root {
        let mut command = Command::new("sudo");
        command.args(["-n", "--", SHELL, "-l"]);
        command
    } else {
        let mut command = Command::new(SHELL);
        command.arg("-l");
        command
    };
    command.env("SHELL", SHELL);
    let status = terminal.lend(|| command.status());
    status.map(drop).map_err(|source| CliError::File {
        path: SHELL.into(),
        source,
    })
}
