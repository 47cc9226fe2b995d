//! At most so many log lines per peer: hostile datagrams must not fill the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ravelin_types::{Time, VrfId};

/// Lines of one peer in one [`WINDOW`]: enough for each step of a set-up that fails.
const LINES: u32 = 5;
/// After this long a peer may be heard again.
const WINDOW: Duration = Duration::from_secs(10);
/// Peers remembered; when there are more, all of them share what is left of the window.
const MAX_PEERS: usize = 4096;
/// Lines in one window of all peers beyond those remembered.
const OVERFLOW_LINES: u32 = 50;

/// Counts lines per peer and window.
#[derive(Debug, Default)]
pub struct RateLimit {
    window_start: Time,
    peers: HashMap<(VrfId, IpAddr), u32>,
    overflow: u32,
    suppressed: u64,
}

impl RateLimit {
    /// Whether a line about this peer may be written now. `Some(n)`: yes, and n lines were suppressed since the last window.
    pub fn admit(&mut self, peer: (VrfId, IpAddr), now: Time) -> Option<u64> {
        let mut reported = 0;
        if now.since(self.window_start) >= WINDOW {
            self.window_start = now;
            self.peers.clear();
            self.overflow = 0;
            reported = std::mem::take(&mut self.suppressed);
        }
        let full = self.peers.len() >= MAX_PEERS;
        let (count, bound) = match self.peers.get_mut(&peer) {
            Some(count) => (count, LINES),
            None if full => (&mut self.overflow, OVERFLOW_LINES),
            None => (self.peers.entry(peer).or_default(), LINES),
        };
        if *count >= bound {
            self.suppressed += 1;
            return None;
        }
        *count += 1;
        Some(reported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noisy_peer_is_muted_for_a_while_and_the_others_are_heard() {
        let mut limit = RateLimit::default();
        let at = |instance, host| (VrfId(instance), IpAddr::from([192, 0, 2, host]));
        let (noisy, quiet) = (at(0, 1), at(0, 2));
        let now = Time(1_000_000_000);
        let heard = (0..100)
            .filter(|_| limit.admit(noisy, now).is_some())
            .count();
        assert_eq!(heard, LINES as usize);
        assert_eq!(limit.admit(quiet, now), Some(0));
        let elsewhere = at(1, 1);
        assert_eq!(limit.admit(elsewhere, now), Some(0));
        assert_eq!(limit.admit(noisy, now + WINDOW), Some(95));
    }

    #[test]
    fn many_peers_share_a_bound() {
        let mut limit = RateLimit::default();
        let now = Time(1_000_000_000);
        let heard = (0..10_000u32)
            .filter(|n| {
                let peer = (VrfId::DEFAULT, IpAddr::V4((*n).into()));
                limit.admit(peer, now).is_some()
            })
            .count();
        assert_eq!(heard, MAX_PEERS + OVERFLOW_LINES as usize);
    }
}
