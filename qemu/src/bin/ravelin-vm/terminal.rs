//! The person's terminal as the guest's serial console.

use ravelin_qemu::process::run;
use ravelin_qemu::{Result, VmError};
use std::io::{IsTerminal, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ctrl-].
const ESCAPE: u8 = 0x1d;

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The guest switched itself off, or QEMU ended.
    Guest,
    /// Ctrl-].
    Person,
}

/// A terminal whose keys go to the guest one by one; as before when this value ends.
struct Raw {
    settings: String,
}

impl Raw {
    /// None when standard input is no terminal.
    fn new() -> Result<Option<Self>> {
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        let settings = stty(&["-g"])?.trim().to_owned();
        stty(&["raw", "-echo"])?;
        Ok(Some(Self { settings }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        drop(stty(&[&self.settings]));
    }
}

/// stty works on the terminal itself, whatever its standard input is.
fn stty(arguments: &[&str]) -> Result<String> {
    run(Command::new("stty")
        .args(["-F", "/dev/tty"])
        .args(arguments)
        .stdin(Stdio::null()))
}

/// Joins terminal and serial line until one of them ends.
///
/// # Errors
/// When the terminal cannot be set.
pub fn attach(mut serial: UnixStream) -> Result<End> {
    let raw = Raw::new()?;
    let escaped = Arc::new(AtomicBool::new(false));
    let keys = serial
        .try_clone()
        .map_err(|e| VmError::io("duplicate the serial line", e))?;
    let pressed = Arc::clone(&escaped);
    // Ends with the process: nothing can wake it from its standard input.
    std::thread::spawn(move || type_keys(keys, &pressed));
    let mut output = std::io::stdout().lock();
    let mut octets = [0; 4096];
    while let Ok(count @ 1..) = serial.read(&mut octets) {
        let shown = output.write_all(octets.get(..count).unwrap_or_default());
        if shown.and_then(|()| output.flush()).is_err() {
            break;
        }
    }
    drop(raw);
    drop(output.write_all(b"\n"));
    let person = escaped.load(Ordering::Relaxed);
    Ok(if person { End::Person } else { End::Guest })
}

/// Gives the keys to the guest until Ctrl-].
fn type_keys(mut serial: UnixStream, escaped: &AtomicBool) {
    let mut input = std::io::stdin().lock();
    let mut octets = [0; 256];
    while let Ok(count @ 1..) = input.read(&mut octets) {
        let typed = octets.get(..count).unwrap_or_default();
        let ends = typed.iter().position(|&octet| octet == ESCAPE);
        let before = typed.get(..ends.unwrap_or(count)).unwrap_or_default();
        if serial.write_all(before).is_err() {
            return;
        }
        if ends.is_some() {
            escaped.store(true, Ordering::Relaxed);
            drop(serial.shutdown(Shutdown::Both));
            return;
        }
    }
}
