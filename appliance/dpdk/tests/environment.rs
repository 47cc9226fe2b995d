//! Everything that needs a running environment. It starts once per process, so this is one test with sections; it
//! needs no hugepages, no NIC and no privileges beyond a writable runtime directory.
#![allow(clippy::expect_used, clippy::panic)] // test helpers may fail loudly too

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrayvec::ArrayVec;
use dpdk_rs::offload::{RxOffloads, TxOffloads};
use dpdk_rs::rcu::Qsbr;
use dpdk_rs::{
    Burst, Eal, Errno, Error, Fib, FibConfig, Mbuf, Mempool, MempoolConfig, NextHopWidth, Port,
    PortConfig, ring,
};

#[test]
fn environment() {
    let builder = || {
        Eal::builder()
            .file_prefix(format!("rv{}", std::process::id()))
            .no_huge(true)
            .memory_mib(256)
    };
    let eal = builder().vdev("net_null0,size=64").init().expect("EAL");
    assert!(matches!(builder().init(), Err(Error::AlreadyInitialised)));
    assert!(eal.version().starts_with("DPDK 24.11"), "{}", eal.version());

    let pool = Mempool::create(eal, &MempoolConfig::new("packets", 4095)).expect("pool");
    assert!(matches!(
        Mempool::create(eal, &MempoolConfig::new("packets", 4095)),
        Err(Error::Pool { .. })
    ));
    assert!(matches!(
        Mempool::create(eal, &MempoolConfig::new("a name that is far too long", 63)),
        Err(Error::BadName { .. })
    ));

    threads(eal, pool);
    packets(pool);
    segments(pool);
    rings(pool);
    null_port(eal, pool);
    loop_port(eal, pool);
    pcap_port(eal, pool);
    fib(eal);
    fib_while_reading(eal);
    assert_eq!(pool.available(), 4095, "every packet came back");
}

fn threads(eal: Eal, pool: Mempool) {
    assert!(
        eal.register_thread().is_err(),
        "the starting thread is registered already"
    );
    let worker = std::thread::spawn(move || {
        let guard = eal.register_thread().expect("register");
        let packet = pool.packet(b"from a worker").expect("packet");
        assert!(eal.register_thread().is_err());
        (guard.lcore_id(), packet)
    });
    let (lcore, packet) = worker.join().expect("worker");
    assert_ne!(lcore, 0);
    assert_eq!(packet.data(), b"from a worker");
    let outside = std::thread::spawn(move || pool.packet(b"unregistered").map(|p| p.pkt_len()));
    assert_eq!(outside.join().expect("thread"), Some(12));
}

fn packets(pool: Mempool) {
    let mut packet = pool.packet(b"payload").expect("packet");
    assert_eq!(
        (packet.pkt_len(), packet.nb_segs(), packet.headroom()),
        (7, 1, 128)
    );
    packet
        .prepend(4)
        .expect("headroom")
        .copy_from_slice(b"head");
    packet.append(4).expect("tailroom").copy_from_slice(b"tail");
    assert_eq!(packet.data(), b"headpayloadtail");
    packet.data_mut()[0] = b'H';
    assert_eq!(packet.adj(4), Some(()));
    assert_eq!(packet.trim(4), Some(()));
    assert_eq!(packet.data(), b"payload");
    assert_eq!((packet.adj(8), packet.trim(8)), (None, None));
    assert!(packet.prepend(129).is_none());
    assert!(packet.append(packet.tailroom() + 1).is_none());
    assert_eq!(packet.tailroom(), 2048 - 7);
    assert_eq!(packet.data(), b"payload");
    packet.meta_mut()[7] = 0x0123_4567_89ab_cdef;
    assert_eq!(packet.meta()[7], 0x0123_4567_89ab_cdef);
    assert_eq!(packet.data(), b"payload");
    assert!(pool.packet(&[0; 2049]).is_none(), "longer than a buffer");

    let mut all = ArrayVec::<Mbuf, 4096>::new();
    assert!(pool.alloc_bulk(&mut all, 4096).is_err());
    assert!(all.is_empty());
    pool.alloc_bulk(&mut all, 2048).expect("half of the pool");
    assert_eq!(pool.available(), 4095 - 2048 - 1);
    Mbuf::free_burst(&mut all);
    assert!(all.is_empty());
    assert_eq!(pool.available(), 4095 - 1);
}

