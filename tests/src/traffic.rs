//! Numbered UDP streams whose every packet is accounted for, and the ordinary tools (ping, iperf3).

use crate::netns::{Netns, run};
use crate::{BenchError, Result};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Packets of a stream at most: ten minutes at 10,000 packets/s.
const MAX_PACKETS: u32 = 6_000_000;
const RECEIVE_TICK: Duration = Duration::from_millis(50);
/// A TCP transfer that stands still for so long has failed.
const TCP_LIMIT: Duration = Duration::from_secs(10);
const TCP_CHUNK: u64 = 64 << 10;
const SOCKET_BUFFER_OCTETS: usize = 8 << 20;

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Packets that left the sender.
    pub sent: u32,
    /// Different packets that arrived.
    pub received: u32,
    /// Packets that arrived again.
    pub duplicated: u32,
    /// Packets that arrived after a later one.
    pub reordered: u32,
    /// Numbers of the first missing packets, ten at most.
    pub missing: Vec<u32>,
}

/// A stream under way.
pub struct Stream {
    sender: JoinHandle<Result<Result<u32>>>,
    receiver: JoinHandle<Result<Tally>>,
    done: Arc<AtomicBool>,
}

/// What a stream is like.
#[derive(Debug, Clone, Copy)]
pub struct StreamSpec {
    /// Sender's address.
    pub from: IpAddr,
    /// Receiver's address.
    pub to: IpAddr,
    /// Receiver's port.
    pub port: u16,
    /// Packets per second.
    pub rate_pps: u32,
    /// How many packets.
    pub count: u32,
    /// Octets of UDP payload, at least 4.
    pub octets: usize,
}

impl Stream {
    /// Starts to send from `source` to `sink`.
    ///
    /// # Errors
    /// When an address is not there or the stream is too long.
    pub fn start(source: &Netns, sink: &Netns, spec: StreamSpec) -> Result<Self> {
        if spec.count > MAX_PACKETS || spec.octets < 4 || spec.rate_pps == 0 {
            return Err(BenchError::Unexpected(format!(
                "impossible stream {spec:?}"
            )));
        }
        let inbound = socket(sink, SocketAddr::new(spec.to, spec.port))?;
        let outbound = socket(source, SocketAddr::new(spec.from, 0))?;
        let done = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&done);
        let receiver = sink.spawn(move || receive(&inbound, spec.count, &stop))?;
        let sender = source.spawn(move || send(&outbound, spec))?;
        Ok(Self {
            sender,
            receiver,
            done,
        })
    }

    /// Waits for the last packet to leave, grants `grace` for those under way, and counts.
    ///
    /// # Errors
    /// When a socket failed.
    pub fn finish(self, grace: Duration) -> Result<Tally> {
        let sent = join(self.sender)??;
        crate::wait::pause(grace);
        self.done.store(true, Ordering::Relaxed);
        let mut tally = join(self.receiver)?;
        tally.sent = sent;
        tally.missing.retain(|n| *n < sent);
        Ok(tally)
    }
}

pub(crate) fn join<T>(handle: JoinHandle<Result<T>>) -> Result<T> {
    handle
        .join()
        .map_err(|_| BenchError::Unexpected("a traffic thread died".to_owned()))?
}

pub(crate) fn socket(netns: &Netns, address: SocketAddr) -> Result<UdpSocket> {
    let bound = join(netns.spawn(move || UdpSocket::bind(address))?)?;
    let socket = bound.map_err(|e| BenchError::io(format!("bind {address}"), e))?;
    nix::sys::socket::setsockopt(
        &socket,
        nix::sys::socket::sockopt::RcvBufForce,
        &SOCKET_BUFFER_OCTETS,
    )
    .map_err(|e| BenchError::io("receive buffer", e.into()))?;
    Ok(socket)
}

