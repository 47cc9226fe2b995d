//! The peer guest (`image/peer`): Debian's kernel with its XFRM ESP, and strongSwan; an eNodeB, or a host of the core.
//!
//! It is driven over a virtio-serial channel: a line of shell is answered by what it printed, then by an octet 1, `end` and its
//! status. Its serial console shows the kernel's messages and is kept in the artifacts.

use crate::strongswan::{Connection, swanctl_conf};
use crate::{BenchError, Result};
use ravelin_qemu::wait::wait_until;
use ravelin_qemu::{Guest, Lab, Link, Nic, NicModel, minutes, seconds};
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const CHANNEL: &str = "ravelin.control";
/// The guest holds its files in memory: 60 MB of them, and room for what a test sends.
const MEMORY_MIB: u32 = 256;
/// Nothing that costs time on an emulated processor and is of no use to a test.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr audit=0 random.trust_cpu=on tsc=reliable \
                            no_timer_check cryptomgr.notests";
const END: u8 = 1;
const READY_LIMIT: Duration = minutes(5);
const COMMAND_LIMIT: Duration = minutes(2);
/// Port of the service that answers with the SHA-256 of what it was sent.
const SUM_PORT: u16 = 7;

/// A running peer guest.
#[derive(Debug)]
pub struct Peer {
    guest: Guest,
    channel: UnixStream,
}

impl Peer {
    /// Starts one with its `eth0` on that link. `script` is run by `sh -e` while it boots.
    ///
    /// # Errors
    /// When the image was not built or QEMU does not start.
    pub fn start(lab: &Lab, name: &str, link: &Link, script: &str) -> Result<Self> {
        let folder = super::image_dir()?.join("peer");
        let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let path = lab.artifacts().join(format!("{name}.sh"));
        std::fs::write(&path, script)
            .map_err(|e| BenchError::io(format!("write {}", path.display()), e))?;
        let passed = format!("name=opt/ravelin/peer.sh,file={}", path.display());
        let mut guest = Guest::named(name)
            .memory_mib(MEMORY_MIB)
            .nic(Nic::new(NicModel::virtio()).on(link))
            .channel(CHANNEL)
            .arguments(&["-kernel", &file("vmlinux"), "-initrd", &file("initrd")])
            .arguments(&["-append", COMMAND_LINE, "-fw_cfg", &passed])
            .arguments(&["-device", "virtio-rng-pci"])
            .start(lab)?;
        let channel = guest.take_channel(CHANNEL)?;
        Ok(Self { guest, channel })
    }

    /// Waits until it has run its script and takes commands.
    ///
    /// # Errors
    /// When it does not get so far, with the end of its console.
    pub fn ready(&mut self) -> Result<()> {
        self.attempt("true", READY_LIMIT).map(drop)
    }

