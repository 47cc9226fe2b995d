//! AH with every HMAC and AES-GMAC against one composed from OpenSSL's primitives: both modes and families, with and without extended sequence numbers,
//! with options and extension headers, from nothing behind the header to the longest packet. Every octet that counts is protected, and
//! what may change on the way may.
#![allow(clippy::unwrap_used)]

mod oracle;

use oracle::Oracle;
use ravelin_dataplane::engine::Engine;
use ravelin_esp::*;
use ravelin_types::{EspEncr, EspInteg, EspTransform, IpsecMode, IpsecProtocol, NodeId};
use ravelin_wire::ip::{self, IpFields};
use std::collections::HashSet;

const SPI: u32 = 0x4001_2345;
/// Beyond 32 bits, so that the upper half of an extended number is not zero.
const LAST: u64 = 0x5_ffff_fff0;

fn payloads() -> impl Iterator<Item = usize> {
    (0..=17).chain([64, 512, 1400, 8900, 9000, 65_000])
}

fn transforms() -> impl Iterator<Item = EspTransform> {
    let with = |integ: &EspInteg| EspTransform::new(EspEncr::Null, Some(*integ)).unwrap();
    let gmac = [
        EspEncr::Aes128Gmac,
        EspEncr::Aes192Gmac,
        EspEncr::Aes256Gmac,
    ];
    let gmac = gmac.map(|encr| EspTransform::new(encr, None).unwrap());
    EspInteg::ALL.iter().map(with).chain(gmac)
}

fn ends(v6: bool) -> OuterAddresses {
    let (local, remote) = if v6 {
        ("2001:db8::1", "2001:db8::2")
    } else {
        ("192.0.2.1", "192.0.2.2")
    };
    OuterAddresses {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        udp: None,
    }
}

/// A packet between the two ends with these octets behind its IP header: options or extension headers, then the payload.
fn packet(v6: bool, front: &[u8], first: u8, octets: usize) -> Vec<u8> {
    let header = if v6 { 40 } else { 20 };
    let mut packet = vec![0; header];
    let fields = IpFields {
        source: ends(v6).local,
        destination: ends(v6).remote,
        protocol: first,
        ttl: 63,
        traffic_class: 0xb8,
        dont_fragment: octets % 2 == 1,
        id: 7,
        payload_octets: (front.len() + octets) as u16,
    };
    ip::emit(&mut packet, &fields).unwrap();
    if !v6 {
        packet[0] += (front.len() / 4) as u8;
    }
    packet.extend(front);
    packet.extend((0..octets).map(|i| (i * 7) as u8));
    if !v6 {
        refresh(&mut packet);
    }
    packet
}

