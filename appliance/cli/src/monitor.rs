//! `monitor traffic`: begins a capture, shows or writes what it catches, and ends it.
//!
//! A capture whose client does not ask for packets any more ends by itself, so a session that is cut off leaves nothing behind.

mod decode;
mod filter;
mod pcapng;

pub(crate) use decode::{line, name as protocol_name, time as time_of_day};
pub(crate) use pcapng::comment;

use crate::client::Conversation;
use crate::command::{Choose, Filter as Pipe, Parsed, Word};
use crate::{CliError, Client, CommandError};
use pcapng::Writer;
use ravelin_ctl::capture::{
    CAPTURE_OCTETS, CaptureId, CaptureInterface, CaptureOrder, CaptureReply, CaptureSpec, Captured,
    MAX_CAPTURE_OCTETS, MIN_CAPTURE_OCTETS, Taken,
};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply, Reply, Request};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pause when nothing more is there: what a packet waits to be seen.
const PACE: Duration = Duration::from_millis(100);
/// The longest file: users' folders of the appliance are in memory. What goes to the output instead has no end.
const MAX_FILE_OCTETS: u64 = 64 << 20;
/// The name that stands for the output.
const OUTPUT: &str = "-";

/// Whether packets are to go to the output as a file.
pub(crate) fn to_output(parsed: &Parsed) -> bool {
    let written =
        |(choice, word): &(Choose, Word)| *choice == Choose::WriteFile && word.text == OUTPUT;
    parsed.chosen.iter().any(written)
}

/// What is asked for.
struct Wanted {
    spec: CaptureSpec,
    count: Option<u64>,
    file: Option<PathBuf>,
}

/// Where packets go.
enum Sink<'a> {
    Lines(&'a mut dyn Write, Vec<CaptureInterface>),
    /// A file of ours, or the output.
    Pcapng(Writer<Box<dyn Write + 'a>>, Option<u64>),
}

/// Why it ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Asked for, by a key, a count or a closed output.
    Wanted,
    /// The file is full.
    Full,
    /// planed's limit of time.
    Time,
}

