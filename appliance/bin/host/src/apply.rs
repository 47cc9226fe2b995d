//! `ravelin-host apply`: makes true what the configuration wants of the operating system: its name, its users, `fxp0`.
//!
//! It runs at boot, before people may log in, and whenever mgmtd has written `host.json`. `/etc` and `/home` are made afresh at each
//! boot, so everything is written whole, and a second run changes nothing. Whatever fails is noted for `show` and the rest is done:
//! a fault in one user must not keep the others out. Without a readable `host.json` the factory's settings apply.

mod issue;
mod network;
mod sessions;
mod users;

use crate::consoles;
use crate::error::Error;
use crate::files;
use crate::root::Root;
use ravelin_ctl::host::APPLIED_FILE;
use ravelin_ctl::host::wanted::{
    Applied, Class, FILE_NAME, FIRST_UID, HostConfig, Management, Password, User, VERSION,
};
use std::fs;
use std::io;
use std::process::Command;

/// Where mgmtd leaves what it wants.
const CONFIG_FOLDER: &str = "/data/config";
/// Where the outcome goes.
const RUN_FOLDER: &str = "/run/ravelin";
/// The node's name without a configured one.
const HOST_NAME: &str = "ravelin";

/// Applies it.
///
/// # Errors
/// [`Error::Unexpected`] for an argument; everything else is noted and told on the consoles.
pub fn run(root: &Root, arguments: &[String]) -> Result<(), Error> {
    if let Some(argument) = arguments.first() {
        return Err(Error::Unexpected(argument.clone()));
    }
    let mut faults = Vec::new();
    let config = wanted(root, &mut faults);
    host_name(root, config.host_name.as_deref(), &mut faults);
    users::apply(root, &config.users, &mut faults);
    sessions::end_of_strangers(root, &config.users);
    network::apply(root, &config.management, &mut faults);
    issue::apply(root, &config, &mut faults);
    let applied = Applied {
        faults: faults.clone(),
    };
    let outcome = root.path(RUN_FOLDER).join(APPLIED_FILE);
    note(files::replace_json(&outcome, &applied, 0o644), &mut faults);
    if !faults.is_empty() {
        faults.iter().for_each(|fault| log::error!("{fault}"));
        consoles::report(root, &faults);
    }
    Ok(())
}

/// What `host.json` says, or else the factory's settings.
fn wanted(root: &Root, faults: &mut Vec<String>) -> HostConfig {
    let path = root.path(CONFIG_FOLDER).join(FILE_NAME);
    let text = match fs::read(&path) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) => {
            // mgmtd has not written it: it says why itself.
            if error.kind() != io::ErrorKind::NotFound {
                faults.push(Error::file("read", &path, error).to_string());
            }
            return factory();
        }
    };
    match serde_json::from_slice::<HostConfig>(&text) {
        Ok(config) if config.version == VERSION => config,
        Ok(config) => {
            let other = config.version;
            faults.push(format!("{}: version {other}", path.display()));
            factory()
        }
        Err(source) => {
            faults.push(Error::Contents { path, source }.to_string());
            factory()
        }
    }
}

/// As of the factory: a user for the consoles, and an address by DHCP.
fn factory() -> HostConfig {
    HostConfig {
        users: vec![User {
            name: "admin".to_owned(),
            uid: FIRST_UID,
            full_name: None,
            class: Class::SuperUser,
            password: Password::Unset,
            keys: Vec::new(),
        }],
        management: Management {
            dhcp: true,
            dhcp_ipv6: true,
            ..Management::default()
        },
        ..HostConfig::default()
    }
}

fn host_name(root: &Root, name: Option<&str>, faults: &mut Vec<String>) {
    let name = name.unwrap_or(HOST_NAME);
    let short = name.split('.').next().unwrap_or(name);
    let hosts = format!(
        "127.0.0.1 localhost\n127.0.1.1 {name} {short}\n::1 localhost ip6-localhost ip6-loopback\n"
    );
    let line = format!("{name}\n");
    note(change(root, "/etc/hostname", &line).map(drop), faults);
    note(change(root, "/etc/hosts", &hosts).map(drop), faults);
    let kernel = root.path("/proc/sys/kernel/hostname");
    let told = fs::write(&kernel, line).map_err(|e| Error::file("write", &kernel, e));
    note(told, faults);
}

/// Makes `text` the content of a file that all may read; whether it was another.
fn change(root: &Root, path: &str, text: &str) -> Result<bool, Error> {
    let path = root.path(path);
    if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(false);
    }
    files::replace(&path, text.as_bytes(), 0o644).map(|()| true)
}

fn note(done: Result<(), Error>, faults: &mut Vec<String>) {
    faults.extend(done.err().map(|error| error.to_string()));
}

/// Runs a program of the system, with its words in the error; on a recorded tree there is none to run.
pub(crate) fn tool(root: &Root, program: &str, arguments: &[&str]) -> Result<(), Error> {
    if !root.is_live() {
        return Ok(());
    }
    let failed = |reason: String| Error::Command {
        command: format!("{program} {}", arguments.join(" ")),
        reason,
    };
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(failed(words.trim().to_owned()))
}

#[cfg(test)]
mod tests;
