//! Delete payload (RFC 7296 section 3.11).

use super::codec::{Reader, put_len};
use super::sa::protocol;
use super::{ParseError, ParseErrorKind};

/// The most SPIs in one payload: twice the child SAs an IKE SA may have here.
pub const MAX_DELETED_SPIS: usize = 512;

/// What is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delete {
    /// The IKE SA that carries the message.
    Ike,
    /// Child SAs by the SPIs that the sender receives on.
    Children {
        /// 2 for AH, 3 for ESP.
        protocol: u8,
        /// The sender's inbound SPIs.
        spis: Vec<u32>,
    },
}

impl Delete {
    pub(super) fn parse(mut r: Reader<'_>) -> Result<Delete, ParseError> {
        let protocol = r.u8()?;
        let spi_octets = r.u8()?;
        let count = usize::from(r.u16()?);
        match (protocol, spi_octets) {
            (protocol::IKE, 0) if count == 0 => {
                r.end()?;
                Ok(Delete::Ike)
            }
            (protocol::AH | protocol::ESP, 4) => {
                if count > MAX_DELETED_SPIS {
                    return Err(r.error(ParseErrorKind::TooMany));
                }
                let spis = (0..count).map(|_| r.u32()).collect::<Result<Vec<_>, _>>()?;
                r.end()?;
                Ok(Delete::Children { protocol, spis })
            }
            _ => Err(r.error(ParseErrorKind::Value)),
        }
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Delete::Ike => out.extend_from_slice(&[protocol::IKE, 0, 0, 0]),
            Delete::Children { protocol, spis } => {
                out.extend_from_slice(&[*protocol, 4]);
                put_len(out, spis.len());
                spis.iter()
                    .for_each(|spi| out.extend_from_slice(&spi.to_be_bytes()));
            }
        }
    }
}
