//! What an engineer does at a serial console: logs in without a password and has to set one, types and pastes configurations, wrong
//! ones too, and leaves. On a real terminal, as the user that mgmtd knows by its id, against the real mgmtd.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::process::Process;
use ravelin_tests::pty::Pty;
use ravelin_tests::site::CONFIGURATION;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const FACTORY: &str = include_str!("../../image/root/usr/share/ravelin/factory-default.conf");
const PASSWORD: &str = "Backhaul-2026";
const LIMIT: Duration = Duration::from_secs(30);
const PROMPT: &str = r"[a-z]+@[^ ]*> ";

struct Node {
    folder: PathBuf,
    _mgmtd: Process,
}

impl Node {
    /// Its folder is one that other users may pass.
    fn start(name: &str) -> Self {
        let folder = format!("ravelin-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("run/mgmtd")).unwrap();
        for open in [folder.clone(), folder.join("run")] {
            fs::set_permissions(open, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(folder.join("factory.conf"), FACTORY).unwrap();
        // Users other than root reach no home folder of root's.
        fs::copy(program("ravelin"), folder.join("ravelin")).unwrap();
        let mut mgmtd = Command::new(program("ravelin-mgmtd"));
        mgmtd.arg("--run-dir").arg(folder.join("run"));
        mgmtd.arg("--config").arg(folder.join("ravelin.conf"));
        mgmtd.arg("--factory").arg(folder.join("factory.conf"));
        let mut mgmtd = Process::start("mgmtd", &folder, &mut mgmtd).unwrap();
        ravelin_tests::wait::wait_until("mgmtd's host.json", LIMIT, || {
            mgmtd.check()?;
            Ok(folder.join("host.json").exists().then_some(()))
        })
        .unwrap();
        Self {
            folder,
            _mgmtd: mgmtd,
        }
    }

    fn uid(&self, name: &str) -> u64 {
        let text = fs::read(self.folder.join("host.json")).unwrap();
        let host: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let users = host["users"].as_array().unwrap();
        let user = users.iter().find(|u| u["name"] == name).unwrap();
        user["uid"].as_u64().unwrap()
    }

    /// Logs `user` in: the CLI is the shell. Root's group stands for that of the operators, which owns the socket.
    fn login(&self, user: &str) -> Pty {
        let mut shell = Command::new("setpriv");
        let uid = self.uid(user);
        shell.args([
            "--reuid",
            &uid.to_string(),
            "--regid",
            "0",
            "--clear-groups",
        ]);
        shell.args(["env", &format!("USER={user}")]);
        shell.arg(self.folder.join("ravelin"));
        shell.arg("--run-dir").arg(self.folder.join("run"));
        Pty::start(user, &shell, &self.folder.join("transcript.log")).unwrap()
    }

    fn stored(&self) -> String {
        fs::read_to_string(self.folder.join("ravelin.conf")).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

fn program(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let folders = exe.ancestors().skip(1).take(2);
    folders.map(|f| f.join(name)).find(|p| p.exists()).unwrap()
}

/// Types a text behind `command` and ends it with `^D`.
fn load(pty: &mut Pty, command: &str, text: &str) -> String {
    let console = pty.console();
    console.skip();
    console.send_line(command).unwrap();
    console
        .expect(r"\[Type \^D at a new line to end input[^\n]*\n", LIMIT)
        .unwrap();
    console.paste(text, LIMIT).unwrap();
    console.send("\x04").unwrap();
    let end = console.expect(&format!(r"^(?:{PROMPT})\z"), LIMIT).unwrap();
    end.before
}

#[test]
fn a_password_comes_first_and_then_a_configuration() {
    let node = Node::start("first-login");
    let mut pty = node.login("admin");
    first_password(&mut pty);
    assert!(node.stored().contains("encrypted-password \"$6$rounds="));
    nowhere(&node.folder, PASSWORD);

    // A configuration that is wrong in its 2nd line changes nothing.
    let wrong = load(
        &mut pty,
        "request system configuration load terminal",
        "system {\n    hostname gw1;\n}\n",
    );
    assert!(
        wrong.contains("terminal:2:5: [system] unknown statement `hostname`"),
        "{wrong}"
    );
    // One that is given up changes nothing, and the session goes on.
    let console = pty.console();
    console.set_prompt(PROMPT);
    console
        .send_line("request system configuration load terminal")
        .unwrap();
    console.expect("Type", LIMIT).unwrap();
    console.send("system { host-name gw9; }\rsyst\x03").unwrap();
    console
        .expect("load given up: nothing is changed", LIMIT)
        .unwrap();
    console.expect(&format!(r"^(?:{PROMPT})\z"), LIMIT).unwrap();
    // ^C, ^Z and ^\ at the prompt end nothing either.
    console.send("\x1a\x1c\x03").unwrap();
    let again = format!(r"\n(?:{PROMPT})\z");
    console.expect(&again, LIMIT).unwrap();
    let version = console.command("show version", LIMIT).unwrap();
    assert!(
        version.contains("Ravelin: ") && version.contains("Hostname: -"),
        "{version}"
    );
    assert!(!node.stored().contains("gw9"));

    // The whole of a site, as it is pasted from an editor.
    let loaded = load(
        &mut pty,
        "request system configuration load terminal",
        CONFIGURATION,
    );
    assert!(loaded.contains("load complete, generation"), "{loaded}");
    assert!(
        loaded.contains("the text has no users: those that there are stay"),
        "{loaded}"
    );
    assert!(node.stored().contains("host-name secgw;"));
    let more = "set system login user rita class read-only\nset system host-name gw2\n";
    let merged = load(
        &mut pty,
        "request system configuration load merge terminal",
        more,
    );
    assert!(merged.contains("load complete"), "{merged}");
    let console = pty.console();
    let shown = console
        .command("show configuration | no-more", LIMIT)
        .unwrap();
    assert!(
        shown.contains("host-name gw2;") && shown.contains("user rita"),
        "{shown}"
    );
    assert!(
        !shown.contains("backhaul-secret") && !shown.contains("$6$"),
        "{shown}"
    );
    let secrets = "show configuration | display set | display secrets | match ascii-text";
    let secrets = console.command(secrets, LIMIT).unwrap();
    assert!(secrets.contains("backhaul-secret"), "{secrets}");
    // Whatever is not yes is no.
    let request = node.folder.join("run/mgmtd/power");
    for (answer, said) in [("y", ""), ("yes", "the system restarts now")] {
        assert!(!request.exists());
        console.send_line("request system reboot").unwrap();
        console.expect(r"\[yes,no\] \(no\) \z", LIMIT).unwrap();
        let told = console.command(answer, LIMIT).unwrap();
        assert!(told.contains(said), "{answer}: {told}");
    }
    assert_eq!(fs::read_to_string(request).unwrap(), "reboot");
}

fn first_password(pty: &mut Pty) {
    let console = pty.console();
    console
        .expect("User admin has no password yet", LIMIT)
        .unwrap();
    console.expect(r"New password: \z", LIMIT).unwrap();
    // From here on the first of the two is typed ahead of its prompt.
    for (first, second, said) in [
        ("short", None, "It is too short"),
        ("my-admin-name", None, "too easy to guess"),
        (PASSWORD, Some("Backhaul-2027"), "The two are not the same"),
        (PASSWORD, Some(PASSWORD), "The password is set and stored"),
    ] {
        console.send_line(first).unwrap();
        if let Some(second) = second {
            console.expect(r"Retype new password: \z", LIMIT).unwrap();
            console.send_line(second).unwrap();
        }
        console.expect(said, LIMIT).unwrap();
    }
    console.expect(&format!(r"^(?:{PROMPT})\z"), LIMIT).unwrap();
    assert!(!console.text().contains(PASSWORD), "the password was shown");
}

/// No file of the node holds `text`: no log, no transcript, no configuration.
fn nowhere(folder: &Path, text: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let octets = fs::read(&path).unwrap_or_default();
        let found = octets.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(!found, "{} holds the password", path.display());
    }
}

#[test]
fn who_gives_no_password_gets_no_prompt_and_a_class_binds() {
    let node = Node::start("classes");
    let mut pty = node.login("admin");
    let console = pty.console();
    console.expect(r"New password: \z", LIMIT).unwrap();
    console.send("\x03").unwrap();
    assert!(pty.wait(LIMIT).unwrap().success());
    assert!(!pty.console().text().contains("> "), "there was a prompt");

    let mut pty = node.login("admin");
    first_password(&mut pty);
    let users = "set system login user rita class read-only\n\
                 set system login user rita authentication ssh-ed25519 \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 rita\"\n";
    let merged = load(
        &mut pty,
        "request system configuration load merge terminal",
        users,
    );
    assert!(merged.contains("load complete"), "{merged}");
    pty.console().send_line("exit").unwrap();
    assert!(pty.wait(LIMIT).unwrap().success());

    let mut pty = node.login("rita");
    let console = pty.console();
    console.expect(&format!(r"^(?:{PROMPT})\z"), LIMIT).unwrap();
    console.set_prompt(PROMPT);
    for command in [
        "start shell",
        "start shell user root",
        "show configuration | display secrets",
        "clear security ike security-associations",
        "request system configuration load file /etc/hostname",
    ] {
        let said = console.command(command, LIMIT).unwrap();
        assert!(
            said.contains("permission denied: this takes class"),
            "{command}: {said}"
        );
    }
    let shown = console
        .command("show configuration | no-more", LIMIT)
        .unwrap();
    assert!(shown.contains("user rita"), "{shown}");
}
