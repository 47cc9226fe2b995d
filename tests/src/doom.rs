//! Death by SIGKILL at a moment that a seed decides: after some time, or exactly between two messages of the process.
//!
//! The second kind runs the daemon under strace(1), which kills it on entry to its N-th system call of a kind: before the N-th
//! datagram, control message or record is handed to the kernel, or before the N-th is taken from it. Nothing in the product knows.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Environment variable that repeats a run.
pub const SEED: &str = "RAVELIN_SEED";

/// The system calls at which a daemon may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Something leaves: control message, datagram, netlink request, record of the vault, sysctl.
    Send,
    /// Something is taken in.
    Receive,
    /// Everything has been done, and it would wait for more.
    Wait,
    /// Files and memory: vault, shared state, sockets.
    File,
}

impl Calls {
    const ALL: [Calls; 4] = [Calls::Send, Calls::Receive, Calls::Wait, Calls::File];

    fn names(self) -> &'static str {
        match self {
            Calls::Send => "sendto,sendmsg,sendmmsg,write,writev,pwrite64",
            Calls::Receive => "recvfrom,recvmsg,recvmmsg,read,readv,accept4",
            Calls::Wait => "epoll_wait,poll,ppoll,futex,nanosleep,clock_nanosleep",
            Calls::File => {
                "openat,ftruncate,rename,unlink,fsync,fdatasync,fallocate,mmap,munmap,bind,connect,ioctl,setsockopt"
            }
        }
    }
}

/// When a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long after the activity began.
    After(Duration),
    /// On entry to this call of its kind, counted per thread from the process's start.
    At(Calls, u32),
}

impl Moment {
    /// The wrapper for [`crate::gateway::Gateway::start_daemon_under`]; empty for a death by time.
    pub fn wrapper(self, folder: &Path) -> Vec<String> {
        let Moment::At(calls, nth) = self else {
            return Vec::new();
        };
        let names = calls.names();
        let log = folder.join("strace.txt");
        // `-D`: the daemon keeps its own process id. `-b`: its children (nft) are let go, they shall not die in its stead.
        let mut words: Vec<String> = [
            "strace", "-D", "-f", "-b", "execve", "-qqq", "-s", "0", "-o",
        ]
        .map(str::to_owned)
        .to_vec();
        words.push(log.display().to_string());
        words.extend(["-e".to_owned(), format!("trace={names}")]);
        words.extend([
            "-e".to_owned(),
            format!("inject={names}:signal=KILL:when={nth}"),
        ]);
        words
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::After(time) => write!(f, "after {time:?}"),
            Moment::At(calls, nth) => write!(f, "at {calls:?} call {nth}"),
        }
    }
}

/// A small generator of numbers (SplitMix64), so that a printed seed repeats a run.
pub struct Dice(u64);

impl Dice {
    /// From the environment variable [`SEED`], else from the clock; prints which.
    pub fn new(test: &str) -> Self {
        let given = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(1, |d| d.as_nanos() as u64)
        });
        println!("{test}: repeat with {SEED}={seed}");
        Self(seed)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(bound.max(1))) as u32
    }

    /// One of some.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }

    /// A number up to `most` whose logarithm is evenly spread: small offsets matter as much as large ones.
    pub fn spread(&mut self, most: u32) -> u32 {
        let bits = 32 - most.leading_zeros();
        let top = 1u32 << self.below(bits.max(1));
        (top + self.below(top)).min(most)
    }

    /// By time or by call, half and half.
    pub fn moment(&mut self, longest: Duration, most_calls: u32) -> Moment {
        if self.below(2) == 0 {
            let longest_us = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
            return Moment::After(Duration::from_micros(self.below(longest_us).into()));
        }
        let calls = self.pick(&Calls::ALL);
        Moment::At(calls, self.spread(most_calls))
    }
}

#[cfg(test)]
mod tests;
