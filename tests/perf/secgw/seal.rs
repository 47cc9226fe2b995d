//! The peers of all SAs: they seal what planed shall open, by our own `esp` crate and the engine of the product.

use ravelin_dataplane::engine::Engine;
use ravelin_esp::engine::{CryptoEngine, CryptoOp};
use ravelin_esp::{
    DfPolicy, IvPrefix, Keys, MemoryBuf, OutboundParams, OutboundSa, OuterAddresses, finish,
};
use ravelin_types::NodeId;
use ravelin_types::numbers::LAST_SEQUENCE;
use ravelin_wire::ip;

use crate::Failure;
use crate::case::Setting;
use crate::packets;

type Op = CryptoOp<MemoryBuf>;

/// One outbound SA for each SA of a setting.
pub struct Sealer {
    engine: Engine<MemoryBuf>,
    sas: Vec<OutboundSa>,
}

impl Sealer {
    pub fn new(setting: Setting) -> Result<Self, Failure> {
        let mut engine = Engine::<MemoryBuf>::new(setting.sas as usize);
        let sas: Option<Vec<OutboundSa>> = (0..setting.sas)
            .map(|sa| outbound(&mut engine, setting, sa))
            .collect();
        Ok(Self {
            engine,
            sas: sas.ok_or(Failure::Cipher)?,
        })
    }

    /// The operation that seals an inner packet; `slot` goes with it.
    pub fn prepare(&mut self, sa: u32, inner: &[u8], slot: u32) -> Result<Op, Failure> {
        let meta = ip::parse(inner).map_err(|_| Failure::Cipher)?;
        let sa = self.sas.get_mut(sa as usize).ok_or(Failure::Cipher)?;
        let mut packet = MemoryBuf::new(inner);
        let task = sa.prepare(&mut packet, meta.brief, slot);
        Ok(CryptoOp::new(packet, task.map_err(|_| Failure::Cipher)?))
    }

    /// Does all of `ops`, which end up in `done`.
    pub fn run(&mut self, ops: &mut Vec<Op>, done: &mut Vec<Op>) {
        self.engine.submit(ops);
        self.engine.poll(done);
    }

    /// The outer packet of a finished operation, and its slot.
    pub fn packet(mut op: Op) -> Result<(u32, MemoryBuf), Failure> {
        finish(&mut op.packet, op.status).map_err(|_| Failure::Cipher)?;
        Ok((op.task.slot, op.packet))
    }
}

fn outbound(engine: &mut Engine<MemoryBuf>, setting: Setting, sa: u32) -> Option<OutboundSa> {
    let transform = setting.algorithm.transform();
    let material = packets::keymat(setting.algorithm, sa);
    let (keys, salt) = Keys::split(transform, &material).ok()?;
    let key = <Engine<MemoryBuf> as CryptoEngine<MemoryBuf>>::expand(transform, keys).ok()?;
    OutboundSa::new(&OutboundParams {
        spi: packets::spi(sa).0,
        transform,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        salt,
        key: engine.insert(key).ok()?,
        iv: IvPrefix::new(NodeId::default(), 1)?,
        outer: OuterAddresses {
            local: setting.family.peer(),
            remote: setting.family.ours(),
            udp: None,
        },
        df: DfPolicy::Clear,
        dscp: None,
        last_sequence: 0,
        ceiling: LAST_SEQUENCE,
        extended: false,
    })
}
