//! Brings towards the cache what the packets some places ahead will need. Of thousands of SAs in no order each packet's is in memory:
//! a pointer to it, its record, the SA, the place of its key, the key, the counters. What lies behind a pointer comes later than the
//! pointer. Of packets of one SA only their octets are in memory.

use dpdk_rs::prefetch;
use ravelin_esp::{CryptoEngine, Direction, PacketBuf};

use crate::packet::Packet;
use crate::platform::Platform;
use crate::sa::Sa;
use crate::state;
use crate::worker::Worker;

/// How many packets ahead each of them is asked for: far enough for memory to answer, near enough for the lines (2, 4, 3 and up to 20
/// of them) to be there still.
const POINTER_AHEAD: usize = 12;
const SA_AHEAD: usize = 8;
const PLACE_AHEAD: usize = 5;
const KEY_AHEAD: usize = 3;
/// How many packets ahead all of a packet of the same SA is asked for, which is where its NIC has left it.
const PAYLOAD_AHEAD: usize = 2;

/// A packet and the slot of its SA.
type Waiting<B> = (Packet<B>, u32);

impl<P: Platform> Worker<P> {
    #[inline(always)]
    fn waiting_sa(&self, waiting: &[Waiting<P::Buf>], place: usize) -> Option<(&Sa, usize)> {
        let (packet, slot) = waiting.get(place)?;
        let sa = self.sas.get(*slot as usize)?.as_deref()?;
        Some((sa, packet.octets()))
    }

    #[inline(always)]
    fn warm_pointer(&self, waiting: &[Waiting<P::Buf>], place: usize) {
        if let Some((_, slot)) = waiting.get(place)
            && let Some(pointer) = self.sas.get(*slot as usize)
        {
            prefetch(pointer);
            state::warm(&self.shared.cells, *slot);
        }
    }

    #[inline(always)]
    fn warm_sa(&self, waiting: &[Waiting<P::Buf>], place: usize, direction: Direction) {
        if let Some((sa, _)) = self.waiting_sa(waiting, place) {
            sa.warm(direction);
        }
    }

    #[inline(always)]
    fn warm_place(&self, waiting: &[Waiting<P::Buf>], place: usize, direction: Direction) {
        let Some((sa, _)) = self.waiting_sa(waiting, place) else {
            return;
        };
        prefetch(&sa.child.traffic);
        // The selectors of IPv4 stand in the SA, those of IPv6 in its child.
        if (waiting.get(place)).is_some_and(|(packet, _)| packet.meta.is_v6()) {
            prefetch(&sa.child.v6);
        }
        match direction {
            Direction::Encrypt => self.engine.approach(sa.outbound.key()),
            Direction::Decrypt => {
                self.engine.approach(sa.inbound.key());
                if let Some(word) = sa.inbound.next_word() {
                    prefetch(word);
                }
            }
        }
    }

    #[inline(always)]
    fn warm_key(&self, waiting: &[Waiting<P::Buf>], place: usize, direction: Direction) {
        if let Some((sa, octets)) = self.waiting_sa(waiting, place) {
            let key = match direction {
                Direction::Encrypt => sa.outbound.key(),
                Direction::Decrypt => sa.inbound.key(),
            };
            self.engine.warm(key, octets);
        }
    }

    /// Before a loop over packets: nobody was ahead of the first ones. Those of one SA need nothing.
    #[inline(always)]
    pub(crate) fn warm_first(&self, waiting: &[Waiting<P::Buf>], direction: Direction) {
        let one = |pair: &[Waiting<P::Buf>]| pair[0].1 == pair[1].1;
        let first = &waiting[..waiting.len().min(POINTER_AHEAD)];
        if first.windows(2).all(one) {
            return;
        }
        for place in 0..first.len() {
            self.warm_pointer(first, place);
        }
        for place in 0..SA_AHEAD {
            self.warm_sa(first, place, direction);
        }
        for place in 0..PLACE_AHEAD {
            self.warm_place(first, place, direction);
        }
        for place in 0..KEY_AHEAD {
            self.warm_key(first, place, direction);
        }
    }

    /// In such a loop, with the slot of the present packet and those that wait behind it.
    #[inline(always)]
    pub(crate) fn warm_next(&self, slot: u32, waiting: &[Waiting<P::Buf>], direction: Direction) {
        let other = |place: usize| matches!(waiting.get(place), Some((_, next)) if *next != slot);
        if other(POINTER_AHEAD - 1) {
            self.warm_pointer(waiting, POINTER_AHEAD - 1);
        }
        if other(SA_AHEAD - 1) {
            self.warm_sa(waiting, SA_AHEAD - 1, direction);
        }
        if other(PLACE_AHEAD - 1) {
            self.warm_place(waiting, PLACE_AHEAD - 1, direction);
        }
        if other(KEY_AHEAD - 1) {
            self.warm_key(waiting, KEY_AHEAD - 1, direction);
        }
        // Beside keys on their way there is no room for it.
        if let Some((packet, next)) = waiting.get(PAYLOAD_AHEAD - 1)
            && *next == slot
        {
            prefetch(packet.data());
        }
    }
}
