//! The terminal between prompts: lines that the kernel edits, without signals.
//!
//! The CLI is a login shell, so `^C` must never end it. While it runs the terminal makes no signals: at a prompt the line editor sees
//! the key, while an answer is awaited it waits with it, and while a text is typed or pasted it ends the line at once and the text is
//! given up. Only what we start (a shell) has a terminal as usual.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::read;
use std::io::{self, Stdin, Write};
use std::os::fd::AsFd;
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

/// `^C`.
const INTERRUPT: u8 = 3;
/// The longest text that is taken: the configuration's own bound is below.
const MAX_TEXT_OCTETS: usize = 16 << 20;
/// The longest password line.
const MAX_LINE_OCTETS: usize = 1024;

/// What was typed.
pub(crate) enum Typed<T> {
    /// All of it.
    Text(T),
    /// It was given up by `^C`.
    Interrupted,
}

/// The terminal on standard input, as it was before us; restored at the end.
pub(crate) struct Terminal {
    stdin: Stdin,
    original: Option<Termios>,
}

impl Terminal {
    /// Takes signals off. Without a terminal nothing happens.
    pub fn take() -> Self {
        let stdin = io::stdin();
        let original = tcgetattr(&stdin).ok();
        let terminal = Self { stdin, original };
        terminal.set(|_| {});
        terminal
    }

    /// Whether there is a terminal.
    pub fn is_one(&self) -> bool {
        self.original.is_some()
    }

    /// Runs `work` on the terminal as it was before us.
    pub fn lend<T>(&self, work: impl FnOnce() -> T) -> T {
        if let Some(original) = &self.original {
            // A terminal that is gone is noticed at the next read.
            let _ = tcsetattr(&self.stdin, SetArg::TCSADRAIN, original);
        }
        let done = work();
        self.set(|_| {});
        done
    }

    /// Reads lines until `^D` at the beginning of one.
    ///
    /// # Errors
    /// When the terminal fails or the text is too long.
    pub fn text(&self) -> io::Result<Typed<Zeroizing<String>>> {
        self.set(|_| {});
        let octets = match self.octets(MAX_TEXT_OCTETS, false)? {
            Typed::Text(octets) => octets,
            Typed::Interrupted => return Ok(Typed::Interrupted),
        };
        utf8(octets).map(Typed::Text)
    }

    /// Waits so long, and says whether the user wants to stop: by `^C`, or because the terminal is gone.
    pub fn pause(&self, wait: Duration) -> bool {
        let milliseconds = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        let mut asked = [PollFd::new(self.stdin.as_fd(), PollFlags::POLLIN)];
        // What is not typed holds the next commands.
        let asked = if self.is_one() {
            &mut asked[..]
        } else {
            &mut []
        };
        if !matches!(poll(asked, milliseconds), Ok(count) if count > 0) {
            return false;
        }
        let mut piece = [0; 256];
        match read(&self.stdin, &mut piece) {
            Ok(0) | Err(_) => true,
            Ok(count) => piece[..count].contains(&INTERRUPT),
        }
    }

    /// Shows nothing of what is typed from now on, ahead of a prompt too, until the return value is dropped.
    pub fn hide(&self) -> Hidden<'_> {
        self.set(|termios| {
            termios.local_flags.remove(LocalFlags::ECHO);
            termios.local_flags.insert(LocalFlags::ECHONL);
        });
        Hidden(self)
    }

    /// Reads to the end of the input, or of the line, without what ends it.
    fn octets(&self, most: usize, line: bool) -> io::Result<Typed<Zeroizing<Vec<u8>>>> {
        let mut all = Zeroizing::new(Vec::new());
        let mut piece = Zeroizing::new([0; 4096]);
        loop {
            // The kernel gives at most a line at a time, so nothing behind the end is taken along.
            let count = read(&self.stdin, &mut *piece)?;
            let got = &piece[..count];
            if got.contains(&INTERRUPT) {
                return Ok(Typed::Interrupted);
            }
            all.extend_from_slice(got);
            if all.len() > most {
                return Err(io::Error::other("the text is too long"));
            }
            if line && all.last() == Some(&b'\n') {
                all.pop();
                return Ok(Typed::Text(all));
            }
            if count == 0 {
                return Ok(Typed::Text(all));
            }
        }
    }

    /// Ours, and the changes of `more`.
    fn set(&self, more: impl FnOnce(&mut Termios)) {
        let Some(original) = &self.original else {
            return;
        };
        let mut termios = original.clone();
        termios.local_flags.remove(LocalFlags::ISIG);
        termios.local_flags.insert(LocalFlags::ICANON);
        // The line ends with this key, and is given to us at once.
        termios.control_chars[SpecialCharacterIndices::VEOL as usize] = INTERRUPT;
        more(&mut termios);
        // A terminal that is gone is noticed at the next read.
        let _ = tcsetattr(&self.stdin, SetArg::TCSANOW, &termios);
    }
}

/// A terminal that shows nothing of what is typed.
pub(crate) struct Hidden<'a>(&'a Terminal);

impl Hidden<'_> {
    /// Asks for a line.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn ask(&self, prompt: &str) -> io::Result<Typed<Zeroizing<String>>> {
        print!("{prompt}");
        io::stdout().flush()?;
        match self.0.octets(MAX_LINE_OCTETS, true)? {
            Typed::Interrupted => {
                println!();
                Ok(Typed::Interrupted)
            }
            Typed::Text(octets) => utf8(octets).map(Typed::Text),
        }
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        self.0.set(|_| {});
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(original) = &self.original {
            // There is nobody left to tell.
            let _ = tcsetattr(&self.stdin, SetArg::TCSADRAIN, original);
        }
    }
}

fn utf8(mut octets: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    match String::from_utf8(std::mem::take(&mut *octets)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            error.into_bytes().zeroize();
            Err(io::Error::other(format!(
                "octet {at} of the text is no UTF-8"
            )))
        }
    }
}
