//! What we send, octet by octet: rules of RFC 7296 that a parser of ours would not see broken, and the order of messages. Every scenario
//! is a whole life: set-up, rekeys by either side and by both at once, deletion.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ravelin_crypto::SkCipher;
use ravelin_types::{DhGroup, EspEncr, EspInteg, EspTransform, IpsecMode, IpsecProtocol};

use super::world::Side;
use super::*;
use crate::msg::notify::kind;
use crate::msg::payload::number;

const SIDES: [Side; 2] = [Side::A, Side::B];
const IKE_SA_INIT: u8 = 34;
const IKE_AUTH: u8 = 35;
const CREATE_CHILD_SA: u8 = 36;
const HEADER_OCTETS: usize = 28;

/// The octets of a payload, from its generic header on.
struct Raw {
    number: u8,
    octets: Vec<u8>,
}

impl Raw {
    fn body(&self) -> &[u8] {
        &self.octets[4..]
    }
}

struct Sent {
    side: Side,
    data: Vec<u8>,
    /// What the SK payload holds, or what is in the clear.
    payloads: Vec<Raw>,
    /// Octets that were encrypted, of them padding, and the block of the cipher.
    sealed: Option<(usize, usize, usize)>,
}

fn u16_at(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn u64_at(octets: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(octets[at..at + 8].try_into().unwrap())
}

fn chain(mut next: u8, mut octets: &[u8]) -> Vec<Raw> {
    let mut out = Vec::new();
    while next != 0 {
        let (payload, rest) = octets.split_at(usize::from(u16_at(octets, 2)));
        out.push(Raw {
            number: next,
            octets: payload.to_vec(),
        });
        // The SK payload is the last, and names the first one within.
        let inner = std::mem::replace(&mut next, payload[0]) == number::SK;
        next = if inner { 0 } else { next };
        octets = rest;
    }
    assert!(octets.is_empty(), "the chain ends with the message");
    out
}

impl Sent {
    fn spis(&self) -> (u64, u64) {
        (u64_at(&self.data, 0), u64_at(&self.data, 8))
    }

    fn exchange(&self) -> u8 {
        self.data[18]
    }

    fn is_initiator(&self) -> bool {
        self.data[19] & 0x08 != 0
    }

    fn is_response(&self) -> bool {
        self.data[19] & 0x20 != 0
    }

    fn id(&self) -> u32 {
        u32::from_be_bytes(self.data[20..24].try_into().unwrap())
    }

    fn of(&self, number: u8) -> impl Iterator<Item = &[u8]> {
        let found = self.payloads.iter().filter(move |p| p.number == number);
        found.map(Raw::body)
    }

    /// Protocol, SPI and number of each notification.
    fn notifies(&self) -> impl Iterator<Item = (u8, &[u8], u16)> {
        self.of(number::NOTIFY)
            .map(|n| (n[0], &n[4..4 + usize::from(n[1])], u16_at(n, 2)))
    }

    fn says(&self, kind: u16) -> bool {
        self.notifies().any(|(.., k)| k == kind)
    }

    fn proposals(&self) -> Vec<Proposal> {
        self.of(number::SA).flat_map(proposals).collect()
    }
}

struct Proposal {
    number: u8,
    protocol: u8,
    spi_octets: u8,
    /// Type, identifier and attributes.
    transforms: Vec<(u8, u16, Vec<u8>)>,
}

impl Proposal {
    fn groups(&self) -> BTreeSet<u16> {
        let dh = self.transforms.iter().filter(|t| t.0 == 4);
        dh.map(|t| t.1).collect()
    }
}

/// Takes an SA payload apart; what must be zero, and the marks of the last, are checked here.
fn proposals(mut body: &[u8]) -> Vec<Proposal> {
    let mut out = Vec::new();
    while !body.is_empty() {
        let (p, rest) = body.split_at(usize::from(u16_at(body, 2)));
        assert_eq!((p[0], p[1]), (if rest.is_empty() { 0 } else { 2 }, 0));
        let mut left = &p[8 + usize::from(p[6])..];
        let mut transforms = Vec::new();
        while !left.is_empty() {
            let (t, more) = left.split_at(usize::from(u16_at(left, 2)));
            assert_eq!((t[0], t[1]), (if more.is_empty() { 0 } else { 3 }, 0));
            assert_eq!(t[5], 0, "reserved");
            transforms.push((t[4], u16_at(t, 6), t[8..].to_vec()));
            left = more;
        }
        assert_eq!(usize::from(p[7]), transforms.len());
        out.push(Proposal {
            number: p[4],
            protocol: p[5],
            spi_octets: p[6],
            transforms,
        });
        body = rest;
    }
    out
}

/// Keys of every IKE SA that there was.
type Keys = BTreeMap<u64, (SkCipher, SkCipher)>;

fn run(w: &mut World, keys: &mut Keys, milliseconds: u64) {
    w.pump();
    for _ in 0..milliseconds {
        for side in SIDES {
            let endpoint = &w.node(side).endpoint;
            let spis: Vec<u64> = endpoint.ike_sas().map(|s| s.spi_i).collect();
            let known = spis
                .into_iter()
                .filter_map(|s| Some((s, endpoint.test_ciphers(s)?)));
            keys.extend(known.collect::<Vec<_>>());
        }
        w.run_for(Duration::from_millis(1));
    }
}

fn open(side: Side, data: &[u8], keys: &Keys) -> Sent {
    let clear = chain(data[16], &data[HEADER_OCTETS..]);
    let (payloads, sealed) = match clear.last() {
        Some(sk) if sk.number == number::SK => {
            assert_eq!(clear.len(), 1, "nothing in the clear beside it");
            let (from_i, from_r) = &keys[&u64_at(data, 0)];
            let cipher = if data[19] & 0x08 != 0 { from_i } else { from_r };
            let (iv, sealed) = sk.body().split_at(cipher.iv_len());
            let plain = cipher.open(iv, &data[..HEADER_OCTETS + 4], sealed).unwrap();
            let padding = usize::from(plain[plain.len() - 1]);
            let inner = chain(sk.octets[0], &plain[..plain.len() - 1 - padding]);
            (inner, Some((plain.len(), padding, cipher.block_len())))
        }
        _ => (clear, None),
    };
    Sent {
        side,
        data: data.to_vec(),
        payloads,
        sealed,
    }
}

fn worlds() -> Vec<World> {
    let with = |change: &dyn Fn(&mut Gateway)| {
        let mut sides = [peer(), gateway()];
        sides.iter_mut().for_each(change);
        sides
    };
    let world = |seed, [a, b]: [Gateway; 2]| World::new(seed, config(a), config(b));
    let everything = with(&|g| {
        g.mobike = true;
        g.quick_crash_detection = true;
        g.vpns[0].pfs = Some(DhGroup::Ecp256);
        let more = EspProposal {
            transform: EspTransform::new(EspEncr::Aes128Cbc, Some(EspInteg::HmacSha256_128))
                .unwrap(),
            ..g.vpns[0].proposals[0]
        };
        g.vpns[0].proposals.push(more);
    });
    let blocks = with(&|g| g.proposals = vec![cbc_proposal()]);
    let hosts = with(&|g| {
        let any = ts("0.0.0.0/0");
        g.vpns[0].mode = IpsecMode::Transport;
        g.vpns[0].selectors = vec![SelectorPair {
            local: any,
            remote: any,
        }];
        g.vpns[0].proposals[0].protocol = IpsecProtocol::Ah;
        g.vpns[0].proposals[0].transform = EspTransform::new(EspEncr::Aes256Gmac, None).unwrap();
    });
    let mut out = vec![world(1, everything), world(2, blocks), world(3, hosts)];
    let [mut a, mut b] = [peer(), gateway()];
    a.proposals = vec![ike_proposal(DhGroup::Ecp256), ike_proposal(DhGroup::Ecp384)];
    b.proposals = vec![ike_proposal(DhGroup::Ecp384)];
    let mut b = config(b);
    Arc::get_mut(&mut b).unwrap().limits.cookie_threshold = 0;
    let mut behind_nat = World::new(4, config(a), b);
    behind_nat.link.nat = Some((address(77), 1000));
    out.push(behind_nat);
    out
}

fn whole_lives() -> Vec<Vec<Sent>> {
    let lives = worlds().into_iter().map(|mut w| {
        let mut keys = Keys::new();
        run(&mut w, &mut keys, 300);
        assert!(w.is_up(), "{}", w.explain());
        for sides in [&SIDES[..1], &SIDES[1..], &SIDES[..]] {
            for ike in [false, true] {
                let now = w.now;
                for side in sides {
                    let node = w.node(*side);
                    let (up, child) = (node.up()[0].ike, *node.plane.keys().next().unwrap());
                    match ike {
                        true => assert!(node.endpoint.rekey_ike(up, now)),
                        false => assert!(node.endpoint.rekey_child(child, now)),
                    }
                }
                run(&mut w, &mut keys, 300);
                w.check_agreement();
            }
        }
        let (now, child) = (w.now, *w.b.plane.keys().next().unwrap());
        assert!(w.b.endpoint.close_child(child, now));
        run(&mut w, &mut keys, 100);
        let (now, session) = (w.now, w.b.up()[0].session);
        assert!(w.b.endpoint.close(session, now));
        run(&mut w, &mut keys, 100);
        assert!(w.a.up().is_empty() && w.b.up().is_empty());
        let sent = w.transcript.iter();
        sent.map(|(side, data)| open(*side, data, &keys)).collect()
    });
    lives.collect()
}

#[test]
fn headers_are_those_of_version_two() {
    for life in whole_lives() {
        let mut initiators = BTreeMap::new();
        for m in &life {
            let (spi_i, spi_r) = m.spis();
            assert_ne!(spi_i, 0);
            let first = m.exchange() == IKE_SA_INIT && !m.is_response();
            // A stateless answer knows no SPI of its own either.
            let refused = m.says(kind::COOKIE) || m.says(kind::INVALID_KE_PAYLOAD);
            let early = first || m.exchange() == IKE_SA_INIT && refused;
            assert_eq!(spi_r == 0, early);
            assert_eq!(m.data[17], 0x20, "major version 2, minor 0");
            assert_eq!(m.data[19] & !0x28, 0, "V and X bits");
            let other = SIDES[usize::from(m.side == Side::A)];
            let initiator = if m.is_initiator() { m.side } else { other };
            assert_eq!(*initiators.entry(spi_i).or_insert(initiator), initiator);
        }
        assert!(initiators.len() >= 5, "IKE SAs made by both sides");
    }
}

#[test]
fn requests_take_turns_from_message_id_zero_and_end_with_the_deletion() {
    for life in whole_lives() {
        let mut next: BTreeMap<(u64, bool), u32> = BTreeMap::new();
        let mut answered: BTreeSet<(u64, bool, u32)> = BTreeSet::new();
        let mut deleted: BTreeSet<(u64, bool)> = BTreeSet::new();
        for m in &life {
            let spi = m.spis().0;
            if m.is_response() {
                answered.insert((spi, !m.is_initiator(), m.id()));
                continue;
            }
            let key = (spi, m.is_initiator());
            assert!(!deleted.contains(&key), "the deletion is the last request");
            let expected = next.entry(key).or_default();
            let again = m.exchange() == IKE_SA_INIT && m.id() == 0;
            assert!(again || m.id() == *expected);
            assert!(m.id() == 0 || answered.contains(&(spi, key.1, m.id() - 1)));
            *expected = m.id() + 1;
            if m.of(number::DELETE).any(|d| d[0] == 1) {
                deleted.insert(key);
            }
            let protected = m.sealed.is_some();
            assert_eq!(protected, m.exchange() != IKE_SA_INIT);
            let contact = m.says(kind::INITIAL_CONTACT);
            assert!(!contact || m.exchange() == IKE_AUTH && m.id() == 1);
        }
        assert!(deleted.len() >= 4);
    }
}

#[test]
fn payloads_have_no_critical_and_no_reserved_bit() {
    for m in whole_lives().iter().flatten() {
        for p in &m.payloads {
            assert_eq!(p.octets[1], 0, "payload {}", p.number);
            let zero: &[u8] = match p.number {
                number::KE => &p.body()[2..4],
                number::ID_I | number::ID_R | number::AUTH | number::TS_I | number::TS_R => {
                    &p.body()[1..4]
                }
                _ => &[],
            };
            assert!(zero.iter().all(|o| *o == 0), "payload {}", p.number);
            assert_ne!(p.number, number::SK, "none within another");
        }
        if let Some((octets, padding, block)) = m.sealed {
            assert_eq!(octets % block, 0);
            assert!(padding < block);
        }
    }
}

#[test]
fn proposals_are_numbered_and_carry_the_group_of_the_value() {
    for m in whole_lives().iter().flatten() {
        let offers = m.proposals();
        let wanted = |p: &Proposal| match (p.protocol, m.exchange()) {
            (1, IKE_SA_INIT) => 0,
            (1, _) => 8,
            _ => 4,
        };
        for (at, p) in (1u8..).zip(&offers) {
            assert!(m.is_response() || p.number == at);
            assert_eq!(p.spi_octets, wanted(p));
            let kinds: BTreeSet<u8> = p.transforms.iter().map(|t| t.0).collect();
            assert!(!m.is_response() || offers.len() == 1 && kinds.len() == p.transforms.len());
            // AES has a key length, in the short form; nothing else has an attribute.
            for (kind, id, attributes) in &p.transforms {
                let keyed = *kind == 1 && (12..=20).contains(id);
                let form = attributes.get(..3).map(|a| [a[0], a[1], a[2]]);
                assert_eq!(form.is_some(), keyed);
                assert!(form.is_none_or(|f| f == [0x80, 14, 0] || f == [0x80, 14, 1]));
                assert_eq!(attributes.len(), if keyed { 4 } else { 0 });
                let aead = *kind == 1 && *id >= 18;
                assert!(!aead || !kinds.contains(&3), "no integrity beside it");
            }
        }
        let groups: BTreeSet<u16> = offers.iter().flat_map(Proposal::groups).collect();
        let values: Vec<u16> = m.of(number::KE).map(|ke| u16_at(ke, 0)).collect();
        assert_eq!(
            values.is_empty(),
            groups.is_empty(),
            "a value and a group, or neither"
        );
        assert!(values.iter().all(|group| groups.contains(group)));
        let of_ike = offers.iter().any(|p| p.protocol == 1);
        assert!(!of_ike || groups.iter().all(|group| *group != 0));
    }
}

#[test]
fn nonces_are_long_and_never_the_same() {
    for life in whole_lives() {
        let mut seen = BTreeMap::new();
        for m in &life {
            for nonce in m.of(number::NONCE) {
                assert_eq!(nonce.len(), 32);
                let (spis, kind) = (m.spis(), m.exchange());
                let place = (spis.0, m.is_response(), kind, m.id(), m.is_initiator());
                // The request that brings a cookie back is otherwise the same.
                let other = seen.insert(nonce.to_vec(), place);
                assert!(other.is_none_or(|other| other == place && m.says(kind::COOKIE)));
            }
        }
        assert!(seen.len() >= 14);
    }
}

#[test]
fn notifications_and_deletions_name_their_sas() {
    for life in whole_lives() {
        let mut rekeyed = 0;
        for m in &life {
            for (protocol, spi, kind) in m.notifies() {
                // RFC 6290 section 4.1: "Protocol ID (1 octet) MUST be 1".
                if kind == kind::QCD_TOKEN {
                    assert_eq!((protocol, spi.len()), (1, 0));
                    continue;
                }
                assert_eq!(spi.is_empty(), protocol == 0, "notification {kind}");
                assert!(spi.is_empty() || spi.len() == 4 && (2..=3).contains(&protocol));
            }
            for d in m.of(number::DELETE) {
                let count = usize::from(u16_at(d, 2));
                match d[0] {
                    1 => assert_eq!(d[1..], [0, 0, 0]),
                    protocol => {
                        assert!((2..=3).contains(&protocol));
                        assert_eq!((d[1], d.len()), (4, 4 + 4 * count));
                    }
                }
            }
            if m.exchange() == CREATE_CHILD_SA && !m.is_response() {
                let of_child = m.proposals().iter().any(|p| p.protocol != 1);
                assert_eq!(m.says(kind::REKEY_SA), of_child);
                assert!(of_child || m.of(number::KE).count() == 1);
                rekeyed += 1;
            }
            let full = m.exchange() == IKE_SA_INIT && m.of(number::SA).count() == 1;
            for hash in [
                kind::NAT_DETECTION_SOURCE_IP,
                kind::NAT_DETECTION_DESTINATION_IP,
            ] {
                assert!(!full || m.says(hash));
            }
        }
        assert_eq!(rekeyed, 8, "two of each kind by one side, and two by both");
    }
}

#[test]
fn selectors_of_any_port_have_all_of_them() {
    for m in whole_lives().iter().flatten() {
        for ts in [number::TS_I, number::TS_R].iter().flat_map(|n| m.of(*n)) {
            assert_eq!((ts[0], ts[4], u16_at(ts, 6)), (1, 7, 16));
            assert_eq!(ts[8..12], [0, 0, 0xff, 0xff]);
        }
    }
}

#[test]
fn a_cookie_comes_back_first_and_changes_nothing_else() {
    let life = whole_lives().pop().unwrap();
    let cookie = life.iter().position(|m| m.is_response()).unwrap();
    let given = life[cookie].of(number::NOTIFY).next().unwrap();
    assert!(life[cookie].says(kind::COOKIE));
    assert!((1..=64).contains(&given[4..].len()));
    let (before, after) = (&life[cookie - 1], &life[cookie + 1]);
    let octets = |m: &Sent| -> Vec<Vec<u8>> {
        let bodies = m.payloads.iter().map(|p| p.body().to_vec());
        bodies.collect()
    };
    let (before, after) = (octets(before), octets(after));
    assert_eq!(after[0], given);
    assert_eq!(after[1..], before);
}

#[test]
fn another_group_is_tried_with_the_same_proposals() {
    let life = whole_lives().pop().unwrap();
    let asked = |m: &&Sent| m.exchange() == IKE_SA_INIT && !m.is_response();
    let requests: Vec<&Sent> = life.iter().filter(asked).collect();
    let offer = |m: &Sent| m.of(number::SA).next().unwrap().to_vec();
    let group = |m: &Sent| u16_at(m.of(number::KE).next().unwrap(), 0);
    let (first, last) = (requests[0], requests[requests.len() - 1]);
    assert_eq!((group(first), group(last)), (19, 20));
    assert_eq!(offer(first), offer(last));
}
