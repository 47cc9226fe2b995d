//! Numbered UDP packets at a high rate, every one of which is accounted for.
//!
//! The source sends what is due once per millisecond, but never more than so many packets ahead of the sink: on a machine that is too
//! busy the rate falls, and says so, instead of queues overflowing that have nothing to do with what is tested. The sink empties its socket once per millisecond. Neither wakes up for a single packet or allocates for one, so that the bench takes as
//! little as possible of the cores that it shares with the gateways.

use crate::netns::Netns;
use crate::seen::Seen;
use crate::{BenchError, Result};
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Rest between two looks at the clock or at the socket.
const TICK: Duration = Duration::from_millis(1);
/// Room for tens of thousands of small packets, at some 1,000 octets each with the kernel's overhead.
const SOCKET_BUFFER_OCTETS: usize = 32 << 20;
/// Octets of the number at the beginning of each payload.
const NUMBER_OCTETS: usize = 8;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct BlastSpec {
    /// The source's address and port.
    pub from: SocketAddr,
    /// The sink's address and port.
    pub to: SocketAddr,
    /// Packets per second.
    pub rate_pps: u32,
    /// For so long.
    pub time: Duration,
    /// Octets of UDP payload, at least 8.
    pub octets: usize,
    /// Packets sent and not received at any time; those that got lost count for ever.
    pub most_under_way: u64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlastTally {
    /// Packets that left the source.
    pub sent: u64,
    /// Packets per second that the source reached; less than wanted when the machine was too busy or packets got lost.
    pub rate_pps: u64,
    /// Different packets that arrived.
    pub received: u64,
    /// Packets that arrived again.
    pub duplicated: u64,
    /// Packets that arrived after a later one.
    pub reordered: u64,
    /// How far behind the latest one the most overtaken packet came, in numbers.
    pub most_behind: u64,
    /// Longest time between two looks of the source at the clock, and of the sink at its socket: how busy the machine was.
    pub source_held_up: Duration,
    /// See `source_held_up`.
    pub sink_held_up: Duration,
}

/// Packets under way.
pub struct Blast {
    source: JoinHandle<Result<Result<BlastTally>>>,
    sink: JoinHandle<Result<Result<BlastTally>>>,
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

impl Blast {
    /// Starts to send from `source` to `sink`.
    ///
    /// # Errors
    /// When an address is not there.
    pub fn start(source: &Netns, sink: &Netns, spec: BlastSpec) -> Result<Self> {
        if spec.octets < NUMBER_OCTETS || spec.rate_pps == 0 {
            return Err(BenchError::Unexpected(format!("impossible {spec:?}")));
        }
        let done = Arc::new(AtomicBool::new(false));
        let (sent, received) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let inbound = socket(sink, spec.to)?;
        let outbound = socket(source, spec.from)?;
        outbound
            .connect(spec.to)
            .map_err(|e| BenchError::io(format!("connect to {}", spec.to), e))?;
        let (stop, count) = (Arc::clone(&done), Arc::clone(&received));
        let (gone, arrived) = (Arc::clone(&sent), Arc::clone(&received));
        Ok(Self {
            sink: sink.spawn(move || take_in(&inbound, &stop, &count))?,
            source: source.spawn(move || give_out(&outbound, spec, &gone, &arrived))?,
            sent,
            received,
            done,
        })
    }

    /// Different packets that have arrived so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Packets that were sent and have not arrived.
    pub fn under_way(&self) -> u64 {
        let received = self.received();
        self.sent.load(Ordering::Relaxed).saturating_sub(received)
    }

    /// Waits until the last packet has left and all have arrived, or `grace` has passed since, and counts.
    ///
    /// # Errors
    /// When a socket failed.
    pub fn finish(self, grace: Duration) -> Result<BlastTally> {
        let mut tally = join(self.source)??;
        let arrived = || self.received.load(Ordering::Relaxed) >= tally.sent;
        let end = Instant::now() + grace;
        while !arrived() && Instant::now() < end {
            crate::wait::pause(TICK);
        }
        self.done.store(true, Ordering::Relaxed);
        let sunk = join(self.sink)??;
        (tally.received, tally.duplicated) = (sunk.received, sunk.duplicated);
        (tally.reordered, tally.most_behind) = (sunk.reordered, sunk.most_behind);
        tally.sink_held_up = sunk.sink_held_up;
        Ok(tally)
    }
}

fn join<T>(handle: JoinHandle<Result<T>>) -> Result<T> {
    handle
        .join()
        .map_err(|_| BenchError::Unexpected("a traffic thread died".to_owned()))?
}

fn socket(netns: &Netns, address: SocketAddr) -> Result<UdpSocket> {
    let bound = join(netns.spawn(move || UdpSocket::bind(address))?)?;
    let socket = bound.map_err(|e| BenchError::io(format!("bind {address}"), e))?;
    for outcome in [
        setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER_OCTETS),
        setsockopt(&socket, sockopt::SndBufForce, &SOCKET_BUFFER_OCTETS),
    ] {
        outcome.map_err(|e| BenchError::io("socket buffers", e.into()))?;
    }
    socket
        .set_nonblocking(true)
        .map_err(|e| BenchError::io("socket without blocking", e))?;
    Ok(socket)
}

fn give_out(
    socket: &UdpSocket,
    spec: BlastSpec,
    sent: &AtomicU64,
    received: &AtomicU64,
) -> Result<BlastTally> {
    let mut payload = vec![0x5a; spec.octets];
    let mut tally = BlastTally::default();
    let (start, mut looked) = (Instant::now(), Duration::ZERO);
    while looked < spec.time {
        crate::wait::pause(TICK);
        let now = start.elapsed();
        tally.source_held_up = tally.source_held_up.max(now - looked);
        looked = now;
        let due = looked.as_micros() as u64 * u64::from(spec.rate_pps) / 1_000_000;
        let most = received
            .load(Ordering::Relaxed)
            .saturating_add(spec.most_under_way);
        while tally.sent < due.min(most) {
            payload[..NUMBER_OCTETS].copy_from_slice(&tally.sent.to_be_bytes());
            match socket.send(&payload) {
                Ok(_) => tally.sent += 1,
                // The link is slower than the rate.
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(BenchError::io(format!("send to {}", spec.to), e)),
            }
        }
        sent.store(tally.sent, Ordering::Relaxed);
    }
    tally.rate_pps = tally.sent * 1_000_000 / (start.elapsed().as_micros() as u64).max(1);
    Ok(tally)
}

fn take_in(socket: &UdpSocket, stop: &AtomicBool, count: &AtomicU64) -> Result<BlastTally> {
    let (mut seen, mut tally, mut latest) = (Seen::default(), BlastTally::default(), 0);
    let mut packet = [0; NUMBER_OCTETS];
    let mut looked = Instant::now();
    loop {
        // Whether it ends is asked before the last look, so that nothing is left in the socket.
        let last = stop.load(Ordering::Relaxed);
        tally.sink_held_up = tally.sink_held_up.max(looked.elapsed());
        looked = Instant::now();
        loop {
            match socket.recv(&mut packet) {
                Ok(NUMBER_OCTETS) => {}
                Ok(octets) => {
                    let text = format!("a datagram of {octets} octets came");
                    return Err(BenchError::Unexpected(text));
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(BenchError::io("receive", e)),
            }
            let number = u64::from_be_bytes(packet);
            if !seen.insert(number) {
                tally.duplicated += 1;
                continue;
            }
            if number < latest {
                tally.reordered += 1;
                tally.most_behind = tally.most_behind.max(latest - number);
            }
            latest = latest.max(number);
        }
        tally.received = seen.count();
        count.store(tally.received, Ordering::Relaxed);
        if last {
            return Ok(tally);
        }
        crate::wait::pause(TICK);
    }
}
