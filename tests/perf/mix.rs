//! What the packets of the benchmarks are: their sizes, and which SA each belongs to.

use ravelin_dataplane::BURST;
use ravelin_wire::esp::TRAILER_OCTETS;

const ETHERNET_OCTETS: usize = 14;
const FCS_OCTETS: usize = 4;
/// Where all pseudo-random orders start.
pub const SEED: u64 = 88_172_645_463_325_252;

/// The octets of the inner IP packets of one burst.
pub struct Mix {
    pub name: &'static str,
    pub inner_octets: [usize; BURST],
}

impl Mix {
    fn new(name: &'static str, frames: &[(usize, usize)]) -> Self {
        let sizes = frames
            .iter()
            .flat_map(|(octets, count)| std::iter::repeat_n(*octets, *count));
        let mut inner_octets = [0; BURST];
        for (place, octets) in inner_octets.iter_mut().zip(sizes) {
            *place = octets - ETHERNET_OCTETS - FCS_OCTETS;
        }
        // Fisher and Yates, always the same.
        let mut state = SEED;
        for last in (1..BURST).rev() {
            inner_octets.swap(last, random(&mut state) as usize % (last + 1));
        }
        Self { name, inner_octets }
    }
}

/// The measured sizes. SECGW-IMIX has weights 8:36:11:4:2:39; every burst holds the nearest 64 packets, so that all bursts
/// weigh the same (mean frame 711.5 octets instead of 711.8).
pub fn mixes() -> [Mix; 4] {
    [
        Mix::new("64", &[(64, BURST)]),
        Mix::new("512", &[(512, BURST)]),
        Mix::new("1400", &[(1400, BURST)]),
        Mix::new(
            "IMIX",
            &[
                (64, 5),
                (127, 23),
                (255, 7),
                (511, 3),
                (1024, 1),
                (1518, 25),
            ],
        ),
    ]
}

/// Octets the cipher sees of an inner packet: padding and trailer follow it (RFC 4303 section 2.4).
pub fn text_octets(inner_octets: usize) -> usize {
    (inner_octets + TRAILER_OCTETS).next_multiple_of(4)
}

/// Marsaglia's xorshift64.
pub fn random(state: &mut u64) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 16) as u32
}

/// Which SA each packet belongs to, at random.
pub struct Lottery {
    sas: u32,
    state: u64,
}

impl Lottery {
    pub fn new(sas: u32) -> Self {
        Self { sas, state: SEED }
    }

    pub fn draw(&mut self) -> u32 {
        random(&mut self.state) % self.sas
    }
}
