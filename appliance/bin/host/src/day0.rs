//! `ravelin-host day0`: at the first boot a configuration may come from a disk or from the hypervisor; it is applied once.
//!
//! ```text
//!  disks, SMBIOS --find--> Found --decide--> compose (judged as mgmtd will) --> /data/config/ravelin.conf, then day0.json
//!                  volume, nocloud, smbios        |
//!                                                 +--> faults with file and line: consoles, /run/issue.d, day0.json
//! ```
//!
//! It needs no network and mounts nothing. It does *not* judge a configuration that is stored already (mgmtd does, and falls back by
//! itself), it never stores the factory default, and it never keeps the machine from booting: what goes wrong is told, and mgmtd
//! runs the factory default as long as nothing is stored.

mod appear;
mod compose;
mod decide;
mod fault;
mod find;
pub mod fuzzing;
mod keys;
#[cfg(test)]
mod media;
mod medium;
mod nocloud;
mod seed;
mod smbios;
mod store;
mod volume;
mod yaml;

use std::fs;

use ravelin_config::Model;
use ravelin_ctl::RUN_DIR;
use ravelin_ctl::day0::{Outcome, Record, Source};
use ravelin_ctl::host::{Alarm, DAY0_FILE, Severity, Told};
use zeroize::Zeroizing;

use crate::consoles;
use crate::error::Error;
use crate::files;
use crate::root::Root;
use compose::{Composed, compose};
use decide::{Decision, Stored, decide};
use find::{Found, Search};
use seed::{Content, Text};
use store::Store;

/// What runs when nothing is stored.
const FACTORY_DEFAULT: &str = "/usr/share/ravelin/factory-default.conf";
/// What the login prompt of every console shows above it.
const ISSUE: &str = "/run/issue.d/50-ravelin-day0.issue";
/// Everybody may read what is wrong.
const ALARM_MODE: u32 = 0o644;
/// Lines told of one boot.
const MAX_MESSAGES: usize = 40;
/// Characters of one line: two lines of a console and a half.
const MAX_LINE_CHARACTERS: usize = 200;

/// Does it.
///
/// # Errors
/// When the model of this build is broken; everything else is told.
pub fn run(root: &Root, arguments: &[String]) -> Result<(), Error> {
    if let Some(argument) = arguments.first() {
        return Err(Error::Unexpected(argument.clone()));
    }
    let store = Store::new(root);
    let (told, alarm) = look(root, &store)?;
    let issue = store::issue(&told.messages);
    let issue_written = store::place(&root.path(ISSUE), issue.as_bytes());
    if let Err(error) = issue_written.and_then(|()| raise(root, alarm)) {
        log::warn!("{error}");
    }
    if !told.messages.is_empty() {
        consoles::report(root, &told.messages);
    }
    for message in &told.messages {
        log::info!("{message}");
    }
    Ok(())
}

/// Leaves the alarm for mgmtd, until the next boot.
fn raise(root: &Root, alarm: Option<String>) -> Result<(), Error> {
    let path = root.path(RUN_DIR).join(DAY0_FILE);
    let Some(text) = alarm else {
        return store::place(&path, &[]);
    };
    let alarm = Alarm {
        severity: Severity::Major,
        subject: "day-0".to_owned(),
        text,
    };
    let told = Told {
        alarms: vec![alarm],
    };
    files::replace_json(&path, &told, ALARM_MODE)
}

/// Looks, decides, stores, and returns what came of it, and what is an alarm.
fn look(root: &Root, store: &Store) -> Result<(Record, Option<String>), Error> {
    let mut alarm = None;
    let mut messages = Vec::new();
    let applied = store.record().unwrap_or_else(|error| {
        messages.push(format!("{error}; it is made anew"));
        None
    });
    let applied = applied.and_then(|record| record.applied);
    let stored = store.stored();
    if stored == Stored::Nothing {
        appear::wait(root);
    }
    let Search { found, notes } = find::search(root);
    let source = found.as_ref().map(Found::source);
    let mut record = Record {
        outcome: Outcome::Configured,
        found: source.clone(),
        applied,
        messages,
    };
    match (
        decide(stored, record.applied.as_ref(), source.as_ref()),
        found,
    ) {
        (Decision::Apply, Some(found)) => alarm = apply(root, store, found, &mut record)?,
        (Decision::Compare, Some(found)) => compare(root, store, &found, &mut record)?,
        (Decision::WasRemoved, Some(found)) => {
            record.outcome = Outcome::FactoryDefault;
            record.messages.push(format!(
                "{} was applied before and its configuration has been removed: factory default",
                found.source
            ));
        }
        (Decision::FactoryDefault, _) => record.outcome = Outcome::FactoryDefault,
        _ => {}
    }
    if stored == Stored::Nothing {
        record.messages.extend(notes);
    }
    tidy(&mut record.messages);
    alarm = alarm.map(|text| printable(&text));
    if let Err(error) = store.save_record(&record) {
        record.messages.push(format!("not noted as done: {error}"));
    }
    Ok((record, alarm))
}

