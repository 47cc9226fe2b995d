//! Ciphers of devices, on DPDK's software drivers. The environment starts once per process, so this is one test with sections.
#![allow(clippy::unwrap_used, clippy::panic)] // test helpers may fail loudly too

use dpdk_rs::cryptodev::{
    AAD_OCTETS, Aead, Algorithms, CryptoConfig, CryptoDevice, CryptoQueue, Fault, ICV_OCTETS,
    IV_OCTETS, Icv, Outcome, QUEUE_DEPTH, Request, Session, Suite,
};
use dpdk_rs::ipsecmb::Gcm;
use dpdk_rs::ipsecmb::chacha::ChaCha;
use dpdk_rs::ipsecmb::separate::{Cipher, Hash, Job, Lanes, MAX_ICV_OCTETS};
use dpdk_rs::{Eal, Error, Mempool, MempoolConfig};

/// What lies in front of the text: SPI, sequence number, IV.
const FRONT: usize = 24;
const CONFIG: CryptoConfig = CryptoConfig {
    queues: 1,
    sessions: 512,
};
const PACKETS: u32 = 2047;

/// What the scheduler's probe takes of its thread's stack, and room.
const STACK_OCTETS: usize = 64 << 20;

#[test]
fn ciphers_of_devices() {
    let thread = std::thread::Builder::new().stack_size(STACK_OCTETS);
    thread.spawn(sections).unwrap().join().unwrap();
}

fn sections() {
    let eal = Eal::builder()
        .file_prefix(format!("rvc{}", std::process::id()))
        .no_huge(true)
        .memory_mib(512)
        .init()
        .unwrap();
    let pool = Mempool::create(eal, &MempoolConfig::new("packets", PACKETS)).unwrap();
    refusals(eal);
    for driver in ["crypto_openssl", "crypto_aesni_mb"] {
        let device = CryptoDevice::probe(eal, &format!("{driver}0"), CONFIG).unwrap();
        assert_eq!(device.driver(), driver);
        let mut queue = device.take_queue::<usize>().unwrap();
        assert!(device.take_queue::<usize>().is_none(), "one was asked for");
        let offered = suites().filter(|suite| device.supports(suite)).count();
        assert!(offered >= 30, "{driver} offers {offered}");
        for suite in suites().filter(|suite| device.supports(suite)) {
            agrees(&device, &mut queue, pool, &suite);
        }
        bounds(&device, &mut queue, pool);
    }
    silence(eal, pool);
    scheduler(eal, pool, "round-robin,ordering=enable");
    // Out of order: two kinds of workers, of which one answers late.
    scheduler(eal, pool, "round-robin,ordering=disable");
    scheduler(eal, pool, "fail-over,ordering=enable");
    assert_eq!(pool.available(), PACKETS, "every packet came back");
}

fn refusals(eal: Eal) {
    let refused = |name: &str| CryptoDevice::probe(eal, name, CONFIG).unwrap_err();
    assert!(matches!(refused("crypto_nobody0"), Error::Device { .. }));
    assert!(matches!(refused("net_null7"), Error::NoCryptoDevice(_)));
    let device = CryptoDevice::probe(eal, "crypto_openssl0", CONFIG).unwrap();
    assert!(matches!(refused("crypto_openssl0"), Error::CryptoOpen(_)));
    let suite = gcm(32, 16, true);
    assert!(matches!(
        device.session(&suite, &[0; 16], &[]),
        Err(Error::KeyLength(16))
    ));
    let most = device.max_sessions();
    let sessions: Vec<_> = (0..most)
        .map(|_| device.session(&suite, &[1; 32], &[]).unwrap())
        .collect();
    assert!(device.session(&suite, &[1; 32], &[]).is_err(), "all taken");
    drop(sessions);
    assert!(device.session(&suite, &[1; 32], &[]).is_ok(), "free again");
}

fn gcm(key_octets: u8, icv_octets: u8, encrypt: bool) -> Suite {
    Suite {
        algorithms: Algorithms::Aead {
            aead: Aead::AesGcm,
            aad_octets: 8,
        },
        key_octets,
        integ_octets: 0,
        icv_octets,
        encrypt,
    }
}