fn segments(pool: Mempool) {
    let mut packet = pool.packet(&[1; 1000]).expect("packet");
    packet
        .chain(pool.packet(&[2; 500]).expect("packet"))
        .expect("chain");
    assert_eq!(
        (packet.pkt_len(), packet.nb_segs(), packet.is_contiguous()),
        (1500, 2, false)
    );
    assert_eq!(
        packet.segments().map(<[u8]>::len).collect::<Vec<_>>(),
        [1000, 500]
    );
    let mut across = [0; 4];
    assert!(packet.copy_out(998, &mut across));
    assert_eq!(across, [1, 1, 2, 2]);
    assert!(packet.copy_out(1496, &mut across) && !packet.copy_out(1497, &mut across));
    assert_eq!(packet.trim(100), Some(()));
    assert!(packet.linearize());
    assert_eq!((packet.data().len(), packet.is_contiguous()), (1400, true));
    assert_eq!(packet.data()[999..1001], [1, 2]);

    packet
        .chain(pool.packet(&[3; 1500]).expect("packet"))
        .expect("chain");
    assert!(!packet.linearize(), "2900 octets exceed one buffer");
    assert_eq!((packet.pkt_len(), packet.nb_segs()), (2900, 2));
}

fn rings(pool: Mempool) {
    assert!(ring::spsc::<Mbuf>(0).is_err());
    let (mut producer, mut consumer) = ring::spsc::<Mbuf>(5).expect("ring");
    let mut burst = Burst::new();
    pool.alloc_bulk(&mut burst, 8).expect("packets");
    for (number, packet) in burst.iter_mut().enumerate() {
        packet.meta_mut()[0] = number as u64;
    }
    assert_eq!(
        (
            producer.push_burst(&mut burst),
            burst.len(),
            producer.capacity()
        ),
        (5, 3, 5)
    );
    assert_eq!(burst[0].meta()[0], 5, "the rest stays in order");
    assert!(producer.push(pool.alloc().expect("packet")).is_err());
    assert_eq!(consumer.pop().map(|p| p.meta()[0]), Some(0));
    let mut out = Burst::new();
    assert_eq!(consumer.pop_burst(&mut out), 4);
    assert_eq!(
        out.iter().map(|p| p.meta()[0]).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert_eq!(producer.push_burst(&mut out), 4);
    drop((producer, consumer)); // and with them the four packets

    let (producer, mut consumer) = ring::mpsc::<Box<u64>>(128).expect("ring");
    let senders: Vec<_> = (0..4u64)
        .map(|sender| {
            let mut producer = producer.clone();
            std::thread::spawn(move || {
                for number in 0..1000 {
                    let mut item = Box::new(sender * 1000 + number);
                    while let Err(back) = producer.push(item) {
                        item = back;
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let mut seen = Vec::new();
    let mut out = ArrayVec::<Box<u64>, 32>::new();
    while seen.len() < 4000 {
        if consumer.pop_burst(&mut out) == 0 {
            std::thread::yield_now();
        }
        seen.extend(out.drain(..).map(|item| *item));
    }
    senders.into_iter().for_each(|s| s.join().expect("sender"));
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..4000));
}

fn null_port(eal: Eal, pool: Mempool) {
    assert!(Port::names(eal).contains(&"net_null0".to_owned()));
    let mut port = Port::open(eal, "net_null0").expect("probed at start");
    assert!(matches!(
        Port::open(eal, "net_null0"),
        Err(Error::PortOpen(_))
    ));
    assert!(matches!(port.start(), Err(Error::PortState { .. })));
    let caps = port.capabilities().expect("capabilities");
    assert_eq!(caps.driver, "net_null");
    let config = PortConfig {
        rx_queues: 2,
        tx_queues: 2,
        mtu_octets: Some(1500),
        ..PortConfig::default()
    };
    let greedy = PortConfig {
        rx_queues: caps.max_rx_queues + 1,
        ..config
    };
    assert!(matches!(
        port.configure(&greedy, pool),
        Err(Error::Capability { .. })
    ));
    port.configure(&config, pool).expect("configure");
    let (mut rx, mut tx) = port.start().expect("start");
    assert_eq!((rx.len(), tx.len(), port.mtu().expect("mtu")), (2, 2, 1500));
    let mut burst = Burst::new();
    assert_eq!(rx[1].rx_burst(&mut burst), 64);
    assert_eq!((burst[0].port(), burst[0].pkt_len()), (port.id(), 64));
    assert_eq!(tx[0].tx_burst(&mut burst), 64);
    assert!(burst.is_empty());
    let stats = port.stats().expect("stats");
    assert_eq!((stats.rx_packets, stats.tx_packets), (64, 64));
    assert!(port.link().expect("link").up);
    assert!(matches!(
        port.stop(),
        Err(Error::QueuesHeld { held: 4, .. })
    ));
    let (mut port, error) = port.remove().expect_err("queues are held");
    assert!(matches!(error, Error::QueuesHeld { .. }));
    drop((rx, tx));
    port.stop().expect("stop");
    port.remove().expect("remove");
    assert!(matches!(
        Port::open(eal, "net_null0"),
        Err(Error::NoSuchPort(_))
    ));
}

fn loop_port(eal: Eal, pool: Mempool) {
    // Twice: a removed device can be plugged in again.
    for _ in 0..2 {
        let mut port = Port::probe(eal, "net_ring7").expect("probe");
        let wishes = PortConfig {
            rx_offloads: RxOffloads::IPV4_CHECKSUM.union(RxOffloads::SECURITY),
            tx_offloads: TxOffloads::MULTI_SEGMENT,
            ..PortConfig::default()
        };
        port.configure(&wishes, pool).expect("configure");
        assert!(
            !port.offloads().0.contains(RxOffloads::SECURITY),
            "left out, not an error"
        );
        let (mut rx, mut tx) = port.start().expect("start");
        let mut burst: Burst = (0..10u8).filter_map(|n| pool.packet(&[n; 60])).collect();
        assert_eq!(tx[0].tx_burst(&mut burst), 10);
        assert_eq!(rx[0].rx_burst(&mut burst), 10);
        assert!(
            burst
                .iter()
                .enumerate()
                .all(|(n, p)| p.data() == [n as u8; 60])
        );
        // The driver's ring is finite: what does not fit comes back.
        let mut sent = 0;
        loop {
            let mut more = Burst::new();
            if pool.alloc_bulk(&mut more, 64).is_err() {
                break;
            }
            let now = tx[0].tx_burst(&mut more);
            sent += now;
            if now < 64 {
                assert_eq!(more.len(), 64 - now);
                break;
            }
        }
        let mut back = 0;
        let mut drain = Burst::new();
        while rx[0].rx_burst(&mut drain) > 0 {
            back += drain.len();
            Mbuf::free_burst(&mut drain);
        }
        assert_eq!(sent, back);
        drop((rx, tx));
        port.remove().expect("remove");
    }
    assert!(matches!(
        Port::probe(eal, "net_nonsense0"),
        Err(Error::Device { .. })
    ));
}

fn pcap_port(eal: Eal, pool: Mempool) {
    let dir = std::env::temp_dir();
    let path =
        |side: &str| -> PathBuf { dir.join(format!("rv-{}-{side}.pcap", std::process::id())) };
    let (input, output) = (path("in"), path("out"));
    let frames: Vec<Vec<u8>> = (60..90u8).map(|n| vec![n; usize::from(n)]).collect();
    write_pcap(&input, &frames);
    let arguments = format!(
        "net_pcap0,rx_pcap={},tx_pcap={}",
        input.display(),
        output.display()
    );
    let mut port = Port::probe(eal, &arguments).expect("probe");
    port.configure(&PortConfig::default(), pool)
        .expect("configure");
    let (mut rx, mut tx) = port.start().expect("start");
    let mut burst = Burst::new();
    assert_eq!(rx[0].rx_burst(&mut burst), frames.len());
    assert!(
        burst
            .iter()
            .map(Mbuf::data)
            .eq(frames.iter().map(Vec::as_slice))
    );
    assert_eq!(tx[0].tx_burst(&mut burst), frames.len());
    drop((rx, tx));
    port.remove().expect("remove");
    let written = std::fs::read(&output).expect("output");
    assert_eq!(
        written.len(),
        24 + frames.iter().map(|f| f.len() + 16).sum::<usize>()
    );
    for file in [input, output] {
        std::fs::remove_file(file).expect("remove");
    }
}

fn write_pcap(path: &Path, frames: &[Vec<u8>]) {
    let word = |value: u32| value.to_le_bytes();
    let mut bytes = Vec::new();
    for value in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(word(value));
    }
    for frame in frames {
        let octets = frame.len() as u32;
        bytes.extend([word(0), word(0), word(octets), word(octets)].concat());
        bytes.extend(frame);
    }
    std::fs::write(path, bytes).expect("pcap");
}

/// Longest-prefix match by linear search.
#[derive(Default)]
struct Oracle(BTreeMap<(u8, u32), u64>);

impl Oracle {
    fn lookup(&self, address: u32) -> u64 {
        let longest_first = self.0.iter().rev();
        let mut hits =
            longest_first.filter(|((depth, prefix), _)| masked(address, *depth) == *prefix);
        hits.next().map_or(0, |(_, hop)| *hop)
    }
}

fn masked(address: u32, depth: u8) -> u32 {
    address & u32::MAX.checked_shl(32 - u32::from(depth)).unwrap_or(0)
}

fn next(seed: &mut u64) -> u32 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 16) as u32
}

fn small_fib(eal: Eal, rcu: &Qsbr) -> Fib {
    let config = FibConfig {
        routes: 10_000,
        long_prefix_groups: 256,
        width: NextHopWidth::Octets4,
        default_next_hop: 0,
    };
    Fib::new(eal, &config, rcu).expect("fib")
}

fn fib(eal: Eal) {
    let rcu = Qsbr::new().expect("rcu");
    let thread = rcu.register().expect("reader");
    let mut fib = small_fib(eal, &rcu);
    let reader = fib.reader();
    let foreign = Qsbr::new().expect("rcu").register().expect("reader");
    assert!(matches!(
        reader.lookup(&foreign, &[0], &mut [0]),
        Err(Error::ForeignRcu)
    ));
    assert!(
        fib.add(0, 33, 1).is_err() && fib.add(0, 8, 1 << 31).is_err() && fib.delete(0, 8).is_err()
    );
    let mut oracle = Oracle::default();
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for step in 0..6000u32 {
        // Few addresses and long prefixes, so that routes nest and groups come and go.
        let depth = [8, 12, 16, 20, 23, 24, 25, 28, 30, 32][next(&mut seed) as usize % 10];
        let prefix = masked(0x0a00_0000 | (next(&mut seed) & 0x0003_07ff), depth);
        if next(&mut seed) % 4 == 0 {
            assert_eq!(
                fib.delete(prefix, depth).is_ok(),
                oracle.0.remove(&(depth, prefix)).is_some()
            );
        } else {
            fib.add(prefix, depth, u64::from(step) + 1).expect("add");
            oracle.0.insert((depth, prefix), u64::from(step) + 1);
        }
        if step % 50 == 0 {
            let asked: Vec<u32> = (0..64)
                .map(|_| 0x0a00_0000 | (next(&mut seed) & 0x0003_07ff))
                .collect();
            let mut found = [0; 64];
            assert_eq!(
                reader.lookup(&thread, &asked, &mut found).expect("lookup"),
                64
            );
            let expected: Vec<u64> = asked.iter().map(|&a| oracle.lookup(a)).collect();
            assert_eq!(found.as_slice(), expected, "step {step}");
            thread.quiescent();
        }
    }
    let token = rcu.start();
    assert!(!rcu.passed(token), "the reader was not quiescent since");
    thread.quiescent();
    assert!(rcu.passed(token));
    let token = rcu.start();
    thread.offline();
    assert!(rcu.passed(token), "nobody waits for an offline reader");
}

/// A reader must never see another prefix's next hop while groups are freed and reused.
fn fib_while_reading(eal: Eal) {
    let rcu = Qsbr::new().expect("rcu");
    let mut fib = small_fib(eal, &rcu);
    let (reader, thread) = (fib.reader(), rcu.register().expect("reader"));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    // Every route's next hop is its third octet plus 1, so any answer can be checked alone.
    let worker = std::thread::spawn(move || {
        let asked: Vec<u32> = (0..64).map(|n| 0x0b00_0001 | n << 8).collect();
        let mut found = [0; 64];
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            reader.lookup(&thread, &asked, &mut found).expect("lookup");
            thread.quiescent();
            for (n, hop) in found.iter().enumerate() {
                assert!(*hop == 0 || *hop == n as u64 + 1, "net {n} answered {hop}");
            }
        }
    });
    for round in 0..3000u32 {
        let net = round % 64;
        patiently(|| fib.add(0x0b00_0000 | net << 8, 25, u64::from(net) + 1));
        let old = (round + 32) % 64;
        if round >= 32 {
            patiently(|| fib.delete(0x0b00_0000 | old << 8, 25));
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    worker.join().expect("reader");
}

/// Retries while freed groups wait for the reader, which needs a turn on the CPU.
fn patiently(mut change: impl FnMut() -> Result<(), Error>) {
    for _ in 0..1_000_000 {
        match change() {
            Err(Error::Route {
                errno: Errno(28), ..
            }) => std::thread::yield_now(),
            other => return other.expect("route"),
        }
    }
    panic!("the reader never became quiescent");
}
