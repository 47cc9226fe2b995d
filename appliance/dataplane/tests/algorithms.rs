//! Every algorithm against ESP composed from OpenSSL's primitives: all families outside and inside, with and without extended sequence
//! numbers, every padding, from an empty payload to the longest packet, singly and in mixed bursts.
#![allow(clippy::unwrap_used)]

mod oracle;

use std::collections::HashSet;

use oracle::Oracle;
use proptest::prelude::*;
use ravelin_dataplane::engine::Engine;
use ravelin_esp::*;
use ravelin_types::{EspTransform, NodeId};
use ravelin_wire::ip::{self, Brief, IpFields, IpMeta};

type Op = CryptoOp<MemoryBuf>;

const SPI: u32 = 0x4001_2345;
/// Beyond 32 bits, so that the upper half of an extended number is not zero.
const LAST: u64 = 0x5_ffff_fff0;

/// Lengths of the inner payload: every padding of every block size, and the sizes that packets have.
fn payloads() -> impl Iterator<Item = usize> {
    (0..=33).chain([64, 512, 1400, 8900, 9000, 65_000])
}

fn material(transform: EspTransform, seed: u8) -> Vec<u8> {
    (0..transform.keymat_octets())
        .map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed) | 1)
        .collect()
}

fn inner(v6: bool, octets: usize) -> Vec<u8> {
    let (header, source, destination) = if v6 {
        (40, "2001:db8:1::1", "2001:db8:2::1")
    } else {
        (20, "10.1.0.1", "10.2.0.1")
    };
    let mut packet: Vec<u8> = (0..header + octets).map(|i| (i * 7) as u8).collect();
    let fields = IpFields {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: 253,
        ttl: 63,
        traffic_class: 0,
        dont_fragment: false,
        id: 1,
        payload_octets: octets as u16,
    };
    ip::emit(&mut packet, &fields).unwrap();
    packet
}

fn outer(v6: bool, udp: bool) -> OuterAddresses {
    let (local, remote) = if v6 {
        ("2001:db8::1", "2001:db8::2")
    } else {
        ("192.0.2.1", "192.0.2.2")
    };
    OuterAddresses {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        udp: udp.then_some((4500, 4501)),
    }
}

/// Both ends of an SA, and the oracle with its keys.
struct Pair {
    out: OutboundSa,
    inn: InboundSa,
    oracle: Oracle,
}

fn pair(
    engine: &mut Engine<MemoryBuf>,
    transform: EspTransform,
    outer: OuterAddresses,
    extended: bool,
) -> Pair {
    let material = material(transform, SPI as u8);
    let (keys, salt) = Keys::split(transform, &material).unwrap();
    let mut key = || {
        let key = <Engine<MemoryBuf> as CryptoEngine<MemoryBuf>>::expand(transform, keys);
        engine.insert(key.unwrap()).ok().unwrap()
    };
    let last_sequence = if extended { LAST } else { 0 };
    let out = OutboundSa::new(&OutboundParams {
        spi: SPI,
        transform,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        salt,
        key: key(),
        iv: IvPrefix::new(NodeId::new(1).unwrap(), 5).unwrap(),
        outer,
        df: DfPolicy::Copy,
        dscp: None,
        last_sequence,
        ceiling: u64::MAX,
        extended,
    });
    let inn = InboundSa::new(&InboundParams {
        spi: SPI,
        transform,
        mode: ravelin_types::IpsecMode::Tunnel,
        copy_dscp: false,
        salt,
        key: key(),
        replay_window: 512,
        last_sequence,
        ceiling: u64::MAX,
        extended,
    });
    Pair {
        out: out.unwrap(),
        inn,
        oracle: Oracle {
            transform,
            material,
            spi: SPI,
            extended,
        },
    }
}

fn run(engine: &mut Engine<MemoryBuf>, ops: Vec<Op>) -> Vec<Op> {
    let (mut ops, mut done) = (ops, Vec::new());
    engine.submit(&mut ops);
    engine.poll(&mut done);
    assert!(ops.is_empty());
    done
}

impl Pair {
    fn seal(&mut self, packet: &[u8], meta: Brief, slot: u32) -> Op {
        let mut buf = MemoryBuf::new(packet);
        let task = self.out.prepare(&mut buf, meta, slot).unwrap();
        CryptoOp::new(buf, task)
    }

    fn open(&self, esp: &[u8], slot: u32) -> Result<Op, EspDrop> {
        let buf = MemoryBuf::new(esp);
        let task = self.inn.prepare(&buf, slot)?;
        Ok(CryptoOp::new(buf, task))
    }

    fn opened(&mut self, mut op: Op) -> Result<MemoryBuf, EspDrop> {
        let outcome = (op.task.sequence, op.status);
        self.inn
            .finish(&mut op.packet, outcome, ravelin_wire::ip::Brief::default())?;
        Ok(op.packet)
    }
}