    /// The virtual machine.
    pub fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }

    /// Runs a line of shell and returns what it printed.
    ///
    /// # Errors
    /// [`BenchError::Command`] when its status is not 0.
    pub fn run(&mut self, line: &str) -> Result<String> {
        let (status, output) = self.attempt(line, COMMAND_LIMIT)?;
        if status == 0 {
            return Ok(output);
        }
        Err(BenchError::Command {
            command: format!("{}: {line}", self.guest.name()),
            status: status.to_string(),
            output,
        })
    }

    /// Runs a line of shell and returns its status and what it printed.
    ///
    /// # Errors
    /// When there is no answer within `limit`.
    pub fn attempt(&mut self, line: &str, limit: Duration) -> Result<(i32, String)> {
        let failed = |e| BenchError::io("the peer guest's channel", e);
        self.channel
            .write_all(format!("{line}\n").as_bytes())
            .map_err(failed)?;
        let end = Instant::now() + limit;
        let mut answer = Vec::new();
        let mut octets = [0; 65_536];
        loop {
            if let Some(found) = complete(&answer) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.silent(line, limit));
            }
            self.channel.set_read_timeout(Some(left)).map_err(failed)?;
            match self.channel.read(&mut octets) {
                Ok(0) => return Err(failed(ErrorKind::UnexpectedEof.into())),
                Ok(count) => answer.extend(octets.get(..count).unwrap_or_default()),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => return Err(failed(e)),
            }
        }
    }

    fn silent(&mut self, line: &str, limit: Duration) -> BenchError {
        let shown = self.guest.console().map_or(String::new(), |c| c.text());
        let from = shown.len().saturating_sub(1500);
        BenchError::Deadline {
            what: format!(
                "{}'s answer to `{line}`; its console ends:\n{}",
                self.guest.name(),
                shown.get(from..).unwrap_or(&shown)
            ),
            seconds: limit.as_secs(),
        }
    }

    /// Sends so many pings, 100 ms apart, and returns how many were answered.
    ///
    /// # Errors
    /// When ping does not run at all.
    pub fn ping(&mut self, from: IpAddr, to: IpAddr, count: u32) -> Result<u32> {
        let line = format!("ping -n -q -i 0.1 -W 5 -c {count} -I {from} {to}");
        let (_, output) = self.attempt(&line, COMMAND_LIMIT)?;
        let received = output.split(", ").find_map(|part| {
            let (number, rest) = part.split_once(' ')?;
            rest.starts_with("received").then(|| number.parse().ok())?
        });
        received.ok_or_else(|| BenchError::Unexpected(format!("`{line}` printed: {output}")))
    }

    /// Sends so many KiB of random octets by TCP and compares the SHA-256 that comes back.
    ///
    /// # Errors
    /// When they do not arrive as they were sent.
    pub fn tcp(&mut self, from: IpAddr, to: IpAddr, kib: u32) -> Result<()> {
        let (kind, from, to) = match (from, to) {
            (IpAddr::V6(from), IpAddr::V6(to)) => ("TCP6", format!("[{from}]"), format!("[{to}]")),
            _ => ("TCP4", from.to_string(), to.to_string()),
        };
        let sent = self.run(&format!(
            "dd if=/dev/urandom of=/tmp/sent bs=1024 count={kib} 2>/dev/null; sha256sum </tmp/sent"
        ))?;
        let came = self.run(&format!(
            "socat -t 60 - {kind}:{to}:{SUM_PORT},bind={from},connect-timeout=30 </tmp/sent"
        ))?;
        if came == sent {
            return Ok(());
        }
        Err(BenchError::Unexpected(format!(
            "{kib} KiB from {from} to {to} arrived as {came:?}, they were {sent:?}"
        )))
    }

    /// How often a child SA has come up since charon's start.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn tunnels_so_far(&mut self) -> Result<usize> {
        let line = "grep -c 'CHILD_SA .* established' /run/charon.log";
        let (_, output) = self.attempt(line, COMMAND_LIMIT)?;
        let count = output.trim().parse();
        count.map_err(|_| BenchError::Unexpected(format!("`{line}` printed: {output}")))
    }

    /// Waits until child SAs have come up more than `before` times.
    ///
    /// # Errors
    /// When that does not happen in time, with the end of charon's log.
    pub fn wait_tunnel(&mut self, before: usize, limit: Duration) -> Result<()> {
        let waited = wait_until("a tunnel", limit, || {
            Ok((self.tunnels_so_far()? > before).then_some(()))
        });
        waited.map_err(|error: BenchError| {
            let log = self.attempt("tail -n 25 /run/charon.log", seconds(60));
            let log = log.map_or_else(|e| e.to_string(), |(_, text)| text);
            BenchError::Unexpected(format!("{error}; charon's log ends:\n{log}"))
        })
    }
}

/// Status and output, when the answer is complete.
fn complete(answer: &[u8]) -> Option<(i32, String)> {
    let text = answer.strip_suffix(b"\n")?;
    let at = text.iter().rposition(|octet| *octet == END)?;
    let line = std::str::from_utf8(text.get(at + 1..)?).ok()?;
    let status = line.strip_prefix("end ")?.parse().ok()?;
    let output = String::from_utf8_lossy(text.get(..at)?);
    Some((status, output.into_owned()))
}

/// The script of a host: its addresses with prefix lengths on `eth0`, those of `lo`, and its routes as `ip route` takes them.
/// It answers with the SHA-256 of what it is sent.
pub fn host_script(eth0: &[String], lo: &[String], routes: &[String]) -> String {
    let mut text = String::from("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad\n");
    text += "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad\nip link set eth0 up\n";
    for (device, addresses) in [("eth0", eth0), ("lo", lo)] {
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            text += &format!("ip addr add {address} dev {device}{nodad}\n");
        }
    }
    for route in routes {
        text += &format!("ip route add {route}\n");
    }
    text + &format!(
        "socat TCP6-LISTEN:{SUM_PORT},fork,reuseaddr SYSTEM:sha256sum </dev/null >/run/socat.log 2>&1 &\n"
    )
}

/// The lines that start strongSwan with these connections.
pub fn strongswan_script(connections: &[Connection]) -> String {
    format!(
        "cat >/run/swanctl/swanctl.conf <<'CONF'\n{}CONF\n\
         charon-systemd </dev/null >/run/charon.out 2>&1 &\n\
         while ! swanctl --load-all --noprompt >/run/load.log 2>&1; do sleep 0.2; done\n",
        swanctl_conf(connections)
    )
}

#[cfg(test)]
mod tests;
