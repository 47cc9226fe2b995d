//! OpenSSH's client against the management interface of a booted appliance.
//!
//! It is told everything on its command line and reads no file of the machine that it runs on.

use super::Appliance;
use crate::{BenchError, Result};
use ravelin_qemu::Lab;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// For one session, in seconds: an emulated processor takes many for the exchange of keys.
const LIMIT_SECONDS: &str = "180";
/// Number of the management NIC, and sshd's port behind it.
const MANAGEMENT: (usize, u16) = (0, 22);

/// How somebody proves who they are.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// The private key in this file.
    Key(&'a Path),
    /// A password, which may be empty.
    Password(&'a str),
    /// Nothing at all.
    Nothing,
}

/// A pair of Ed25519 keys, made for one test.
#[derive(Debug)]
pub struct KeyPair {
    /// File of the private one.
    pub private: PathBuf,
    /// Line of the public one, as `authorized_keys` has it.
    pub public: String,
}

impl KeyPair {
    /// Makes one in the folder of the test's disks, which goes with the test.
    ///
    /// # Errors
    /// When ssh-keygen fails.
    pub fn new(lab: &Lab, name: &str) -> Result<Self> {
        let private = lab.disks().join(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
        let output = run(command.arg(&private))?;
        if !output.status.success() {
            return Err(BenchError::Command {
                command: "ssh-keygen".to_owned(),
                status: output.status.to_string(),
                output: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        let path = private.with_extension("pub");
        let public = fs::read_to_string(&path)
            .map_err(|e| BenchError::io(format!("read {}", path.display()), e))?;
        Ok(Self {
            private,
            public: public.trim().to_owned(),
        })
    }
}

/// Logs in as that user and runs one command. What it printed and its status tell how it went: 255 is a connection or a login that
/// was refused.
///
/// # Errors
/// When there is no client, or the machine is off.
pub fn session(
    gateway: &mut Appliance,
    lab: &Lab,
    user: &str,
    proof: Proof<'_>,
    command: &str,
) -> Result<Output> {
    run(client(gateway, lab, user, proof)?.arg(command))
}

/// Logs in as that user with a terminal and without a command, leaves by `exit` when something ends in `prompt`, and returns what was
/// shown.
///
/// # Errors
/// When there is no client, or the machine is off.
pub fn terminal(
    gateway: &mut Appliance,
    lab: &Lab,
    user: &str,
    proof: Proof<'_>,
    prompt: &str,
) -> Result<String> {
    let failed = |e| BenchError::io("run ssh", e);
    let mut ssh = client(gateway, lab, user, proof)?;
    ssh.arg("-tt").env("TERM", "vt100");
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut ssh = ssh.spawn().map_err(failed)?;
    let (mut shown, mut left) = (vec![], false);
    let mut octets = [0; 1024];
    if let (Some(mut input), Some(mut output)) = (ssh.stdin.take(), ssh.stdout.take()) {
        while let Ok(count @ 1..) = output.read(&mut octets) {
            shown.extend_from_slice(octets.get(..count).unwrap_or_default());
            if !left && String::from_utf8_lossy(&shown).contains(prompt) {
                left = true;
                input.write_all(b"exit\r").map_err(failed)?;
            }
        }
    }
    ssh.wait().map_err(failed)?;
    Ok(String::from_utf8_lossy(&shown).into_owned())
}

/// The client with all its options and without a command.
fn client(gateway: &mut Appliance, lab: &Lab, user: &str, proof: Proof<'_>) -> Result<Command> {
    let (nic, port) = MANAGEMENT;
    let port = gateway.guest().forwarded(nic, port)?.to_string();
    let mut ssh = Command::new("timeout");
    ssh.args([LIMIT_SECONDS, "ssh", "-F", "none", "-p", &port]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "NumberOfPasswordPrompts=1",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
    ] {
        ssh.args(["-o", option]);
    }
    let methods = match proof {
        Proof::Key(file) => {
            ssh.arg("-i").arg(file);
            "publickey"
        }
        Proof::Password(password) => {
            ssh.env("SSH_ASKPASS", answerer(lab, password)?);
            ssh.env("SSH_ASKPASS_REQUIRE", "force");
            "password,keyboard-interactive"
        }
        Proof::Nothing => "none",
    };
    ssh.args(["-o", &format!("PreferredAuthentications={methods}")]);
    ssh.arg(format!("{user}@127.0.0.1"));
    Ok(ssh)
}

/// A program that prints the password, as ssh wants it.
fn answerer(lab: &Lab, password: &str) -> Result<PathBuf> {
    let path = lab.disks().join("askpass");
    let text = format!("#!/bin/sh\nprintf '%s\\n' '{password}'\n");
    let written = fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o700)));
    written.map_err(|e| BenchError::io(format!("write {}", path.display()), e))?;
    Ok(path)
}

fn run(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|e| BenchError::io(format!("run {program}"), e))
}