fn sealed(mut op: Op) -> MemoryBuf {
    finish(&mut op.packet, op.status).unwrap();
    op.packet
}

fn run_one(engine: &mut Engine<MemoryBuf>, op: Op) -> Op {
    run(engine, vec![op]).pop().unwrap()
}

/// The ESP packet within an outer one.
fn esp_of<'a>(meta: &IpMeta, packet: &'a [u8]) -> &'a [u8] {
    let udp = if meta.protocol == 17 { 8 } else { 0 };
    &packet[usize::from(meta.payload_at) + udp..]
}

/// The text of a payload: padding 1, 2, 3, and the trailer (RFC 4303 section 2.4).
fn text(payload: &[u8], padding: u8, next_header: u8) -> Vec<u8> {
    let mut text = payload.to_vec();
    text.extend(1..=padding);
    text.extend([padding, next_header]);
    text
}

fn sealed_agrees(pair: &Pair, packet: &[u8], v6: bool, sealed: &[u8], sequence: u64) {
    let meta = ip::parse(sealed).unwrap();
    assert_eq!(usize::from(meta.total_octets), sealed.len());
    let esp = esp_of(&meta, sealed);
    let transform = pair.oracle.transform;
    let (iv, opened) = pair.oracle.open(sequence, esp).unwrap();
    let block = transform.block_octets();
    let padding = (block - (packet.len() + 2) % block) % block;
    let wanted = text(packet, padding as u8, if v6 { 41 } else { 4 });
    assert!(opened == wanted, "{transform}: {} octets", packet.len());
    assert!(
        pair.oracle.seal(sequence, &iv, &wanted) == esp,
        "{transform}"
    );
    assert!(
        pair.out.inner_mtu(sealed.len()) >= packet.len(),
        "{transform}"
    );
    assert!(
        pair.out.inner_mtu(sealed.len() - 1) < packet.len(),
        "{transform}"
    );
}

#[test]
fn every_algorithm_agrees_with_the_oracle_at_every_length() {
    let mut engine = Engine::new(256);
    for transform in EspTransform::all() {
        for (v6, outer_v6, udp, extended) in [
            (false, false, false, false),
            (true, false, true, true),
            (false, true, true, false),
            (true, true, false, true),
        ] {
            let mut pair = pair(&mut engine, transform, outer(outer_v6, udp), extended);
            for octets in payloads() {
                let packet = inner(v6, octets);
                let meta = ip::parse(&packet).unwrap();
                let op = pair.seal(&packet, meta.brief, 0);
                let sequence = op.task.sequence;
                let sealed = sealed(run_one(&mut engine, op));
                sealed_agrees(&pair, &packet, v6, sealed.data(), sequence);
                let meta = ip::parse(sealed.data()).unwrap();
                let op = pair.open(esp_of(&meta, sealed.data()), 0).unwrap();
                let opened = pair.opened(run_one(&mut engine, op)).unwrap();
                assert!(opened.data() == packet, "{transform}: {octets}");
            }
            engine.remove(pair.out.key());
            engine.remove(pair.inn.key());
        }
    }
}

/// A peer may pad more than it must, up to 255 octets (RFC 4303 section 2.4).
#[test]
fn whatever_padding_a_peer_chooses_is_taken_off() {
    let mut engine = Engine::new(2);
    for transform in EspTransform::all() {
        let mut pair = pair(&mut engine, transform, outer(false, false), false);
        let packet = inner(false, 45);
        let block = transform.block_octets();
        let iv = vec![0xa5; transform.iv_octets()];
        let fits = |padding: &u8| (packet.len() + usize::from(*padding) + 2) % block == 0;
        for (sequence, padding) in (1..).zip((0..=255).filter(fits)) {
            let esp = pair.oracle.seal(sequence, &iv, &text(&packet, padding, 4));
            let op = pair.open(&esp, 0).unwrap();
            let opened = pair.opened(run_one(&mut engine, op)).unwrap();
            assert!(opened.data() == packet, "{transform}: {padding}");
        }
        let mut wrong = text(&inner(false, 46), 12, 4);
        wrong[70] ^= 1;
        let wrong = pair.oracle.seal(900, &iv, &wrong);
        let op = pair.open(&wrong, 0).unwrap();
        let refused = pair.opened(run_one(&mut engine, op)).unwrap_err();
        assert_eq!(refused, EspDrop::BadPadding, "{transform}");
        engine.remove(pair.out.key());
        engine.remove(pair.inn.key());
    }
}

