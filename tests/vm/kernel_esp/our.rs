//! Our end of a form: what the data plane does with a packet of one SA, and nothing around it.

use crate::form::{ECHO_OCTETS, Echo, Form, OUR_SPI, THEIR_SPI};
use ravelin_dataplane::engine::Engine;
use ravelin_esp::{
    CryptoEngine, CryptoOp, DfPolicy, EspDrop, InboundParams, InboundSa, IvPrefix, KeyId, Keys,
    MemoryBuf, OpStatus, OutboundParams, OutboundSa, PacketBuf, Task, finish, finish_ah,
};
use ravelin_types::{IpsecMode, IpsecProtocol, NodeId};
use ravelin_wire::ip;

type Cpu = Engine<MemoryBuf>;

pub struct Our<'a> {
    form: &'a Form,
    engine: Cpu,
    out: OutboundSa,
    inn: InboundSa,
}

/// Puts the keys of one direction into the engine.
fn key(engine: &mut Cpu, form: &Form, material: &[u8]) -> (KeyId, [u8; 4]) {
    let (keys, salt) = Keys::split(form.transform, material).unwrap();
    let key = <Cpu as CryptoEngine<MemoryBuf>>::expand(form.transform, keys);
    (engine.insert(key.unwrap()).ok().unwrap(), salt)
}

impl<'a> Our<'a> {
    pub fn new(form: &'a Form) -> Self {
        let mut engine = Cpu::new(2);
        let (out_key, out_salt) = key(&mut engine, form, &form.our_keys);
        let (in_key, in_salt) = key(&mut engine, form, &form.their_keys);
        let out = OutboundSa::new(&OutboundParams {
            spi: THEIR_SPI + form.number,
            transform: form.transform,
            protocol: form.protocol,
            mode: form.mode,
            salt: out_salt,
            key: out_key,
            iv: IvPrefix::new(NodeId::default(), 1).unwrap(),
            outer: form.outer_addresses(),
            df: DfPolicy::Copy,
            dscp: None,
            last_sequence: form.last_sequence(),
            ceiling: u64::MAX,
            extended: form.extended,
        });
        let inn = InboundSa::new(&InboundParams {
            spi: OUR_SPI + form.number,
            transform: form.transform,
            mode: form.mode,
            copy_dscp: false,
            salt: in_salt,
            key: in_key,
            replay_window: 512,
            last_sequence: form.last_sequence(),
            ceiling: u64::MAX,
            extended: form.extended,
        });
        Self {
            form,
            engine,
            out: out.unwrap(),
            inn,
        }
    }

    /// Every padding of every block, up to the longest one that fits the link; and one with options.
    pub fn echoes(&self) -> Vec<Echo> {
        let most = self.out.inner_mtu(self.form.most_octets());
        let largest = most - self.form.header_octets() - ECHO_OCTETS;
        let payloads = (0..=17).chain([64, 511, 1021, largest - 1, largest]);
        let plain = payloads.map(|octets| (octets, false));
        let echo = |(sequence, (payload_octets, has_options))| Echo {
            sequence,
            payload_octets,
            has_options,
        };
        (0..).zip(plain.chain([(99, true)])).map(echo).collect()
    }

    fn run(&mut self, buf: MemoryBuf, task: Task) -> (MemoryBuf, OpStatus) {
        let (mut ops, mut done) = (vec![CryptoOp::new(buf, task)], Vec::new());
        self.engine.submit(&mut ops);
        self.engine.poll(&mut done);
        let op = done.pop().unwrap();
        (op.packet, op.status)
    }

    /// The packet as it is sent.
    pub fn seal(&mut self, packet: &[u8]) -> Result<Vec<u8>, EspDrop> {
        let header = ip::parse_brief(packet).unwrap();
        let mut buf = MemoryBuf::new(packet);
        let task = match (self.form.protocol, self.form.mode) {
            (IpsecProtocol::Ah, _) => self.out.prepare_ah(&mut buf, header, 0),
            (IpsecProtocol::Esp, IpsecMode::Tunnel) => self.out.prepare(&mut buf, header, 0),
            (IpsecProtocol::Esp, IpsecMode::Transport) => {
                self.out.prepare_transport(&mut buf, header, 0)
            }
        }?;
        let (mut buf, status) = self.run(buf, task);
        match self.form.protocol {
            IpsecProtocol::Esp => finish(&mut buf, status)?,
            IpsecProtocol::Ah => finish_ah(&mut buf, (&task, status))?,
        }
        Ok(buf.data().to_vec())
    }

    /// Sequence number and content of a packet of the guest.
    pub fn open(&mut self, packet: &[u8]) -> Result<(u64, Vec<u8>), EspDrop> {
        let header = ip::parse_brief(packet).unwrap();
        let mut buf = MemoryBuf::new(packet);
        let task = match self.form.protocol {
            IpsecProtocol::Ah => self.inn.prepare_ah(&mut buf, header, 0),
            IpsecProtocol::Esp => {
                buf.adj(usize::from(header.payload_at()));
                self.inn.prepare(&buf, 0)
            }
        }?;
        let (mut buf, status) = self.run(buf, task);
        match self.form.protocol {
            IpsecProtocol::Esp => self.inn.finish(&mut buf, (task.sequence, status), header),
            IpsecProtocol::Ah => self.inn.finish_ah(&mut buf, (&task, status), header),
        }?;
        Ok((task.sequence, buf.data().to_vec()))
    }
}
