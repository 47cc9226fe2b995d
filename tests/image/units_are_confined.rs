//! The appliance's units: systemd finds no fault with them, none is exposed more than its ceiling, and each daemon keeps what its
//! unit promises. Judged by systemd's own tools over a tree made of the distribution's units and `image/root`; nothing is started.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const UNITS: &str = "usr/lib/systemd/system";
const DAEMONS: [&str; 4] = ["netd", "planed", "iked", "mgmtd"];

/// Highest exposure of each unit, in tenths, as `systemd-analyze security` counts it (10.0 is bare root). Lower it when a unit gets
/// tighter; a unit that needs more has to say so here.
const CEILINGS: &[(&str, u32)] = &[
    ("ravelin-netd.service", 18),
    ("ravelin-planed.service", 20),
    ("ravelin-iked.service", 19),
    ("ravelin-mgmtd.service", 15),
    ("ravelin-ssh-keys.service", 20),
    // Packet and netlink sockets, and processes that change their user.
    ("frr.service", 50),
];

/// A tree with the distribution's units, ours over them, and a program for each `ExecStart`.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        let root = tree.path();
        fs::create_dir_all(root.join(UNITS)).unwrap();
        copy(Path::new("/").join(UNITS).as_path(), &root.join(UNITS));
        copy(&image_root(), root);
        for program in programs(&root.join(UNITS)) {
            let file = root.join(program.trim_start_matches('/'));
            if !file.exists() {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, "").unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        tree
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn analyze(&self, arguments: &[&str]) -> Output {
        let root = format!("--root={}", self.path().display());
        let mut command = Command::new("systemd-analyze");
        command.arg(root).args(arguments).output().unwrap()
    }
}

fn image_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/root")
}

fn copy(from: &Path, to: &Path) {
    let from = format!("{}/.", from.display());
    let copied = Command::new("cp").args(["-a", &from]).arg(to).status();
    assert!(copied.unwrap().success(), "{from}");
}

/// Our own unit files of this kind.
fn own(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(image_root().join(UNITS)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(kind)).collect();
    names.sort();
    names
}

/// Programs that the services of a folder start.
fn programs(folder: &Path) -> Vec<String> {
    let texts = own(".service")
        .into_iter()
        .map(|name| fs::read_to_string(folder.join(name)).unwrap());
    let mut found = vec![];
    for text in texts {
        for line in text.lines().filter(|line| line.starts_with("Exec")) {
            let (_, command) = line.split_once('=').unwrap();
            let program = command.split_whitespace().next().unwrap();
            found.push(
                program
                    .trim_start_matches(['-', '+', '!', '@', ':'])
                    .to_owned(),
            );
        }
    }
    found
}

fn text(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|octets| String::from_utf8_lossy(octets));
    both.concat()
}

#[test]
fn systemd_finds_no_fault() {
    let tree = Tree::new();
    for unit in [".service", ".target", ".mount", ".path", ".timer"]
        .iter()
        .flat_map(|kind| own(kind))
    {
        let output = tree.analyze(&["verify", "--man=no", "--recursive-errors=no", &unit]);
        let faults = text(&output);
        let ours: Vec<&str> = faults
            .lines()
            .filter(|line| line.contains("ravelin"))
            .collect();
        assert!(
            output.status.success() && ours.is_empty(),
            "{unit}: {faults}"
        );
    }
}

#[test]
fn exposure_stays_below_its_ceiling() {
    let tree = Tree::new();
    for (unit, ceiling) in CEILINGS {
        let threshold = format!("--threshold={ceiling}");
        let output = tree.analyze(&["security", "--offline=yes", &threshold, unit]);
        let report = text(&output);
        let verdict = report.lines().last().unwrap_or_default();
        assert!(
            output.status.success(),
            "{unit}, at most {ceiling}: {verdict}\n{report}"
        );
    }
}

#[test]
fn the_ceiling_can_be_missed() {
    let tree = Tree::new();
    let bare = "[Service]\nExecStart=/usr/sbin/ravelin-netd\n";
    fs::write(tree.path().join(UNITS).join("ravelin-netd.service"), bare).unwrap();
    let output = tree.analyze(&[
        "security",
        "--offline=yes",
        "--threshold=18",
        "ravelin-netd.service",
    ]);
    assert!(!output.status.success(), "{}", text(&output));
}

#[test]
fn every_daemon_is_confined_and_never_given_up() {
    for daemon in DAEMONS {
        let path = image_root()
            .join(UNITS)
            .join(format!("ravelin-{daemon}.service"));
        let unit = fs::read_to_string(path).unwrap();
        for wanted in [
            &format!("User=ravelin-{daemon}"),
            "Group=ravelin",
            "Type=notify",
            "Restart=always",
            "StartLimitIntervalSec=0",
            "LimitCORE=0",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "MemoryDenyWriteExecute=yes",
        ] {
            assert!(
                unit.lines().any(|line| line == wanted),
                "{daemon}: {wanted}"
            );
        }
        let watched = unit.lines().any(|line| line.starts_with("WatchdogSec="));
        assert!(watched, "{daemon}: no watchdog");
    }
}

#[test]
fn no_unit_of_ours_keeps_the_box_from_its_prompt() {
    for unit in [".service", ".mount", ".target"]
        .iter()
        .flat_map(|kind| own(kind))
    {
        let text = fs::read_to_string(image_root().join(UNITS).join(&unit)).unwrap();
        for line in text.lines() {
            let fatal = [
                "OnFailure=",
                "Requires=",
                "Requisite=",
                "BindsTo=",
                "FailureAction=",
            ];
            assert!(
                !fatal.iter().any(|word| line.starts_with(word)),
                "{unit}: {line}"
            );
        }
    }
}

#[test]
fn users_have_the_numbers_that_the_data_partition_knows() {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("etc")).unwrap();
    let root = format!("--root={}", tree.path().display());
    let list = image_root().join("usr/lib/sysusers.d/ravelin.conf");
    let made = Command::new("systemd-sysusers")
        .arg(root)
        .arg(list)
        .status();
    assert!(made.unwrap().success());
    let passwd = fs::read_to_string(tree.path().join("etc/passwd")).unwrap();
    for (number, daemon) in (601..).zip(DAEMONS) {
        let start = format!("ravelin-{daemon}:x:{number}:600:");
        assert!(
            passwd.lines().any(|line| line.starts_with(&start)),
            "{start}\n{passwd}"
        );
    }
    let group = fs::read_to_string(tree.path().join("etc/group")).unwrap();
    for line in [
        "ravelin:x:600:",
        "ravelin-cli:x:605:",
        "ravelin-shell:x:606:",
    ] {
        assert!(group.lines().any(|found| found == line), "{line}\n{group}");
    }
}
