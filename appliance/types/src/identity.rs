//! IKE identities (RFC 7296 section 3.5).

use crate::{ParseError, dn};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An IKE identification of the types this product negotiates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Identity {
    /// ID_IPV4_ADDR (1).
    Ipv4(Ipv4Addr),
    /// ID_FQDN (2), compared without regard to case.
    Fqdn(String),
    /// ID_RFC822_ADDR (3).
    Email(String),
    /// ID_IPV6_ADDR (5).
    Ipv6(Ipv6Addr),
    /// ID_DER_ASN1_DN (9), the DER octets.
    Dn(Vec<u8>),
    /// ID_KEY_ID (11), opaque.
    KeyId(Vec<u8>),
}

impl Identity {
    /// The IANA number of the ID type.
    pub fn type_id(&self) -> u8 {
        match self {
            Identity::Ipv4(_) => 1,
            Identity::Fqdn(_) => 2,
            Identity::Email(_) => 3,
            Identity::Ipv6(_) => 5,
            Identity::Dn(_) => 9,
            Identity::KeyId(_) => 11,
        }
    }

    /// The identification data as it stands on the wire.
    pub fn data(&self) -> Vec<u8> {
        match self {
            Identity::Ipv4(a) => a.octets().to_vec(),
            Identity::Ipv6(a) => a.octets().to_vec(),
            Identity::Fqdn(s) | Identity::Email(s) => s.as_bytes().to_vec(),
            Identity::Dn(b) | Identity::KeyId(b) => b.clone(),
        }
    }

    /// Parses identification data of a known type.
    ///
    /// # Errors
    /// Names the ID type when the data does not fit it or the type is not known.
    pub fn from_wire(type_id: u8, data: &[u8]) -> Result<Self, ParseError> {
        let bad = |wanted| {
            ParseError::new(
                format!("ID type {type_id} of {} octets", data.len()),
                wanted,
            )
        };
        let text = |wanted| {
            let s = std::str::from_utf8(data).map_err(|_| bad(wanted))?;
            if s.is_empty() || s.chars().any(char::is_control) {
                Err(bad(wanted))
            } else {
                Ok(s.to_owned())
            }
        };
        match type_id {
            1 => <[u8; 4]>::try_from(data)
                .map(|o| Identity::Ipv4(o.into()))
                .map_err(|_| bad("an IPv4 address")),
            5 => <[u8; 16]>::try_from(data)
                .map(|o| Identity::Ipv6(o.into()))
                .map_err(|_| bad("an IPv6 address")),
            2 => text("a host name").map(Identity::Fqdn),
            3 => text("an e-mail address").map(Identity::Email),
            9 => Ok(Identity::Dn(data.to_vec())),
            11 => Ok(Identity::KeyId(data.to_vec())),
            _ => Err(bad("a known identity type")),
        }
    }

    /// Whether two identities denote the same peer: host names and e-mail domains without regard to ASCII case.
    pub fn matches(&self, other: &Identity) -> bool {
        match (self, other) {
            (Identity::Fqdn(a), Identity::Fqdn(b)) | (Identity::Email(a), Identity::Email(b)) => {
                a.eq_ignore_ascii_case(b)
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Ipv4(a) => a.fmt(f),
            Identity::Ipv6(a) => a.fmt(f),
            Identity::Fqdn(s) | Identity::Email(s) => f.write_str(s),
            Identity::Dn(b) => match dn::text(b) {
                Some(text) => f.write_str(&text),
                None => write!(f, "dn:0x{}", hex(b)),
            },
            Identity::KeyId(b) => match std::str::from_utf8(b) {
                Ok(s) if !s.is_empty() && s.chars().all(|c| c.is_ascii_graphic()) => {
                    write!(f, "keyid:{s}")
                }
                _ => write!(f, "keyid:0x{}", hex(b)),
            },
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}
