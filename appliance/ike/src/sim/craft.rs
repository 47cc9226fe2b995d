//! Messages that no endpoint of ours would send, under the keys of an IKE SA that A has begun.

use ravelin_types::Spi;

use super::world::Side;
use super::*;
use crate::msg::nonce::Nonce;
use crate::msg::notify::{Notify, kind};
use crate::msg::sa::{Transform, protocol, transform};
use crate::msg::{ExchangeType, Header, Message, Payload, sk};
use crate::proposal::offer_esp;
use crate::selector::to_wire;

/// A message from this side.
pub(super) struct Craft {
    pub(super) from: Side,
    pub(super) exchange: ExchangeType,
    pub(super) response: bool,
    pub(super) id: u32,
}

/// A request of A.
pub(super) fn request(exchange: ExchangeType, id: u32) -> Craft {
    Craft {
        from: Side::A,
        exchange,
        response: false,
        id,
    }
}

/// A response of B.
pub(super) fn response(exchange: ExchangeType, id: u32) -> Craft {
    Craft {
        from: Side::B,
        exchange,
        response: true,
        id,
    }
}

impl Craft {
    pub(super) fn header(&self, w: &World) -> Header {
        let sa = w.a.endpoint.ike_sas().next().unwrap();
        Header {
            spi_i: sa.spi_i,
            spi_r: sa.spi_r,
            exchange: self.exchange,
            initiator: self.from == Side::A,
            response: self.response,
            message_id: self.id,
        }
    }

    /// The octets of the message.
    pub(super) fn seal(&self, w: &World, payloads: &[Payload]) -> Vec<u8> {
        let header = self.header(w);
        let (from_i, from_r) = w.a.endpoint.test_ciphers(header.spi_i).unwrap();
        let cipher = if header.initiator { from_i } else { from_r };
        sk::seal(&header, payloads, &cipher, &vec![0xaa; cipher.iv_len()]).unwrap()
    }

    /// The other side gets the message.
    pub(super) fn deliver(&self, w: &mut World, payloads: &[Payload]) {
        let data = self.seal(w, payloads);
        deliver(w, self.from, &data);
    }
}

/// The other side gets these octets from where this one is.
pub(super) fn deliver(w: &mut World, from: Side, data: &[u8]) {
    match from {
        Side::A => w.inject(Side::B, address(1), address(2), data),
        Side::B => w.inject(Side::A, address(2), address(1), data),
    }
}

/// The last message of this side, decrypted by keys that A has.
pub(super) fn last(w: &World, of: Side) -> (Header, Vec<Payload>) {
    let (_, data) = w.transcript.iter().rfind(|(side, _)| *side == of).unwrap();
    let message = Message::parse(data).unwrap();
    let Some(sk) = message.sk() else {
        return (message.header, message.payloads);
    };
    let (from_i, from_r) = w.a.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let cipher = if message.header.initiator {
        from_i
    } else {
        from_r
    };
    (message.header, sk.open(data, &cipher).unwrap())
}

/// How many messages this side has sent.
pub(super) fn sent(w: &World, side: Side) -> usize {
    w.transcript.iter().filter(|(s, _)| *s == side).count()
}

/// What a request for a child SA of the default VPN holds: SA with these groups, Ni, TSi, TSr, and what it rekeys.
pub(super) fn child(
    (remote, local): (&[TrafficSelector], &[TrafficSelector]),
    groups: &[u16],
    rekeys: Option<Spi>,
) -> Vec<Payload> {
    let mut sa = offer_esp(&vpn().proposals, None, Spi(0x7700_0001));
    let dh = groups.iter().map(|g| Transform::plain(transform::DH, *g));
    sa.proposals[0].transforms.extend(dh);
    let rekeyed = rekeys.map(|spi| Notify::about_child(kind::REKEY_SA, protocol::ESP, spi.0));
    let mut payloads: Vec<Payload> = rekeyed.map(Payload::Notify).into_iter().collect();
    payloads.push(Payload::Sa(sa));
    payloads.push(Payload::Nonce(Nonce(vec![7; 32])));
    payloads.push(Payload::TsI(to_wire(remote)));
    payloads.push(Payload::TsR(to_wire(local)));
    payloads
}