/// All suites of ESP that encrypt.
fn suites() -> impl Iterator<Item = Suite> {
    let aead = |aead, key_octets, icv_octets, aad_octets| Suite {
        algorithms: Algorithms::Aead { aead, aad_octets },
        key_octets,
        integ_octets: 0,
        icv_octets,
        encrypt: true,
    };
    let mut all = Vec::new();
    for aad in [8, 12] {
        for key in [16, 24, 32] {
            all.extend([8, 12, 16].map(|icv| aead(Aead::AesGcm, key, icv, aad)));
        }
        all.push(aead(Aead::ChaCha20Poly1305, 32, 16, aad));
    }
    let ciphers = [
        (Cipher::AesCbc, 16),
        (Cipher::AesCbc, 24),
        (Cipher::AesCbc, 32),
        (Cipher::AesCtr, 16),
        (Cipher::AesCtr, 24),
        (Cipher::AesCtr, 32),
        (Cipher::TripleDes, 24),
        (Cipher::Des, 8),
        (Cipher::Null, 0),
    ];
    let hashes = [
        (Hash::Md5, 16, 12),
        (Hash::Sha1, 20, 12),
        (Hash::Sha256, 32, 16),
        (Hash::Sha384, 48, 24),
        (Hash::Sha512, 64, 32),
    ];
    for (cipher, key_octets) in ciphers {
        all.extend(hashes.map(|(hash, integ_octets, icv_octets)| Suite {
            algorithms: Algorithms::Separate { cipher, hash },
            key_octets,
            integ_octets,
            icv_octets,
            encrypt: true,
        }));
    }
    all.into_iter()
}

fn is_aead(suite: &Suite) -> bool {
    matches!(suite.algorithms, Algorithms::Aead { .. })
}

fn keys(suite: &Suite) -> (Vec<u8>, Vec<u8>) {
    // Three different keys for triple DES.
    let cipher = (0..suite.key_octets).map(|i| i.wrapping_mul(7)).collect();
    (cipher, vec![5; usize::from(suite.integ_octets)])
}

fn iv() -> [u8; IV_OCTETS] {
    std::array::from_fn(|i| i as u8 + 1)
}

fn aad() -> [u8; AAD_OCTETS] {
    std::array::from_fn(|i| 100 + i as u8)
}

/// The packet as intel-ipsec-mb seals it: front, ciphertext, ICV.
fn oracle(suite: &Suite, clear: &[u8]) -> Vec<u8> {
    let (key, integ) = keys(suite);
    let icv_octets = usize::from(suite.icv_octets);
    let mut packet = clear.to_vec();
    let nonce: [u8; 12] = iv()[..12].try_into().unwrap();
    let mut icv = vec![0; icv_octets];
    match suite.algorithms {
        Algorithms::Aead { aead, aad_octets } => {
            let (aad, text) = (&aad()[..usize::from(aad_octets)], &mut packet[FRONT..]);
            match aead {
                Aead::AesGcm => {
                    let key = Gcm::detect().unwrap().expand(&key).unwrap();
                    key.seal(&nonce, aad, text, &mut icv);
                }
                Aead::ChaCha20Poly1305 => {
                    let key = ChaCha::detect().unwrap().expand(&key).unwrap();
                    icv.copy_from_slice(&key.seal(&nonce, aad, text));
                }
            }
        }
        Algorithms::Separate { cipher, hash } => {
            let mut lanes = Lanes::new().unwrap();
            let key = lanes
                .expand((cipher, &key), (hash, &integ), &[0; 16])
                .unwrap();
            let text_octets = packet.len() - FRONT;
            let mut jobs = [Job {
                key: &key,
                packet: &mut packet,
                text_at: FRONT,
                text_octets,
                encrypt: true,
                iv: iv(),
                icv: [0; MAX_ICV_OCTETS],
                done: false,
            }];
            lanes.run(&mut jobs);
            assert!(jobs[0].done);
            icv.copy_from_slice(&jobs[0].icv[..icv_octets]);
        }
    }
    packet.extend(icv);
    packet
}

fn request(suite: &Suite, packet_octets: usize) -> Request {
    let text_end = (packet_octets - usize::from(suite.icv_octets)) as u16;
    Request {
        text_at: FRONT as u16,
        text_octets: text_end - FRONT as u16,
        covered: if is_aead(suite) {
            (0, 0)
        } else {
            (0, text_end)
        },
        icv: Icv::InPacket(text_end),
        iv: iv(),
        aad: aad(),
    }
}

