//! Message IDs of one IKE SA: requests outstanding in each direction (RFC 7296 sections 2.2 and 2.3).
//!
//! Of ours there is one, whatever the peer would take; it is kept and repeated bit by bit with back-off until its response comes or its
//! time is up. Of the peer's there may be as many as it was told (`sa/ahead.rs`), one if it was told nothing; so many responses are kept
//! and repeated bit by bit.

use std::time::Duration;

use ravelin_types::{ChildId, Time};
use serde::{Deserialize, Serialize};

use crate::sa::Exchange;

/// First retransmission; twice the round trip of a poor backhaul path.
pub const RETRANSMIT_FIRST: Duration = Duration::from_secs(1);
/// Retransmissions come at least this often, so that a path that comes back is used soon.
pub const RETRANSMIT_MOST: Duration = Duration::from_secs(5);
/// A request without an answer for this long ends its IKE SA: 13 transmissions, of which one gets through a path that
/// loses half of all exchanges but for one time in 8,000.
pub const GIVE_UP: Duration = Duration::from_secs(60);

/// An IKE SA with message IDs from here on is rekeyed: far enough from the end for any number of failures.
const WORN_AT: u32 = u32::MAX - (1 << 16);
/// One with these is closed, while there are IDs left for it.
const SPENT_AT: u32 = u32::MAX - (1 << 8);

/// A message as it travels: one datagram, or its fragments (RFC 7383).
pub(crate) type Datagrams = Vec<Vec<u8>>;

#[derive(Serialize, Deserialize)]
pub(crate) struct Window {
    next_request: u32,
    expected: u32,
    /// Requests of the peer that may be under way at once.
    size: u8,
    outstanding: Option<Outstanding>,
    /// The last responses to the peer, as many, the newest last.
    kept: Vec<Cached>,
    /// A request of the peer is being worked on; lost in a crash, the peer repeats it.
    #[serde(skip)]
    pub(crate) answering: bool,
}

/// A response to the peer.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cached {
    id: u32,
    data: Datagrams,
    gate: Option<ChildId>,
}

/// A request of ours without a response.
#[derive(Serialize, Deserialize)]
pub(crate) struct Outstanding {
    pub(crate) id: u32,
    pub(crate) data: Datagrams,
    pub(crate) exchange: Exchange,
    pub(crate) gate: Option<ChildId>,
    pub(crate) sent_at: Time,
    pub(crate) next_at: Time,
    /// When to give up, without liveness detection.
    pub(crate) give_up_at: Time,
    pub(crate) transmissions: u32,
    /// Its response is being worked on; lost in a crash, we repeat the request and the peer its response.
    #[serde(skip)]
    pub(crate) answered: bool,
}

/// Whose requests a change of the window concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Peers,
}

/// One side of the window: all that changes with a request that changes nothing else. Written from references, read as
/// values.
#[derive(Serialize, Deserialize)]
pub(crate) enum Half<O, C> {
    Ours { next_request: u32, outstanding: O },
    Peers { expected: u32, last: C },
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    Repeat(Datagrams, Option<ChildId>),
    BeingAnswered,
    /// Its turn comes when those before it have been answered.
    Early,
    Outside,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            next_request: 0,
            expected: 0,
            size: 1,
            outstanding: None,
            kept: Vec::new(),
            answering: false,
        }
    }
}

impl Window {
    pub(crate) fn judge(&self, id: u32) -> Verdict {
        if let Some(kept) = self.kept.iter().find(|kept| kept.id == id) {
            return Verdict::Repeat(kept.data.clone(), kept.gate);
        }
        // The last ID is never taken, so that those from 0 on do not come back.
        match id.checked_sub(self.expected).filter(|_| id != u32::MAX) {
            Some(0) if self.answering => Verdict::BeingAnswered,
            Some(0) => Verdict::New,
            Some(early) if early < u32::from(self.size) => Verdict::Early,
            _ => Verdict::Outside,
        }
    }

    /// Takes so many requests of the peer at once from now on.
    pub(crate) fn widen(&mut self, size: u8) {
        self.size = size.max(1);
    }

    /// The message ID of the request whose turn is next.
    pub(crate) fn expected(&self) -> u32 {
        self.expected
    }

