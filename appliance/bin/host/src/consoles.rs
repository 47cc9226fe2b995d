//! Lines for whoever looks at a console: all of the kernel's consoles get them, serial and screen alike.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;

use crate::root::Root;

/// The kernel's consoles, as `tty0 ttyS0`.
const ACTIVE: &str = "/sys/class/tty/console/active";

/// Writes `lines` to every console, each with `ravelin: ` in front. A console that does not take them (nobody holds the line, the
/// line is stopped) is passed over: nothing waits for it.
pub fn report(root: &Root, lines: &[String]) {
    let text: String = lines
        .iter()
        .map(|line| format!("\r\nravelin: {}", printable(line)))
        .chain(["\r\n".to_owned()])
        .collect();
    let active = fs::read_to_string(root.path(ACTIVE)).unwrap_or_default();
    for name in active.split_whitespace() {
        let path = root.path("/dev").join(name);
        let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        let console = OpenOptions::new()
            .append(true)
            .custom_flags(flags.bits())
            .open(&path);
        let written = console.and_then(|mut console| console.write_all(text.as_bytes()));
        if let Err(error) = written {
            log::debug!("{}: {error}", path.display());
        }
    }
}

/// The line without what would move the cursor: texts of files and devices come here.
fn printable(line: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    line.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn all_active_consoles_get_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for file in ["/sys/class/tty/console/active", "/dev/tty0", "/dev/ttyS0"] {
            let path = root.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::write(root.path(ACTIVE), "tty0 ttyS0 ttyGone\n").unwrap();
        report(&root, &["one".to_owned(), "t\x1bwo".to_owned()]);
        for console in ["/dev/tty0", "/dev/ttyS0"] {
            let text = fs::read_to_string(root.path(console)).unwrap();
            assert_eq!(text, "\r\nravelin: one\r\nravelin: t wo\r\n");
        }
    }
}
