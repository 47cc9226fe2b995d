//! One packet: an owned chain of pool buffers.
//!
//! Most packets are one segment, and `data`/`data_mut` show the *first* segment only: check [`Mbuf::is_contiguous`]
//! or walk [`Mbuf::segments`] when jumbo frames are possible. Headers are added and removed at the front
//! (`prepend`, `adj`) and trailers at the end (`append`, `trim`), as DPDK names them. Parsing is not done here.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use arrayvec::ArrayVec;
use dpdk_sys::rv_mbuf;

/// Words of metadata that each packet carries for its owner.
pub const META_WORDS: usize = 8;
/// The same in octets: DPDK's private area of every buffer of our pools.
pub(crate) const META_OCTETS: u16 = 64;
const _: () = assert!(META_WORDS * size_of::<u64>() == META_OCTETS as usize);
const _: () = assert!(size_of::<Mbuf>() == size_of::<*mut rv_mbuf>());

/// What the NIC found out about a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Not looked at: verify in software.
    Unknown,
    /// Verified and right.
    Good,
    /// Verified and wrong.
    Bad,
    /// Not in the packet yet (it comes from a virtual peer), but its data is sound.
    Absent,
}

/// An owned packet; dropping it gives its buffers back to their pool.
#[repr(transparent)]
pub struct Mbuf {
    raw: NonNull<rv_mbuf>,
}

// SAFETY: the handle is the only one of its buffers, and pools take buffers back from any thread.
unsafe impl Send for Mbuf {}
// SAFETY: through `&Mbuf` the buffers are only read.
unsafe impl Sync for Mbuf {}

impl Mbuf {
    #[inline]
    fn head(&self) -> &rv_mbuf {
        // SAFETY: the pointer came from DPDK as a live mbuf that we own; rv_mbuf mirrors its layout (asserted in C).
        unsafe { self.raw.as_ref() }
    }

    #[inline]
    fn head_mut(&mut self) -> &mut rv_mbuf {
        // SAFETY: as in `head`, and `&mut self` is the only access to an mbuf that has one owner.
        unsafe { self.raw.as_mut() }
    }

    /// Octets of the whole packet, all segments.
    #[inline]
    #[must_use]
    pub fn pkt_len(&self) -> usize {
        self.head().pkt_len as usize
    }

    /// Number of segments, at least 1.
    #[inline]
    #[must_use]
    pub fn nb_segs(&self) -> u16 {
        self.head().nb_segs
    }

