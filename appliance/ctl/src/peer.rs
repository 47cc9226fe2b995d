//! Who may speak as whom: the process at the other end of a socket is known by its user, not by what it says of itself.
//!
//! Each daemon has a user of its own, named as its process is ([`Role::process_name`]). Root may speak as anyone, and so may our own
//! user: on a developer's machine and in tests all daemons are one user. Whom an operator's user may order what is not decided here.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::{User, geteuid};

use crate::hello::Role;

/// The roles with a user of their own.
const DAEMONS: [Role; 4] = [Role::Netd, Role::Planed, Role::Iked, Role::Mgmtd];

/// The user at the other end: of the process that connected, or that listened.
///
/// # Errors
/// The system's, for what is no Unix socket.
pub fn user(socket: &impl AsFd) -> io::Result<u32> {
    Ok(getsockopt(socket, PeerCredentials)?.uid())
}

/// Whether a process of user `uid` may speak as `role`.
pub fn may_speak(uid: u32, role: Role) -> bool {
    let named = |role: Role| {
        let user = User::from_name(role.process_name()).ok().flatten();
        user.map(|user| user.uid.as_raw())
    };
    decide(uid, geteuid().as_raw(), role, named)
}

fn decide(uid: u32, own: u32, role: Role, named: impl Fn(Role) -> Option<u32>) -> bool {
    if uid == 0 || uid == own {
        return true;
    }
    match role {
        // A daemon that was taken over must not order what only people may.
        Role::Operator => DAEMONS.iter().all(|daemon| named(*daemon) != Some(uid)),
        daemon => named(daemon) == Some(uid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 604;

    fn named(role: Role) -> Option<u32> {
        match role {
            Role::Netd => Some(601),
            Role::Planed => Some(602),
            Role::Iked => Some(603),
            Role::Mgmtd => Some(OWN),
            Role::Operator => None,
        }
    }

    #[test]
    fn a_daemon_is_its_user_and_nobody_else() {
        for (uid, role) in [(601, Role::Netd), (602, Role::Planed), (603, Role::Iked)] {
            for claimed in DAEMONS {
                let expected = claimed == role;
                assert_eq!(
                    decide(uid, OWN, claimed, named),
                    expected,
                    "{uid} as {claimed:?}"
                );
            }
            assert!(
                !decide(uid, OWN, Role::Operator, named),
                "{uid} as operator"
            );
        }
    }

    #[test]
    fn people_are_operators_only() {
        assert!(decide(2000, OWN, Role::Operator, named));
        for daemon in DAEMONS {
            assert!(!decide(2000, OWN, daemon, named), "{daemon:?}");
        }
    }

    #[test]
    fn root_and_our_own_user_may_be_anyone() {
        for role in [Role::Planed, Role::Iked, Role::Operator] {
            assert!(decide(0, OWN, role, named));
            assert!(decide(OWN, OWN, role, named));
        }
    }

    #[test]
    fn without_users_of_their_own_daemons_are_root_or_ours() {
        assert!(!decide(2000, 1000, Role::Iked, |_| None));
        assert!(decide(1000, 1000, Role::Iked, |_| None));
    }
}
