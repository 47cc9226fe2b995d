//! Steady traffic without an end: marked and numbered UDP datagrams that run through everything a test does, with counters that can be
//! read meanwhile.
//!
//! Every datagram carries [`MARKER`], so that a capture shows it wherever it is in clear, however it is wrapped.

use crate::capture::Trace;
use crate::frame::Kind;
use crate::netns::Netns;
use crate::traffic::{join, socket};
use crate::wait::{pause, wait_until};
use crate::{BenchError, Result};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Begins every datagram.
pub const MARKER: &[u8; 16] = b"inside-a-tunnel!";
/// Datagrams of one flow at most: ten minutes at 10,000 packets/s.
const MAX_PACKETS: u64 = 6_000_000;
const TICK: Duration = Duration::from_millis(50);
const NUMBER: std::ops::Range<usize> = 16..24;

/// What a flow is like.
#[derive(Debug, Clone, Copy)]
pub struct FlowSpec {
    /// Sender's address.
    pub from: IpAddr,
    /// Receiver's address.
    pub to: IpAddr,
    /// Receiver's port.
    pub port: u16,
    /// Packets per second.
    pub rate_pps: u32,
    /// Octets of UDP payload, at least 24.
    pub octets: usize,
}

/// What a flow has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Datagrams that the sender's host took.
    pub sent: u64,
    /// Different datagrams that arrived.
    pub received: u64,
    /// Datagrams that arrived again: a replay.
    pub duplicated: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    duplicated: AtomicU64,
    stop_sending: AtomicBool,
    stop_receiving: AtomicBool,
}

/// A flow under way.
pub struct Flow {
    spec: FlowSpec,
    counters: Arc<Counters>,
    sender: JoinHandle<Result<()>>,
    receiver: JoinHandle<Result<()>>,
}

impl Flow {
    /// Starts to send from `source` to `sink`. A host without a route goes on trying.
    ///
    /// # Errors
    /// When an address is not there.
    pub fn start(source: &Netns, sink: &Netns, spec: FlowSpec) -> Result<Self> {
        if spec.octets < NUMBER.end || spec.rate_pps == 0 {
            return Err(BenchError::Unexpected(format!("impossible flow {spec:?}")));
        }
        let inbound = socket(sink, SocketAddr::new(spec.to, spec.port))?;
        let outbound = socket(source, SocketAddr::new(spec.from, 0))?;
        let counters = Arc::new(Counters::default());
        let (mine, theirs) = (Arc::clone(&counters), Arc::clone(&counters));
        Ok(Self {
            spec,
            counters,
            receiver: sink.spawn(move || receive(&inbound, &mine))?,
            sender: source.spawn(move || send(&outbound, spec, &theirs))?,
        })
    }

    /// What it has counted so far.
    pub fn count(&self) -> Count {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Count {
            sent: get(&self.counters.sent),
            received: get(&self.counters.received),
            duplicated: get(&self.counters.duplicated),
        }
    }

    /// Stops sending, grants `grace` to what is under way, and counts.
    ///
    /// # Errors
    /// When a thread died.
    pub fn finish(self, grace: Duration) -> Result<Count> {
        self.counters.stop_sending.store(true, Ordering::Relaxed);
        join(self.sender)?;
        pause(grace);
        self.counters.stop_receiving.store(true, Ordering::Relaxed);
        join(self.receiver)?;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Count {
            sent: get(&self.counters.sent),
            received: get(&self.counters.received),
            duplicated: get(&self.counters.duplicated),
        })
    }
}

/// Waits until each flow has received `packets` more than now, and says how long it took.
///
/// # Errors
/// [`BenchError::Deadline`] naming the flows that stand still.
pub fn wait_all(flows: &[Flow], packets: u64, limit: Duration) -> Result<Duration> {
    let start = Instant::now();
    let before: Vec<u64> = flows.iter().map(|flow| flow.count().received).collect();
    let mut still = String::new();
    let outcome = wait_until("every flow to pass", limit, || {
        let short = flows
            .iter()
            .zip(&before)
            .filter(|(flow, before)| flow.count().received < **before + packets)
            .map(|(flow, _)| format!("{} -> {}", flow.spec.from, flow.spec.to));
        still = short.collect::<Vec<_>>().join(", ");
        Ok(still.is_empty().then_some(()))
    });
    match outcome {
        Ok(()) => Ok(start.elapsed()),
        Err(error) => Err(BenchError::Unexpected(format!(
            "{error}; these stand still: {still}"
        ))),
    }
}

/// Packets of the site's protected sets (10.45.0.0/16, 2001:db8:45::/48) outside tunnels, in either direction.
pub fn protected(trace: &Trace) -> Vec<(Kind, (IpAddr, IpAddr))> {
    let is_protected = |address: IpAddr| match address {
        IpAddr::V4(a) => a.octets().starts_with(&[10, 45]),
        IpAddr::V6(a) => a.segments().starts_with(&[0x2001, 0xdb8, 0x45]),
    };
    trace
        .frames()
        .filter_map(|frame| Some((frame.kind, frame.addresses?)))
        .filter(|(_, ends)| is_protected(ends.0) || is_protected(ends.1))
        .collect()
}

/// Frames of a link that show a flow's datagram in clear, at whatever depth.
pub fn marked(trace: &Trace) -> usize {
    let shows = |frame: &&[u8]| frame.windows(MARKER.len()).any(|octets| octets == MARKER);
    trace.raw().filter(shows).count()
}

fn send(socket: &std::net::UdpSocket, spec: FlowSpec, counters: &Counters) {
    let mut packet = vec![0x5a; spec.octets];
    packet[..MARKER.len()].copy_from_slice(MARKER);
    let start = Instant::now();
    for number in 0..MAX_PACKETS {
        let due = Duration::from_nanos(number * 1_000_000_000 / u64::from(spec.rate_pps));
        pause(due.saturating_sub(start.elapsed()));
        if counters.stop_sending.load(Ordering::Relaxed) {
            return;
        }
        packet[NUMBER].copy_from_slice(&number.to_be_bytes());
        if socket.send_to(&packet, (spec.to, spec.port)).is_ok() {
            counters.sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn receive(socket: &std::net::UdpSocket, counters: &Counters) {
    let mut seen: Vec<bool> = Vec::new();
    let mut packet = [0; 2048];
    drop(socket.set_read_timeout(Some(TICK)));
    loop {
        let Ok((length, _)) = socket.recv_from(&mut packet) else {
            if counters.stop_receiving.load(Ordering::Relaxed) {
                return;
            }
            continue;
        };
        let number = packet[..length]
            .get(NUMBER)
            .and_then(|octets| octets.try_into().ok())
            .map(u64::from_be_bytes);
        let Some(number) = number.filter(|n| *n < MAX_PACKETS) else {
            continue;
        };
        let at = number as usize;
        if seen.len() <= at {
            seen.resize(at + 1, false);
        }
        let again = std::mem::replace(&mut seen[at], true);
        let counter = if again {
            &counters.duplicated
        } else {
            &counters.received
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