fn refresh(packet: &mut [u8]) {
    let header = usize::from(packet[0] & 15) * 4;
    packet[10..12].fill(0);
    let sum = ravelin_wire::checksum::of(&packet[..header]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Router alert, then a timestamp that routers fill.
const OPTIONS: [u8; 12] = [148, 4, 0, 0, 68, 8, 5, 0, 1, 2, 3, 4];
/// Hop-by-hop options: one that changes on the way, one that does not.
const EXTENSION: [u8; 16] = [253, 1, 0x3e, 3, 1, 2, 3, 0x1e, 6, 1, 2, 3, 4, 5, 6, 0];

struct Pair {
    engine: Engine<MemoryBuf>,
    out: OutboundSa,
    inn: InboundSa,
    oracle: Oracle,
    /// Octets of the ICV field: of AES-GMAC the IV is in it.
    icv: usize,
}

fn pair(transform: EspTransform, mode: IpsecMode, v6: bool, extended: bool) -> Pair {
    let mut engine = Engine::<MemoryBuf>::new(2);
    let material: Vec<u8> = (0..transform.keymat_octets())
        .map(|at| (at as u8).wrapping_mul(31) | 1)
        .collect();
    let (keys, salt) = Keys::split(transform, &material).unwrap();
    let mut key = || {
        let key = <Engine<MemoryBuf> as CryptoEngine<MemoryBuf>>::expand(transform, keys);
        engine.insert(key.unwrap()).ok().unwrap()
    };
    let (out_key, in_key) = (key(), key());
    let last_sequence = if extended { LAST } else { 0 };
    let out = OutboundSa::new(&OutboundParams {
        spi: SPI,
        transform,
        protocol: IpsecProtocol::Ah,
        mode,
        salt,
        key: out_key,
        iv: IvPrefix::new(NodeId::new(1).unwrap(), 5).unwrap(),
        outer: ends(v6),
        df: DfPolicy::Copy,
        dscp: None,
        last_sequence,
        ceiling: u64::MAX,
        extended,
    });
    let inn = InboundSa::new(&InboundParams {
        spi: SPI,
        transform,
        mode,
        copy_dscp: false,
        salt,
        key: in_key,
        replay_window: 512,
        last_sequence,
        ceiling: u64::MAX,
        extended,
    });
    Pair {
        engine,
        out: out.unwrap(),
        inn,
        icv: transform.iv_octets() + transform.icv_octets(),
        oracle: Oracle {
            transform,
            material,
            spi: SPI,
            extended,
        },
    }
}

impl Pair {
    fn run(&mut self, buf: MemoryBuf, task: Task) -> CryptoOp<MemoryBuf> {
        let (mut ops, mut done) = (vec![CryptoOp::new(buf, task)], Vec::new());
        self.engine.submit(&mut ops);
        self.engine.poll(&mut done);
        done.pop().unwrap()
    }

    fn seal(&mut self, packet: &[u8]) -> Result<(Vec<u8>, u64), EspDrop> {
        let meta = ip::parse_brief(packet).unwrap();
        let mut buf = MemoryBuf::new(packet);
        let prepared = self.out.prepare_ah(&mut buf, meta, 3);
        let Ok(task) = prepared else {
            assert_eq!(buf.data(), packet, "it is as it was");
            return Err(prepared.unwrap_err());
        };
        let mut op = self.run(buf, task);
        finish_ah(&mut op.packet, (&task, op.status))?;
        Ok((op.packet.data().to_vec(), task.sequence))
    }

    fn open(&mut self, packet: &[u8]) -> Result<Vec<u8>, EspDrop> {
        let meta = ip::parse_brief(packet).unwrap();
        let mut buf = MemoryBuf::new(packet);
        let prepared = self.inn.prepare_ah(&mut buf, meta, 3);
        let Ok(task) = prepared else {
            assert_eq!(buf.data(), packet, "it is as it was");
            return Err(prepared.unwrap_err());
        };
        let mut op = self.run(buf, task);
        self.inn
            .finish_ah(&mut op.packet, (&task, op.status), meta)?;
        Ok(op.packet.data().to_vec())
    }

    /// The ICV field of a packet whose AH is at `at`, where `zero` lists the octets that count as zero (RFC 4302 section 3.3.3).
    fn icv(&self, packet: &[u8], at: usize, zero: &[usize], sequence: u64) -> Vec<u8> {
        let mut covered = packet.to_vec();
        for octet in zero {
            covered[*octet] = 0;
        }
        if packet[0] >> 4 == 6 {
            covered[0] = 0x60;
        }
        covered[at + 12..at + 12 + self.icv].fill(0);
        match self.oracle.transform.integ() {
            Some(integ) => self.oracle.hmac(integ, sequence, &covered),
            None => {
                let iv = &packet[at + 12..at + 20];
                [iv, &self.oracle.gmac(sequence, iv, &covered)].concat()
            }
        }
    }
}

/// One way a protected packet looks: its clear packet, where AH is, which octets may change, what follows AH.
struct Shape {
    mode: IpsecMode,
    v6: bool,
    clear: fn(usize) -> Vec<u8>,
    at: usize,
    changing: Vec<usize>,
    next_header: u8,
}

fn shapes() -> Vec<Shape> {
    use IpsecMode::{Transport, Tunnel};
    let v4 = vec![1, 6, 7, 8, 10, 11];
    let v6 = vec![0, 1, 2, 3, 7];
    let with =
        |fixed: &[usize], more: std::ops::Range<usize>| fixed.iter().copied().chain(more).collect();
    let shape = |mode, clear: fn(usize) -> Vec<u8>, at, changing, next_header| Shape {
        mode,
        v6: clear(0)[0] >> 4 == 6,
        clear,
        at,
        changing,
        next_header,
    };
    vec![
        shape(
            Transport,
            |n| packet(false, &[], 253, n),
            20,
            v4.clone(),
            253,
        ),
        shape(
            Transport,
            |n| packet(false, &OPTIONS, 253, n),
            32,
            with(&v4, 24..32),
            253,
        ),
        shape(
            Transport,
            |n| packet(true, &[], 253, n),
            40,
            v6.clone(),
            253,
        ),
        shape(
            Transport,
            |n| packet(true, &EXTENSION, 0, n),
            56,
            with(&v6, 44..47),
            253,
        ),
        shape(Tunnel, |n| packet(false, &[], 253, n), 20, v4, 4),
        shape(Tunnel, |n| packet(true, &[], 253, n), 40, v6, 41),
    ]
}

#[test]
fn every_algorithm_agrees_with_the_oracle_at_every_length() {
    for transform in transforms() {
        for (shape, extended) in shapes()
            .iter()
            .flat_map(|shape| [(shape, false), (shape, true)])
        {
            let mut pair = pair(transform, shape.mode, shape.v6, extended);
            let word = if shape.v6 { 8 } else { 4 };
            let ah = (12 + pair.icv).next_multiple_of(word);
            let mut ivs = HashSet::new();
            for octets in payloads() {
                let clear = (shape.clear)(octets);
                let (sealed, sequence) = pair.seal(&clear).unwrap();
                let kept = if shape.mode == IpsecMode::Tunnel {
                    0
                } else {
                    shape.at
                };
                assert_eq!(sealed.len(), shape.at + ah + clear.len() - kept);
                let mut header = vec![shape.next_header, (ah / 4 - 2) as u8, 0, 0];
                header.extend(SPI.to_be_bytes());
                header.extend((sequence as u32).to_be_bytes());
                assert_eq!(sealed[shape.at..shape.at + 12], header);
                assert!(
                    sealed[shape.at + 12 + pair.icv..shape.at + ah]
                        .iter()
                        .all(|o| *o == 0)
                );
                assert!(sealed[shape.at + ah..] == clear[kept..]);
                let icv = pair.icv(&sealed, shape.at, &shape.changing, sequence);
                assert_eq!(
                    sealed[shape.at + 12..shape.at + 12 + pair.icv],
                    icv,
                    "{transform}"
                );
                let meta = ip::parse(&sealed).unwrap();
                assert_eq!(
                    (meta.protocol, usize::from(meta.payload_at)),
                    (51, shape.at)
                );
                assert_eq!(usize::from(meta.total_octets), sealed.len());
                assert!(
                    pair.open(&sealed).unwrap() == clear,
                    "{transform}: {octets}"
                );
                assert_eq!(pair.open(&sealed), Err(EspDrop::ReplayDuplicate));
                if transform.integ().is_none() {
                    let iv = sealed[shape.at + 12..shape.at + 20].to_vec();
                    assert!(ivs.insert(iv), "an IV twice");
                }
            }
        }
    }
}

/// The IPv4 checksum is repaired as a router does; what is left of the header is covered but for what may change.
#[test]
fn every_octet_is_protected_but_those_that_change_on_the_way() {
    for transform in transforms() {
        for shape in shapes() {
            let clear = (shape.clear)(46);
            for extended in [false, true] {
                let mut pair = pair(transform, shape.mode, shape.v6, extended);
                let (sealed, _) = pair.seal(&clear).unwrap();
                let mut passed = 0;
                for at in 0..sealed.len() {
                    let mut forged = sealed.clone();
                    forged[at] ^= 4;
                    let fresh = &mut pair;
                    if !shape.v6 && at < shape.at && !(10..12).contains(&at) {
                        refresh(&mut forged);
                    }
                    let looks_like_ah = ip::parse(&forged).is_ok_and(|meta| {
                        meta.protocol == 51 && usize::from(meta.payload_at) == shape.at
                    });
                    // Another SPI is another SA, another number may be a replay.
                    let elsewhere = (shape.at + 4..shape.at + 12).contains(&at);
                    if !looks_like_ah || elsewhere {
                        continue;
                    }
                    match fresh.open(&forged) {
                        Err(EspDrop::AuthFailed) => {}
                        Err(EspDrop::AhMalformed) => assert_eq!(at, shape.at + 1),
                        Err(reason) => panic!("{transform} {at}: {reason}"),
                        Ok(_) => {
                            assert!(shape.changing.contains(&at), "{transform} {at}");
                            passed += 1;
                            *fresh = self::pair(transform, shape.mode, shape.v6, extended);
                        }
                    }
                }
                assert!(passed > 0, "nothing may change");
                assert_eq!(pair.open(&sealed).unwrap(), clear);
            }
        }
    }
}

/// A peer may fill AH of IPv4 to words of 8 octets; more than that, less than the ICV, and broken words of IPv6 are malformed.
#[test]
fn lengths_that_the_algorithm_does_not_make_are_malformed() {
    let transform = EspTransform::new(EspEncr::Null, Some(EspInteg::HmacSha256_128)).unwrap();
    for (v6, good) in [(false, &[28usize, 32][..]), (true, &[32])] {
        let mut pair = pair(transform, IpsecMode::Transport, v6, false);
        let header = if v6 { 40 } else { 20 };
        for (sequence, units) in (1u32..).zip(0..=255u8) {
            let octets = 4 * (usize::from(units) + 2);
            let mut sealed = packet(v6, &[], 51, octets.max(12) + 5);
            let ah = &mut sealed[header..];
            ah.fill(0);
            ah[..2].copy_from_slice(&[253, units]);
            ah[4..8].copy_from_slice(&SPI.to_be_bytes());
            ah[8..12].copy_from_slice(&sequence.to_be_bytes());
            if good.contains(&octets) {
                let zero = if v6 {
                    vec![1, 2, 3, 7]
                } else {
                    vec![1, 6, 7, 8, 10, 11]
                };
                let icv = pair.icv(&sealed, header, &zero, u64::from(sequence));
                sealed[header + 12..header + 28].copy_from_slice(&icv);
                assert_eq!(pair.open(&sealed).unwrap().len(), header + 5);
            } else {
                assert_eq!(pair.open(&sealed), Err(EspDrop::AhMalformed), "{units}");
            }
        }
        for cut in 0..32 {
            let sealed = packet(v6, &[], 51, cut);
            assert_eq!(pair.open(&sealed), Err(EspDrop::AhMalformed));
        }
    }
}

#[test]
fn what_ah_cannot_foresee_or_take_is_refused() {
    let transform = EspTransform::new(EspEncr::Null, Some(EspInteg::HmacSha1_96)).unwrap();
    let mut v4 = pair(transform, IpsecMode::Transport, false, false);
    let mut fragment = packet(false, &[], 253, 64);
    fragment[6] = 0x20;
    refresh(&mut fragment);
    assert_eq!(v4.seal(&fragment), Err(EspDrop::Fragment));
    let routed = packet(false, &[131, 7, 4, 192, 0, 2, 9, 0], 253, 64);
    assert_eq!(v4.seal(&routed), Err(EspDrop::SourceRouted));
    assert_eq!(
        v4.seal(&packet(false, &[], 253, 65_495)),
        Err(EspDrop::TooLong)
    );
    let mut v6 = pair(transform, IpsecMode::Transport, true, false);
    let routing = [253, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        v6.seal(&packet(true, &routing, 43, 64)),
        Err(EspDrop::SourceRouted)
    );
    let mut long = vec![0; 104];
    long[..2].copy_from_slice(&[253, 12]);
    assert_eq!(v6.seal(&packet(true, &long, 0, 64)), Err(EspDrop::TooLong));
    // No number was taken.
    assert_eq!(v6.seal(&packet(true, &[], 253, 64)).unwrap().1, 1);
}
