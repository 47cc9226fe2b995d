//! Captures on links, taken by tcpdump in the namespace at one end.

use crate::frame::{Frame, Kind};
use crate::netns::Netns;
use crate::nonces::{self, Judge};
use crate::pcap::{self, Captured};
use crate::process::Process;
use crate::wait::wait_until;
use crate::{BenchError, Result};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const READY_LIMIT: Duration = Duration::from_secs(20);
const QUIET_LIMIT: Duration = Duration::from_secs(10);
/// Polls without a new packet that count as silence.
const QUIET_POLLS: u32 = 10;
/// Answers of tcpdump without a new packet after which it has none.
const QUIET_ANSWERS: usize = 50;
const BUFFER_KIB: &str = "65536";

/// A running capture of one interface, both directions. Whatever it was started for, at its end it must not hold a nonce or a
/// sequence number that a gateway sent twice ([`crate::nonces`]).
pub struct Capture {
    process: Process,
    file: PathBuf,
    repeats: Repeats,
    judged: bool,
}

/// What a capture says about repeated nonces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// None may be.
    Refused,
    /// Copies of a packet may be, two packets under one number may not.
    Copies,
    /// Whoever takes the trace judges it.
    Elsewhere,
}

impl Capture {
    /// Starts and waits until tcpdump listens.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn start(netns: &Netns, interface: &str, folder: &Path, name: &str) -> Result<Self> {
        Self::start_tcpdump(netns, interface, folder, name, &["-s", "0"])
    }

    /// Starts with a filter (pcap-filter(7)) that the kernel applies. Frames beyond 2,048 octets are cut, so that the buffer holds
    /// thousands of them.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn start_filtered(
        netns: &Netns,
        interface: &str,
        folder: &Path,
        name: &str,
        filter: &str,
    ) -> Result<Self> {
        Self::start_tcpdump(netns, interface, folder, name, &["-s", "2048", filter])
    }

    fn start_tcpdump(
        netns: &Netns,
        interface: &str,
        folder: &Path,
        name: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let file = folder.join(format!("{name}.pcap"));
        let mut command = netns.command("tcpdump");
        command.args(["-i", interface, "-B", BUFFER_KIB, "-U", "--immediate-mode"]);
        command.args(["-Z", "root", "-n", "-w"]).arg(&file);
        command.args(arguments);
        let mut process = Process::start(&format!("tcpdump-{name}"), folder, &mut command)?;
        process.wait_log("listening on", READY_LIMIT)?;
        Ok(Self {
            process,
            file,
            repeats: Repeats::Refused,
            judged: false,
        })
    }

    /// Something between the gateways and this capture copies packets, and that is what the test is about.
    #[must_use]
    pub fn with_copies(mut self) -> Self {
        self.repeats = Repeats::Copies;
        self
    }

    /// For a caller that judges repeated nonces itself: the demo, whose verdict names them.
    #[must_use]
    pub fn judged_by_caller(mut self) -> Self {
        self.repeats = Repeats::Elsewhere;
        self
    }

    /// Waits until none of the captures has grown for a while, so that no packet is between two of them when they stop.
    ///
    /// # Errors
    /// When the links do not fall silent.
    pub fn wait_quiet(captures: &[&Capture]) -> Result<()> {
        let mut last = None;
        let mut polls = 0;
        wait_until("the captured links to fall silent", QUIET_LIMIT, || {
            let sizes: Vec<u64> = captures
                .iter()
                .map(|c| std::fs::metadata(&c.file).map_or(0, |m| m.len()))
                .collect();
            polls = if last.as_ref() == Some(&sizes) {
                polls + 1
            } else {
                0
            };
            last = Some(sizes);
            Ok((polls >= QUIET_POLLS).then_some(()))
        })
    }

    /// Octets written so far, which is between two packets while the links are silent: a place for [`Trace::cut`].
    pub fn mark(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |m| m.len())
    }

    /// What was captured so far.
    ///
    /// # Errors
    /// When the file is bad.
    pub fn so_far(&self) -> Result<Trace> {
        self.drain()?;
        Trace::read(&self.file)
    }

    /// Waits until tcpdump has written all that the kernel holds for it by now. What it has not read when it is told to end is in no
    /// file, and in no count of dropped packets. The kernel also counts what came before the filter was in place, which is never read:
    /// tcpdump that writes nothing from one answer to the next has no more.
    fn drain(&self) -> Result<()> {
        let told = self.counts().len();
        wait_until("tcpdump to read its packets", QUIET_LIMIT, || {
            self.process.signal(Signal::SIGUSR1);
            let counts = self.counts();
            let since = counts.get(told..).unwrap_or_default();
            let [Some([_, held, _]), Some([written, _, dropped])] = [since.first(), since.last()]
            else {
                return Ok(None);
            };
            let idle = since.iter().rev().take_while(|[now, ..]| now == written);
            let all = written + dropped >= *held || idle.count() > QUIET_ANSWERS;
            Ok(all.then_some(()))
        })
    }

    /// Packets that tcpdump has written, that the kernel had for it, and that the kernel dropped of those, as SIGUSR1 asked each time.
    fn counts(&self) -> Vec<[u64; 3]> {
        let number = |part: &str| part.split_whitespace().next()?.parse().ok();
        let counts = |line: &str| {
            let parts = line.strip_prefix("tcpdump: ")?.split(", ");
            let numbers: Option<Vec<u64>> = parts.map(number).collect();
            numbers?.try_into().ok()
        };
        self.process.log().lines().filter_map(counts).collect()
    }

    /// Stops and reads what was captured.
    ///
    /// # Errors
    /// When the kernel dropped packets (the capture would prove nothing), the file is bad, or a nonce was repeated.
    pub fn finish(mut self) -> Result<Trace> {
        self.judged = true;
        self.drain()?;
        self.process.signal(Signal::SIGINT);
        self.process.stop()?;
        let log = self.process.log();
        let dropped = log
            .lines()
            .rev()
            .find_map(|l| l.strip_suffix(" packets dropped by kernel"));
        match dropped.map(str::trim) {
            Some("0") => {
                let frames = pcap::read(&self.file)?;
                self.judge(&frames)?;
                Ok(Trace { frames })
            }
            other => Err(BenchError::Unexpected(format!(
                "capture {} lost packets: {other:?}",
                self.file.display()
            ))),
        }
    }
}

