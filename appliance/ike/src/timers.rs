//! Deadlines: lifetimes with jitter, liveness, set-up limits.

use std::time::Duration;

use ravelin_types::{Time, Volume, VolumeLife};

use crate::error::Fault;
use crate::outbox::Ctx;

/// A peer that got our first answer has this long for IKE_AUTH: its own retransmissions end sooner.
pub const HALF_OPEN_LIFETIME: Duration = Duration::from_secs(30);
/// A refused set-up is remembered this long to repeat the answer.
pub const FAILED_LINGER: Duration = Duration::from_secs(10);
/// A replaced IKE SA or child SA that the peer should delete is dropped after this long; longer than its retransmissions.
pub const REPLACED_LIFETIME: Duration = Duration::from_secs(90);
/// A child SA past its life is in use so much longer at most while its deletion waits for the peer (RFC 4301 section 4.4.2.1: it
/// is not used after a hard lifetime): a few transmissions, so that both ends let go together.
pub const EXPIRED_WAIT: Duration = Duration::from_secs(5);
/// First wait after TEMPORARY_FAILURE (RFC 7296 section 2.25: not immediately); a random second is added.
pub const RETRY_WAIT: Duration = Duration::from_secs(1);
/// TEMPORARY_FAILUREs in a row after which the peers' states are taken to differ and the IKE SA is closed: with
/// [`RETRY_WAIT`] and its random part some three minutes ("several minutes" in section 2.25).
pub const MAX_REFUSALS: u32 = 120;
/// A child SA that the peer refused is asked for again after this long.
pub const CHILD_RETRY: Duration = Duration::from_secs(60);
/// An SA of a peer that takes more key exchanges waits this long for the next one; its retransmissions end about then.
pub const FOLLOWUP_LIFETIME: Duration = Duration::from_secs(30);
/// First wait before a static peer is tried again; doubles up to [`RECONNECT_MOST`].
pub const RECONNECT_FIRST: Duration = Duration::from_secs(1);
/// Longest wait before a static peer is tried again.
pub const RECONNECT_MOST: Duration = Duration::from_secs(60);

/// A key exchange that the pool has no room for is tried again after this long; the pool does some thousand in it.
pub const WORK_WAIT: Duration = Duration::from_millis(100);

/// When an SA is rekeyed and when it ends.
pub(crate) struct Lifetime {
    pub(crate) soft_at: Time,
    pub(crate) hard_at: Time,
    share: Share,
}

impl Lifetime {
    /// Limits by volume whose soft ones lie where that of the time does.
    pub(crate) fn by_volume(&self, hard: Volume) -> VolumeLife {
        let soft = |limit| match limit {
            u64::MAX => u64::MAX,
            limit => self.share.of(limit),
        };
        VolumeLife {
            soft: Volume {
                octets: soft(hard.octets),
                packets: soft(hard.packets),
            },
            hard,
        }
    }
}

/// The part of a life after which rekeying is due.
#[derive(Clone, Copy)]
struct Share {
    base_percent: u64,
    spread_percent: u64,
    /// Of 65,536.
    random: u64,
}

impl Share {
    fn of(self, whole: u64) -> u64 {
        whole / 100 * self.base_percent
            + (whole / 100 * self.spread_percent).saturating_mul(self.random) / 65_536
    }
}

impl Ctx<'_> {
    /// Rekeying is due after a random 80 to 90 % of the lifetime at the side that made the SA and 90 to 95 % at the other, so
    /// that simultaneous rekeys are rare and a region of peers does not rekey at once.
    pub(crate) fn lifetime(&mut self, lifetime_s: u32, maker: bool) -> Result<Lifetime, Fault> {
        let random = u64::from(u16::from_be_bytes(self.random::<2>()?));
        let whole = u64::from(lifetime_s.max(1)) * 1_000_000;
        let (base_percent, spread_percent) = if maker { (80, 10) } else { (90, 5) };
        let share = Share {
            base_percent,
            spread_percent,
            random,
        };
        Ok(Lifetime {
            soft_at: self.now + Duration::from_micros(share.of(whole)),
            hard_at: self.now + Duration::from_micros(whole),
            share,
        })
    }

    /// When to try again after TEMPORARY_FAILURE.
    pub(crate) fn retry_at(&mut self) -> Result<Time, Fault> {
        let random = u64::from(u16::from_be_bytes(self.random::<2>()?));
        Ok(self.now + RETRY_WAIT + Duration::from_micros(random * 15))
    }
}