fn send(socket: &UdpSocket, spec: StreamSpec) -> Result<u32> {
    let mut packet = vec![0x5a; spec.octets];
    let start = Instant::now();
    for number in 0..spec.count {
        let due =
            Duration::from_nanos(u64::from(number) * 1_000_000_000 / u64::from(spec.rate_pps));
        crate::wait::pause(due.saturating_sub(start.elapsed()));
        packet[..4].copy_from_slice(&number.to_be_bytes());
        // A host without a route yet, or an ICMP error from the path, loses this packet only; it counts as sent.
        if let Err(error) = socket.send_to(&packet, (spec.to, spec.port)) {
            if number == 0 {
                return Err(BenchError::io(format!("send to {}", spec.to), error));
            }
        }
    }
    Ok(spec.count)
}

fn receive(socket: &UdpSocket, count: u32, stop: &AtomicBool) -> Tally {
    let mut seen = vec![false; count as usize];
    let mut tally = Tally::default();
    let mut highest = None;
    let mut packet = [0; 65536];
    drop(socket.set_read_timeout(Some(RECEIVE_TICK)));
    loop {
        let Ok((length, _)) = socket.recv_from(&mut packet) else {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            continue;
        };
        let number = match packet[..length].first_chunk::<4>() {
            Some(octets) => u32::from_be_bytes(*octets),
            None => continue,
        };
        let Some(slot) = seen.get_mut(number as usize) else {
            continue;
        };
        if std::mem::replace(slot, true) {
            tally.duplicated += 1;
            continue;
        }
        tally.received += 1;
        tally.reordered += u32::from(highest.is_some_and(|h| number < h));
        highest = highest.max(Some(number));
    }
    let missing = seen.iter().enumerate().filter(|(_, seen)| !**seen);
    tally.missing = missing.take(10).map(|(n, _)| n as u32).collect();
    tally
}

/// A UDP echo server on port 7 of some addresses, until dropped.
pub struct Echo {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

const ECHO_PORT: u16 = 7;

impl Echo {
    /// Serves `addresses` of `netns`.
    ///
    /// # Errors
    /// When an address is not there.
    pub fn start(netns: &Netns, addresses: &[IpAddr]) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for address in addresses {
            let socket = socket(netns, SocketAddr::new(*address, ECHO_PORT))?;
            let stop = Arc::clone(&stop);
            threads.push(netns.spawn(move || {
                let mut packet = [0; 65536];
                drop(socket.set_read_timeout(Some(RECEIVE_TICK)));
                while !stop.load(Ordering::Relaxed) {
                    if let Ok((length, from)) = socket.recv_from(&mut packet) {
                        drop(socket.send_to(&packet[..length], from));
                    }
                }
            })?);
        }
        Ok(Self { stop, threads })
    }

