//! A guest and its QEMU: starting, resetting, cutting the power, ending.

use super::forward::host_port;
use super::line::{self, OVMF_VARIABLES, Places};
use super::{Firmware, GuestPlan, PROGRAM};
use crate::process::{Owned, shell_line};
use crate::wait::wait_until;
use crate::{Accel, Console, Lab, Qmp, Result, VmError, seconds};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// QEMU connects its sockets within a second; on a loaded machine within many.
const START_LIMIT: Duration = seconds(60);
/// QEMU ends at once when told to quit.
const QUIT_LIMIT: Duration = seconds(20);

/// Who reads the serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serial {
    Console,
    Plain,
}

/// A virtual machine, on or off. It ends with this value, its disks and sockets too.
#[derive(Debug)]
pub struct Guest {
    plan: GuestPlan,
    accel: Accel,
    serial: Serial,
    places: Places,
    artifacts: PathBuf,
    arguments: Vec<OsString>,
    power: Option<Power>,
}

/// What is there while it is on.
#[derive(Debug)]
struct Power {
    // Ends before its connections: the order of fields is that of their ends.
    process: Owned,
    qmp: Qmp,
    console: Option<Console>,
    plain: Option<UnixStream>,
    channels: Vec<Option<UnixStream>>,
    started: Instant,
}

impl Guest {
    /// A guest with one processor and 1,024 MiB of memory that has no disk and no NIC yet.
    pub fn named(name: &str) -> GuestPlan {
        GuestPlan::new(name)
    }