struct Done {
    octets: Vec<u8>,
    payload: usize,
    outcome: Outcome,
    aside: [u8; ICV_OCTETS],
}

fn collect(queue: &mut CryptoQueue<usize>) -> Vec<Done> {
    let mut done = Vec::new();
    for _ in 0..1000 {
        if queue.under_way() == 0 {
            break;
        }
        queue.poll(|completion| {
            done.push(Done {
                octets: completion.mbuf.data().to_vec(),
                payload: completion.payload,
                outcome: completion.outcome,
                aside: *completion.aside,
            });
        });
    }
    assert_eq!(queue.under_way(), 0, "the device gives everything back");
    done
}

fn submit(
    queue: &mut CryptoQueue<usize>,
    pool: Mempool,
    session: &Session,
    (octets, request): (&[u8], &Request),
    payload: usize,
) {
    let mbuf = pool.packet(octets).unwrap();
    assert!(queue.submit(mbuf, payload, session, request).is_ok());
}

/// One suite both ways, in several lengths: equal to the oracle, in order, and every changed octet is found.
fn agrees(device: &CryptoDevice, queue: &mut CryptoQueue<usize>, pool: Mempool, suite: &Suite) {
    let (key, integ) = keys(suite);
    let opening = Suite {
        encrypt: false,
        ..*suite
    };
    assert!(device.supports(&opening), "{suite:?} one way only");
    let seal = device.session(suite, &key, &integ).unwrap();
    let open = device.session(&opening, &key, &integ).unwrap();
    let icv_octets = usize::from(suite.icv_octets);
    let clears: Vec<Vec<u8>> = [16usize, 32, 64, 576, 1408]
        .map(|text| (0..FRONT + text).map(|i| (i * 3) as u8).collect())
        .to_vec();
    for (number, clear) in clears.iter().enumerate() {
        let mut packet = clear.clone();
        packet.resize(clear.len() + icv_octets, 0);
        let request = request(suite, packet.len());
        submit(queue, pool, &seal, (&packet, &request), number);
    }
    let sealed = collect(queue);
    for (number, (clear, done)) in clears.iter().zip(&sealed).enumerate() {
        assert_eq!((done.outcome, done.payload), (Outcome::Done, number));
        assert!(done.octets == oracle(suite, clear), "{suite:?} {number}");
    }
    for (number, done) in sealed.iter().enumerate() {
        let request = request(suite, done.octets.len());
        submit(queue, pool, &open, (&done.octets, &request), 2 * number);
        let mut forged = done.octets.clone();
        let at = forged.len() - 1 - number % (icv_octets + 4);
        forged[at] ^= 1;
        submit(queue, pool, &open, (&forged, &request), 2 * number + 1);
    }
    let opened = collect(queue);
    for (number, pair) in opened.chunks(2).enumerate() {
        assert_eq!(pair[0].outcome, Outcome::Done, "{suite:?}");
        let clear = &clears[number];
        assert!(pair[0].octets[..clear.len()] == clear[..], "{suite:?}");
        assert_eq!(pair[1].outcome, Outcome::Forged, "{suite:?}");
    }
    if !is_aead(suite) {
        aside(queue, pool, (&seal, &open), suite);
    }
    assert!(!seal.is_in_use() && !open.is_in_use());
}

/// The ICV beside the packet, which then covers four octets more: what extended sequence numbers need.
fn aside(
    queue: &mut CryptoQueue<usize>,
    pool: Mempool,
    (seal, open): (&Session, &Session),
    suite: &Suite,
) {
    let packet: Vec<u8> = (0..FRONT + 64 + 4).map(|i| i as u8).collect();
    let request = |icv| Request {
        text_at: FRONT as u16,
        text_octets: 64,
        covered: (0, packet.len() as u16),
        icv: Icv::Aside(icv),
        iv: iv(),
        aad: [0; AAD_OCTETS],
    };
    submit(queue, pool, seal, (&packet, &request([0; ICV_OCTETS])), 0);
    let sealed = collect(queue).pop().unwrap();
    assert_eq!(sealed.outcome, Outcome::Done);
    assert_eq!(
        sealed.octets[FRONT + 64..],
        packet[FRONT + 64..],
        "{suite:?}"
    );
    submit(
        queue,
        pool,
        open,
        (&sealed.octets, &request(sealed.aside)),
        0,
    );
    let mut wrong = sealed.aside;
    wrong[0] ^= 1;
    submit(queue, pool, open, (&sealed.octets, &request(wrong)), 1);
    let opened = collect(queue);
    assert_eq!(opened[0].outcome, Outcome::Done, "{suite:?}");
    assert_eq!(opened[0].octets, packet, "{suite:?}");
    assert_eq!(opened[1].outcome, Outcome::Forged, "{suite:?}");
}

