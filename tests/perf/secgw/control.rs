//! The page that a measured process and the bench share (`control.h`), read and written as a file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ravelin_tests::wait::pause;

use crate::Failure;

/// Of page and traces.
pub const MAGIC: u64 = 0x0031_4543_4152_5456;
/// Bounds of `control.h`.
const MAX_PORTS: u64 = 4;
const MAX_QUEUES: u64 = 4;
/// Words of the page by `control.h`.
const PASS: u64 = 1;
const PORT: u64 = 2;
const TRACE: u64 = 3;
const LOOPS: u64 = 4;
const WARM: u64 = 5;
const QUEUES: u64 = 6;
const READY: u64 = 7;
const TSC_HZ: u64 = 8;
const PORTS: u64 = 9;
const GIVEN: u64 = 10;
const BASE: u64 = 11;
const DRY: u64 = 12;
const AHEAD: u64 = 13;
const PLAYED: u64 = 16;
const PLAYED_WORDS: u64 = 8;
/// Words of what a queue tells.
const CPU_NS: u64 = 1;
const PACKETS: u64 = 3;
const BEGAN_NS: u64 = 5;
const SENT: u64 = PLAYED + MAX_QUEUES * PLAYED_WORDS;
const SENT_WORDS: u64 = 8;
/// Words of what a queue has sent.
const OCTETS: u64 = 1;
const LAST_NS: u64 = 2;
const WORDS: u64 = SENT + MAX_PORTS * MAX_QUEUES * SENT_WORDS;
/// Pause between looks.
const PACE: Duration = Duration::from_micros(500);
/// How long a pass may take: a hundred times what it does.
const PASS_LIMIT: Duration = Duration::from_secs(20);
/// Silence after which nothing more will be sent: queues inside of a process are drained within 100 us.
const SETTLED: Duration = Duration::from_millis(5);

/// A page.
pub struct Control {
    path: PathBuf,
    file: File,
    pass: u64,
}

/// What is to be played.
#[derive(Clone, Copy)]
pub struct Order {
    pub port: u64,
    pub trace: u64,
    pub loops: u64,
    /// Frames before the clock runs.
    pub warm: u64,
    /// Receive queues that play, each a file of its own.
    pub queues: u64,
    /// All frames lie in buffers, and in no cache, before the first is given.
    pub ahead: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    /// Of the first queue's thread.
    pub cpu_ns: u64,
    /// In the measured time.
    pub packets: u64,
    /// Of the whole pass.
    pub sent_packets: u64,
    pub sent_octets: u64,
}

impl Control {
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::File {
            path: path.to_owned(),
            error,
        };
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(failed)?;
        file.set_len(WORDS * 8).map_err(failed)?;
        let control = Self {
            path: path.to_owned(),
            file,
            pass: 0,
        };
        control.write(0, MAGIC)?;
        Ok(control)
    }

    fn read(&self, word: u64) -> Result<u64, Failure> {
        let mut octets = [0; 8];
        let read = self.file.read_exact_at(&mut octets, word * 8);
        read.map_err(|error| Failure::File {
            path: self.path.clone(),
            error,
        })?;
        Ok(u64::from_ne_bytes(octets))
    }

    fn write(&self, word: u64, value: u64) -> Result<(), Failure> {
        let written = self.file.write_all_at(&value.to_ne_bytes(), word * 8);
        written.map_err(|error| Failure::File {
            path: self.path.clone(),
            error,
        })
    }

    pub fn tsc_hz(&self) -> Result<u64, Failure> {
        self.read(TSC_HZ)
    }

    /// Whether so many ports have started.
    pub fn has_ports(&self, ports: u64) -> Result<bool, Failure> {
        Ok(self.read(PORTS)? >= ports)
    }

    /// Packets and octets sent so far through all ports.
    fn sent(&self) -> Result<(u64, u64), Failure> {
        let mut sums = (0, 0);
        for queue in 0..MAX_PORTS * MAX_QUEUES {
            sums.0 += self.read(SENT + queue * SENT_WORDS)?;
            sums.1 += self.read(SENT + queue * SENT_WORDS + OCTETS)?;
        }
        Ok(sums)
    }

    /// The CPU time of the thread of these queues from the beginning of the last pass until it sent its last burst; 0 when the threads
    /// of other queues sent the last ones.
    pub fn until_sent_ns(&self, queue: u64) -> Result<u64, Failure> {
        let began = self.read(PLAYED + queue * PLAYED_WORDS + BEGAN_NS)?;
        let mut last = 0;
        for port in 0..MAX_PORTS {
            let sent = SENT + (port * MAX_QUEUES + queue) * SENT_WORDS;
            last = last.max(self.read(sent + LAST_NS)?);
        }
        Ok(last.saturating_sub(began))
    }

    /// Has queues of a port play, and waits until all of it was sent, or nothing more is. `None` when it takes too long.
    pub fn play(&mut self, order: Order, expected: u64) -> Result<Option<Played>, Failure> {
        let before = self.sent()?;
        let words = [
            (PORT, order.port),
            (TRACE, order.trace),
            (LOOPS, order.loops),
            (WARM, order.warm),
            (QUEUES, order.queues),
            (AHEAD, order.ahead.into()),
            (READY, 0),
            (GIVEN, 0),
            (BASE, before.0),
            (DRY, 0),
        ];
        for (word, value) in words {
            self.write(word, value)?;
        }
        self.pass += 1;
        self.write(PASS, self.pass)?;
        let begun = Instant::now();
        for queue in 0..order.queues {
            while self.read(PLAYED + queue * PLAYED_WORDS)? != self.pass {
                if begun.elapsed() > PASS_LIMIT {
                    return Ok(None);
                }
                pause(PACE);
            }
        }
        let mut last = self.sent()?;
        let mut since = Instant::now();
        while last.0 - before.0 < expected && since.elapsed() < SETTLED {
            pause(PACE);
            let now = self.sent()?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(Some(Played {
            cpu_ns: self.read(PLAYED + CPU_NS)?,
            packets: self.read(PLAYED + PACKETS)?,
            sent_packets: last.0 - before.0,
            sent_octets: last.1 - before.1,
        }))
    }
}
