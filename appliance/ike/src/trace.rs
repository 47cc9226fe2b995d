//! What IKE messages say, in words: every message of one peer, for the engineer who asks why it does not come up.
//!
//! A trace is asked for, of one peer's address, and ends by itself; the last [`MAX_ENTRIES`] messages are kept. Beside it one may stand by
//! configuration (`standing.rs`), whose messages are taken away. Both have what was under the protection, and no secrets: of nonces,
//! public values and authentication data only how long they are.

mod describe;
mod keys;
mod standing;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use ravelin_types::Time;

pub use keys::TraceKeys;
pub(crate) use standing::Standing;
pub use standing::TraceFilter;

use crate::msg::{Header, Message, ParseError, Payload};
use crate::session::Session;

/// Messages kept: an hour of a peer that fails once a second, at four messages each time, would be 14,400; the last ones tell.
pub const MAX_ENTRIES: usize = 1024;
/// Lines of an entry, and characters of a line: a message may have hundreds of payloads, and all of them long.
const MAX_LINES: usize = 64;
const MAX_LINE: usize = 1024;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    Received,
    /// To the peer.
    Sent,
    /// No message: what became of one.
    Note,
}

/// One message, or what became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// When.
    pub at: Time,
    /// Which way.
    pub direction: Direction,
    /// Our address and port; a note has none.
    pub local: Option<SocketAddr>,
    /// The peer's.
    pub remote: SocketAddr,
    /// The message in one line, then a line for each payload.
    pub lines: Vec<String>,
}

/// A trace under way, or one that has ended and can still be read.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Whose messages.
    pub peer: IpAddr,
    /// When it ends.
    pub until: Time,
    /// Oldest first.
    pub entries: VecDeque<TraceEntry>,
    /// Entries that had to make room.
    pub forgotten: u64,
    /// Gathered while it runs, if it is to have them.
    keys: Option<VecDeque<TraceKeys>>,
    now: Time,
}

impl Trace {
    pub(crate) fn new(peer: IpAddr, keys: bool, now: Time, until: Time) -> Self {
        Trace {
            peer,
            until,
            entries: VecDeque::new(),
            forgotten: 0,
            keys: keys.then(VecDeque::new),
            now,
        }
    }

    /// The keys of the peer's IKE SAs, oldest first; `None` when the trace has none, or has ended.
    pub fn keys(&self, now: Time) -> Option<impl Iterator<Item = &TraceKeys>> {
        let keys = self.keys.as_ref().filter(|_| now < self.until)?;
        Some(keys.iter())
    }

    fn wants(&self, remote: SocketAddr) -> bool {
        self.peer == remote.ip() && self.now < self.until
    }

    fn push(&mut self, entry: TraceEntry) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.entries.push_back(entry);
    }
}

/// The traces of an endpoint. Without one, each call costs a test or two.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    /// That was asked for.
    pub(crate) asked: Option<Box<Trace>>,
    /// Of the configuration.
    pub(crate) standing: Option<Box<Standing>>,
    now: Time,
}

impl Tracer {
    /// What follows happens now.
    pub(crate) fn set_now(&mut self, now: Time) {
        self.now = now;
        if let Some(trace) = &mut self.asked {
            trace.now = now;
        }
    }

    /// The session as it is now: its keys may be wanted.
    pub(crate) fn session(&mut self, session: &Session) {
        let Some(trace) = &mut self.asked else {
            return;
        };
        if trace.now >= trace.until {
            trace.keys = None;
        } else if let Some(known) =
            (trace.keys.as_mut()).filter(|_| trace.peer == session.path.remote.ip())
        {
            keys::note(known, session);
        }
    }

    /// Notes something, if a trace wants it; only then it is put in words.
    fn note_down<L: IntoIterator<Item = String>>(
        &mut self,
        direction: Direction,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        lines: impl FnOnce() -> L,
    ) {
        let asked = self.asked.as_deref_mut().filter(|t| t.wants(remote));
        let standing = self.standing.as_deref_mut();
        let standing = standing.filter(|s| s.wants(direction, local, remote));
        if asked.is_none() && standing.is_none() {
            return;
        }
        let lines = lines().into_iter().take(MAX_LINES).map(cut).collect();
        let entry = TraceEntry {
            at: self.now,
            direction,
            local,
            remote,
            lines,
        };
        if let Some(standing) = standing {
            standing.push(entry.clone());
        }
        if let Some(trace) = asked {
            trace.push(entry);
        }
    }

    /// A message, with what was under its protection.
    pub(crate) fn message(
        &mut self,
        direction: Direction,
        (local, remote): (SocketAddr, SocketAddr),
        header: &Header,
        content: Result<&[Payload], &ParseError>,
        octets: usize,
    ) {
        self.note_down(direction, Some(local), remote, || {
            let head = [describe::header(header, octets)];
            let body: Vec<String> = match content {
                Ok(payloads) => payloads.iter().map(describe::payload).collect(),
                Err(error) => vec![format!("malformed: {error}")],
            };
            head.into_iter().chain(body)
        });
    }

    /// A message as it came or leaves. One that is protected is told when it is opened, or was when it was made.
    pub(crate) fn plain(
        &mut self,
        direction: Direction,
        path: (SocketAddr, SocketAddr),
        message: &Message,
        octets: usize,
    ) {
        let protected = |p: &Payload| matches!(p, Payload::Sk(_) | Payload::Skf(_));
        if !message.payloads.iter().any(protected) {
            let content = Ok(message.payloads.as_slice());
            self.message(direction, path, &message.header, content, octets);
        }
    }

    /// A datagram that leaves.
    pub(crate) fn leaves(&mut self, path: (SocketAddr, SocketAddr), data: &[u8]) {
        let asked = self.asked.as_deref().is_some_and(|t| t.wants(path.1));
        if !asked && self.standing.is_none() {
            return;
        }
        if let Ok(message) = Message::parse(data) {
            self.plain(Direction::Sent, path, &message, data.len());
        }
    }

    /// What became of a message.
    pub(crate) fn note(&mut self, remote: SocketAddr, text: impl FnOnce() -> String) {
        self.note_down(Direction::Note, None, remote, || [text()]);
    }
}

fn cut(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(MAX_LINE) {
        line.truncate(end);
        line.push_str(" ...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_long_lines_are_cut() {
        let remote: SocketAddr = "192.0.2.10:500".parse().unwrap();
        let trace = Trace::new(remote.ip(), false, Time(0), Time(1));
        let mut tracer = Tracer {
            asked: Some(Box::new(trace)),
            ..Tracer::default()
        };
        for number in 0..MAX_ENTRIES + 3 {
            tracer.note(remote, || format!("{number} {}", "ä".repeat(2 * MAX_LINE)));
        }
        let trace = tracer.asked.unwrap();
        assert_eq!((trace.entries.len(), trace.forgotten), (MAX_ENTRIES, 3));
        let line = &trace.entries[0].lines[0];
        assert!(line.starts_with("3 "), "{line}");
        assert_eq!(line.chars().count(), MAX_LINE + 4);
    }
}
