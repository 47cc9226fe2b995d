//! Which numbers an SA pair may use, so that no nonce and no sequence number is ever used twice (design decision D17).
//!
//! Pure rules, shared by iked, which grants, and planed, which counts; neither decides anything about numbers outside this file.
//!
//! ```text
//!   outbound:  last ....... last + ASK_LEFT ....... ceiling ............ limit
//!               |  sends    |  asks for more        |  drops, ungranted  |  drops, exhausted
//! ```
//! iked stores a ceiling before it grants it, and planed sends nothing above it. So, when planed's own record of the last number is
//! lost, everything that was sent lies below the stored ceiling, and the pair resumes there. The same holds for what was
//! received: beyond the inbound ceiling nothing is accepted, and after the loss everything up to it counts as received.
//! What this does not do: store, send or ask. Sequence numbers: RFC 4303 section 3.3.3; explicit IVs: RFC 4106 section 3.1.

use serde::{Deserialize, Serialize};

/// Bits of the install epoch in an explicit IV.
pub const IV_EPOCH_BITS: u32 = 22;
/// Bits of the counter in an explicit IV.
pub const IV_COUNTER_BITS: u32 = 40;
/// The last epoch of a pair; one that needs another is rekeyed.
pub const LAST_EPOCH: u32 = (1 << IV_EPOCH_BITS) - 1;
/// Epochs left when a rekey is asked for: an install takes at least a restart of a daemon, so these last for days.
pub const EPOCHS_LEFT_SOFT: u32 = 1 << 10;
/// The last sequence number without extended sequence numbers.
pub const LAST_SEQUENCE: u64 = u32::MAX as u64;
/// The last sequence number with them: the counter of the explicit IV ends before 64 bits do.
pub const LAST_EXTENDED_SEQUENCE: u64 = (1 << IV_COUNTER_BITS) - 1;

/// The last sequence number, with or without extended ones.
pub const fn last_sequence(extended: bool) -> u64 {
    if extended {
        LAST_EXTENDED_SEQUENCE
    } else {
        LAST_SEQUENCE
    }
}

/// Numbers left when a rekey is asked for: some minutes at full speed.
pub const NUMBERS_LEFT_SOFT: u64 = 1 << 28;
/// Numbers granted at once. Large enough that the half of it that is left when planed asks outlasts a restart of iked at a million
/// packets per second (33 s); small enough that a loss of the record costs a 64th of the numbers, and that the peer sees a jump
/// far below 2^31, beyond which its window could not tell old from new (RFC 4303 appendix A2.2).
pub const GRANT: u64 = 1 << 26;
/// planed asks when fewer numbers than this are left below the ceiling.
pub const ASK_LEFT: u64 = GRANT / 2;
/// How far the outbound number jumps when planed resumes from its own record: what one burst of each worker may have taken and not
/// stored is far less.
pub const RESUME_STEP: u64 = 1 << 16;

/// A number for each direction: the last ones used, or the ceilings up to which they may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Sent by us.
    pub outbound: u64,
    /// Sent by the peer.
    pub inbound: u64,
}

impl Numbers {
    /// The ceilings of a new pair.
    pub const FIRST: Numbers = Numbers {
        outbound: GRANT,
        inbound: GRANT,
    };

    /// The ceilings after planed, which has `used` these numbers, has asked for more. Asking twice grants nothing twice, and a
    /// ceiling never sinks.
    #[must_use]
    pub fn granted(self, used: Numbers, extended: bool) -> Numbers {
        let limit = last_sequence(extended);
        let raise = |ceiling: u64, used: u64| ceiling.max(used.saturating_add(GRANT).min(limit));
        Numbers {
            outbound: raise(self.outbound, used.outbound),
            inbound: raise(self.inbound, used.inbound),
        }
    }
}

/// What planed's own record says of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Epoch it ran with.
    pub epoch: u32,
    /// The last number stored for each direction.
    pub last: Numbers,
}

/// Where a pair begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// Numbers up to these are used, or count as used.
    pub last: Numbers,
    /// Of these, what was really used at most: the packets that count against a lifetime.
    pub used: Numbers,
    /// The record was lost: what the peer sends below the inbound ceiling is refused now, so the pair is to be rekeyed.
    pub lost: bool,
}

/// Why a pair must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The epoch was used before, or has too many bits.
    Epoch,
    /// Nothing tells which numbers were used.
    Lost,
}

