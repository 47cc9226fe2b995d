//! Traffic selector payload (RFC 7296 section 3.13): the wire form; [`crate::selector`] narrows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::codec::{Reader, put_len};
use super::{ParseError, ParseErrorKind};

/// The most selectors in one payload (its count field allows 255; a peer with more subnets uses more child SAs).
pub const MAX_SELECTORS: usize = 255;

const TYPE_IPV4: u8 = 7;
const TYPE_IPV6: u8 = 8;

/// The payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ts {
    /// The selectors in order.
    pub selectors: Vec<Selector>,
}

/// One selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// An IPv4 or IPv6 address range; both ends are of one family.
    Range(Range),
    /// A selector type that is not understood.
    Other {
        /// The type.
        kind: u8,
        /// The octet after it.
        protocol: u8,
        /// The rest.
        data: Vec<u8>,
    },
}

/// An address range with protocol and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// First port (or ICMP type and code); 65535 with `port_end` 0 means OPAQUE.
    pub port_start: u16,
    /// Last port.
    pub port_end: u16,
    /// First address.
    pub start: IpAddr,
    /// Last address.
    pub end: IpAddr,
}

impl Ts {
    pub(super) fn parse(mut r: Reader<'_>) -> Result<Ts, ParseError> {
        let count = usize::from(r.u8()?);
        r.bytes(3)?;
        if count == 0 {
            return Err(r.error(ParseErrorKind::Value));
        }
        let selectors = (0..count)
            .map(|_| Selector::parse(&mut r))
            .collect::<Result<Vec<_>, _>>()?;
        r.end()?;
        Ok(Ts { selectors })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[
            u8::try_from(self.selectors.len()).unwrap_or(u8::MAX),
            0,
            0,
            0,
        ]);
        self.selectors
            .iter()
            .take(MAX_SELECTORS)
            .for_each(|s| s.emit(out));
    }

    /// The address ranges, leaving out selectors of other types.
    pub fn ranges(&self) -> impl Iterator<Item = &Range> {
        self.selectors.iter().filter_map(|s| match s {
            Selector::Range(range) => Some(range),
            Selector::Other { .. } => None,
        })
    }
}

impl Selector {
    fn parse(r: &mut Reader<'_>) -> Result<Selector, ParseError> {
        let kind = r.u8()?;
        let protocol = r.u8()?;
        let length = usize::from(r.u16()?);
        let Some(length) = length.checked_sub(4) else {
            return Err(r.error(ParseErrorKind::Length));
        };
        let mut r = r.sub(length)?;
        let selector = match kind {
            TYPE_IPV4 => {
                let (port_start, port_end) = (r.u16()?, r.u16()?);
                let (start, end) = (
                    Ipv4Addr::from(r.array::<4>()?).into(),
                    Ipv4Addr::from(r.array::<4>()?).into(),
                );
                Selector::Range(Range {
                    protocol,
                    port_start,
                    port_end,
                    start,
                    end,
                })
            }
            TYPE_IPV6 => {
                let (port_start, port_end) = (r.u16()?, r.u16()?);
                let (start, end) = (
                    Ipv6Addr::from(r.array::<16>()?).into(),
                    Ipv6Addr::from(r.array::<16>()?).into(),
                );
                Selector::Range(Range {
                    protocol,
                    port_start,
                    port_end,
                    start,
                    end,
                })
            }
            _ => Selector::Other {
                kind,
                protocol,
                data: r.rest().to_vec(),
            },
        };
        r.end()?;
        Ok(selector)
    }

    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Selector::Range(range) => range.emit(out),
            Selector::Other {
                kind,
                protocol,
                data,
            } => {
                out.extend_from_slice(&[*kind, *protocol]);
                put_len(out, data.len() + 4);
                out.extend_from_slice(data);
            }
        }
    }
}

impl Range {
    fn emit(&self, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(36);
        body.extend_from_slice(&self.port_start.to_be_bytes());
        body.extend_from_slice(&self.port_end.to_be_bytes());
        for address in [self.start, self.end] {
            match address {
                IpAddr::V4(a) => body.extend_from_slice(&a.octets()),
                IpAddr::V6(a) => body.extend_from_slice(&a.octets()),
            }
        }
        out.extend_from_slice(&[
            if self.start.is_ipv4() {
                TYPE_IPV4
            } else {
                TYPE_IPV6
            },
            self.protocol,
        ]);
        put_len(out, body.len() + 4);
        out.extend_from_slice(&body);
    }
}
