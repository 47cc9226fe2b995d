//! The guest's serial console: typing, and expecting patterns with deadlines.
//!
//! A thread reads all that the guest sends, so that the guest never waits, appends it as it comes to the transcript, and
//! renders it ([`crate::terminal`]). Patterns are searched in the rendered text behind the last match. They are regular
//! expressions in which `^` and `$` match at lines; `\z` is the end of what has been printed so far, and the way to match a
//! prompt.

use crate::process::tail;
use crate::terminal::{Place, Terminal};
use crate::wait::Deadline;
use crate::{Result, VmError};
use regex::{Regex, RegexBuilder};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often somebody presses Enter while no prompt is shown.
const KNOCK: Duration = Duration::from_secs(30);
/// What an error shows of the text that did not match: its last octets.
const SHOWN_OCTETS: usize = 1500;
/// Frames of a line that is typed; below what a terminal line takes without anybody reading (4,096, n_tty).
const TYPED_OCTETS: usize = 1024;

/// What a pattern has matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Between the last match and this one.
    pub before: String,
    /// The match and its groups; a group that took no part is empty.
    pub groups: Vec<String>,
    /// Which of the patterns.
    pub pattern: usize,
}

/// One serial console, from the guest's start to its end.
#[derive(Debug)]
pub struct Console {
    guest: String,
    stream: UnixStream,
    shared: Arc<Shared>,
    /// The end of the last match.
    mark: Place,
    prompt: Option<String>,
    /// What the process behind it prints, beside the console.
    words: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Shared {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Shown {
    terminal: Terminal,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Console {
    /// Takes over the serial line of `guest`; its octets are appended to `transcript`.
    ///
    /// # Errors
    /// When the transcript cannot be opened.
    pub fn new(guest: &str, stream: UnixStream, transcript: &Path) -> Result<Self> {
        let step = |what: &str| format!("{guest}: {what}");
        let mut log = File::options()
            .create(true)
            .append(true)
            .open(transcript)
            .map_err(|e| VmError::io(step(&format!("open {}", transcript.display())), e))?;
        let mut input = stream
            .try_clone()
            .map_err(|e| VmError::io(step("duplicate its serial line"), e))?;
        let shared = Arc::new(Shared::default());
        let sink = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(count @ 1..) = input.read(&mut octets) {
                let read = octets.get(..count).unwrap_or_default();
                // The transcript is for people; the test goes on without.
                drop(log.write_all(read));
                sink.lock().terminal.feed(read);
                sink.changed.notify_all();
            }
            sink.lock().closed = true;
            sink.changed.notify_all();
        });
        Ok(Self {
            guest: guest.to_owned(),
            stream,
            shared,
            mark: Place::default(),
            prompt: None,
            words: None,
        })
    }

    /// Where the process behind the console prints, which is told when the console is closed too early.
    pub(crate) fn with_words(mut self, file: &Path) -> Self {
        self.words = Some(file.to_owned());
        self
    }

    /// All that has been shown since the guest's start.
    pub fn text(&self) -> String {
        self.shared.lock().terminal.text_from(Place::default())
    }

    /// What has been shown since the last match.
    pub fn rest(&self) -> String {
        self.shared.lock().terminal.text_from(self.mark)
    }

    /// Forgets what has been shown so far: patterns match only what comes from now on.
    pub fn skip(&mut self) {
        self.mark = self.shared.lock().terminal.end();
    }

    /// Waits for a pattern.
    ///
    /// # Errors
    /// When it does not come within `limit`, with the end of what came; or the guest ends.
    pub fn expect(&mut self, pattern: &str, limit: Duration) -> Result<Match> {
        self.expect_any(&[pattern], limit)
    }

    /// Waits for the first of several patterns: the one whose match begins first, and of those the first named.
    ///
    /// # Errors
    /// As [`Console::expect`].
    pub fn expect_any(&mut self, patterns: &[&str], limit: Duration) -> Result<Match> {
        match self.search(patterns, limit)? {
            Some(found) => Ok(found),
            None => Err(self.missed(patterns, limit)),
        }
    }

    /// Types text as it is.
    ///
    /// # Errors
    /// When the guest is gone.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let sent = self.stream.write_all(text.as_bytes());
        sent.map_err(|e| VmError::io(format!("{}: type on its console", self.guest), e))
    }

    /// Types a line and the Enter key.
    ///
    /// # Errors
    /// As [`Console::send`].
    pub fn send_line(&mut self, line: &str) -> Result<()> {
        self.send(&format!("{line}\r"))
    }

    /// Types several lines, each when the one before has been echoed, so that no line discipline drops any.
    ///
    /// # Errors
    /// When a line is not echoed within `limit`.
    pub fn paste(&mut self, lines: &str, limit: Duration) -> Result<()> {
        for line in lines.lines() {
            for piece in pieces(line) {
                self.send(piece)?;
                self.expect(&regex::escape(piece), limit)?;
            }
            self.send("\r")?;
            self.expect("\n", limit)?;
        }
        Ok(())
    }