/// Where an install under `epoch` with these `ceilings` begins, given planed's own record.
///
/// # Errors
/// When the pair must not be used like this.
pub fn resume(
    epoch: u32,
    known: Option<Remembered>,
    ceilings: Numbers,
) -> Result<Resumption, Unusable> {
    if epoch > LAST_EPOCH {
        return Err(Unusable::Epoch);
    }
    match known {
        Some(known) if known.epoch >= epoch => Err(Unusable::Epoch),
        Some(known) => Ok(Resumption {
            last: Numbers {
                outbound: known.last.outbound.saturating_add(RESUME_STEP),
                inbound: known.last.inbound,
            },
            used: known.last,
            lost: false,
        }),
        // The first install of all: nothing was ever used.
        None if epoch <= 1 => Ok(Resumption {
            last: Numbers::default(),
            used: Numbers::default(),
            lost: false,
        }),
        None if ceilings.outbound == 0 || ceilings.inbound == 0 => Err(Unusable::Lost),
        None => Ok(Resumption {
            last: ceilings,
            used: ceilings,
            lost: true,
        }),
    }
}

/// A pair that has run under this epoch is to be rekeyed soon.
pub fn is_epoch_soft(epoch: u32) -> bool {
    epoch.saturating_add(EPOCHS_LEFT_SOFT) > LAST_EPOCH
}

/// A ceiling as the worker that owns the pair holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    granted: u64,
    /// From this number on more is wanted; none when it was asked for.
    ask_at: u64,
    limit: u64,
}

impl Ceiling {
    /// A ceiling as granted, for an SA whose last possible number is `limit`.
    pub fn new(granted: u64, limit: u64) -> Self {
        let granted = granted.min(limit);
        Self {
            granted,
            ask_at: if granted < limit {
                granted.saturating_sub(ASK_LEFT)
            } else {
                u64::MAX
            },
            limit,
        }
    }

    /// Whether `number` may be used.
    #[inline]
    pub fn admits(self, number: u64) -> bool {
        number <= self.granted
    }

    /// Whether more should be asked for, now that `number` is used or wanted.
    #[inline]
    pub fn wants(self, number: u64) -> bool {
        number >= self.ask_at
    }

    /// More was asked for: not again before it is granted.
    pub fn asked(&mut self) {
        self.ask_at = u64::MAX;
    }

    /// No number above `last` is used any more, whatever is granted: the life of the SA ends there.
    pub fn end_at(&mut self, last: u64) {
        self.limit = self.limit.min(last);
        self.granted = self.granted.min(self.limit);
        if self.granted == self.limit {
            self.asked();
        }
    }

    /// Whether the end was set by [`Ceiling::end_at`], and not by the numbers themselves.
    #[cold]
    pub fn is_ended(self) -> bool {
        !matches!(self.limit, LAST_SEQUENCE | LAST_EXTENDED_SEQUENCE)
    }

    /// More is granted. A late grant takes nothing back.
    pub fn raise(&mut self, granted: u64) {
        *self = Self::new(granted.max(self.granted), self.limit);
    }
}

/// Why no number is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The ceiling is reached and not raised yet.
    Ungranted,
    /// The last number was used.
    Exhausted,
    /// The life of the SA is over, before its numbers were.
    Expired,
}

/// Gives out the outbound numbers of one SA, in order, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    last: u64,
    ceiling: Ceiling,
}

impl Counter {
    /// Numbers above `last`, up to the ceiling as granted.
    pub fn new(last: u64, ceiling: u64, extended: bool) -> Self {
        Self {
            last,
            ceiling: Ceiling::new(ceiling, last_sequence(extended)),
        }
    }

    /// The number that [`Counter::take`] will use up.
    ///
    /// # Errors
    /// When there is none.
    #[inline]
    pub fn next(&self) -> Result<u64, Refusal> {
        if self.last < self.ceiling.granted {
            Ok(self.last + 1)
        } else if self.last >= self.ceiling.limit {
            Err(if self.ceiling.is_ended() {
                Refusal::Expired
            } else {
                Refusal::Exhausted
            })
        } else {
            Err(Refusal::Ungranted)
        }
    }

    /// Uses up the next number, which [`Counter::next`] has returned.
    #[inline]
    pub fn take(&mut self) {
        self.last += 1;
    }

    /// The last number used.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many numbers are left, granted or not.
    #[inline]
    pub fn remaining(&self) -> u64 {
        self.ceiling.limit.saturating_sub(self.last)
    }

    /// Whether the SA is to be rekeyed because its numbers end.
    #[inline]
    pub fn is_soft(&self) -> bool {
        self.remaining() < NUMBERS_LEFT_SOFT
    }

    /// Whether a higher ceiling should be asked for.
    #[inline]
    pub fn wants(&self) -> bool {
        self.ceiling.wants(self.last)
    }

    /// The ceiling, to note an ask or a grant.
    pub fn ceiling(&mut self) -> &mut Ceiling {
        &mut self.ceiling
    }
}

#[cfg(test)]
mod tests;