    /// Stores the response to the request that was expected.
    pub(crate) fn answer(&mut self, id: u32, data: Datagrams, gate: Option<ChildId>) {
        self.expected = id.wrapping_add(1);
        self.answering = false;
        self.keep(Cached { id, data, gate });
    }

    fn keep(&mut self, response: Cached) {
        let excess = (self.kept.len() + 1).saturating_sub(self.size.into());
        self.kept.drain(..excess.min(self.kept.len()));
        self.kept.reserve_exact(1);
        self.kept.push(response);
    }

    /// One side, to be written down: of the responses the newest, the others have been.
    pub(crate) fn half(&self, side: Side) -> Half<&Option<Outstanding>, Option<&Cached>> {
        match side {
            Side::Ours => Half::Ours {
                next_request: self.next_request,
                outstanding: &self.outstanding,
            },
            Side::Peers => Half::Peers {
                expected: self.expected,
                last: self.kept.last(),
            },
        }
    }

    /// Takes up one side that was written down.
    pub(crate) fn set_half(&mut self, half: Half<Option<Outstanding>, Option<Cached>>) {
        match half {
            Half::Ours {
                next_request,
                outstanding,
            } => (self.next_request, self.outstanding) = (next_request, outstanding),
            Half::Peers { expected, last } => {
                self.expected = expected;
                last.into_iter().for_each(|response| self.keep(response));
            }
        }
    }

    /// True when the response to this request is kept.
    pub(crate) fn has_answered(&self, id: u32) -> bool {
        self.kept.iter().any(|kept| kept.id == id)
    }

    pub(crate) fn next_request(&self) -> u32 {
        self.next_request
    }

    pub(crate) fn send(
        &mut self,
        data: Datagrams,
        exchange: Exchange,
        gate: Option<ChildId>,
        now: Time,
        patience: Duration,
    ) {
        self.outstanding = Some(Outstanding {
            id: self.next_request,
            data,
            exchange,
            gate,
            sent_at: now,
            next_at: now + RETRANSMIT_FIRST,
            give_up_at: now + patience,
            transmissions: 1,
            answered: false,
        });
        self.next_request = self.next_request.wrapping_add(1);
    }

    /// True when either side's message IDs come near their end.
    pub(crate) fn is_worn(&self) -> bool {
        self.next_request.max(self.expected) >= WORN_AT
    }

    /// True when either side's message IDs are as good as used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.next_request.max(self.expected) >= SPENT_AT
    }

    /// As if so many requests had been answered both ways.
    #[cfg(test)]
    pub(crate) fn test_skip(&mut self, ids: u32) {
        (self.next_request, self.expected) = (ids, ids);
    }

    /// Starts over at message ID 0: a second IKE_SA_INIT request of the same IKE SA.
    pub(crate) fn restart(&mut self) {
        self.outstanding = None;
        self.next_request = 0;
    }

    pub(crate) fn outstanding(&self) -> Option<&Outstanding> {
        self.outstanding.as_ref()
    }

    pub(crate) fn outstanding_mut(&mut self) -> Option<&mut Outstanding> {
        self.outstanding.as_mut()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_none()
    }

    /// True when `id` is the response that is waited for.
    pub(crate) fn awaits(&self, id: u32) -> bool {
        self.outstanding
            .as_ref()
            .is_some_and(|o| o.id == id && !o.answered)
    }

    /// Takes the outstanding request, whose response has been dealt with.
    pub(crate) fn close(&mut self) -> Option<Exchange> {
        self.outstanding.take().map(|o| o.exchange)
    }

    /// The request whose response has not come.
    pub(crate) fn unanswered(&self) -> Option<&Outstanding> {
        self.outstanding.as_ref().filter(|o| !o.answered)
    }
}

impl Outstanding {
    /// Notes one more transmission.
    pub(crate) fn sent_again(&mut self, now: Time) {
        let doubled = RETRANSMIT_FIRST.saturating_mul(1u32 << self.transmissions.min(16));
        self.transmissions += 1;
        self.next_at = now + doubled.min(RETRANSMIT_MOST);
    }
}

#[cfg(test)]
mod tests;