/// Runs a capture until it is over, `pause` says so, or `out` is closed. Packets go to `out` or to a file, the rest to `notes`.
///
/// # Errors
/// When the capture is refused or planed does not answer, and when the file cannot be written.
pub fn monitor(
    client: &Client,
    parsed: &Parsed,
    out: &mut dyn Write,
    notes: &mut dyn Write,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<(), CliError> {
    let wanted = wanted(parsed)?;
    let file = wanted
        .file
        .as_deref()
        .filter(|path| *path != Path::new(OUTPUT));
    let opened = file.map(create).transpose()?;
    let mut conversation = client.converse()?;
    let size_octets = wanted.spec.size_octets;
    let reply = ask(&mut conversation, CaptureOrder::Begin(wanted.spec))?;
    let CaptureReply::Begun { id, interfaces } = reply else {
        return Err(CliError::Mismatch);
    };
    let note = |notes: &mut dyn Write, text: String| writeln!(notes, "{text}").or(Ok(()));
    let names: Vec<&str> = interfaces.iter().map(|i| i.name.as_str()).collect();
    let listening = format!("Listening on {}, {size_octets} octets", names.join(", "));
    note(notes, listening)?;
    let failed = |source| match file {
        Some(path) => file_error(path, source),
        None => CliError::Terminal(source.to_string()),
    };
    let begun = match (opened, &wanted.file) {
        (Some(file), _) => {
            let file: Box<dyn Write> = Box::new(io::BufWriter::new(file));
            Writer::new(file, &interfaces, size_octets)
                .map(|writer| Sink::Pcapng(writer, Some(MAX_FILE_OCTETS)))
        }
        (None, Some(_)) => {
            let out: Box<dyn Write + '_> = Box::new(out);
            Writer::new(out, &interfaces, size_octets).map(|writer| Sink::Pcapng(writer, None))
        }
        (None, None) => Ok(Sink::Lines(out, interfaces)),
    };
    let mut sink = begun.map_err(failed)?;
    let mut seen = 0;
    let outcome = follow(
        &mut conversation,
        id,
        &mut sink,
        wanted.count,
        &mut seen,
        pause,
    );
    // The capture may have ended by itself.
    let left = ask(&mut conversation, CaptureOrder::End(id)).ok();
    let (ended, mut lost) = outcome.map_err(|error| match error {
        Failure::Sink(source) => failed(source),
        Failure::Client(error) => error,
    })?;
    if let Some(CaptureReply::Taken(taken)) = left {
        lost = taken.lost;
    }
    sink.end(lost).map_err(failed)?;
    match ended {
        Ended::Wanted => {}
        Ended::Full => note(notes, format!("The file is full: {MAX_FILE_OCTETS} octets"))?,
        Ended::Time => note(notes, "The longest time of a capture is over".to_owned())?,
    }
    note(
        notes,
        format!("{seen} packets captured, {lost} packets lost"),
    )
}

enum Failure {
    Sink(io::Error),
    Client(CliError),
}

/// Takes packets until the end; why it came and how many packets were lost.
fn follow(
    conversation: &mut Conversation,
    id: CaptureId,
    sink: &mut Sink<'_>,
    count: Option<u64>,
    seen: &mut u64,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<(Ended, u64), Failure> {
    loop {
        let reply = ask(conversation, CaptureOrder::Take(id)).map_err(Failure::Client)?;
        let CaptureReply::Taken(taken) = reply else {
            return Err(Failure::Client(CliError::Mismatch));
        };
        match sink.take(&taken, count, seen) {
            Ok(None) => {}
            Ok(Some(ended)) => return Ok((ended, taken.lost)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok((Ended::Wanted, taken.lost));
            }
            Err(error) => return Err(Failure::Sink(error)),
        }
        if taken.ended {
            return Ok((Ended::Time, taken.lost));
        }
        let wait = if taken.more { Duration::ZERO } else { PACE };
        if pause(wait) {
            return Ok((Ended::Wanted, taken.lost));
        }
    }
}

impl Sink<'_> {
    /// Writes packets, up to `count` of them in all; why it has to end.
    fn take(
        &mut self,
        taken: &Taken,
        count: Option<u64>,
        seen: &mut u64,
    ) -> io::Result<Option<Ended>> {
        for packet in &taken.packets {
            if let Sink::Pcapng(writer, Some(most)) = self
                && writer.octets() + Writer::<File>::longest(packet) > *most
            {
                return Ok(Some(Ended::Full));
            }
            self.write(packet)?;
            *seen += 1;
            if count == Some(*seen) {
                return Ok(Some(Ended::Wanted));
            }
        }
        match self {
            Sink::Lines(out, _) => out.flush()?,
            Sink::Pcapng(writer, _) => writer.flush()?,
        }
        Ok(None)
    }

    fn write(&mut self, packet: &Captured) -> io::Result<()> {
        match self {
            Sink::Pcapng(writer, _) => writer.packet(packet),
            Sink::Lines(out, interfaces) => {
                let place = usize::from(packet.interface);
                match interfaces.get(place) {
                    Some(interface) => writeln!(out, "{}", line(packet, interface)),
                    None => Ok(()),
                }
            }
        }
    }

    fn end(self, lost: u64) -> io::Result<()> {
        let ended = match self {
            Sink::Lines(out, _) => out.flush(),
            Sink::Pcapng(writer, _) => writer.end(lost),
        };
        match ended {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

fn ask(conversation: &mut Conversation, order: CaptureOrder) -> Result<CaptureReply, CliError> {
    match conversation.ask(Request::Daemon(DaemonQuery::Capture(order)))? {
        Reply::Daemon(DaemonReply::Capture(reply)) => Ok(reply),
        Reply::Daemon(DaemonReply::Failed(line)) => Err(CliError::Refused(vec![line])),
        Reply::Failed(lines) => Err(CliError::Refused(lines)),
        _ => Err(CliError::Mismatch),
    }
}

fn wanted(parsed: &Parsed) -> Result<Wanted, CliError> {
    if let Some((pipe, _)) = parsed.filters.iter().find(|(f, _)| *f != Pipe::NoMore) {
        let line = format!("`monitor` has no filter {pipe:?}: say `matching` before the `|`");
        return Err(CliError::Refused(vec![line]));
    }
    let interfaces = parsed.values.first().map_or("", |word| word.text.as_str());
    let mut wanted = Wanted {
        spec: CaptureSpec {
            interfaces: interfaces.split(',').map(str::to_owned).collect(),
            filter: ravelin_ctl::capture::Filter::default(),
            size_octets: CAPTURE_OCTETS,
        },
        count: None,
        file: None,
    };
    for (choice, word) in &parsed.chosen {
        match choice {
            Choose::Count => {
                wanted.count = Some(number(word, 1..=u64::MAX, "a number of packets")?);
            }
            Choose::Size => {
                let range = u64::from(MIN_CAPTURE_OCTETS)..=u64::from(MAX_CAPTURE_OCTETS);
                wanted.spec.size_octets = number(word, range, "between 96 and 9216")? as u32;
            }
            Choose::Matching => wanted.spec.filter = filter::parse(word)?,
            Choose::WriteFile => wanted.file = Some(PathBuf::from(&word.text)),
            // Those of other commands.
            _ => {}
        }
    }
    Ok(wanted)
}

fn number(
    word: &Word,
    range: std::ops::RangeInclusive<u64>,
    wanted: &'static str,
) -> Result<u64, CommandError> {
    let value = word.text.parse().ok().filter(|value| range.contains(value));
    value.ok_or_else(|| CommandError::Value {
        word: word.text.clone(),
        at: word.at,
        wanted,
    })
}

/// Only its owner reads what users sent.
fn create(path: &Path) -> Result<File, CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: io::Error) -> CliError {
    CliError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
