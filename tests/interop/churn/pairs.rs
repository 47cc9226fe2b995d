//! The SA pairs of the moment and the peers at their other ends, who seal what planed shall open.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ravelin_ctl::sa::{DfBit, Outbound, Outer, SaHalf, SaPair};
use ravelin_dataplane::engine::Engine;
use ravelin_esp::engine::{CryptoEngine, CryptoOp};
use ravelin_esp::{
    DfPolicy, IvPrefix, KeyId, Keys, MemoryBuf, OutboundParams, OutboundSa, OuterAddresses,
    PacketBuf, finish,
};
use ravelin_tests::flood::build::Dice;
use ravelin_types::numbers::LAST_SEQUENCE;
use ravelin_types::{
    EspEncr, EspInteg, EspTransform, IpsecMode, NodeId, Numbers, PairId, Prefix, SecretBytes, Spi,
    TrafficSelector, VrfId,
};
use ravelin_wire::ip;

/// Hosts behind the tunnels, each with at most one pair that encrypts.
pub const SITES: u64 = 300;
/// SPI slots that pairs take in turns: a freed one rests a while.
const SLOTS: u32 = 60_000;
/// Keys of the sealing engine: of every site a pair and the ones that linger.
const KEYS: usize = 4_096;
/// The gateway's outer addresses and those of all peers.
pub const OURS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1)),
];
pub const PEER: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x10)),
];

/// The inner host of a site.
pub fn host(site: u64, v6: bool) -> IpAddr {
    if v6 {
        Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1 + site as u16).into()
    } else {
        Ipv4Addr::from_bits(Ipv4Addr::new(10, 64, 0, 1).to_bits() + site as u32).into()
    }
}

/// A pair and what its peer seals with.
pub struct Live {
    pub pair: PairId,
    pub outer: Outer,
    key: KeyId,
    seals: OutboundSa,
}

/// All pairs that encrypt, by site.
pub struct Pairs {
    pub live: BTreeMap<u64, Live>,
    engine: Engine<MemoryBuf>,
    made: u64,
}

impl Pairs {
    pub fn new() -> Self {
        Self {
            live: BTreeMap::new(),
            engine: Engine::new(KEYS),
            made: 0,
        }
    }

    /// A new pair for a site, to be installed; it takes the place of the site's present one, which is returned.
    pub fn make(
        &mut self,
        site: u64,
        state: Outbound,
        dice: &mut Dice,
    ) -> (SaPair, Option<PairId>) {
        self.made += 1;
        let transform = match dice.below(4) {
            0 => EspTransform::AES_256_GCM,
            1 => EspTransform::AES_128_GCM,
            2 => EspTransform::new(EspEncr::Aes256Cbc, Some(EspInteg::HmacSha256_128)).unwrap(),
            _ => EspTransform::new(EspEncr::ChaCha20Poly1305, None).unwrap(),
        };
        let slot = 1 + (self.made % u64::from(SLOTS)) as u32;
        let v6 = site % 3 == 2;
        let material = dice.octets(transform.keymat_octets());
        let half = |spi| SaHalf {
            spi,
            key: SecretBytes::new(material.clone()),
        };
        let pair = SaPair {
            pair: PairId(self.made),
            epoch: 1,
            outer: Outer {
                vrf: VrfId::DEFAULT,
                local: OURS[usize::from(v6)],
                remote: PEER[usize::from(v6)],
                udp: (site % 6 == 1).then_some((4500, 4500)),
            },
            protocol: ravelin_types::IpsecProtocol::Esp,
            mode: IpsecMode::Tunnel,
            transform,
            extended_sequence: dice.below(2) == 0,
            inbound: half(Spi::compose(NodeId::default(), slot, dice.below(64) as u32).unwrap()),
            outbound: half(Spi(0x4000_0000 + self.made as u32)),
            state,
            life: ravelin_types::VolumeLife::default(),
            ceilings: Numbers {
                outbound: LAST_SEQUENCE,
                inbound: LAST_SEQUENCE,
            },
            inner_vrf: VrfId::DEFAULT,
            tunnel_unit: 0,
            local_ts: vec![TrafficSelector::any(false), TrafficSelector::any(true)],
            remote_ts: [false, true]
                .map(|v6| TrafficSelector::from_prefix(Prefix::host(host(site, v6))))
                .to_vec(),
            replay_window: 64 << dice.below(4),
            df_bit: [DfBit::Clear, DfBit::Copy, DfBit::Set][dice.below(3) as usize],
            outer_dscp: None,
            copy_outer_dscp: false,
            tfc_padding: None,
            tunnel_mtu_octets: (dice.below(3) == 0).then_some(1_300),
        };
        let seals = self.seals(&pair, &material);
        let before = self.live.insert(site, seals);
        let gone = before.map(|before| {
            let _ = CryptoEngine::<MemoryBuf>::remove(&mut self.engine, before.key);
            before.pair
        });
        (pair, gone)
    }

    /// The peer's outbound half.
    fn seals(&mut self, pair: &SaPair, material: &[u8]) -> Live {
        let (keys, salt) = Keys::split(pair.transform, material).unwrap();
        let key = <Engine<MemoryBuf> as CryptoEngine<MemoryBuf>>::expand(pair.transform, keys);
        let key = self.engine.insert(key.ok().unwrap()).ok().unwrap();
        let seals = OutboundSa::new(&OutboundParams {
            spi: pair.inbound.spi.0,
            protocol: ravelin_types::IpsecProtocol::Esp,
            mode: IpsecMode::Tunnel,
            transform: pair.transform,
            salt,
            key,
            iv: IvPrefix::new(NodeId::default(), 1).unwrap(),
            outer: OuterAddresses {
                local: pair.outer.remote,
                remote: pair.outer.local,
                udp: pair.outer.udp,
            },
            df: DfPolicy::Clear,
            dscp: None,
            last_sequence: 0,
            ceiling: LAST_SEQUENCE,
            extended: pair.extended_sequence,
        });
        Live {
            pair: pair.pair,
            outer: pair.outer,
            key,
            seals: seals.unwrap(),
        }
    }

    /// Takes the pair of a site away.
    pub fn remove(&mut self, site: u64) -> Option<PairId> {
        let gone = self.live.remove(&site)?;
        let _ = CryptoEngine::<MemoryBuf>::remove(&mut self.engine, gone.key);
        Some(gone.pair)
    }

    /// What the peer of a site makes of an inner packet: an outer IP packet. `None` without a pair.
    pub fn seal(&mut self, site: u64, inner: &[u8]) -> Option<Vec<u8>> {
        let meta = ip::parse(inner).unwrap();
        let live = self.live.get_mut(&site)?;
        let mut packet = MemoryBuf::new(inner);
        let task = live.seals.prepare(&mut packet, meta.brief, 0).unwrap();
        let (mut ops, mut done) = (vec![CryptoOp::new(packet, task)], Vec::new());
        self.engine.submit(&mut ops);
        self.engine.poll(&mut done);
        let mut op = done.pop().unwrap();
        finish(&mut op.packet, op.status).unwrap();
        Some(op.packet.data().to_vec())
    }
}