/// The source becomes the configuration; or it does not, and why is returned.
fn apply(
    root: &Root,
    store: &Store,
    found: Found,
    record: &mut Record,
) -> Result<Option<String>, Error> {
    let mut alarm = None;
    let source = found.source();
    let name = &source.name;
    match composed(root, &found)? {
        Err(faults) => {
            record.outcome = Outcome::Refused;
            let first = faults.first().map(String::as_str).unwrap_or_default();
            let more = match faults.len().saturating_sub(1) {
                0 => String::new(),
                more => format!("; and {more} more, see `show system day-0`"),
            };
            alarm = Some(format!("factory default runs: {name}: {first}{more}"));
            let faults = faults.iter().map(|fault| format!("{name}: {fault}"));
            record.messages.extend(faults);
            record
                .messages
                .push(format!("{name} is refused: factory default runs"));
        }
        Ok(None) => {
            record.outcome = Outcome::FactoryDefault;
            record.messages.push(format!("{name} says nothing"));
            record.messages.extend(notes(&found));
        }
        Ok(Some(composed)) => match store.save(&composed.text) {
            Ok(()) => {
                record.outcome = Outcome::Applied;
                record.applied = Some(source.clone());
                let kind = source.kind.name();
                record
                    .messages
                    .push(format!("configuration applied from {name}, {kind}"));
                record.messages.extend(notes(&found).chain(composed.notes));
            }
            Err(error) => {
                record.outcome = Outcome::NotStored;
                alarm = Some(format!(
                    "factory default runs: {name} cannot be stored: {error}"
                ));
                record.messages.push(format!(
                    "{name} is good and cannot be stored, factory default runs: {error}"
                ));
            }
        },
    }
    Ok(alarm)
}

/// A source beside a configuration: told, unless it is the one that the configuration came from.
fn compare(root: &Root, store: &Store, found: &Found, record: &mut Record) -> Result<(), Error> {
    if record.applied.is_none()
        && let Ok(Some(composed)) = composed(root, found)?
        && store.holds(&composed.text)
    {
        record.outcome = Outcome::Applied;
        record.applied = Some(found.source());
        return Ok(());
    }
    record.outcome = Outcome::NotApplied;
    record.messages.push(format!(
        "{} is not applied: a configuration is stored already",
        found.source
    ));
    Ok(())
}

/// The configuration that a source makes; `None` if it says nothing.
#[allow(clippy::type_complexity)]
fn composed(root: &Root, found: &Found) -> Result<Result<Option<Composed>, Vec<String>>, Error> {
    let content = match &found.content {
        Ok(content) if content.is_empty() => return Ok(Ok(None)),
        Ok(content) => content,
        Err(fault) => return Ok(Err(vec![fault.clone()])),
    };
    let model = Model::new()?;
    let path = root.path(FACTORY_DEFAULT);
    let text = fs::read_to_string(&path).map_err(|e| Error::file("read", &path, e));
    let text = text.unwrap_or_else(|error| {
        log::error!("{error}");
        String::new()
    });
    let factory_default = Text {
        file: FACTORY_DEFAULT.to_owned(),
        text: Zeroizing::new(text),
        shift_lines: Some(0),
    };
    Ok(compose(&model, content, &factory_default).map(Some))
}

fn notes(found: &Found) -> impl Iterator<Item = String> {
    let notes = found
        .content
        .as_ref()
        .map(|content: &Content| &content.notes);
    let notes = notes.map(Vec::as_slice).unwrap_or_default();
    notes.iter().map(|note| format!("{}: {note}", found.source))
}

/// Bounds what is told: the texts of a stranger's disk come here.
fn tidy(messages: &mut Vec<String>) {
    messages.truncate(MAX_MESSAGES);
    for message in messages {
        *message = printable(message);
    }
}

/// One line of bounded length.
fn printable(message: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let plain = message.chars().map(plain);
    plain.take(MAX_LINE_CHARACTERS).collect()
}

impl Found {
    fn source(&self) -> Source {
        Source {
            kind: self.kind,
            name: self.source.clone(),
            digest: self.digest.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
