//! Users as lines of the account files, their keys and their homes.
//!
//! The accounts of the image stay as they are; those whose ids are ours are replaced by the configured ones. A user has the CLI as
//! shell and the operators' group as primary group; administrators are in the shell's group as well, which sudo knows.
//!
//! | password | field | login on a console | over SSH |
//! |---|---|---|---|
//! | not set | empty | yes, and the CLI asks for one first of all | never |
//! | locked | `*` | no | by key |
//! | hash | the hash | by password | by password or key |

use super::{change, note};
use crate::error::Error;
use crate::files;
use crate::root::Root;
use nix::unistd::{Gid, Uid, chown};
use ravelin_ctl::host::wanted::{Class, FIRST_UID, Password, UIDS, User};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Group of all configured users: it may speak to mgmtd, and sshd lets it in.
const CLI_GROUP: &str = "ravelin-cli";
/// Group of those who may become root.
const SHELL_GROUP: &str = "ravelin-shell";
const SHELL: &str = "/usr/bin/ravelin";
const HOMES: &str = "/home";
const KEYS_FOLDER: &str = "/etc/ssh/authorized_keys.d";
/// Day of the last change of a password, in days since 1970; 0 would ask for a new one.
const CHANGED_DAY: u32 = 20_000;

pub(super) fn apply(root: &Root, users: &[User], faults: &mut Vec<String>) {
    let read = |path: &str| {
        let path = root.path(path);
        let text = fs::read_to_string(&path).map(Zeroizing::new);
        text.map_err(|e| Error::file("read", &path, e))
    };
    let texts = read("/etc/passwd").and_then(|passwd| {
        let (shadow, group) = (read("/etc/shadow")?, read("/etc/group")?);
        Ok((passwd, shadow, group))
    });
    let (passwd, shadow, group) = match texts {
        Ok(texts) => texts,
        Err(error) => return faults.push(error.to_string()),
    };
    let accounts = Accounts::of(&passwd, &group);
    let users: Vec<&User> = users
        .iter()
        .filter(|user| {
            let taken = accounts.system.contains(&user.name.as_str());
            if taken {
                faults.push(format!("user `{}` is an account of the system", user.name));
            }
            !taken
        })
        .collect();
    let Some(gid) = accounts.cli_gid else {
        return faults.push(format!("there is no group `{CLI_GROUP}`"));
    };
    let files = [
        // An account without a password line has none; one without an account is nobody. So passwords first.
        ("/etc/shadow", self::shadow(&shadow, &accounts, &users)),
        ("/etc/passwd", self::passwd(&passwd, &users, gid)),
        ("/etc/group", self::group(&group, &users)),
    ];
    for (path, text) in files {
        note(replace(&root.path(path), &text), faults);
    }
    for user in &users {
        note(home(root, user, gid), faults);
    }
    keys(root, &users, faults);
}

/// What the account files say already.
struct Accounts<'a> {
    /// Names that are not ours.
    system: Vec<&'a str>,
    /// Names that are.
    ours: Vec<&'a str>,
    cli_gid: Option<u32>,
}

impl<'a> Accounts<'a> {
    fn of(passwd: &'a str, group: &'a str) -> Self {
        let (ours, system): (Vec<&str>, Vec<&str>) = passwd.lines().partition(|l| is_ours(l));
        let mut groups = group.lines().filter(|line| name(line) == CLI_GROUP);
        let cli_gid = groups
            .next()
            .and_then(|l| l.split(':').nth(2)?.parse().ok());
        Self {
            system: system.into_iter().map(name).collect(),
            ours: ours.into_iter().map(name).collect(),
            cli_gid,
        }
    }
}

