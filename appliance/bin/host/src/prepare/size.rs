//! How much of the machine planed gets: threads, memory for packets, hugepages. Pure arithmetic over the machine's size.
//!
//! | processors | workers | | memory | for packets | pages |
//! |---|---|---|---|---|---|
//! | 1 | 1, shared with the rest | | below 1.5 GiB | 128 MiB | 2 MiB |
//! | 2 to 4 | all but 1 | | below 3 GiB | 256 MiB | 2 MiB |
//! | 5 to 8 | all but 2 | | below 6 GiB | 512 MiB | 2 MiB |
//! | 9 to 16 | all but 3 | | below 12 GiB | 1 GiB | 2 MiB |
//! | more | all but 4, at most 32 | | below 24 GiB | 2 GiB | 1 GiB where the processor has them |
//! | | | | more | 4 GiB | 1 GiB likewise |
//!
//! What is left runs iked, the control threads, routing and the kernel. A worker that finds no packets sleeps, so the only processor
//! of a small machine is shared well.

/// Threads that the data plane can have at most.
const MAX_WORKERS: u32 = 32;
/// Size of ordinary hugepages, KiB.
pub const PAGE_2M_KIB: u64 = 2 << 10;
/// Size of the large ones, KiB.
pub const PAGE_1G_KIB: u64 = 1 << 20;
/// Least memory for packets that planed starts with, MiB.
pub const LEAST_PACKETS_MIB: u32 = 128;

/// Threads without hugepages: with so many the receive rings of four ports take half of the pool that the least memory holds.
const WORKERS_WITHOUT_PAGES: u32 = 2;

/// Memory of the machine below which (MiB), and memory for packets then (MiB).
const MEMORY: &[(u64, u32)] = &[
    (1_536, LEAST_PACKETS_MIB),
    (3_072, 256),
    (6_144, 512),
    (12_288, 1_024),
    (24_576, 2_048),
];
/// Memory for packets beyond the table, MiB: what the largest pools of planed take, and room for rings.
const MOST_PACKETS_MIB: u32 = 4_096;
/// Memory for packets from which large pages are worth their grain, MiB.
const LARGE_PAGES_FROM_MIB: u32 = 2_048;

/// The smallest machine that is supported. A smaller one runs with what it has.
const LEAST_PROCESSORS: u32 = 2;
/// Its memory, and what the kernel of a machine with that much counts at least, MiB: firmware and kernel keep the rest.
const LEAST_MEMORY: (u64, u64) = (2_048, 1_792);

/// A share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Threads that move packets.
    pub workers: u32,
    /// Memory for packets, MiB.
    pub packets_mib: u32,
    /// Size of hugepages to try first, KiB.
    pub page_kib: u64,
}

/// planed's share of a machine.
pub fn share(processors: u32, memory_mib: u64, has_large_pages: bool) -> Share {
    let others = match processors {
        0..=1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        9..=16 => 3,
        _ => 4,
    };
    let row = MEMORY.iter().find(|(below, _)| memory_mib < *below);
    let packets_mib = row.map_or(MOST_PACKETS_MIB, |(_, packets)| *packets);
    let large = has_large_pages && packets_mib >= LARGE_PAGES_FROM_MIB;
    Share {
        workers: processors.saturating_sub(others).clamp(1, MAX_WORKERS),
        packets_mib,
        page_kib: if large { PAGE_1G_KIB } else { PAGE_2M_KIB },
    }
}

/// What the machine has too little of, and what that means. What is not known (0) is not judged.
pub fn too_small(processors: u32, memory_mib: u64) -> Vec<(&'static str, String)> {
    let mut lacks = Vec::new();
    if (1..LEAST_PROCESSORS).contains(&processors) {
        let text = format!(
            "{processors} processor where {LEAST_PROCESSORS} are the least that is supported: moving packets keeps everything else waiting"
        );
        lacks.push(("processor", text));
    }
    let (least, counted) = LEAST_MEMORY;
    if (1..counted).contains(&memory_mib) {
        let text = format!(
            "{memory_mib} MiB of memory where {least} are the least that is supported: fewer tunnels and routes fit than planned"
        );
        lacks.push(("memory", text));
    }
    lacks
}

/// What is left of a share without hugepages. vfio maps ordinary pages one by one, and no more than 65,535 (`dma_entry_limit` of
/// vfio_iommu_type1), which is less than 256 MiB; the least memory has half of them.
pub fn without_pages(share: Share) -> Share {
    Share {
        workers: share.workers.min(WORKERS_WITHOUT_PAGES),
        packets_mib: LEAST_PACKETS_MIB,
        ..share
    }
}

/// Pages of a size that hold so much.
pub fn pages(packets_mib: u32, page_kib: u64) -> u64 {
    (u64::from(packets_mib) << 10).div_ceil(page_kib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_of_machine_gets_its_share() {
        let table = [
            // processors, MiB, 1 GiB pages; workers, packets, pages
            ((1, 976, true), (1, 128, 64, PAGE_2M_KIB)),
            ((1, 1_967, true), (1, 256, 128, PAGE_2M_KIB)),
            ((2, 1_967, true), (1, 256, 128, PAGE_2M_KIB)),
            ((2, 3_920, true), (1, 512, 256, PAGE_2M_KIB)),
            ((4, 7_950, true), (3, 1_024, 512, PAGE_2M_KIB)),
            ((8, 16_000, false), (6, 2_048, 1_024, PAGE_2M_KIB)),
            ((8, 16_000, true), (6, 2_048, 2, PAGE_1G_KIB)),
            ((16, 32_100, true), (13, 4_096, 4, PAGE_1G_KIB)),
            ((32, 64_300, true), (28, 4_096, 4, PAGE_1G_KIB)),
            ((32, 64_300, false), (28, 4_096, 2_048, PAGE_2M_KIB)),
            ((128, 512_000, true), (32, 4_096, 4, PAGE_1G_KIB)),
            ((0, 0, false), (1, 128, 64, PAGE_2M_KIB)),
        ];
        for ((processors, memory, large), expected) in table {
            let share = share(processors, memory, large);
            let count = pages(share.packets_mib, share.page_kib);
            let made = (share.workers, share.packets_mib, count, share.page_kib);
            assert_eq!(made, expected, "{processors} processors, {memory} MiB");
        }
    }

    #[test]
    fn ordinary_pages_stay_below_what_vfio_maps() {
        let share = without_pages(share(32, 64_300, true));
        assert_eq!((share.workers, share.packets_mib), (2, 128));
        assert!(u64::from(share.packets_mib) * 256 < 65_535);
    }

    #[test]
    fn packets_never_take_more_than_a_quarter_of_a_machine_that_is_large_enough_for_the_table() {
        for memory in (512..70_000).step_by(64) {
            let share = share(4, memory, true);
            assert!(u64::from(share.packets_mib) * 4 <= memory, "{memory}");
        }
    }

    #[test]
    fn a_machine_below_the_smallest_is_told() {
        let subjects = |processors, memory| -> Vec<&str> {
            let lacks = too_small(processors, memory);
            lacks.into_iter().map(|(subject, _)| subject).collect()
        };
        assert_eq!(subjects(1, 960), ["processor", "memory"]);
        assert_eq!(subjects(2, 1_500), ["memory"]);
        // As a machine with 2 GiB counts them.
        assert_eq!(subjects(1, 1_967), ["processor"]);
        assert!(subjects(2, 1_967).is_empty() && subjects(0, 0).is_empty());
    }
}
