//! Ends what users do who are no longer configured.

use crate::root::Root;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ravelin_ctl::host::wanted::{FIRST_UID, UIDS, User};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Kills the processes of users that were configured once and are no more.
pub(super) fn end_of_strangers(root: &Root, users: &[User]) {
    if !root.is_live() {
        return;
    }
    let Ok(processes) = fs::read_dir(root.path("/proc")) else {
        return;
    };
    for process in processes.flatten() {
        let name = process.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<i32>().ok());
        let (Some(pid), Ok(about)) = (pid, process.metadata()) else {
            continue;
        };
        let uid = about.uid();
        let configured = users.iter().any(|user| user.uid == uid);
        if (FIRST_UID..FIRST_UID + UIDS).contains(&uid) && !configured {
            log::info!("process {pid} of former user {uid} is ended");
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
