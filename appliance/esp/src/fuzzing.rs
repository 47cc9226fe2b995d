//! Entry points for fuzzers: bytes in, no panic out.

use std::net::{IpAddr, Ipv4Addr};

use ravelin_types::{EspEncr, EspInteg, EspTransform, IpsecMode, NodeId};
use ravelin_wire::ip::{self, Brief};

use crate::engine::PortableEngine;
use crate::{
    CryptoEngine, CryptoOp, DfPolicy, Direction, EspDrop, InboundParams, InboundSa, IvPrefix,
    KeyId, Keys, MemoryBuf, OutboundParams, OutboundSa, OuterAddresses, PacketBuf, Task, finish,
};

const KEY: [u8; 16] = [7; 16];
const SPI: u32 = 0x0000_1100;
const TRANSFORM: EspTransform = EspTransform::AES_128_GCM;

fn run(op: CryptoOp<MemoryBuf>) -> Option<CryptoOp<MemoryBuf>> {
    let mut engine = PortableEngine::new(1);
    let keys = Keys {
        cipher: &KEY,
        integ: &[],
    };
    let key = <PortableEngine<MemoryBuf> as CryptoEngine<_>>::expand(TRANSFORM, keys).ok()?;
    engine.insert(key).ok()?;
    let (mut ops, mut done) = (vec![op], Vec::new());
    engine.submit(&mut ops);
    engine.poll(&mut done);
    done.pop()
}

fn open(
    mut packet: MemoryBuf,
    mode: IpsecMode,
    (outer, esp_at): (Brief, usize),
) -> Result<Vec<u8>, EspDrop> {
    let params = InboundParams {
        spi: SPI,
        transform: TRANSFORM,
        mode,
        copy_dscp: false,
        salt: [0; 4],
        key: KeyId(0),
        replay_window: 64,
        last_sequence: 0,
        ceiling: u64::MAX,
        extended: false,
    };
    let mut sa = InboundSa::new(&params);
    packet.adj(esp_at);
    let task = sa.prepare(&packet, 0)?;
    let mut done = run(CryptoOp::new(packet, task)).ok_or(EspDrop::EngineFailed)?;
    sa.finish(&mut done.packet, (task.sequence, done.status), outer)?;
    Ok(done.packet.data().to_vec())
}

/// Treats `input` as an ESP packet from the network.
///
/// # Errors
/// The reason it was refused.
pub fn decapsulate(input: &[u8]) -> Result<Vec<u8>, EspDrop> {
    let packet = MemoryBuf::new(input);
    open(packet, IpsecMode::Tunnel, (Brief::default(), 0))
}

/// Treats `input` as a packet with AH whose ICV is right, so that the code behind it is reached.
///
/// # Errors
/// The reason it was refused.
pub fn authenticated(input: &[u8], mode: IpsecMode) -> Result<Vec<u8>, EspDrop> {
    let transform = EspTransform::new(EspEncr::Null, Some(EspInteg::HmacSha256_128));
    let outer = ip::parse_brief(input).map_err(|_| EspDrop::Malformed)?;
    let mut packet = MemoryBuf::new(&input[..usize::from(outer.total_octets())]);
    let params = InboundParams {
        spi: SPI,
        transform: transform.map_err(|_| EspDrop::EngineFailed)?,
        mode,
        copy_dscp: false,
        salt: [0; 4],
        key: KeyId(0),
        replay_window: 64,
        last_sequence: 0,
        ceiling: u64::MAX,
        extended: false,
    };
    let mut sa = InboundSa::new(&params);
    let task = sa.prepare_ah(&mut packet, outer, 0)?;
    sa.finish_ah(&mut packet, (&task, crate::OpStatus::Done), outer)?;
    Ok(packet.data().to_vec())
}

/// Treats `input` as a clear packet: what comes out when it has been protected in transport mode and opened again.
///
/// # Errors
/// The reason it was refused.
pub fn there_and_back(input: &[u8]) -> Result<Vec<u8>, EspDrop> {
    let clear = ip::parse_brief(input).map_err(|_| EspDrop::Malformed)?;
    let mut packet = MemoryBuf::new(&input[..usize::from(clear.total_octets())]);
    let end = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let params = OutboundParams {
        spi: SPI,
        transform: TRANSFORM,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: IpsecMode::Transport,
        salt: [0; 4],
        key: KeyId(0),
        iv: IvPrefix::new(NodeId::default(), 0).ok_or(EspDrop::EngineFailed)?,
        outer: OuterAddresses {
            local: end,
            remote: end,
            udp: None,
        },
        df: DfPolicy::Copy,
        dscp: None,
        last_sequence: 0,
        ceiling: u64::MAX,
        extended: false,
    };
    let mut sa = OutboundSa::new(&params).ok_or(EspDrop::EngineFailed)?;
    let task = sa.prepare_transport(&mut packet, clear, 0)?;
    let mut done = run(CryptoOp::new(packet, task)).ok_or(EspDrop::EngineFailed)?;
    finish(&mut done.packet, done.status)?;
    let outer = ip::parse_brief(done.packet.data()).map_err(|_| EspDrop::Malformed)?;
    let esp_at = usize::from(outer.payload_at());
    open(done.packet, IpsecMode::Transport, (outer, esp_at))
}

/// Treats `input` as header, IV and *plain text* of an ESP packet: encrypts it under the right key first, so that the code behind
/// the ICV is reached.
///
/// # Errors
/// The reason it was refused.
pub fn decapsulate_authentic(input: &[u8]) -> Result<Vec<u8>, EspDrop> {
    let octets = input.len().checked_sub(16).ok_or(EspDrop::Malformed)?;
    let mut packet = MemoryBuf::new(input);
    packet.append(TRANSFORM.icv_octets());
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&input[8..16]);
    let mut aad = [0; 12];
    aad[..4].copy_from_slice(&SPI.to_be_bytes());
    aad[4..8].copy_from_slice(&input[4..8]);
    let task = Task {
        key: KeyId(0),
        nonce,
        aad,
        aad_octets: 8,
        icv_octets: TRANSFORM.icv_octets() as u8,
        direction: Direction::Encrypt,
        start: 16,
        octets: u16::try_from(octets).map_err(|_| EspDrop::TooLong)?,
        slot: 0,
        sequence: 0,
    };
    let sealed = run(CryptoOp::new(packet, task)).ok_or(EspDrop::EngineFailed)?;
    decapsulate(sealed.packet.data())
}