#[test]
fn every_octet_is_protected() {
    let mut engine = Engine::new(2);
    for transform in EspTransform::all() {
        for extended in [false, true] {
            let pair = pair(&mut engine, transform, outer(false, false), extended);
            let sequence = if extended { LAST + 1 } else { 1 };
            let iv = vec![0x5a; transform.iv_octets()];
            let plain = text(&inner(false, 44 + 2), 12, 4);
            assert_eq!(plain.len() % 16, 0);
            let good = pair.oracle.seal(sequence, &iv, &plain);
            let mut ops = Vec::new();
            // Another SPI is another SA, another number may be a replay.
            for at in 8..good.len() {
                let mut forged = good.clone();
                forged[at] ^= 1 << (at % 8);
                ops.push(pair.open(&forged, 0).unwrap());
            }
            for done in run(&mut engine, ops) {
                assert_eq!(done.status, OpStatus::AuthFailed, "{transform}");
            }
            // The upper half of the number is never sent: with another one, the same octets are a forgery.
            if extended {
                let op = pair.open(&good, 0).unwrap();
                let mut other = pair.open(&good, 0).unwrap();
                other.task.sequence += 1 << 32;
                other.task.aad[4..12].copy_from_slice(&other.task.sequence.to_be_bytes());
                assert_eq!(run_one(&mut engine, op).status, OpStatus::Done);
                assert_eq!(run_one(&mut engine, other).status, OpStatus::AuthFailed);
            }
            engine.remove(pair.out.key());
            engine.remove(pair.inn.key());
        }
    }
}

/// RFC 4303 section 2.4: a block cipher takes whole blocks only.
#[test]
fn a_text_of_broken_blocks_is_malformed() {
    let mut engine = Engine::new(2);
    for transform in EspTransform::all().filter(|t| t.is_iv_unpredictable()) {
        let pair = pair(&mut engine, transform, outer(false, false), false);
        let fixed = 8 + transform.iv_octets() + transform.icv_octets();
        for octets in 0..transform.block_octets() {
            let refused = pair.open(&vec![1; fixed + octets], 0).unwrap_err();
            assert_eq!(refused, EspDrop::Malformed, "{transform}: {octets}");
        }
        engine.remove(pair.out.key());
        engine.remove(pair.inn.key());
    }
}

/// RFC 3602 section 3: nobody can tell the next IV from those seen, and none comes twice.
#[test]
fn cbc_ivs_are_neither_counters_nor_repeated() {
    let mut engine = Engine::new(8);
    for transform in EspTransform::all().filter(|t| t.is_iv_unpredictable()) {
        let mut pair = pair(&mut engine, transform, outer(false, false), false);
        let packet = inner(false, 64);
        let meta = ip::parse(&packet).unwrap();
        let mut seen = HashSet::new();
        let mut flipped = 0;
        let mut last: Option<Vec<u8>> = None;
        for _ in 0..200 {
            let op = pair.seal(&packet, meta.brief, 0);
            let sealed = sealed(run_one(&mut engine, op));
            let iv = sealed.data()[28..28 + transform.iv_octets()].to_vec();
            if let Some(last) = &last {
                flipped += last
                    .iter()
                    .zip(&iv)
                    .map(|(a, b)| (a ^ b).count_ones())
                    .sum::<u32>();
            }
            assert!(seen.insert(iv.clone()), "{transform}");
            last = Some(iv);
        }
        // Half of the bits change from packet to packet, give or take what 199 tosses of 64 coins never do.
        let bits = 199 * 8 * transform.iv_octets() as u32;
        assert!(
            (bits * 45 / 100..bits * 55 / 100).contains(&flipped),
            "{transform}"
        );
        engine.remove(pair.out.key());
        engine.remove(pair.inn.key());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Packets of several SAs and lengths in one burst keep their order and their content: the lanes mix nothing up.
    #[test]
    fn mixed_bursts_keep_order_and_content(picks in proptest::collection::vec((0usize..58, 0usize..2000), 1..120)) {
        let mut engine = Engine::new(256);
        let transforms: Vec<_> = EspTransform::all().collect();
        let mut pairs: Vec<_> = transforms.iter()
            .map(|transform| pair(&mut engine, *transform, outer(false, false), false))
            .collect();
        let mut ops = Vec::new();
        for (which, octets) in &picks {
            let packet = inner(false, *octets);
            let meta = ip::parse(&packet).unwrap();
            ops.push(pairs[*which].seal(&packet, meta.brief, *which as u32));
        }
        let mut back = Vec::new();
        for (op, (which, octets)) in run(&mut engine, ops).into_iter().zip(&picks) {
            prop_assert_eq!(op.task.slot, *which as u32);
            let sequence = op.task.sequence;
            let sealed = sealed(op);
            sealed_agrees(&pairs[*which], &inner(false, *octets), false, sealed.data(), sequence);
            let meta = ip::parse(sealed.data()).unwrap();
            let esp = esp_of(&meta, sealed.data());
            back.push(pairs[*which].open(esp, *which as u32).unwrap());
        }
        for (op, (which, octets)) in run(&mut engine, back).into_iter().zip(&picks) {
            let opened = pairs[*which].opened(op).unwrap();
            prop_assert!(opened.data() == inner(false, *octets));
        }
    }
}
