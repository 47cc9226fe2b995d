//! Notify payload (RFC 7296 section 3.10) and the notification numbers that are used here.

use super::codec::Reader;
use super::sa::MAX_SPI_OCTETS;
use super::{ParseError, ParseErrorKind};

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// 0 unless it concerns an SA: then 2 (AH) or 3 (ESP), or 1 (IKE).
    pub protocol: u8,
    /// Empty unless it concerns a child SA.
    pub spi: Vec<u8>,
    /// The number; see [`kind`].
    pub kind: u16,
    /// The notification data.
    pub data: Vec<u8>,
}

/// Notification numbers (IANA registries "IKEv2 Notify Message Error/Status Types").
pub mod kind {
    #![allow(missing_docs)]
    pub const UNSUPPORTED_CRITICAL_PAYLOAD: u16 = 1;
    pub const INVALID_IKE_SPI: u16 = 4;
    pub const INVALID_MAJOR_VERSION: u16 = 5;
    pub const INVALID_SYNTAX: u16 = 7;
    pub const INVALID_MESSAGE_ID: u16 = 9;
    pub const INVALID_SPI: u16 = 11;
    pub const NO_PROPOSAL_CHOSEN: u16 = 14;
    pub const INVALID_KE_PAYLOAD: u16 = 17;
    pub const AUTHENTICATION_FAILED: u16 = 24;
    pub const SINGLE_PAIR_REQUIRED: u16 = 34;
    pub const NO_ADDITIONAL_SAS: u16 = 35;
    pub const INTERNAL_ADDRESS_FAILURE: u16 = 36;
    pub const FAILED_CP_REQUIRED: u16 = 37;
    pub const TS_UNACCEPTABLE: u16 = 38;
    pub const INVALID_SELECTORS: u16 = 39;
    pub const TEMPORARY_FAILURE: u16 = 43;
    pub const UNACCEPTABLE_ADDRESSES: u16 = 40;
    pub const UNEXPECTED_NAT_DETECTED: u16 = 41;
    pub const CHILD_SA_NOT_FOUND: u16 = 44;
    pub const STATE_NOT_FOUND: u16 = 47;
    pub const TS_MAX_QUEUE: u16 = 48;
    pub const INITIAL_CONTACT: u16 = 16384;
    pub const SET_WINDOW_SIZE: u16 = 16385;
    pub const ADDITIONAL_TS_POSSIBLE: u16 = 16386;
    pub const NAT_DETECTION_SOURCE_IP: u16 = 16388;
    pub const NAT_DETECTION_DESTINATION_IP: u16 = 16389;
    pub const COOKIE: u16 = 16390;
    pub const USE_TRANSPORT_MODE: u16 = 16391;
    pub const REKEY_SA: u16 = 16393;
    pub const ESP_TFC_PADDING_NOT_SUPPORTED: u16 = 16394;
    pub const NON_FIRST_FRAGMENTS_ALSO: u16 = 16395;
    pub const MOBIKE_SUPPORTED: u16 = 16396;
    pub const ADDITIONAL_IP4_ADDRESS: u16 = 16397;
    pub const ADDITIONAL_IP6_ADDRESS: u16 = 16398;
    pub const NO_ADDITIONAL_ADDRESSES: u16 = 16399;
    pub const UPDATE_SA_ADDRESSES: u16 = 16400;
    pub const COOKIE2: u16 = 16401;
    pub const NO_NATS_ALLOWED: u16 = 16402;
    pub const AUTH_LIFETIME: u16 = 16403;
    pub const QCD_TOKEN: u16 = 16419;
    pub const REDIRECT_SUPPORTED: u16 = 16406;
    pub const REDIRECT: u16 = 16407;
    pub const REDIRECTED_FROM: u16 = 16408;
    pub const CHILDLESS_IKEV2_SUPPORTED: u16 = 16418;
    pub const FRAGMENTATION_SUPPORTED: u16 = 16430;
    pub const SIGNATURE_HASH_ALGORITHMS: u16 = 16431;
    pub const USE_PPK: u16 = 16435;
    pub const PPK_IDENTITY: u16 = 16436;
    pub const NO_PPK_AUTH: u16 = 16437;
    pub const INTERMEDIATE_EXCHANGE_SUPPORTED: u16 = 16438;
    pub const ADDITIONAL_KEY_EXCHANGE: u16 = 16441;
    pub const SA_RESOURCE_INFO: u16 = 16444;
    /// Numbers below this report errors.
    pub const FIRST_STATUS: u16 = 16384;
}

/// Hash algorithms of a peer that are kept; RFC 7427 and its successors have named 7.
pub const MAX_HASH_ALGORITHMS: usize = 32;

impl Notify {
    /// SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4): the sender takes method 14 with these.
    pub fn hash_algorithms(numbers: &[u16]) -> Notify {
        let data: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        Notify::new(kind::SIGNATURE_HASH_ALGORITHMS, &data)
    }

    /// The numbers in SIGNATURE_HASH_ALGORITHMS, the first [`MAX_HASH_ALGORITHMS`].
    pub(crate) fn hash_numbers(&self) -> Vec<u16> {
        let pairs = self.data.chunks_exact(2).take(MAX_HASH_ALGORITHMS);
        pairs
            .filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes))
            .collect()
    }

    /// A notification that concerns no particular SA.
    pub fn new(kind: u16, data: &[u8]) -> Notify {
        Notify {
            protocol: 0,
            spi: Vec::new(),
            kind,
            data: data.to_vec(),
        }
    }

    /// A notification about the child SA that its sender receives on `spi` of this protocol.
    pub fn about_child(kind: u16, protocol: u8, spi: u32) -> Notify {
        Notify {
            protocol,
            spi: spi.to_be_bytes().to_vec(),
            kind,
            data: Vec::new(),
        }
    }

    /// The child SA's SPI, if the notification names one.
    pub fn child_spi(&self) -> Option<u32> {
        <[u8; 4]>::try_from(self.spi.as_slice())
            .ok()
            .map(u32::from_be_bytes)
    }

    /// True for the numbers that report an error.
    pub fn is_error(&self) -> bool {
        self.kind < kind::FIRST_STATUS
    }

    pub(super) fn parse(mut r: Reader<'_>) -> Result<Notify, ParseError> {
        let protocol = r.u8()?;
        let spi_octets = usize::from(r.u8()?);
        if spi_octets > MAX_SPI_OCTETS {
            return Err(r.error(ParseErrorKind::Length));
        }
        let kind = r.u16()?;
        let spi = r.bytes(spi_octets)?.to_vec();
        Ok(Notify {
            protocol,
            spi,
            kind,
            data: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[
            self.protocol,
            u8::try_from(self.spi.len()).unwrap_or(u8::MAX),
        ]);
        out.extend_from_slice(&self.kind.to_be_bytes());
        out.extend_from_slice(&self.spi);
        out.extend_from_slice(&self.data);
    }
}
