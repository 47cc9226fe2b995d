//! QEMU's monitor: one command at a time, one JSON object a line (QEMU Machine Protocol).
//!
//! Each line is kept in a log, events in a list until somebody waits for them.

use crate::wait::Deadline;
use crate::{Result, VmError};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// QEMU answers within milliseconds; on a loaded machine within seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Events kept for [`Qmp::event`]; a guest that is reset for ever makes one a reset. The oldest go.
const MAX_EVENTS: usize = 1024;

/// A connection to the monitor of one QEMU.
#[derive(Debug)]
pub struct Qmp {
    guest: String,
    input: BufReader<UnixStream>,
    output: UnixStream,
    log: File,
    events: VecDeque<Value>,
    /// A line that is not complete.
    line: Vec<u8>,
}

impl Qmp {
    /// Greets the monitor at the other end.
    ///
    /// # Errors
    /// When there is no monitor.
    pub fn new(guest: &str, stream: UnixStream, log: &Path) -> Result<Self> {
        let failed = |e| VmError::io(format!("{guest}: open its monitor"), e);
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(failed)?;
        let output = stream.try_clone().map_err(failed)?;
        let mut qmp = Self {
            guest: guest.to_owned(),
            input: BufReader::new(stream),
            output,
            log,
            events: VecDeque::new(),
            line: vec![],
        };
        qmp.read(Instant::now() + ANSWER_LIMIT, "the monitor's greeting")?;
        qmp.execute("qmp_capabilities", Value::Null)?;
        Ok(qmp)
    }

    /// Runs a command and returns its answer.
    ///
    /// # Errors
    /// When QEMU refuses it, is gone or does not answer.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut request = json!({ "execute": command });
        if !arguments.is_null()
            && let Some(fields) = request.as_object_mut()
        {
            fields.insert("arguments".to_owned(), arguments);
        }
        let line = format!("{request}\n");
        drop(self.log.write_all(line.as_bytes()));
        let sent = self.output.write_all(line.as_bytes());
        sent.map_err(|e| VmError::io(format!("{}: QMP `{command}`", self.guest), e))?;
        let end = Instant::now() + ANSWER_LIMIT;
        loop {
            let mut answer = self.read(end, command)?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(VmError::Qmp {
                    guest: self.guest.clone(),
                    command: command.to_owned(),
                    answer: error.to_string(),
                });
            }
            self.keep(answer);
        }
    }

    /// Waits for an event of that name, which may have come already, and takes it and those before it off the list.
    ///
    /// # Errors
    /// When it does not come within `limit`.
    pub fn event(&mut self, name: &str, limit: Duration) -> Result<Value> {
        let end = Instant::now() + limit;
        loop {
            while let Some(event) = self.events.pop_front() {
                if event["event"] == name {
                    return Ok(event);
                }
            }
            let next = self.read(end, name)?;
            self.keep(next);
        }
    }

    fn keep(&mut self, event: Value) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The next line, whatever it is.
    fn read(&mut self, end: Instant, what: &str) -> Result<Value> {
        let failed = |e| VmError::io(format!("{}: QMP `{what}`", self.guest), e);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(VmError::Deadline(Deadline {
                    what: format!("{}: an answer to QMP `{what}`", self.guest),
                    seconds: ANSWER_LIMIT.as_secs(),
                }));
            }
            self.output.set_read_timeout(Some(left)).map_err(failed)?;
            match self.input.read_until(b'\n', &mut self.line) {
                Ok(0) => return Err(failed(ErrorKind::UnexpectedEof.into())),
                Ok(_) if self.line.ends_with(b"\n") => break,
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        let line = std::mem::take(&mut self.line);
        drop(self.log.write_all(&line));
        serde_json::from_slice(&line).map_err(|e| {
            let text = String::from_utf8_lossy(&line);
            VmError::Unexpected(format!("{}: QMP sent `{text}`: {e}", self.guest))
        })
    }
}

#[cfg(test)]
mod tests;
