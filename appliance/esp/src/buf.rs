//! What ESP asks of a packet buffer, and its in-memory form.

/// One contiguous packet with room to grow at both ends. Implemented by mbufs and, for tests, by [`MemoryBuf`].
///
/// Moving an end never touches the octets outside: what [`PacketBuf::adj`] cut off the front, [`PacketBuf::prepend`] brings back.
pub trait PacketBuf: Sized + Send {
    /// The octets of the packet.
    fn data(&self) -> &[u8];
    /// The octets of the packet, writable.
    fn data_mut(&mut self) -> &mut [u8];
    /// Grows the front by `octets`; false if there is no room, then nothing changed.
    fn prepend(&mut self, octets: usize) -> bool;
    /// Grows the back by `octets`; false if there is no room, then nothing changed.
    fn append(&mut self, octets: usize) -> bool;
    /// Grows both ends; false if there is no room at one of them, then nothing changed.
    #[inline]
    fn grow(&mut self, front_octets: usize, back_octets: usize) -> bool {
        self.append(back_octets) && (self.prepend(front_octets) || !self.trim(back_octets))
    }
    /// Cuts `octets` off the front; false if the packet is shorter, then nothing changed.
    fn adj(&mut self, octets: usize) -> bool;
    /// Cuts `octets` off the back; false if the packet is shorter, then nothing changed.
    fn trim(&mut self, octets: usize) -> bool;
    /// Starts to bring the first octets and the last ones towards the cache.
    #[inline]
    fn prefetch(&self) {}
    /// Length of the packet in octets.
    #[inline(always)]
    fn octets(&self) -> usize {
        self.data().len()
    }
}

/// Room in front of a fresh [`MemoryBuf`], as DPDK's default headroom.
const HEADROOM_OCTETS: usize = 128;
/// Room behind the headroom, as DPDK's default; a longer packet has so much that a tunnel can close it.
const DATA_ROOM_OCTETS: usize = 2048;
const TAILROOM_OCTETS: usize = 128;

/// A packet in ordinary memory: the in-memory twin of an mbuf.
#[derive(Clone, Debug)]
pub struct MemoryBuf {
    storage: Vec<u8>,
    start: usize,
    end: usize,
}

impl MemoryBuf {
    /// Copies `packet`, with room at both ends.
    pub fn new(packet: &[u8]) -> Self {
        let room_octets = DATA_ROOM_OCTETS.max(packet.len() + TAILROOM_OCTETS);
        let mut storage = vec![0; HEADROOM_OCTETS + room_octets];
        storage[HEADROOM_OCTETS..HEADROOM_OCTETS + packet.len()].copy_from_slice(packet);
        Self {
            storage,
            start: HEADROOM_OCTETS,
            end: HEADROOM_OCTETS + packet.len(),
        }
    }

    /// An empty packet that may grow to `octets` behind the headroom.
    pub fn with_capacity(octets: usize) -> Self {
        Self {
            storage: vec![0; HEADROOM_OCTETS + octets],
            start: HEADROOM_OCTETS,
            end: HEADROOM_OCTETS,
        }
    }
}

impl PacketBuf for MemoryBuf {
    fn data(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }

    fn prepend(&mut self, octets: usize) -> bool {
        let fits = octets <= self.start;
        if fits {
            self.start -= octets;
        }
        fits
    }

    fn append(&mut self, octets: usize) -> bool {
        let fits = octets <= self.storage.len() - self.end;
        if fits {
            self.end += octets;
        }
        fits
    }

    fn adj(&mut self, octets: usize) -> bool {
        let fits = octets <= self.end - self.start;
        if fits {
            self.start += octets;
        }
        fits
    }

    fn trim(&mut self, octets: usize) -> bool {
        let fits = octets <= self.end - self.start;
        if fits {
            self.end -= octets;
        }
        fits
    }
}