    /// Whether `data` is the whole packet.
    #[inline]
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.head().nb_segs == 1
    }

    /// DPDK's number of the port that received the packet.
    #[inline]
    #[must_use]
    pub fn port(&self) -> u16 {
        self.head().port
    }

    /// For a device that works on the packet while its owner keeps it untouched.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut rv_mbuf {
        self.raw.as_ptr()
    }

    /// RSS hash, if the NIC computed one.
    #[inline]
    #[must_use]
    pub fn rss_hash(&self) -> Option<u32> {
        let head = self.head();
        (head.ol_flags & dpdk_sys::RV_MBUF_RX_RSS_HASH != 0).then_some(head.hash_rss)
    }

    /// The first segment.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        segment(self.head())
    }

    /// The first segment, writable.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let head = self.head_mut();
        // SAFETY: data_off + data_len <= buf_len holds for every mbuf (DPDK's invariant, kept by the functions below);
        // pool memory is zeroed at creation, so every octet is initialised; `&mut self` makes the borrow exclusive.
        unsafe {
            let start = head.buf_addr.cast::<u8>().add(usize::from(head.data_off));
            std::slice::from_raw_parts_mut(start, usize::from(head.data_len))
        }
    }

    /// All segments in order.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: `next` is null or a live mbuf of this chain, which `self` owns.
        std::iter::successors(Some(self.head()), |seg| unsafe { seg.next.as_ref() }).map(segment)
    }

    /// Copies `out.len()` octets from `offset` of the packet, across segments; `false` when it is shorter.
    #[must_use]
    pub fn copy_out(&self, offset: usize, out: &mut [u8]) -> bool {
        if offset
            .checked_add(out.len())
            .is_none_or(|end| end > self.pkt_len())
        {
            return false;
        }
        let (mut skip, mut done) = (offset, 0);
        for seg in self.segments() {
            let Some(part) = seg.get(skip..) else {
                skip -= seg.len();
                continue;
            };
            skip = 0;
            let take = part.len().min(out.len() - done);
            out[done..done + take].copy_from_slice(&part[..take]);
            done += take;
            if done == out.len() {
                break;
            }
        }
        done == out.len()
    }

    /// Moves all segments into the first; `false` when its tailroom is too small (the packet is unchanged).
    #[must_use]
    pub fn linearize(&mut self) -> bool {
        self.is_contiguous()
            // SAFETY: a live chain that we own; DPDK frees the emptied segments.
            || unsafe { dpdk_sys::rv_pktmbuf_linearize(self.raw.as_ptr()) == 0 }
    }

    /// Appends the segments of `tail`; gives it back when the chain would exceed 65,535 segments.
    ///
    /// # Errors
    /// The unchanged `tail`.
    pub fn chain(&mut self, tail: Mbuf) -> Result<(), Mbuf> {
        let tail = ManuallyDrop::new(tail);
        // SAFETY: two distinct live chains that we own; on success the first owns the second's segments.
        if unsafe { dpdk_sys::rv_pktmbuf_chain(self.raw.as_ptr(), tail.raw.as_ptr()) } == 0 {
            Ok(())
        } else {
            Err(ManuallyDrop::into_inner(tail))
        }
    }

    /// Free octets in front of the data.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> u16 {
        self.head().data_off
    }

    /// Free octets behind the data of the last segment.
    #[inline]
    #[must_use]
    pub fn tailroom(&self) -> u16 {
        room_behind(self.last())
    }

    /// Grows the packet at the front and returns the new octets (their content is arbitrary).
    #[inline]
    pub fn prepend(&mut self, octets: u16) -> Option<&mut [u8]> {
        let head = self.head_mut();
        let data_off = head.data_off.checked_sub(octets)?;
        let data_len = head.data_len.checked_add(octets)?;
        head.data_off = data_off;
        head.data_len = data_len;
        head.pkt_len += u32::from(octets);
        self.data_mut().get_mut(..usize::from(octets))
    }

    /// Grows the packet at the end and returns the new octets (their content is arbitrary).
    #[inline]
    pub fn append(&mut self, octets: u16) -> Option<&mut [u8]> {
        let mut last = self.last_ptr();
        // SAFETY: `last` is a segment of the chain we own exclusively; growing by at most its free room keeps
        // data_off + data_len <= buf_len, and the octets between are initialised pool memory.
        unsafe {
            let seg = last.as_mut();
            if octets > room_behind(seg) {
                return None;
            }
            let start = seg
                .buf_addr
                .cast::<u8>()
                .add(usize::from(seg.data_off) + usize::from(seg.data_len));
            seg.data_len += octets;
            self.head_mut().pkt_len += u32::from(octets);
            Some(std::slice::from_raw_parts_mut(start, usize::from(octets)))
        }
    }

    /// Grows the packet at both ends (the content of the new octets is arbitrary); `false` when there is no room at one of them, and
    /// the packet is unchanged.
    #[inline]
    #[must_use]
    pub fn grow(&mut self, front: u16, back: u16) -> bool {
        let head = self.head_mut();
        if head.nb_segs == 1 && front <= head.data_off && back <= room_behind(head) {
            // Within the buffer, whose length has 16 bits.
            head.data_off -= front;
            head.data_len += front + back;
            head.pkt_len += u32::from(front) + u32::from(back);
            return true;
        }
        self.grow_chain(front, back)
    }

    #[cold]
    fn grow_chain(&mut self, front: u16, back: u16) -> bool {
        if self.append(back).is_none() {
            return false;
        }
        if self.prepend(front).is_none() {
            let _ = self.trim(back);
            return false;
        }
        true
    }

    /// Removes octets at the front; `None` when the first segment is shorter (the packet is unchanged).
    #[inline]
    pub fn adj(&mut self, octets: u16) -> Option<()> {
        let head = self.head_mut();
        head.data_len = head.data_len.checked_sub(octets)?;
        head.data_off += octets;
        head.pkt_len -= u32::from(octets);
        Some(())
    }

    /// Removes octets at the end; `None` when the last segment is shorter (the packet is unchanged).
    #[inline]
    pub fn trim(&mut self, octets: u16) -> Option<()> {
        let mut last = self.last_ptr();
        // SAFETY: `last` is a segment of the chain that we own exclusively.
        let seg = unsafe { last.as_mut() };
        seg.data_len = seg.data_len.checked_sub(octets)?;
        self.head_mut().pkt_len -= u32::from(octets);
        Some(())
    }

    #[inline]
    fn last_ptr(&mut self) -> NonNull<rv_mbuf> {
        let mut at = self.raw;
        if self.is_contiguous() {
            // The rule; the pointer to the next segment lies on a cache line of its own.
            return at;
        }
        // SAFETY: every `next` is null or a live mbuf of this chain.
        while let Some(next) = NonNull::new(unsafe { at.as_ref() }.next) {
            at = next;
        }
        at
    }

    fn last(&self) -> &rv_mbuf {
        let mut at = self.head();
        // SAFETY: every `next` is null or a live mbuf of this chain.
        while let Some(next) = unsafe { at.next.as_ref() } {
            at = next;
        }
        at
    }

    /// The owner's metadata. It survives rings and is *not* cleared by receiving or allocating.
    #[inline]
    #[must_use]
    pub fn meta(&self) -> &[u64; META_WORDS] {
        // SAFETY: every buffer of our pools has META_OCTETS of initialised private area right behind its header, and
        // the header's size is a multiple of the words' alignment.
        unsafe { self.raw.add(1).cast().as_ref() }
    }

    /// The owner's metadata, writable.
    #[inline]
    #[must_use]
    pub fn meta_mut(&mut self) -> &mut [u64; META_WORDS] {
        // SAFETY: as in `meta`; `&mut self` is exclusive.
        unsafe { self.raw.add(1).cast().as_mut() }
    }

    /// The NIC's verdict on the IPv4 header checksum.
    #[inline]
    #[must_use]
    pub fn rx_ip_checksum(&self) -> Checksum {
        verdict(
            self.head().ol_flags & dpdk_sys::RV_MBUF_RX_IP_CKSUM_MASK,
            dpdk_sys::RV_MBUF_RX_IP_CKSUM_GOOD,
            dpdk_sys::RV_MBUF_RX_IP_CKSUM_BAD,
        )
    }

    /// The NIC's verdict on the TCP or UDP checksum.
    #[inline]
    #[must_use]
    pub fn rx_l4_checksum(&self) -> Checksum {
        verdict(
            self.head().ol_flags & dpdk_sys::RV_MBUF_RX_L4_CKSUM_MASK,
            dpdk_sys::RV_MBUF_RX_L4_CKSUM_GOOD,
            dpdk_sys::RV_MBUF_RX_L4_CKSUM_BAD,
        )
    }

    /// VLAN tag control word that the NIC took off the frame.
    #[inline]
    #[must_use]
    pub fn rx_stripped_vlan(&self) -> Option<u16> {
        let head = self.head();
        (head.ol_flags & dpdk_sys::RV_MBUF_RX_VLAN_STRIPPED != 0).then_some(head.vlan_tci)
    }

    /// Forgets every offload result and request: a decapsulated packet is a new one.
    #[inline]
    pub fn clear_offloads(&mut self) {
        let head = self.head_mut();
        // Flags that describe the buffer, not the packet, stay.
        head.ol_flags &= dpdk_sys::RV_MBUF_EXTERNAL | dpdk_sys::RV_MBUF_INDIRECT;
        head.tx_offload = 0;
    }

    /// Asks the NIC to fill in the IPv4 header checksum (the field must be 0). Header lengths in octets.
    #[inline]
    pub fn request_ipv4_checksum(&mut self, l2_octets: u8, l3_octets: u8) {
        self.request(
            dpdk_sys::RV_MBUF_TX_IPV4 | dpdk_sys::RV_MBUF_TX_IP_CKSUM,
            l2_octets,
            l3_octets,
        );
    }

    /// Asks the NIC to fill in the UDP checksum (the field must hold the pseudo header's sum).
    #[inline]
    pub fn request_udp_checksum(&mut self, ipv6: bool, l2_octets: u8, l3_octets: u8) {
        let family = if ipv6 {
            dpdk_sys::RV_MBUF_TX_IPV6
        } else {
            dpdk_sys::RV_MBUF_TX_IPV4
        };
        self.request(
            family | dpdk_sys::RV_MBUF_TX_UDP_CKSUM,
            l2_octets,
            l3_octets,
        );
    }

    /// Asks the NIC to insert a VLAN tag.
    #[inline]
    pub fn request_vlan(&mut self, tci: u16) {
        let head = self.head_mut();
        head.vlan_tci = tci;
        head.ol_flags |= dpdk_sys::RV_MBUF_TX_VLAN;
    }

    fn request(&mut self, flags: u64, l2_octets: u8, l3_octets: u8) {
        let head = self.head_mut();
        head.ol_flags |= flags;
        // l2_len and l3_len are the two lowest bit fields; 7 and 9 bits, so an 8-bit l2 length is masked.
        let l2 = u64::from(l2_octets) & ((1 << dpdk_sys::RV_MBUF_L2_LEN_BITS) - 1);
        let both = (1u64 << (dpdk_sys::RV_MBUF_L2_LEN_BITS + dpdk_sys::RV_MBUF_L3_LEN_BITS)) - 1;
        let lengths = l2 | u64::from(l3_octets) << dpdk_sys::RV_MBUF_L2_LEN_BITS;
        head.tx_offload = (head.tx_offload & !both) | lengths;
    }

    /// Pulls the first line of the data and the one at its end towards the cache.
    #[inline]
    pub fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch never faults; the header is readable anyway.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let head = self.head();
            let data = head.buf_addr.cast::<i8>();
            let data = data.wrapping_add(usize::from(head.data_off));
            _mm_prefetch(data, _MM_HINT_T0);
            _mm_prefetch(data.wrapping_add(usize::from(head.data_len)), _MM_HINT_T0);
        }
    }

    /// Frees a whole burst with one call.
    pub fn free_burst<const N: usize>(burst: &mut ArrayVec<Mbuf, N>) {
        let count = burst.len();
        // SAFETY: `count` live mbufs that we own; the length is set to 0 first, so none is dropped again.
        unsafe {
            burst.set_len(0);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            dpdk_sys::rv_pktmbuf_free_bulk(burst.as_mut_ptr().cast(), count);
        }
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a live mbuf that we own, freed once.
        unsafe { dpdk_sys::rv_pktmbuf_free(self.raw.as_ptr()) }
    }
}

impl std::fmt::Debug for Mbuf {
    /// Shows the shape only: packets may hold cleartext of users.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mbuf")
            .field("pkt_len", &self.pkt_len())
            .field("nb_segs", &self.nb_segs())
            .field("port", &self.port())
            .finish()
    }
}

#[inline]
fn segment(seg: &rv_mbuf) -> &[u8] {
    // SAFETY: data_off + data_len <= buf_len, initialised memory, borrowed for as long as the chain is.
    unsafe {
        let start = seg.buf_addr.cast::<u8>().add(usize::from(seg.data_off));
        std::slice::from_raw_parts(start, usize::from(seg.data_len))
    }
}

#[inline]
fn room_behind(seg: &rv_mbuf) -> u16 {
    seg.buf_len
        .saturating_sub(seg.data_off)
        .saturating_sub(seg.data_len)
}

#[inline]
fn verdict(bits: u64, good: u64, bad: u64) -> Checksum {
    match bits {
        0 => Checksum::Unknown,
        b if b == good => Checksum::Good,
        b if b == bad => Checksum::Bad,
        _ => Checksum::Absent,
    }
}
