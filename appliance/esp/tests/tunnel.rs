//! Encapsulation and decapsulation against each other and against RustCrypto used by hand.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Aes256Gcm, Nonce};
use proptest::prelude::*;
use ravelin_esp::engine::PortableEngine;
use ravelin_esp::*;
use ravelin_types::{EspTransform, NodeId};
use ravelin_wire::ip::{self, IpFields};

type Engine = PortableEngine<MemoryBuf>;

const SPI: u32 = 0x4001_2345;
const SALT: [u8; 4] = [9, 8, 7, 6];

fn key(cipher: EspTransform) -> Vec<u8> {
    (0..cipher.keymat_octets() as u8 - 4).collect()
}

fn inner(v6: bool, octets: usize, traffic_class: u8) -> Vec<u8> {
    let header = if v6 { 40 } else { 20 };
    let (source, destination) = if v6 {
        ("2001:db8:1::1", "2001:db8:2::1")
    } else {
        ("10.1.0.1", "10.2.0.1")
    };
    let mut packet: Vec<u8> = (0..header + octets).map(|i| i as u8).collect();
    let fields = IpFields {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: 253,
        ttl: 63,
        traffic_class,
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

struct Tunnel {
    engine: Engine,
    out: OutboundSa,
    inn: InboundSa,
}

fn tunnel(
    cipher: EspTransform,
    outer: OuterAddresses,
    extended: bool,
    last_sequence: u64,
) -> Tunnel {
    let mut engine = Engine::new(8);
    let material = key(cipher);
    let keys = Keys {
        cipher: &material,
        integ: &[],
    };
    let key = engine
        .insert(<Engine as CryptoEngine<MemoryBuf>>::expand(cipher, keys).unwrap())
        .ok()
        .unwrap();
    let out = OutboundSa::new(&OutboundParams {
        spi: SPI,
        transform: cipher,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        salt: SALT,
        key,
        iv: IvPrefix::new(NodeId::new(1).unwrap(), 5).unwrap(),
        outer,
        df: DfPolicy::Copy,
        dscp: None,
        last_sequence,
        ceiling: u64::MAX,
        extended,
    })
    .unwrap();
    let inn = InboundSa::new(&InboundParams {
        spi: SPI,
        transform: cipher,
        mode: ravelin_types::IpsecMode::Tunnel,
        copy_dscp: false,
        salt: SALT,
        key,
        replay_window: 512,
        last_sequence,
        ceiling: u64::MAX,
        extended,
    });
    Tunnel { engine, out, inn }
}

impl Tunnel {
    fn run(&mut self, op: CryptoOp<MemoryBuf>) -> CryptoOp<MemoryBuf> {
        let (mut ops, mut done) = (vec![op], Vec::new());
        self.engine.submit(&mut ops);
        self.engine.poll(&mut done);
        done.pop().unwrap()
    }

    fn seal(&mut self, packet: &[u8]) -> Result<Vec<u8>, EspDrop> {
        let meta = ip::parse(packet).unwrap();
        let mut packet = MemoryBuf::new(packet);
        let task = self.out.prepare(&mut packet, meta.brief, 0)?;
        let mut op = self.run(CryptoOp::new(packet, task));
        finish(&mut op.packet, op.status)?;
        Ok(op.packet.data().to_vec())
    }

    fn open(&mut self, packet: &[u8]) -> Result<Vec<u8>, EspDrop> {
        let meta = ip::parse(packet).unwrap();
        let mut buf = MemoryBuf::new(packet);
        buf.adj(usize::from(meta.payload_at) + if meta.protocol == 17 { 8 } else { 0 });
        let task = self.inn.prepare(&buf, 0)?;
        let mut op = self.run(CryptoOp::new(buf, task));
        let outcome = (task.sequence, op.status);
        self.inn.finish(&mut op.packet, outcome, meta.brief)?;
        Ok(op.packet.data().to_vec())
    }
}

#[test]
fn matches_a_packet_made_by_hand() {
    for cipher in [EspTransform::AES_128_GCM, EspTransform::AES_256_GCM] {
        let mut tunnel = tunnel(cipher, outer(false, false), false, 0);
        let packet = inner(false, 45, 0);
        let sealed = tunnel.seal(&packet).unwrap();
        let mut plain = packet.clone();
        plain.extend_from_slice(&[1, 1, 4]); // 65 + 1 + 2 octets end on a multiple of four
        let iv = (1u64 << 62 | 5 << 40 | 1).to_be_bytes();
        let mut aad = SPI.to_be_bytes().to_vec();
        aad.extend_from_slice(&1u32.to_be_bytes());
        let mut nonce = SALT.to_vec();
        nonce.extend_from_slice(&iv);
        let (nonce, payload) = (
            Nonce::from_slice(&nonce),
            Payload {
                msg: &plain,
                aad: &aad,
            },
        );
        let text = match cipher {
            EspTransform::AES_128_GCM => Aes128Gcm::new_from_slice(&key(cipher))
                .unwrap()
                .encrypt(nonce, payload),
            _ => Aes256Gcm::new_from_slice(&key(cipher))
                .unwrap()
                .encrypt(nonce, payload),
        };
        let mut wanted = aad.clone();
        wanted.extend_from_slice(&iv);
        wanted.extend_from_slice(&text.unwrap());
        assert_eq!(&sealed[20..], wanted);
        let meta = ip::parse(&sealed).unwrap();
        assert_eq!(
            (meta.protocol, meta.ttl, usize::from(meta.total_octets)),
            (50, 64, sealed.len())
        );
    }
}

#[test]
fn outer_header_fields() {
    for v6 in [false, true] {
        for udp in [false, true] {
            let mut tunnel = tunnel(EspTransform::AES_128_GCM, outer(v6, udp), false, 0);
            let sealed = tunnel.seal(&inner(true, 100, 0xb9)).unwrap();
            let meta = ip::parse(&sealed).unwrap();
            let wanted = outer(v6, udp);
            assert_eq!(
                (meta.source, meta.destination),
                (wanted.local, wanted.remote)
            );
            assert_eq!(meta.traffic_class, 0xb9);
            assert!(meta.dont_fragment, "IPv6 inside counts as DF");
            if udp {
                assert_eq!((meta.source_port, meta.destination_port), (4500, 4501));
                let udp = meta.payload(&sealed);
                assert_eq!(usize::from(u16::from_be_bytes([udp[4], udp[5]])), udp.len());
                if v6 {
                    let sum = ravelin_wire::checksum::pseudo_header(
                        meta.source,
                        meta.destination,
                        17,
                        udp.len() as u32,
                    );
                    assert_eq!(
                        ravelin_wire::checksum::finish(ravelin_wire::checksum::add(sum, udp)),
                        0
                    );
                } else {
                    assert_eq!(udp[6..8], [0, 0]);
                }
            }
        }
    }
}

#[test]
fn replay_forgery_and_malformed() {
    let mut tunnel = tunnel(EspTransform::AES_128_GCM, outer(false, false), false, 0);
    let packet = inner(false, 64, 0);
    let first = tunnel.seal(&packet).unwrap();
    let mut forged = first.clone();
    forged[40] ^= 0x80;
    assert_eq!(tunnel.open(&forged), Err(EspDrop::AuthFailed));
    assert_eq!(
        tunnel.open(&first).unwrap(),
        packet,
        "a forgery does not move the window"
    );
    assert_eq!(tunnel.open(&first), Err(EspDrop::ReplayDuplicate));
    for _ in 0..600 {
        let sealed = tunnel.seal(&packet).unwrap();
        tunnel.open(&sealed).unwrap();
    }
    assert_eq!(tunnel.open(&first), Err(EspDrop::ReplayOld));
}

#[test]
fn congestion_marks() {
    let mut tunnel = tunnel(EspTransform::AES_128_GCM, outer(false, false), false, 0);
    for (inner_ecn, wanted) in [(0, None), (1, Some(3)), (2, Some(3)), (3, Some(3))] {
        let mut sealed = tunnel.seal(&inner(false, 64, inner_ecn)).unwrap();
        ip::set_ecn(&mut sealed, 3);
        let got = tunnel.open(&sealed);
        match wanted {
            None => assert_eq!(got, Err(EspDrop::EcnInvalid)),
            Some(ecn) => assert_eq!(ip::parse(&got.unwrap()).unwrap().traffic_class, ecn),
        }
    }
}

#[test]
fn numbers_never_wrap() {
    let mut tunnel = tunnel(
        EspTransform::AES_128_GCM,
        outer(false, false),
        false,
        u64::from(u32::MAX) - 1,
    );
    let packet = inner(false, 64, 0);
    assert_eq!(tunnel.out.remaining(), 1);
    assert!(tunnel.seal(&packet).is_ok());
    assert_eq!(tunnel.seal(&packet), Err(EspDrop::SequenceExhausted));
    assert_eq!(tunnel.out.remaining(), 0);
}

#[test]
fn dummy_packets_and_bad_trailers() {
    let sealed = |text: &[u8]| {
        let mut input = vec![0, 0, 0x11, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        input.extend_from_slice(text);
        fuzzing::decapsulate_authentic(&input)
    };
    assert_eq!(sealed(&[0, 59]), Err(EspDrop::Dummy));
    assert_eq!(sealed(&[0, 4]), Err(EspDrop::BadNextHeader));
    assert_eq!(sealed(&[9, 59]), Err(EspDrop::BadPadding));
    assert_eq!(sealed(&[2, 2, 2, 59]), Err(EspDrop::BadPadding));
    assert_eq!(sealed(&[4]), Err(EspDrop::Malformed));
    let mut text = inner(false, 4, 0);
    text.extend_from_slice(&[1, 2, 2, 4]);
    assert_eq!(sealed(&text).unwrap(), inner(false, 4, 0));
    let mut text = inner(false, 4, 0);
    text.extend_from_slice(&[1, 2, 2, 41]);
    assert_eq!(sealed(&text), Err(EspDrop::BadNextHeader));
}

#[test]
fn no_room_is_reported_and_takes_no_number() {
    let mut tunnel = tunnel(EspTransform::AES_128_GCM, outer(false, false), false, 0);
    let packet = inner(false, 64, 0);
    let meta = ip::parse(&packet).unwrap();
    let mut tight = MemoryBuf::with_capacity(packet.len());
    tight.append(packet.len());
    tight.data_mut().copy_from_slice(&packet);
    let refusal = tunnel.out.prepare(&mut tight, meta.brief, 0).unwrap_err();
    assert_eq!(refusal, EspDrop::NoRoom);
    assert_eq!(tight.data(), packet);
    assert_eq!(tunnel.out.sequence(), 0);
}

#[test]
fn families_must_agree() {
    let mixed = OuterAddresses {
        local: "192.0.2.1".parse::<IpAddr>().unwrap(),
        remote: "2001:db8::1".parse().unwrap(),
        udp: None,
    };
    let mut tunnel = tunnel(EspTransform::AES_128_GCM, outer(false, false), false, 0);
    assert!(tunnel.out.set_outer(&mixed).is_none());
    assert!(tunnel.seal(&inner(false, 64, 0)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(v6: bool, outer_v6: bool, udp: bool, aes256: bool, extended: bool, octets in 0usize..1500, class: u8, start in 0u64..1 << 31) {
        let cipher = if aes256 { EspTransform::AES_256_GCM } else { EspTransform::AES_128_GCM };
        let mut tunnel = tunnel(cipher, outer(outer_v6, udp), extended, start);
        let packet = inner(v6, octets, class);
        let sealed = tunnel.seal(&packet).unwrap();
        prop_assert_eq!((sealed.len() - if outer_v6 { 40 } else { 20 } - if udp { 8 } else { 0 }) % 4, 0);
        prop_assert!(sealed.len() <= tunnel.out.inner_mtu(sealed.len()) + sealed.len() - packet.len());
        prop_assert!(tunnel.out.inner_mtu(sealed.len()) >= packet.len());
        prop_assert!(tunnel.out.inner_mtu(sealed.len() - 1) < packet.len() + 4);
        prop_assert_eq!(tunnel.open(&sealed).unwrap(), packet);
    }

    #[test]
    fn a_nonce_is_never_used_twice(steps in 1usize..40, epochs in 1u32..6) {
        let mut seen = std::collections::HashSet::new();
        for epoch in 0..epochs {
            let mut tunnel = tunnel(EspTransform::AES_128_GCM, outer(false, false), false, 0);
            let iv = IvPrefix::new(NodeId::default(), epoch).unwrap();
            tunnel.out = OutboundSa::new(&OutboundParams {
                spi: SPI, transform: EspTransform::AES_128_GCM, protocol: ravelin_types::IpsecProtocol::Esp, mode: ravelin_types::IpsecMode::Tunnel, salt: SALT, key: tunnel.out.key(), iv, outer: outer(false, false), df: DfPolicy::Clear, dscp: None, last_sequence: 0, ceiling: u64::MAX, extended: false,
            }).unwrap();
            for _ in 0..steps {
                let sealed = tunnel.seal(&inner(false, 8, 0)).unwrap();
                prop_assert!(seen.insert(sealed[28..36].to_vec()));
            }
        }
    }

    #[test]
    fn any_bytes_never_panic(input in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = fuzzing::decapsulate(&input);
        let _ = fuzzing::decapsulate_authentic(&input);
        let _ = fuzzing::there_and_back(&input);
        let _ = fuzzing::authenticated(&input, ravelin_types::IpsecMode::Transport);
    }
}
