//! What is measured: one row of the table.

use ravelin_types::{EspEncr, EspInteg, EspTransform};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ravelin_esp::Direction;

use crate::mix::Mix;

/// The algorithms of all SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Aes256Gcm,
    Aes128Gcm,
    Aes256CbcSha256,
    ChaCha20Poly1305,
}

impl Algorithm {
    pub const ALL: [Algorithm; 4] = [
        Algorithm::Aes256Gcm,
        Algorithm::Aes128Gcm,
        Algorithm::Aes256CbcSha256,
        Algorithm::ChaCha20Poly1305,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Aes256Gcm => "AES-256-GCM",
            Algorithm::Aes128Gcm => "AES-128-GCM",
            Algorithm::Aes256CbcSha256 => "AES-256-CBC",
            Algorithm::ChaCha20Poly1305 => "ChaCha20",
        }
    }

    pub fn is_gcm(self) -> bool {
        matches!(self, Algorithm::Aes256Gcm | Algorithm::Aes128Gcm)
    }

    pub fn transform(self) -> EspTransform {
        let separate = EspTransform::new(EspEncr::Aes256Cbc, Some(EspInteg::HmacSha256_128));
        let chacha = EspTransform::new(EspEncr::ChaCha20Poly1305, None);
        match self {
            Algorithm::Aes256Gcm => EspTransform::AES_256_GCM,
            Algorithm::Aes128Gcm => EspTransform::AES_128_GCM,
            // Both are pairs that exist; a mistake here would show as a refused key.
            Algorithm::Aes256CbcSha256 => separate.unwrap_or(EspTransform::AES_256_GCM),
            Algorithm::ChaCha20Poly1305 => chacha.unwrap_or(EspTransform::AES_256_GCM),
        }
    }

    /// Algorithms and keys of an SA in ipsec-secgw's configuration.
    pub fn secgw(self, material: &[u8]) -> String {
        let hex = |octets: &[u8]| {
            let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            octets.join(":")
        };
        let aead = |name| format!("aead_algo {name} aead_key {}", hex(material));
        match self {
            Algorithm::Aes256Gcm => aead("aes-256-gcm"),
            Algorithm::Aes128Gcm => aead("aes-128-gcm"),
            Algorithm::ChaCha20Poly1305 => aead("chacha20-poly1305"),
            Algorithm::Aes256CbcSha256 => {
                let (cipher, integ) = material.split_at(self.transform().encr().key_octets());
                let (cipher, integ) = (hex(cipher), hex(integ));
                format!(
                    "cipher_algo aes-256-cbc cipher_key {cipher} auth_algo sha256-hmac auth_key {integ}"
                )
            }
        }
    }

    /// DPDK's device for it.
    pub fn crypto_device(self) -> &'static str {
        if self.is_gcm() {
            "crypto_aesni_gcm0"
        } else {
            "crypto_aesni_mb0"
        }
    }
}

/// The family of inner and outer packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    pub fn name(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    /// The gateway's address on the access side.
    pub fn ours(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::new(192, 0, 2, 1).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1).into(),
        }
    }

    /// Its peer's.
    pub fn peer(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::new(192, 0, 2, 2).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2).into(),
        }
    }

    /// Its own on the core side.
    pub fn gateway(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::new(172, 16, 0, 1).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1).into(),
        }
    }

    /// A host of the core.
    pub fn core(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::new(172, 16, 0, 9).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 9).into(),
        }
    }

    /// The host behind the tunnel of an SA.
    pub fn remote(self, sa: u32) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + sa).into(),
            Family::V6 => {
                let first = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 0).to_bits();
                Ipv6Addr::from_bits(first + u128::from(sa)).into()
            }
        }
    }

    /// Bits of a subnet of the ports, of all remote hosts together, and of one host.
    pub fn prefix_bits(self) -> (u8, u8, u8) {
        match self {
            Family::V4 => (24, 8, 32),
            Family::V6 => (64, 64, 128),
        }
    }

    /// Octets of its header without options.
    pub fn header_octets(self) -> usize {
        match self {
            Family::V4 => ravelin_wire::ip::IPV4_HEADER_OCTETS,
            Family::V6 => ravelin_wire::ip::IPV6_HEADER_OCTETS,
        }
    }

    /// An inner packet of this size, or the smallest one with a UDP header.
    pub fn inner_octets(self, octets: usize) -> usize {
        octets.max(self.header_octets() + ravelin_wire::ip::UDP_HEADER_OCTETS)
    }
}

/// What the processes are started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub algorithm: Algorithm,
    pub family: Family,
    pub sas: u32,
}

/// One row.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub setting: Setting,
    pub mix: &'a Mix,
    pub direction: Direction,
}

impl Case<'_> {
    pub fn direction_name(&self) -> &'static str {
        match self.direction {
            Direction::Encrypt => "out",
            Direction::Decrypt => "in",
        }
    }
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Setting {
            algorithm,
            family,
            sas,
        } = self.setting;
        let (mix, direction) = (self.mix.name, self.direction_name());
        write!(
            f,
            "{} {} {sas} SAs {mix} {direction}",
            algorithm.name(),
            family.name()
        )
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Setting {
            algorithm,
            family,
            sas,
        } = self;
        write!(f, "{}, {}, {sas} SAs", algorithm.name(), family.name())
    }
}