    pub(super) fn start(plan: GuestPlan, lab: &Lab, serial: Serial) -> Result<Self> {
        let accel = plan.accel.map_or_else(Accel::choose, Ok)?;
        let name = &plan.name;
        let disks = plan.disks.iter().enumerate();
        let disks = disks
            .map(|(number, disk)| disk.open(lab, name, number))
            .collect::<Result<_>>()?;
        let mut variables = None;
        if plan.firmware == Firmware::Uefi {
            let file = lab.disks().join(format!("{name}-variables.fd"));
            std::fs::copy(OVMF_VARIABLES, &file)
                .map_err(|e| VmError::io(format!("copy {OVMF_VARIABLES}"), e))?;
            variables = Some(file);
        }
        let places = Places {
            serial: lab.sockets().join(format!("{name}.serial")),
            monitor: lab.sockets().join(format!("{name}.qmp")),
            channels: (0..plan.channels.len())
                .map(|number| lab.sockets().join(format!("{name}.{number}")))
                .collect(),
            variables,
            disks,
        };
        let arguments = line::arguments(&plan, accel, &places)?;
        let mut guest = Self {
            accel,
            serial,
            places,
            artifacts: lab.artifacts().to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
            power: None,
            plan,
        };
        let line = guest.command_line() + "\n";
        let file = guest.artifact("command");
        std::fs::write(&file, line)
            .map_err(|e| VmError::io(format!("write {}", file.display()), e))?;
        guest.power_on()?;
        Ok(guest)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// What executes it.
    pub fn accel(&self) -> Accel {
        self.accel
    }

    /// QEMU's command line, as a shell reads it.
    pub fn command_line(&self) -> String {
        let program = std::iter::once(OsStr::new(PROGRAM));
        shell_line(program.chain(self.arguments.iter().map(OsString::as_os_str)))
    }

    /// Address of a NIC, by number.
    pub fn mac(&self, nic: usize) -> Option<[u8; 6]> {
        let found = self.plan.nics.get(nic)?;
        Some(found.address(&self.plan.name, nic))
    }

    /// A file of the artifacts: `<guest>.<kind>`, with kind `serial.log`, `qmp.log`, `qemu.log` or `command`.
    pub fn artifact(&self, kind: &str) -> PathBuf {
        self.artifacts.join(format!("{}.{kind}", self.plan.name))
    }

    /// Switches it on: a new QEMU on the disks as they are.
    ///
    /// # Errors
    /// When QEMU does not start; its own words are in the error.
    pub fn power_on(&mut self) -> Result<()> {
        if self.power.is_some() {
            return Ok(());
        }
        let name = self.plan.name.clone();
        let serial = listen(&self.places.serial)?;
        let monitor = listen(&self.places.monitor)?;
        let channels: Vec<UnixListener> = self
            .places
            .channels
            .iter()
            .map(|path| listen(path))
            .collect::<Result<_>>()?;
        let started = Instant::now();
        let program = OsStr::new(PROGRAM);
        let log = self.artifact("qemu.log");
        let mut process = Owned::start(&name, program, &self.arguments, &log)?;
        let plain = accept(&mut process, &serial)?;
        let stream = accept(&mut process, &monitor)?;
        let channels = channels
            .iter()
            .map(|listener| accept(&mut process, listener).map(Some))
            .collect::<Result<_>>()?;
        let qmp = match Qmp::new(&name, stream, &self.artifact("qmp.log")) {
            Ok(qmp) => qmp,
            Err(e) => {
                // What QEMU said before it ended says more than the end of the connection.
                let ended = process.wait(QUIT_LIMIT);
                return Err(ended.and_then(|_| process.check()).err().unwrap_or(e));
            }
        };
        let (console, plain) = match self.serial {
            Serial::Plain => (None, Some(plain)),
            Serial::Console => {
                let console = Console::new(&name, plain, &self.artifact("serial.log"))?;
                (Some(console.with_words(&log)), None)
            }
        };
        self.power = Some(Power {
            process,
            qmp,
            console,
            plain,
            channels,
            started,
        });
        Ok(())
    }

    /// Cuts the power: SIGKILL. What the guest has not flushed to its disk may be lost, as with a real one.
    ///
    /// # Errors
    /// When QEMU cannot be waited for.
    pub fn power_cut(&mut self) -> Result<()> {
        match self.power.take() {
            Some(mut power) => power.process.kill().map(drop),
            None => Ok(()),
        }
    }

    /// Presses the power button and waits for the guest to switch itself off.
    ///
    /// # Errors
    /// When it is still on after `limit`.
    pub fn shut_down(&mut self, limit: Duration) -> Result<()> {
        self.qmp()?.execute("system_powerdown", Value::Null)?;
        self.wait_off(limit)
    }

    /// Waits for the guest to switch itself off.
    ///
    /// # Errors
    /// When it is still on after `limit`.
    pub fn wait_off(&mut self, limit: Duration) -> Result<()> {
        self.power()?.process.wait(limit)?;
        self.power = None;
        Ok(())
    }

    /// Ends QEMU in order: its layers are flushed, the guest is not asked.
    ///
    /// # Errors
    /// When it does not end.
    pub fn quit(&mut self) -> Result<()> {
        // The answer may be lost with the connection.
        drop(self.qmp()?.execute("quit", Value::Null));
        self.wait_off(QUIT_LIMIT)
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// When it is off.
    pub fn reset(&mut self) -> Result<()> {
        self.qmp()?.execute("system_reset", Value::Null).map(drop)
    }

    /// QEMU's word for its state, such as `running`.
    ///
    /// # Errors
    /// When it is off.
    pub fn status(&mut self) -> Result<String> {
        let status = self.qmp()?.execute("query-status", Value::Null)?;
        Ok(status["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Carrier of a NIC, by number.
    ///
    /// # Errors
    /// When there is no such NIC.
    pub fn set_carrier(&mut self, nic: usize, up: bool) -> Result<()> {
        let arguments = json!({"name": format!("nic{nic}"), "up": up});
        self.qmp()?.execute("set_link", arguments).map(drop)
    }

    /// Presses keys of the keyboard at once, by QEMU's names (`ctrl`, `alt`, `delete`, `a`, `ret`).
    ///
    /// # Errors
    /// When there is no such key.
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| json!({"type": "qcode", "data": key}))
            .collect();
        let arguments = json!({"keys": keys});
        self.qmp()?.execute("send-key", arguments).map(drop)
    }

    /// Its serial console.
    ///
    /// # Errors
    /// When it is off.
    pub fn console(&mut self) -> Result<&mut Console> {
        let off = VmError::Off(self.plan.name.clone());
        let power = self.power.as_mut();
        power.and_then(|power| power.console.as_mut()).ok_or(off)
    }

    /// The serial line of a guest started by [`GuestPlan::start_with_plain_serial`], once a start.
    ///
    /// # Errors
    /// When it is off, or has been taken.
    pub fn take_serial(&mut self) -> Result<UnixStream> {
        let off = VmError::Off(self.plan.name.clone());
        let power = self.power.as_mut();
        power.and_then(|power| power.plain.take()).ok_or(off)
    }

    /// The other end of a virtio-serial port, once a start.
    ///
    /// # Errors
    /// When there is none of that name, it is off, or the port has been taken.
    pub fn take_channel(&mut self, name: &str) -> Result<UnixStream> {
        let number = self.plan.channels.iter().position(|known| known == name);
        let missing = VmError::Unexpected(format!("{}: no channel {name}", self.plan.name));
        let channels = &mut self.power()?.channels;
        let channel = number.and_then(|number| channels.get_mut(number));
        channel.and_then(Option::take).ok_or(missing)
    }

    /// When QEMU was started.
    ///
    /// # Errors
    /// When it is off.
    pub fn started(&mut self) -> Result<Instant> {
        Ok(self.power()?.started)
    }

    /// Its monitor.
    ///
    /// # Errors
    /// When it is off.
    pub fn qmp(&mut self) -> Result<&mut Qmp> {
        Ok(&mut self.power()?.qmp)
    }

    /// The port of the host's loopback that leads to that port of the guest ([`super::Backend::User`]), by number of the NIC.
    ///
    /// # Errors
    /// When it is off, or there is none.
    pub fn forwarded(&mut self, nic: usize, port: u16) -> Result<u16> {
        let arguments = json!({"command-line": "info usernet"});
        let printed = self.qmp()?.execute("human-monitor-command", arguments)?;
        let printed = printed.as_str().unwrap_or_default();
        host_port(printed, nic, port).ok_or_else(|| {
            let name = &self.plan.name;
            VmError::Unexpected(format!(
                "{name}: NIC {nic} forwards nothing to port {port}; QEMU says:\n{printed}"
            ))
        })
    }

    /// QEMU's process id.
    ///
    /// # Errors
    /// When it is off.
    pub fn pid(&mut self) -> Result<u32> {
        Ok(self.power()?.process.pid())
    }

    /// Fails when QEMU has ended by itself.
    ///
    /// # Errors
    /// With its last words; or when it is off.
    pub fn check(&mut self) -> Result<()> {
        self.power()?.process.check()
    }

    fn power(&mut self) -> Result<&mut Power> {
        let off = VmError::Off(self.plan.name.clone());
        self.power.as_mut().ok_or(off)
    }
}

/// A socket at that path; the one of an earlier start is replaced.
fn listen(path: &Path) -> Result<UnixListener> {
    let failed = |e| VmError::io(format!("listen at {}", path.display()), e);
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// QEMU's connection.
fn accept(process: &mut Owned, listener: &UnixListener) -> Result<UnixStream> {
    let failed = |e| VmError::io("take QEMU's connection", e);
    let stream = wait_until("QEMU's connection", START_LIMIT, || {
        match listener.accept() {
            Ok((stream, _)) => return Ok(Some(stream)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(failed(e)),
        }
        process.check().map(|()| None)
    })?;
    stream.set_nonblocking(false).map_err(failed)?;
    Ok(stream)
}
