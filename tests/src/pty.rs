//! A program on a terminal, driven as a guest's serial console is.

use crate::{BenchError, Result};
use nix::pty::openpty;
use ravelin_qemu::console::Console;
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A program that has a terminal of its own. Its size is unknown to it, as on a serial line.
pub struct Pty {
    child: Child,
    console: Console,
}

impl Pty {
    /// Starts `program`, which becomes the leader of the terminal's session as a login shell is.
    ///
    /// # Errors
    /// When there is no terminal or no program.
    pub fn start(name: &str, program: &Command, transcript: &Path) -> Result<Self> {
        let bad = |what: &str| {
            let what = format!("{what} for {name}");
            move |e: std::io::Error| BenchError::io(what.clone(), e)
        };
        let pair = openpty(None, None).map_err(|e| bad("open a terminal")(e.into()))?;
        let slave = || pair.slave.try_clone().map(Stdio::from);
        let mut command = Command::new("setsid");
        command
            .arg("--ctty")
            .arg("--wait")
            .arg(program.get_program());
        command.args(program.get_args()).env("TERM", "vt220");
        command
            .stdin(slave().map_err(bad("duplicate the terminal"))?)
            .stdout(slave().map_err(bad("duplicate the terminal"))?)
            .stderr(slave().map_err(bad("duplicate the terminal"))?);
        let child = command.spawn().map_err(bad("start the program"))?;
        let (ours, theirs) = UnixStream::pair().map_err(bad("make a line"))?;
        let master = File::from(pair.master);
        let from = (
            theirs.try_clone().map_err(bad("duplicate the line"))?,
            master.try_clone().map_err(bad("duplicate the terminal"))?,
        );
        std::thread::spawn(move || carry(from.0, from.1));
        std::thread::spawn(move || {
            carry(master, &theirs);
            // The program has ended: so does its console.
            drop(theirs.shutdown(Shutdown::Both));
        });
        let console = Console::new(name, ours, transcript).map_err(BenchError::from)?;
        Ok(Self { child, console })
    }

    /// What it prints and is told.
    pub fn console(&mut self) -> &mut Console {
        &mut self.console
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it goes on.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        crate::wait::wait_until("the program on the terminal to end", limit, || {
            child
                .try_wait()
                .map_err(|e| BenchError::io("wait for a program", e))
        })
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn carry(mut from: impl Read, mut to: impl Write) {
    let mut octets = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut octets) {
        if to
            .write_all(octets.get(..count).unwrap_or_default())
            .is_err()
        {
            return;
        }
    }
}
