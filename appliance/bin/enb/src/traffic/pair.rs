//! A child SA pair of an eNodeB: seals inner packets, opens ESP. In tunnel mode, with the algorithms of the portable engine.

use std::net::{IpAddr, SocketAddr};

use ravelin_esp::engine::{OpStatus, PortableEngine};
use ravelin_esp::{
    CryptoEngine, DfPolicy, EspDrop, InboundParams, InboundSa, IvPrefix, KeyError, KeyId, Keys,
    MemoryBuf, OutboundParams, OutboundSa, OuterAddresses, PacketBuf, SALT_OCTETS,
};
use ravelin_ike::{ChildInstall, Half, Outer};
use ravelin_types::{
    ChildId, EspTransform, IpsecMode, IpsecProtocol, NodeId, Time, TrafficSelector,
};
use ravelin_wire::ip::protocol::UDP;
use ravelin_wire::ip::{self, Brief, IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, UDP_HEADER_OCTETS};

/// Packets by which one may be late.
const REPLAY_WINDOW: u32 = 4096;

/// Where the keys are.
pub type Engine = PortableEngine<MemoryBuf>;

/// A pair.
pub struct Pair {
    /// Its name.
    pub child: ChildId,
    /// Outer addresses and ports.
    pub outer: Outer,
    /// Outbound traffic uses it, if it is the youngest that is active.
    pub active: bool,
    /// When what is under way to us has come, and the pair can go; `None`: it stays.
    pub ends_at: Option<Time>,
    inbound: InboundSa,
    outbound: OutboundSa,
    local_ts: Vec<TrafficSelector>,
    header_octets: usize,
}

impl Pair {
    /// Makes it and leaves its keys in the engine.
    ///
    /// # Errors
    /// When the engine has no such algorithm.
    pub fn new(engine: &mut Engine, install: &ChildInstall) -> Result<Self, KeyError> {
        let transform = install.transform;
        let mode = IpsecMode::Tunnel;
        let (key, salt) = insert(engine, transform, &install.inbound)?;
        let inbound = InboundSa::new(&InboundParams {
            spi: install.inbound.spi.0,
            transform,
            mode,
            copy_dscp: false,
            salt,
            key,
            replay_window: REPLAY_WINDOW,
            last_sequence: 0,
            // Nothing outlives the process, so no number has to be granted before it is used.
            ceiling: u64::MAX,
            extended: install.extended_sequence,
        });
        let (key, salt) = insert(engine, transform, &install.outbound)?;
        let outer = OuterAddresses {
            local: install.outer.local,
            remote: install.outer.remote,
            udp: install.outer.udp,
        };
        let params = OutboundParams {
            spi: install.outbound.spi.0,
            transform,
            protocol: IpsecProtocol::Esp,
            mode,
            salt,
            key,
            iv: IvPrefix::new(NodeId::default(), install.epoch).ok_or(KeyError::Full)?,
            outer,
            df: DfPolicy::Clear,
            dscp: None,
            last_sequence: 0,
            ceiling: u64::MAX,
            extended: install.extended_sequence,
        };
        Ok(Self {
            child: install.child,
            outer: install.outer,
            active: install.outbound_active,
            ends_at: None,
            inbound,
            outbound: OutboundSa::new(&params).ok_or(KeyError::Transform)?,
            local_ts: install.local_ts.clone(),
            header_octets: header_octets(&install.outer),
        })
    }

    /// Our SPI.
    pub fn spi(&self) -> u32 {
        self.inbound.spi()
    }

    /// Whether UDP packets from here are its.
    pub fn carries(&self, source: SocketAddr) -> bool {
        let matches = |ts: &TrafficSelector| ts.matches(source.ip(), UDP, source.port());
        self.local_ts.iter().any(matches)
    }

    /// The tunnel has other ends.
    pub fn move_to(&mut self, outer: Outer) {
        let ends = OuterAddresses {
            local: outer.local,
            remote: outer.remote,
            udp: outer.udp,
        };
        if self.outbound.set_outer(&ends).is_some() {
            (self.outer, self.header_octets) = (outer, header_octets(&outer));
        }
    }

    /// Turns an inner packet into ESP, without the outer headers, which the sockets make.
    ///
    /// # Errors
    /// The reason.
    pub fn seal(&mut self, engine: &mut Engine, packet: &mut MemoryBuf) -> Result<(), EspDrop> {
        let inner = ip::parse_brief(packet.data()).map_err(|_| EspDrop::Malformed)?;
        let task = self.outbound.prepare(packet, inner, 0)?;
        match engine.run_now(packet.data_mut(), &task) {
            OpStatus::Done if packet.adj(self.header_octets) => Ok(()),
            _ => Err(EspDrop::EngineFailed),
        }
    }

    /// Turns ESP into the inner packet.
    ///
    /// # Errors
    /// The reason.
    pub fn open(&mut self, engine: &mut Engine, packet: &mut MemoryBuf) -> Result<(), EspDrop> {
        let task = self.inbound.prepare(packet, 0)?;
        let status = engine.run_now(packet.data_mut(), &task);
        // Sockets do not tell of congestion marks outside.
        self.inbound
            .finish(packet, (task.sequence, status), Brief::default())?;
        Ok(())
    }

    /// Takes its keys away; it is to be dropped next.
    pub fn forget(&self, engine: &mut Engine) {
        engine.remove(self.inbound.key());
        engine.remove(self.outbound.key());
    }
}

fn insert(
    engine: &mut Engine,
    transform: EspTransform,
    half: &Half,
) -> Result<(KeyId, [u8; SALT_OCTETS]), KeyError> {
    // An AEAD has no integrity key.
    let (keys, salt) = Keys::split(transform, half.encr_key.as_bytes())?;
    let key = Engine::expand(transform, keys)?;
    let id = engine.insert(key).map_err(|_| KeyError::Full)?;
    Ok((id, salt))
}

fn header_octets(outer: &Outer) -> usize {
    let ip = match outer.local {
        IpAddr::V4(_) => IPV4_HEADER_OCTETS,
        IpAddr::V6(_) => IPV6_HEADER_OCTETS,
    };
    ip + outer.udp.map_or(0, |_| UDP_HEADER_OCTETS)
}