impl Capture {
    fn judge(&self, frames: &[Captured]) -> Result<()> {
        let mut judge = Judge::of(nonces::watched());
        judge.see(frames);
        let mut repeats = judge.repeats().to_vec();
        repeats.retain(|repeat| match self.repeats {
            Repeats::Refused => true,
            Repeats::Copies => !repeat.copy,
            Repeats::Elsewhere => false,
        });
        nonces::fault(&repeats).map_or(Ok(()), |fault| {
            let file = self.file.display();
            Err(BenchError::Unexpected(format!("capture {file}: {fault}")))
        })
    }
}

impl Drop for Capture {
    /// A capture that nobody finishes is judged all the same.
    fn drop(&mut self) {
        if self.judged {
            return;
        }
        self.process.signal(Signal::SIGINT);
        let stopped = self.process.stop();
        let judged = stopped.and_then(|_| self.judge(&pcap::read(&self.file)?));
        if let Err(error) = judged {
            // A test that is failing already must not be aborted by a second panic.
            assert!(std::thread::panicking(), "{error}");
            eprintln!("{error}");
        }
    }
}

/// The frames of one link.
pub struct Trace {
    frames: Vec<Captured>,
}

impl From<Vec<Captured>> for Trace {
    fn from(frames: Vec<Captured>) -> Self {
        Self { frames }
    }
}

impl Trace {
    /// Reads a trace kept from another run.
    ///
    /// # Errors
    /// When the file is no pcap.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self {
            frames: pcap::read(path)?,
        })
    }

    /// The frames in the order of their capture.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames.iter().map(|c| Frame::parse(&c.frame))
    }

    /// The frames as octets.
    pub fn raw(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().map(|c| c.frame.as_slice())
    }

    /// The pieces between these [`Capture::mark`]s, the one before the first mark first; what follows the last is left out.
    pub fn cut(&self, marks: &[u64]) -> Vec<Trace> {
        let mut at = pcap::FILE_HEADER_OCTETS as u64;
        let mut frames = self.frames.iter().peekable();
        let mut piece = |end: u64| {
            let mut piece = vec![];
            while let Some(captured) = frames.next_if(|_| at < end) {
                at += (pcap::RECORD_HEADER_OCTETS + captured.frame.len()) as u64;
                piece.push(captured.clone());
            }
            Trace::from(piece)
        };
        marks.iter().map(|mark| piece(*mark)).collect()
    }

    /// Copies of the frames that `wanted` says.
    pub fn pick(&self, wanted: impl Fn(&Frame<'_>) -> bool) -> Vec<Captured> {
        let picked = self
            .frames
            .iter()
            .filter(|c| wanted(&Frame::parse(&c.frame)));
        picked.cloned().collect()
    }

    /// How many frames of each kind.
    pub fn kinds(&self) -> BTreeMap<Kind, usize> {
        let mut kinds = BTreeMap::new();
        for frame in self.frames() {
            *kinds.entry(frame.kind).or_default() += 1;
        }
        kinds
    }

    /// ESP frames (both encapsulations) from one address to another.
    pub fn esp_between(&self, from: IpAddr, to: IpAddr) -> usize {
        self.frames()
            .filter(|f| f.esp().is_some() && f.addresses == Some((from, to)))
            .count()
    }

    /// IP packets that are not tunnels or neighbour upkeep.
    pub fn cleartext(&self) -> Vec<Frame<'_>> {
        self.frames()
            .filter(|f| f.kind == Kind::Cleartext)
            .collect()
    }

    /// Cleartext packets from one of `sources`.
    pub fn cleartext_from(&self, sources: &[IpAddr]) -> usize {
        let from = |f: &Frame<'_>| {
            f.addresses
                .is_some_and(|(source, _)| sources.contains(&source))
        };
        self.frames()
            .filter(|f| f.kind == Kind::Cleartext && from(f))
            .count()
    }

    /// ARP replies.
    pub fn arp_replies(&self) -> usize {
        self.frames
            .iter()
            .filter(|c| {
                c.frame.get(12..14) == Some(&[8, 6]) && c.frame.get(20..22) == Some(&[0, 2])
            })
            .count()
    }

    /// Sequence numbers and explicit IVs that one SPI used twice: must be empty for what we send.
    pub fn repeated_nonces(&self, from: IpAddr) -> Vec<(u32, u64)> {
        let mut seen = BTreeMap::<(u32, u64), usize>::new();
        let sent = |f: &Frame<'_>| f.addresses.is_some_and(|(source, _)| source == from);
        for frame in self.frames().filter(sent) {
            if let (Some((spi, _)), Some(iv)) = (frame.esp(), frame.esp_iv()) {
                *seen.entry((spi, iv)).or_default() += 1;
            }
        }
        seen.into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|(key, _)| key)
            .collect()
    }
}