/// The depth is a bound, order is kept over the end of the ring, and what lies outside a packet is refused.
fn bounds(device: &CryptoDevice, queue: &mut CryptoQueue<usize>, pool: Mempool) {
    let suite = gcm(16, 16, true);
    let session = device.session(&suite, &[3; 16], &[]).unwrap();
    let packet = vec![0; FRONT + 64 + 16];
    let right = request(&suite, packet.len());
    for round in 0..3 {
        for number in 0..QUEUE_DEPTH - round {
            submit(queue, pool, &session, (&packet, &right), number);
        }
        assert!(session.is_in_use());
        let order: Vec<_> = collect(queue).iter().map(|done| done.payload).collect();
        assert!(order.iter().copied().eq(0..QUEUE_DEPTH - round));
    }
    for number in 0..QUEUE_DEPTH {
        submit(queue, pool, &session, (&packet, &right), number);
    }
    let one_more = pool.packet(&packet).unwrap();
    let refused = queue.submit(one_more, 0, &session, &right).err().unwrap();
    assert!(refused.full);
    assert_eq!(collect(queue).len(), QUEUE_DEPTH);
    let wrong = [
        Request {
            text_octets: right.text_octets + 17,
            ..right
        },
        Request {
            icv: Icv::InPacket(packet.len() as u16),
            ..right
        },
        Request {
            covered: (0, 8),
            ..right
        },
    ];
    for request in wrong {
        let refused = queue.submit(pool.packet(&packet).unwrap(), 0, &session, &request);
        assert!(!refused.err().unwrap().full);
    }
}

/// A device that stops gives nothing back; its packets are kept until it is closed, and it may be opened again.
fn silence(eal: Eal, pool: Mempool) {
    let suite = gcm(16, 16, true);
    let packet = vec![0; FRONT + 64 + 16];
    let right = request(&suite, packet.len());
    for _ in 0..2 {
        let device = CryptoDevice::probe(eal, "crypto_openssl0", CONFIG).unwrap();
        let session = device.session(&suite, &[3; 16], &[]).unwrap();
        let mut queue = device.take_queue::<usize>().unwrap();
        assert!(queue.is_started());
        for number in 0..10 {
            submit(&mut queue, pool, &session, (&packet, &right), number);
        }
        assert!(queue.break_down(Fault::Stops));
        assert!(!queue.is_started());
        assert_eq!(queue.poll(|done| drop(done)), 0);
        let mut lost = Vec::new();
        queue.give_up(|payload| lost.push(payload));
        assert!(lost.iter().copied().eq(0..10));
        assert_eq!(pool.available(), PACKETS - 10, "kept");
        drop(device);
        assert_eq!(pool.available(), PACKETS - 10, "the session holds it open");
        drop(session);
        assert_eq!(pool.available(), PACKETS, "closed");
    }
}

/// A device made of two others.
fn scheduler(eal: Eal, pool: Mempool, mode: &str) {
    for worker in ["crypto_openssl8", "crypto_aesni_mb9"] {
        let _ = eal.probe_device(worker);
    }
    let arguments =
        format!("crypto_scheduler0,worker=crypto_openssl8,worker=crypto_aesni_mb9,mode={mode}");
    let device = CryptoDevice::probe(eal, &arguments, CONFIG).unwrap();
    assert_eq!(device.driver(), "crypto_scheduler");
    let mut queue = device.take_queue::<usize>().unwrap();
    for suite in [
        gcm(32, 16, true),
        suites().nth(22).filter(|suite| !is_aead(suite)).unwrap(),
    ] {
        assert!(device.supports(&suite), "{suite:?}");
        agrees(&device, &mut queue, pool, &suite);
    }
    bounds(&device, &mut queue, pool);
}
