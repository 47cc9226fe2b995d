//! Each daemon runs as its own user with the capabilities of its unit and no others: the tunnel works, returns from SIGKILLs with the
//! same SAs, and no user may speak for another.
//!
//! The users are those of `image/root/usr/lib/sysusers.d`, put over the bench's own in a mount namespace of the test's thread, which
//! everything that it starts inherits. Capabilities come from the units themselves.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Gid, Uid, chown};
use ravelin_tests::gateway::{DAEMONS, Gateway};
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const RETURN_LIMIT: Duration = Duration::from_secs(30);
const GROUP: u32 = 600;
const OPERATORS: u32 = 605;

fn image_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/root")
}

fn user(daemon: &str) -> u32 {
    let at = DAEMONS.iter().position(|name| *name == daemon).unwrap();
    601 + u32::try_from(at).unwrap()
}

/// Puts the appliance's users beside the bench's, for this thread and all that it starts.
fn add_users(folder: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    let etc = folder.join("etc");
    fs::create_dir(&etc).unwrap();
    for file in ["passwd", "group"] {
        fs::copy(Path::new("/etc").join(file), etc.join(file)).unwrap();
    }
    let made = Command::new("systemd-sysusers")
        .arg(format!("--root={}", folder.display()))
        .arg(image_root().join("usr/lib/sysusers.d/ravelin.conf"))
        .status();
    assert!(made.unwrap().success());
    for file in ["passwd", "group"] {
        let over = Path::new("/etc").join(file);
        mount(Some(&etc.join(file)), &over, none, MsFlags::MS_BIND, none).unwrap();
    }
}

/// The device of TAP and TUN with the mode that udev gives it on the appliance; the bench's host may be stricter.
fn open_tun(gateway: &Gateway) {
    let node = gateway.socket("tun");
    mknod(&node, SFlag::S_IFCHR, Mode::empty(), makedev(10, 200)).unwrap();
    fs::set_permissions(&node, fs::Permissions::from_mode(0o666)).unwrap();
    let none: Option<&str> = None;
    mount(Some(&node), "/dev/net/tun", none, MsFlags::MS_BIND, none).unwrap();
}

/// Becomes the daemon's user, with the groups and capabilities of its unit.
fn wrapper(daemon: &str) -> Vec<String> {
    let unit = image_root().join(format!("usr/lib/systemd/system/ravelin-{daemon}.service"));
    let unit = fs::read_to_string(unit).unwrap();
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key));
    let groups = match value("SupplementaryGroups=") {
        Some(name) => {
            assert_eq!(name, "ravelin-cli", "{daemon}");
            format!("--groups={OPERATORS}")
        }
        None => "--clear-groups".to_owned(),
    };
    let capabilities: Vec<String> = value("AmbientCapabilities=")
        .unwrap()
        .split_whitespace()
        .map(|name| format!("+{}", name.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    let capabilities = format!("-all,{}", capabilities.join(","));
    let words = [
        "setpriv",
        &format!("--reuid={}", user(daemon)),
        &format!("--regid={GROUP}"),
        &groups,
        &format!("--bounding-set={capabilities}"),
        &format!("--inh-caps={capabilities}"),
        &format!("--ambient-caps={capabilities}"),
        "--no-new-privs",
        "--",
    ];
    words.map(str::to_owned).to_vec()
}

/// The run directory as tmpfiles.d makes it, and the configuration for mgmtd alone.
fn own(gateway: &Gateway) {
    let run = gateway.socket("netd").parent().unwrap().to_owned();
    chown(&run, None, Some(Gid::from_raw(GROUP))).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o1771)).unwrap();
    let mgmtd = Some(Uid::from_raw(user("mgmtd")));
    for path in [
        gateway.folder().to_owned(),
        gateway.folder().join("ravelin.conf"),
    ] {
        chown(&path, mgmtd, None).unwrap();
    }
}

fn start(gateway: &mut Gateway, daemon: &str) {
    gateway
        .start_daemon_under(daemon, &wrapper(daemon))
        .unwrap();
}

fn returns(site: &Site, what: &str) {
    let crosses =
        || Ok((ping(&site.enb, V4.enb_inner, V4.core, 1, 56).unwrap_or(0) == 1).then_some(()));
    wait_until(what, RETURN_LIMIT, crosses).unwrap();
}

/// What a process of this user gets from mgmtd when it asks as an operator.
fn asks_as(gateway: &Gateway, uid: u32, group: u32) -> Result<String, String> {
    let question = gateway.cli_command("show system processes");
    let mut words = vec![question.get_program().to_owned()];
    words.extend(question.get_args().map(ToOwned::to_owned));
    // Into the namespace as root, then to the user: `ip netns exec NAME` are the first words.
    let (enter, program) = words.split_at(4);
    let output = Command::new(&enter[0])
        .args(&enter[1..])
        .args(["setpriv", "--clear-groups"])
        .args([format!("--reuid={uid}"), format!("--regid={group}")])
        .args(program)
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_main_job_needs_no_root() {
    let site = Site::new("own_users").unwrap();
    // It looks for the binaries, so before we leave the mount namespace that this program was started from.
    let mut gateway = Gateway::start_some(&site.gw, site.folder(), CONFIGURATION, &[]).unwrap();
    add_users(site.folder());
    own(&gateway);
    open_tun(&gateway);
    for daemon in DAEMONS {
        start(&mut gateway, daemon);
    }
    gateway.wait_ready().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    returns(&site, "the tunnel");
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 5, 56).unwrap(), 5);

    for daemon in DAEMONS {
        let pid = gateway.daemon(daemon).unwrap().pid();
        // A process that refuses to be dumped belongs to root in /proc; its user is in its status.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let uid = status
            .lines()
            .find(|line| line.starts_with("Uid:"))
            .unwrap();
        assert!(uid.contains(&user(daemon).to_string()), "{daemon}: {uid}");
    }
    for daemon in ["netd", "planed", "mgmtd"] {
        let socket = fs::metadata(gateway.socket(daemon)).unwrap();
        let group = if daemon == "mgmtd" { OPERATORS } else { GROUP };
        let found = (socket.uid(), socket.gid(), socket.mode() & 0o777);
        assert_eq!(found, (user(daemon), group, 0o660), "{daemon}.sock");
    }

    // Files that outlive a daemon belong to its next life.
    for daemon in ["iked", "planed", "mgmtd", "netd"] {
        gateway.daemon(daemon).unwrap().kill().unwrap();
        start(&mut gateway, daemon);
        returns(&site, &format!("the tunnel after the death of {daemon}"));
        gateway.wait_ready().unwrap();
    }
    assert_eq!(peer.established().unwrap(), 1);
    assert_eq!(peer.children().unwrap(), 1);

    // A daemon that was taken over orders nothing in an operator's name; who is in no group of ours reaches no socket.
    let refused = asks_as(&gateway, user("planed"), OPERATORS).unwrap_err();
    let log = || {
        Ok(gateway_log(&gateway)
            .contains("user 602 may not speak as ravelin")
            .then_some(()))
    };
    wait_until("mgmtd's word on the impostor", RETURN_LIMIT, log).unwrap();
    assert!(!refused.is_empty());
    let stranger = asks_as(&gateway, 65534, 65534).unwrap_err();
    assert!(stranger.contains("ermission denied"), "{stranger}");
}

fn gateway_log(gateway: &Gateway) -> String {
    fs::read_to_string(gateway.folder().join("mgmtd.log")).unwrap_or_default()
}
