//! Whether hardware virtualisation works: a tiny guest has to run under it. That `/dev/kvm` opens says nothing.
//!
//! The guest takes timer interrupts, halts and wakes, makes page tables, writes to ports, and ends QEMU with an answer of its
//! own. It has about twice the time that it takes when translated: on machines that are virtual themselves a tiny guest may
//! run, ten times slower than translated, and a kernel then hangs or dies.

use crate::boot_sector;
use crate::process::Owned;
use crate::{Lab, Result, VmError, seconds};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const DEVICE: &str = "/dev/kvm";
/// Translated, the guest needs half a second; on a loaded machine many.
const TRANSLATED_LIMIT: Duration = seconds(60);
/// Added to twice of what it takes translated.
const GRACE: Duration = Duration::from_millis(300);
const TICKS: u8 = 4;
const ANSWER: u8 = 0x2a;

/// What became of the tiny guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It ran.
    Usable,
    /// It did not, and why.
    Unusable(String),
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usable => f.write_str("KVM: a guest ran, it is used"),
            Self::Unusable(why) => write!(f, "KVM: {why}; guests are translated (TCG), slowly"),
        }
    }
}

/// Probes once in a process, and prints the result on standard error.
pub fn probe() -> &'static Probe {
    static RESULT: OnceLock<Probe> = OnceLock::new();
    RESULT.get_or_init(|| {
        let result = probe_anew();
        eprintln!("{result}");
        result
    })
}

fn probe_anew() -> Probe {
    if !Path::new(DEVICE).exists() {
        return Probe::Unusable(format!("there is no {DEVICE}"));
    }
    if let Err(e) = std::fs::File::options().read(true).write(true).open(DEVICE) {
        return Probe::Unusable(format!("{DEVICE}: {e}"));
    }
    let begin = Instant::now();
    if let Err(e) = run(&["-accel", "tcg"], TRANSLATED_LIMIT) {
        return Probe::Unusable(format!("QEMU does not run at all ({e})"));
    }
    let limit = begin.elapsed() * 2 + GRACE;
    match run(&["-accel", "kvm", "-cpu", "host"], limit) {
        Ok(()) => Probe::Usable,
        Err(VmError::Deadline(_)) => {
            let limit_ms = limit.as_millis();
            Probe::Unusable(format!("a tiny guest did not end within {limit_ms} ms"))
        }
        Err(e) => Probe::Unusable(format!("a tiny guest did not run ({e})")),
    }
}

/// Runs the tiny guest with an accelerator.
fn run(accelerator: &[&str], limit: Duration) -> Result<()> {
    let lab = Lab::scratch()?;
    let disk = lab.disks().join("probe.raw");
    std::fs::write(&disk, boot_sector::exit(TICKS, ANSWER))
        .map_err(|e| VmError::io(format!("write {}", disk.display()), e))?;
    let mut arguments: Vec<OsString> = accelerator.iter().map(OsString::from).collect();
    let fixed = "-M pc -m 32 -nodefaults -no-user-config -display none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 -drive";
    arguments.extend(fixed.split(' ').map(OsString::from));
    let mut drive = OsString::from("format=raw,if=ide,file=");
    drive.push(disk);
    arguments.push(drive);
    let log = lab.artifacts().join("qemu.log");
    let program = OsStr::new(crate::guest::PROGRAM);
    let mut process = Owned::start("the probe", program, &arguments, &log)?;
    let status = process.wait(limit)?;
    if status.code() == Some(i32::from(ANSWER) * 2 + 1) {
        return Ok(());
    }
    Err(VmError::Ended {
        process: "the probe".to_owned(),
        status: status.to_string(),
        output: process.output(),
    })
}

#[cfg(test)]
mod tests;
