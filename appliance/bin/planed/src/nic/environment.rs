//! Starts DPDK: with hugepages where there are enough, else with ordinary pages, which is said.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use dpdk_rs::{Eal, Mempool, MempoolConfig};

use crate::error::Error;

const NO_HUGE: &str = "RAVELIN_NO_HUGE";
const HUGEPAGES: &str = "/sys/kernel/mm/hugepages";
/// Functions of the PCI bus.
pub const PCI_BUS: &str = "/sys/bus/pci/devices";
/// Scans the PCI bus without touching any device: ports are plugged in when they are configured. No device has this address.
const NO_DEVICE: &str = "ffff:ff:1f.7";
/// Packets in flight at most: full receive and transmit rings of 64 ports with two queues each, or of eight ports with 16, punt and
/// inject rings, and bursts between them. Smaller machines have fewer, as their memory allows.
const FRAMES: u32 = 262_143;
/// Memory per packet besides its data: header, metadata and pool overhead.
const FRAME_OVERHEAD_OCTETS: u64 = 448;
/// Data room of a packet: an MTU of 1,500 and room for jumbo-ish lower layers, and the headroom of 128.
pub const DATA_ROOM_OCTETS: u16 = 2048 + 128;
/// Data room of a jumbo packet: an MTU of 9,000 with tags, encryption overhead and headroom.
pub const JUMBO_ROOM_OCTETS: u16 = 9_600 + 128;
/// Largest MTU that the ordinary room carries with tags and encryption overhead.
pub const ORDINARY_MTU_OCTETS: u16 = 1_900;

/// The running environment and its packet pools.
#[derive(Clone, Copy, Debug)]
pub struct Environment {
    /// Proof that DPDK runs.
    pub eal: Eal,
    /// Packets of ordinary size.
    pub pool: Mempool,
    /// Packets of jumbo size: what jumbo ports receive, and what the workers make themselves (whole reassembled datagrams).
    pub jumbo: Mempool,
    /// Memory that DPDK has.
    pub memory_mib: u32,
}

impl Environment {
    /// Starts DPDK with `memory_mib` of memory in the calling thread.
    ///
    /// # Errors
    /// DPDK's.
    pub fn start(memory_mib: u32) -> Result<Self, Error> {
        let wanted_none = std::env::var(NO_HUGE).is_ok_and(|value| value == "1");
        let no_huge = wanted_none || !has_hugepages(memory_mib);
        if no_huge {
            let why = if wanted_none {
                "as RAVELIN_NO_HUGE says"
            } else {
                "because too few hugepages are free"
            };
            log::info!("running without hugepages, {why}");
        }
        let mut builder = Eal::builder()
            .file_prefix(format!("ravelin{}", std::process::id()))
            .no_huge(no_huge)
            .memory_mib(memory_mib);
        // With ordinary pages too: behind an IOMMU any page will do.
        if Path::new(PCI_BUS).is_dir() {
            builder = builder.allow_pci(NO_DEVICE);
        }
        let eal = match builder.init() {
            Ok(eal) => eal,
            // Somebody else took the pages meanwhile. DPDK starts once per process: begin a new one.
            Err(error) if !no_huge => {
                log::warn!("{error}; trying without hugepages");
                return Err(again());
            }
            Err(error) => return Err(error.into()),
        };
        let pool = create(eal, "frames", memory_mib, DATA_ROOM_OCTETS)?;
        let jumbo = create(eal, "jumbo", memory_mib / 2, JUMBO_ROOM_OCTETS)?;
        log::info!("{} with {memory_mib} MiB", eal.version());
        Ok(Self {
            eal,
            pool,
            jumbo,
            memory_mib,
        })
    }

    /// The pool for ports of this MTU.
    pub fn pool_for(&self, mtu_octets: u16) -> Mempool {
        if mtu_octets <= ORDINARY_MTU_OCTETS {
            self.pool
        } else {
            self.jumbo
        }
    }
}

fn create(eal: Eal, name: &str, share_mib: u32, room_octets: u16) -> Result<Mempool, Error> {
    let mut config = MempoolConfig::new(name, frames(share_mib, room_octets, FRAMES));
    config.data_room_octets = room_octets;
    Ok(Mempool::create(eal, &config)?)
}

/// How many packets of this room a third of the memory holds: 2^n - 1, at most `most`.
fn frames(memory_mib: u32, room_octets: u16, most: u32) -> u32 {
    let each = u64::from(room_octets) + FRAME_OVERHEAD_OCTETS;
    let fit = (u64::from(memory_mib) << 20) / 3 / each;
    let power = u32::try_from(fit).unwrap_or(u32::MAX).min(most) + 1;
    if power.is_power_of_two() {
        power - 1
    } else {
        power.next_power_of_two() / 2 - 1
    }
}

/// Runs this program anew without hugepages; returns only when that fails.
fn again() -> Error {
    let program = Path::new("/proc/self/exe");
    let source = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(NO_HUGE, "1")
        .exec();
    Error::File {
        path: program.to_owned(),
        source,
    }
}

/// Whether enough hugepages of one size are free.
fn has_hugepages(memory_mib: u32) -> bool {
    let Ok(sizes) = fs::read_dir(HUGEPAGES) else {
        return false;
    };
    sizes.flatten().any(|entry| {
        let name = entry.file_name();
        let size_kib = name
            .to_str()
            .and_then(|name| name.strip_prefix("hugepages-"))
            .and_then(|name| name.strip_suffix("kB"))
            .and_then(|size| size.parse::<u64>().ok());
        let free = fs::read_to_string(entry.path().join("free_hugepages"))
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok());
        match (size_kib, free) {
            (Some(size_kib), Some(free)) => size_kib * free >= u64::from(memory_mib) << 10,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_fit_their_share() {
        assert_eq!(frames(256, DATA_ROOM_OCTETS, FRAMES), 32_767);
        assert_eq!(frames(256, JUMBO_ROOM_OCTETS, FRAMES), 8_191);
        assert_eq!(frames(128, DATA_ROOM_OCTETS, FRAMES), 16_383);
        assert_eq!(frames(65_536, DATA_ROOM_OCTETS, FRAMES), FRAMES);
    }
}