fn name(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

/// Whether a line of /etc/passwd is of a configured user.
fn is_ours(line: &str) -> bool {
    let uid = line.split(':').nth(2).and_then(|uid| uid.parse().ok());
    uid.is_some_and(|uid: u32| (FIRST_UID..FIRST_UID + UIDS).contains(&uid))
}

/// Where a user's home is, in memory.
fn home_of(user: &User) -> String {
    format!("{HOMES}/{}", user.name)
}

fn passwd(old: &str, users: &[&User], gid: u32) -> Zeroizing<String> {
    let kept = old.lines().filter(|line| !is_ours(line)).map(str::to_owned);
    let ours = users.iter().map(|user| {
        let (name, uid) = (&user.name, user.uid);
        let full = user.full_name.as_deref().unwrap_or_default();
        // The model forbids what would end the field; this is for a file that it did not make.
        let full = full.replace([':', ',', '\n'], " ");
        format!("{name}:x:{uid}:{gid}:{full}:{}:{SHELL}", home_of(user))
    });
    lines(kept.chain(ours))
}

fn shadow(old: &str, accounts: &Accounts<'_>, users: &[&User]) -> Zeroizing<String> {
    let former = |line: &&str| {
        let name = name(line);
        !accounts.ours.contains(&name) && !users.iter().any(|user| user.name == name)
    };
    let kept = old.lines().filter(former).map(str::to_owned);
    let ours = users.iter().map(|user| {
        let field = match &user.password {
            Password::Unset => "",
            Password::Locked => "*",
            Password::Hash(hash) => hash.expose(),
        };
        format!("{}:{field}:{CHANGED_DAY}:0:99999:7:::", user.name)
    });
    lines(kept.chain(ours))
}

fn group(old: &str, users: &[&User]) -> Zeroizing<String> {
    let members = |least: Class| {
        let of_class = users.iter().filter(|user| user.class >= least);
        let names: Vec<&str> = of_class.map(|user| user.name.as_str()).collect();
        names.join(",")
    };
    lines(old.lines().map(|line| {
        let least = match name(line) {
            CLI_GROUP => Class::ReadOnly,
            SHELL_GROUP => Class::SuperUser,
            _ => return line.to_owned(),
        };
        let fields: Vec<&str> = line.split(':').take(3).collect();
        format!("{}:{}", fields.join(":"), members(least))
    }))
}

fn lines(lines: impl Iterator<Item = String>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for line in lines {
        let line = Zeroizing::new(line);
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Replaces an account file, which keeps its mode and owners, if it says something else.
fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let bad = |error| Error::file("replace", path, error);
    if fs::read(path)
        .map(Zeroizing::new)
        .is_ok_and(|old| *old == text.as_bytes())
    {
        return Ok(());
    }
    let about = fs::metadata(path).map_err(bad)?;
    files::replace(path, text.as_bytes(), about.mode() & 0o777)?;
    let (uid, gid) = (Uid::from_raw(about.uid()), Gid::from_raw(about.gid()));
    chown(path, Some(uid), Some(gid)).map_err(|errno| bad(errno.into()))
}

fn home(root: &Root, user: &User, gid: u32) -> Result<(), Error> {
    let path = root.path(home_of(user));
    let bad = |error| Error::file("make", &path, error);
    let mut folder = DirBuilder::new();
    folder
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(bad)?;
    fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(bad)?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(gid));
    chown(&path, Some(uid), Some(gid)).map_err(|errno| bad(errno.into()))
}

/// Keys lie in files of root: a user cannot add any that the configuration does not know.
fn keys(root: &Root, users: &[&User], faults: &mut Vec<String>) {
    for user in users.iter().filter(|user| !user.keys.is_empty()) {
        let mut text = user.keys.join("\n");
        text.push('\n');
        let path = format!("{KEYS_FOLDER}/{}", user.name);
        note(change(root, &path, &text).map(drop), faults);
    }
    let folder = root.path(KEYS_FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return faults.push(Error::file("read", &folder, error).to_string()),
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let has_keys = |user: &&&User| name.to_str() == Some(&user.name) && !user.keys.is_empty();
        if !users.iter().any(|user| has_keys(&user)) {
            let path = entry.path();
            let removed = fs::remove_file(&path).map_err(|e| Error::file("remove", &path, e));
            note(removed, faults);
        }
    }
}

#[cfg(test)]
mod tests;