    /// Asks the server at `to` `count` times, one at a time, and returns how many equal answers came.
    ///
    /// # Errors
    /// When the address `from` is not there.
    pub fn ask(netns: &Netns, from: IpAddr, to: IpAddr, count: u32) -> Result<u32> {
        let socket = socket(netns, SocketAddr::new(from, 0))?;
        let timeout = Some(Duration::from_secs(1));
        socket
            .set_read_timeout(timeout)
            .map_err(|e| BenchError::io("set a timeout", e))?;
        let mut answers = 0;
        let mut packet = [0; 2048];
        for number in 0..count {
            let question = number.to_be_bytes();
            let asked = socket.send_to(&question, (to, ECHO_PORT)).is_ok();
            if asked
                && socket
                    .recv_from(&mut packet)
                    .is_ok_and(|(n, _)| packet[..n] == question)
            {
                answers += 1;
            }
        }
        Ok(answers)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

/// Pings `count` times, five a second, and returns how many answers came.
///
/// # Errors
/// When ping cannot run.
pub fn ping(netns: &Netns, from: IpAddr, to: IpAddr, count: u32, octets: u32) -> Result<u32> {
    let output = netns
        .command("ping")
        .args(["-n", "-q", "-i", "0.2", "-W", "2"])
        .args(["-c", &count.to_string(), "-s", &octets.to_string()])
        .args(["-I", &from.to_string(), &to.to_string()])
        .output()
        .map_err(|e| BenchError::io("ping", e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let received = text
        .split(',')
        .find_map(|part| part.trim().strip_suffix(" received"));
    received.and_then(|n| n.parse().ok()).ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        BenchError::Unexpected(format!("ping {to} said: {text}{errors}"))
    })
}

/// Sends `octets` over TCP from `source` to an address of `sink` and returns how many arrived in order and unchanged.
///
/// # Errors
/// When the connection fails or a side stalls.
pub fn tcp(source: &Netns, sink: &Netns, to: SocketAddr, octets: u64) -> Result<u64> {
    let listener = join(sink.spawn(move || TcpListener::bind(to))?)?;
    let listener = listener.map_err(|e| BenchError::io(format!("listen on {to}"), e))?;
    let receiver = sink.spawn(move || take_in(&listener))?;
    let sender = source.spawn(move || give_out(to, octets))?;
    let sent = join(sender)?.map_err(|e| BenchError::io(format!("TCP to {to}"), e));
    // A receiver that nobody connects to would wait for ever: its socket is shut by the bench's own connection.
    if sent.is_err() {
        drop(sink.spawn(move || TcpStream::connect(to))?.join());
    }
    let received = join(receiver)?.map_err(|e| BenchError::io(format!("TCP at {to}"), e));
    sent?;
    received
}

/// Octet number `at` of every TCP transfer.
fn pattern(at: u64) -> u8 {
    (at % 251) as u8
}

fn give_out(to: SocketAddr, octets: u64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, TCP_LIMIT)?;
    stream.set_write_timeout(Some(TCP_LIMIT))?;
    let mut sent = 0;
    while sent < octets {
        let end = octets.min(sent + TCP_CHUNK);
        let chunk: Vec<u8> = (sent..end).map(pattern).collect();
        stream.write_all(&chunk)?;
        sent = end;
    }
    stream.shutdown(std::net::Shutdown::Write)
}

fn take_in(listener: &TcpListener) -> std::io::Result<u64> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(TCP_LIMIT))?;
    let mut chunk = vec![0; TCP_CHUNK as usize];
    let mut right = 0;
    loop {
        let read = stream.read(&mut chunk)?;
        let good = chunk[..read]
            .iter()
            .zip(right..)
            .all(|(octet, at)| *octet == pattern(at));
        if read == 0 || !good {
            return Ok(right);
        }
        right += read as u64;
    }
}

/// Runs iperf3 (server in `sink`) over TCP for some seconds, and returns the bits per second that arrived.
///
/// # Errors
/// When the connection fails.
pub fn throughput(
    source: &Netns,
    sink: &Netns,
    from: IpAddr,
    to: IpAddr,
    seconds: u32,
) -> Result<u64> {
    let server = sink
        .command("iperf3")
        .args(["-s", "-1", "-B", &to.to_string()])
        .stdout(std::process::Stdio::null())
        .spawn()
        .map_err(|e| BenchError::io("iperf3 -s", e))?;
    let report = iperf_client(source, from, to, seconds);
    stop(server);
    let report = report?;
    received_rate(&report)
        .ok_or_else(|| BenchError::Unexpected(format!("iperf3 reports no rate: {report}")))
}

fn iperf_client(source: &Netns, from: IpAddr, to: IpAddr, seconds: u32) -> Result<String> {
    crate::wait::wait_until("an iperf3 connection", Duration::from_secs(10), || {
        let mut client: Command = source.command("iperf3");
        client.args(["-J", "-c", &to.to_string(), "-B", &from.to_string()]);
        client.args(["-t", &seconds.to_string(), "--connect-timeout", "3000"]);
        match run(&mut client) {
            Ok(report) => Ok(Some(report)),
            Err(BenchError::Command { output, .. }) if output.contains("refused") => Ok(None),
            Err(error) => Err(error),
        }
    })
}

fn stop(mut server: std::process::Child) {
    // It ends by itself after one client; then both calls find it gone.
    drop(server.kill());
    drop(server.wait());
}

/// `end.sum_received.bits_per_second` of an iperf3 report.
fn received_rate(report: &str) -> Option<u64> {
    let report: serde_json::Value = serde_json::from_str(report).ok()?;
    report
        .get("end")?
        .get("sum_received")?
        .get("bits_per_second")?
        .as_f64()
        .map(|rate| rate as u64)
}

#[cfg(test)]
mod tests;