    /// Waits for the prompt `login:`, logs in, and waits for `prompt`, which [`Console::command`] takes from then on. A password
    /// is typed only when it is asked for.
    ///
    /// # Errors
    /// When the guest refuses or does not come so far within `limit`.
    pub fn login(
        &mut self,
        user: &str,
        password: Option<&str>,
        prompt: &str,
        limit: Duration,
    ) -> Result<()> {
        let end = Instant::now() + limit;
        let left = || end.saturating_duration_since(Instant::now());
        let invitation = ["login: ?"];
        // A message of the kernel may have overwritten the prompt: Enter brings another.
        while self.search(&invitation, left().min(KNOCK))?.is_none() {
            if left().is_zero() {
                return Err(self.missed(&invitation, limit));
            }
            self.send("\r")?;
        }
        self.send_line(user)?;
        let shell = format!(r"^(?:{prompt})\z");
        let answers = [r"[Pp]assword: ?\z", "Login incorrect", shell.as_str()];
        loop {
            match self.expect_any(&answers, left())?.pattern {
                0 => match password {
                    Some(password) => self.send_line(password)?,
                    None => return Err(self.refused(user, "asks for a password")),
                },
                1 => return Err(self.refused(user, "login incorrect")),
                _ => break,
            }
        }
        self.set_prompt(prompt);
        Ok(())
    }

    /// The prompt that [`Console::command`] waits for from now on.
    pub fn set_prompt(&mut self, prompt: &str) {
        self.prompt = Some(prompt.to_owned());
    }

    /// Types a line at the prompt, and returns what is printed until the next prompt.
    ///
    /// # Errors
    /// When no prompt is known or none comes back within `limit`.
    pub fn command(&mut self, line: &str, limit: Duration) -> Result<String> {
        let Some(prompt) = self.prompt.clone() else {
            let text = format!("{}: no prompt is known, log in first", self.guest);
            return Err(VmError::Unexpected(text));
        };
        self.skip();
        self.send_line(line)?;
        // The echo ends with the first line feed.
        self.expect("\n", limit)?;
        let found = self.expect(&format!(r"^(?:{prompt})\z"), limit)?;
        Ok(found.before)
    }

    fn refused(&self, user: &str, why: &str) -> VmError {
        VmError::Unexpected(format!("{}: login of {user}: {why}", self.guest))
    }

    fn missed(&self, patterns: &[&str], limit: Duration) -> VmError {
        let rest = self.rest();
        let mut from = rest.len().saturating_sub(SHOWN_OCTETS);
        while !rest.is_char_boundary(from) {
            from += 1;
        }
        let (guest, end) = (&self.guest, rest.get(from..).unwrap_or_default());
        VmError::Deadline(Deadline {
            what: format!("{patterns:?} on the console of {guest}; since the last match:\n{end}"),
            seconds: limit.as_secs(),
        })
    }

    fn closed(&self, patterns: &[&str]) -> VmError {
        let words = self.words.as_deref().map(tail).unwrap_or_default();
        let words = match words.as_str() {
            "" => String::new(),
            words => format!(" (QEMU printed: {words})"),
        };
        let (guest, end) = (&self.guest, self.rest());
        let text = format!("{guest}: its console was closed before {patterns:?}{words}; it ends:");
        VmError::Unexpected(format!("{text}\n{end}"))
    }

    /// The first match, or none within `limit`.
    fn search(&mut self, patterns: &[&str], limit: Duration) -> Result<Option<Match>> {
        let compiled: Vec<Regex> = patterns
            .iter()
            .map(|pattern| RegexBuilder::new(pattern).multi_line(true).build())
            .collect::<std::result::Result<_, _>>()?;
        let end = Instant::now() + limit;
        let shared = Arc::clone(&self.shared);
        let mut shown = shared.lock();
        loop {
            let text = shown.terminal.text_from(self.mark);
            if let Some((found, octets)) = first(&compiled, &text) {
                self.mark = shown.terminal.after(self.mark, octets);
                return Ok(Some(found));
            }
            if shown.closed {
                drop(shown);
                return Err(self.closed(patterns));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let waited = shared.changed.wait_timeout(shown, left);
            shown = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Ends the reading thread.
        drop(self.stream.shutdown(std::net::Shutdown::Both));
    }
}

/// The match that begins first, with the octets up to its end.
fn first(patterns: &[Regex], text: &str) -> Option<(Match, usize)> {
    let found = patterns
        .iter()
        .enumerate()
        .filter_map(|(index, pattern)| Some((index, pattern.captures(text)?)));
    let begin = |groups: &regex::Captures<'_>| groups.get(0).map_or(usize::MAX, |m| m.start());
    let (index, groups) = found.min_by_key(|(index, groups)| (begin(groups), *index))?;
    let whole = groups.get(0)?;
    let texts = groups
        .iter()
        .map(|group| group.map_or("", |group| group.as_str()).to_owned());
    let found = Match {
        before: text.get(..whole.start()).unwrap_or_default().to_owned(),
        groups: texts.collect(),
        pattern: index,
    };
    Some((found, whole.end()))
}

/// A line in pieces of at most [`TYPED_OCTETS`].
fn pieces(line: &str) -> Vec<&str> {
    let mut rest = line;
    let mut found = vec![];
    while !rest.is_empty() {
        let mut at = rest.len().min(TYPED_OCTETS);
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (piece, next) = rest.split_at(at);
        found.push(piece);
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests;
