//! Probes of the host path: numbered questions at a steady pace, answered by a process in the gateway's namespace, each round trip
//! timed. Both ends run under real-time priority where they may, so that what is measured is the gateway and not the bench.

use crate::netns::{Netns, run};
use crate::{BenchError, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PACE: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(50);
/// A TCP answer that takes longer ends the probe.
const TCP_LIMIT: Duration = Duration::from_secs(20);

/// Round trips.
#[derive(Debug, Clone, Default)]
pub struct Trips {
    /// Questions sent.
    pub asked: usize,
    /// Times of those that were answered, sorted.
    pub times: Vec<Duration>,
}

impl Trips {
    /// Questions without an answer.
    pub fn lost(&self) -> usize {
        self.asked - self.times.len()
    }

    /// The time that this share (in percent) of the answered ones stays below.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.times.len().saturating_sub(1);
        let at = (self.times.len() * percent / 100).min(last);
        self.times.get(at).copied().unwrap_or(Duration::MAX)
    }

    /// One line.
    pub fn summary(&self) -> String {
        format!(
            "asked {} lost {} median {:?} p99 {:?} longest {:?}",
            self.asked,
            self.lost(),
            self.percentile(50),
            self.percentile(99),
            self.percentile(100),
        )
    }
}

/// A probe under way: both its ends.
pub struct Probe {
    stop: Arc<AtomicBool>,
    asker: Option<JoinHandle<Result<Result<Trips>>>>,
    answerer: Option<JoinHandle<Result<()>>>,
}

impl Probe {
    /// Asks by UDP with a TTL of 255, as BFD does: from `from` in `client` to `to` in `server`.
    ///
    /// # Errors
    /// When an address or port is not to be had.
    pub fn udp(client: &Netns, from: SocketAddr, server: &Netns, to: SocketAddr) -> Result<Self> {
        let bound = |netns: &Netns, at: SocketAddr| -> Result<UdpSocket> {
            let socket = join(netns.spawn(move || UdpSocket::bind(at))?)?
                .map_err(|e| BenchError::io(format!("bind {at}"), e))?;
            socket
                .set_ttl(255)
                .and_then(|()| socket.set_read_timeout(Some(TICK)))
                .map_err(|e| BenchError::io("set up a probe", e))?;
            Ok(socket)
        };
        let (asking, answering) = (bound(client, from)?, bound(server, to)?);
        let stop = Arc::new(AtomicBool::new(false));
        let (stop_asking, stop_answering) = (Arc::clone(&stop), Arc::clone(&stop));
        let answerer = server.spawn(move || {
            hurry();
            let mut packet = [0; 64];
            while !stop_answering.load(Ordering::Relaxed) {
                if let Ok((octets, back)) = answering.recv_from(&mut packet) {
                    drop(answering.send_to(&packet[..octets], back));
                }
            }
        })?;
        let asker = client.spawn(move || Ok(ask_udp(&asking, to, &stop_asking)))?;
        Ok(Self {
            stop,
            asker: Some(asker),
            answerer: Some(answerer),
        })
    }

    /// Asks over one TCP connection from source port 179, as BGP does. What the network loses comes late.
    ///
    /// # Errors
    /// When an address is not there or nobody answers.
    pub fn tcp(client: &Netns, from: SocketAddr, server: &Netns, to: SocketAddr) -> Result<Self> {
        let listener = join(server.spawn(move || TcpListener::bind(to))?)?
            .map_err(|e| BenchError::io(format!("listen on {to}"), e))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stop_asking = Arc::clone(&stop);
        let answerer = server.spawn(move || {
            hurry();
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            drop(stream.set_nodelay(true));
            let mut octets = [0; 4];
            while stream.read_exact(&mut octets).is_ok() && stream.write_all(&octets).is_ok() {}
        })?;
        let asker = client.spawn(move || {
            connect(from, to)
                .and_then(|stream| ask_tcp(stream, &stop_asking))
                .map_err(|e| BenchError::io(format!("TCP probe of {to}"), e))
        })?;
        Ok(Self {
            stop,
            asker: Some(asker),
            answerer: Some(answerer),
        })
    }

    /// Stops, and returns the round trips.
    ///
    /// # Errors
    /// When a socket failed.
    pub fn finish(mut self) -> Result<Trips> {
        self.stop.store(true, Ordering::Relaxed);
        let asker = self.asker.take();
        let trips = asker.map_or(Ok(Ok(Trips::default())), join)?;
        if let Some(answerer) = self.answerer.take() {
            join(answerer)?;
        }
        let mut trips = trips?;
        trips.times.sort_unstable();
        Ok(trips)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn join<T>(handle: JoinHandle<Result<T>>) -> Result<T> {
    handle
        .join()
        .map_err(|_| BenchError::Unexpected("a probe's thread died".to_owned()))?
}

/// Real-time priority for this thread, if it may have it.
fn hurry() {
    let thread = nix::unistd::gettid().to_string();
    drop(run(
        Command::new("chrt").args(["--fifo", "--pid", "20", &thread])
    ));
}

fn ask_udp(socket: &UdpSocket, to: SocketAddr, stop: &AtomicBool) -> Trips {
    hurry();
    let mut sent: Vec<Instant> = Vec::new();
    let mut times = Vec::new();
    let start = Instant::now();
    let mut packet = [0; 64];
    // The last question gets a while for its answer.
    let mut late = 0;
    while late < 20 {
        let due = PACE * sent.len() as u32;
        if stop.load(Ordering::Relaxed) {
            late += 1;
        } else if start.elapsed() >= due {
            let number = (sent.len() as u32).to_be_bytes();
            sent.push(Instant::now());
            drop(socket.send_to(&number, to));
            continue;
        }
        let wait = due.saturating_sub(start.elapsed()).min(TICK);
        drop(socket.set_read_timeout(Some(wait.max(Duration::from_millis(1)))));
        let answer = socket.recv_from(&mut packet).ok();
        let number = answer.and_then(|(octets, _)| packet[..octets].first_chunk::<4>().copied());
        let asked = number.and_then(|n| sent.get(u32::from_be_bytes(n) as usize));
        times.extend(asked.map(Instant::elapsed));
    }
    Trips {
        asked: sent.len(),
        times,
    }
}

fn connect(from: SocketAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket,
        sockopt,
    };
    use std::os::fd::AsRawFd;
    let family = if from.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(from))?;
    connect(fd.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(fd.into())
}

fn ask_tcp(mut stream: TcpStream, stop: &AtomicBool) -> std::io::Result<Trips> {
    hurry();
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TCP_LIMIT))?;
    let mut trips = Trips::default();
    let mut octets = [0; 4];
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        trips.asked += 1;
        stream.write_all(&(trips.asked as u32).to_be_bytes())?;
        stream.read_exact(&mut octets)?;
        trips.times.push(asked.elapsed());
        crate::wait::pause(PACE.saturating_sub(asked.elapsed()));
    }
    Ok(trips)
}
