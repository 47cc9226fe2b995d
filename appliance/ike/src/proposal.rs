//! Choosing a suite (RFC 7296 section 2.7), and naming what was missing when none fits.
//!
//! Our order of preference decides. Of a proposal that mixes AEAD and other ciphers only a consistent choice is made
//! (section 3.3.3). A proposal with a transform type that we do not know, or a transform with attributes that we do not
//! know, is passed over (section 3.3.6).

use ravelin_crypto::{DhGroup, EncrAlg, IntegAlg, PrfAlg};
use ravelin_types::{EspEncr, EspInteg, EspTransform, Spi};
use serde::{Deserialize, Serialize};

use crate::config::{EspProposal, IkeProposal};
use crate::error::list_text;
use crate::msg::sa::{Proposal, Sa, Transform, protocol, transform};

const ESN_NO: u16 = 0;
const ESN_YES: u16 = 1;
const NONE: u16 = 0;

/// The suite of an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SuiteIds", try_from = "SuiteIds")]
pub struct IkeSuite {
    /// Encryption.
    pub encr: EncrAlg,
    /// Integrity, without an AEAD.
    pub integ: Option<IntegAlg>,
    /// Pseudorandom function.
    pub prf: PrfAlg,
    /// Key exchange.
    pub dh: DhGroup,
}

/// The suite of a child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SuiteIds", try_from = "SuiteIds")]
pub struct EspSuite {
    /// Encryption and integrity.
    pub transform: EspTransform,
    /// Extended sequence numbers.
    pub extended_sequence: bool,
}

/// Suites by number, as records store them: encryption, key bits (0 without a Key Length attribute), integrity, then of an IKE SA PRF and
/// group, of a child SA extended sequence numbers; 0 where there is none.
#[derive(Serialize, Deserialize)]
struct SuiteIds([u16; 5]);

impl From<IkeSuite> for SuiteIds {
    fn from(s: IkeSuite) -> Self {
        let integ = s.integ.map_or(NONE, IntegAlg::to_id);
        SuiteIds([
            s.encr.to_id(),
            s.encr.key_bits(),
            integ,
            s.prf.to_id(),
            s.dh.to_id(),
        ])
    }
}

impl TryFrom<SuiteIds> for IkeSuite {
    type Error = UnknownSuite;

    fn try_from(ids: SuiteIds) -> Result<Self, UnknownSuite> {
        let SuiteIds([encr, bits, integ, prf, dh]) = ids;
        let encr = EncrAlg::from_id(encr, Some(bits)).ok_or(UnknownSuite)?;
        let integ = match integ {
            NONE => None,
            id => Some(IntegAlg::from_id(id).ok_or(UnknownSuite)?),
        };
        let prf = PrfAlg::from_id(prf).ok_or(UnknownSuite)?;
        let dh = DhGroup::from_id(dh).ok_or(UnknownSuite)?;
        Ok(IkeSuite {
            encr,
            integ,
            prf,
            dh,
        })
    }
}

impl From<EspSuite> for SuiteIds {
    fn from(s: EspSuite) -> Self {
        let ids = CipherIds::from(s.transform);
        SuiteIds([
            ids.encr,
            ids.key_bits.unwrap_or(NONE),
            ids.integ.unwrap_or(NONE),
            esn_id(s.extended_sequence),
            NONE,
        ])
    }
}

impl TryFrom<SuiteIds> for EspSuite {
    type Error = UnknownSuite;

    fn try_from(SuiteIds([encr, bits, integ, esn, _]): SuiteIds) -> Result<Self, UnknownSuite> {
        let bits = (bits != NONE).then_some(bits);
        let encr = EspEncr::from_iana(encr, bits).ok_or(UnknownSuite)?;
        let integ = match integ {
            NONE => None,
            id => Some(EspInteg::from_iana(id).ok_or(UnknownSuite)?),
        };
        let transform = EspTransform::new(encr, integ).map_err(|_| UnknownSuite)?;
        Ok(EspSuite {
            transform,
            extended_sequence: esn == ESN_YES,
        })
    }
}

/// A cipher and its integrity by their numbers.
#[derive(Clone, Copy)]
struct CipherIds {
    encr: u16,
    key_bits: Option<u16>,
    integ: Option<u16>,
}

impl From<IkeSuite> for CipherIds {
    fn from(s: IkeSuite) -> Self {
        CipherIds {
            encr: s.encr.to_id(),
            key_bits: Some(s.encr.key_bits()),
            integ: s.integ.map(IntegAlg::to_id),
        }
    }
}

impl From<EspTransform> for CipherIds {
    fn from(transform: EspTransform) -> Self {
        let (encr, key_bits) = transform.encr().iana();
        CipherIds {
            encr,
            key_bits,
            integ: transform.integ().map(EspInteg::iana),
        }
    }
}

/// A stored suite that this version does not know.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("unknown algorithm number in a record")]
pub struct UnknownSuite;

impl std::fmt::Display for IkeSuite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.encr)?;
        if let Some(integ) = self.integ {
            write!(f, "/{integ}")?;
        }
        write!(f, "/{}/{}", self.prf, self.dh)
    }
}

impl IkeProposal {
    /// Without the lifetime.
    pub fn suite(&self) -> IkeSuite {
        IkeSuite {
            encr: self.encr,
            integ: self.integ,
            prf: self.prf,
            dh: self.dh,
        }
    }
}

impl EspProposal {
    /// Without the lifetime.
    pub fn suite(&self) -> EspSuite {
        EspSuite {
            transform: self.transform,
            extended_sequence: self.extended_sequence,
        }
    }
}

/// The transform id of extended sequence numbers (RFC 7296 section 3.3.2).
fn esn_id(extended_sequence: bool) -> u16 {
    if extended_sequence { ESN_YES } else { ESN_NO }
}

/// No proposal fits: the transform, what they offered, what we accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: offered {offered}; accepted {accepted}")]
pub struct Mismatch {
    /// The transform type, or that only the combination is missing.
    pub what: &'static str,
    /// What the peer offered.
    pub offered: String,
    /// What the configuration accepts.
    pub accepted: String,
}

/// The choice for an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeChoice {
    /// The peer's number of the chosen proposal.
    pub number: u8,
    /// The peer's SPI in it: 0 in IKE_SA_INIT.
    pub spi: u64,
    /// The suite.
    pub suite: IkeSuite,
    /// Index of our proposal.
    pub ours: usize,
}

/// The choice for a child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspChoice {
    /// The peer's number of the chosen proposal.
    pub number: u8,
    /// The SPI that the peer receives on.
    pub spi: Spi,
    /// The suite.
    pub suite: EspSuite,
    /// Fresh key exchange, when agreed.
    pub dh: Option<DhGroup>,
    /// Index of our proposal.
    pub ours: usize,
}

/// Which key exchange a child SA may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildDh {
    /// In IKE_AUTH there is none, whatever is offered.
    Ignore,
    /// This one (perfect forward secrecy is configured).
    Require(DhGroup),
    /// None, or any that we know when the peer insists: it costs us little and the peer's policy is stricter than ours.
    Optional,
}

fn of(p: &Proposal, kind: u8) -> impl Iterator<Item = &Transform> {
    p.transforms.iter().filter(move |t| t.kind == kind)
}

fn has(p: &Proposal, kind: u8, id: u16, bits: Option<u16>) -> bool {
    of(p, kind).any(|t| t.id == id && t.key_bits() == Ok(bits))
}

/// Absent, or NONE among the choices.
fn may_lack(p: &Proposal, kind: u8) -> bool {
    of(p, kind).next().is_none() || has(p, kind, NONE, None)
}

fn cipher_fits(p: &Proposal, ids: CipherIds) -> bool {
    let integ_fits = match ids.integ {
        Some(id) => has(p, transform::INTEG, id, None),
        None => may_lack(p, transform::INTEG),
    };
    integ_fits && has(p, transform::ENCR, ids.encr, ids.key_bits)
}

fn known_types(p: &Proposal) -> bool {
    p.transforms
        .iter()
        .all(|t| (transform::ENCR..=transform::ESN).contains(&t.kind))
}

/// Chooses for an IKE SA; `spi_octets` is 0 in IKE_SA_INIT and 8 in a rekey.
pub fn select_ike(
    offered: &Sa,
    accepted: &[IkeProposal],
    spi_octets: usize,
) -> Result<IkeChoice, Mismatch> {
    let usable: Vec<&Proposal> = offered
        .proposals
        .iter()
        .filter(|p| p.protocol == protocol::IKE && p.spi.len() == spi_octets && known_types(p))
        .collect();
    for (ours, want) in accepted.iter().enumerate() {
        let fits = |p: &&&Proposal| {
            cipher_fits(p, want.suite().into())
                && has(p, transform::PRF, want.prf.to_id(), None)
                && has(p, transform::DH, want.dh.to_id(), None)
        };
        if let Some(p) = usable.iter().find(fits) {
            let spi = <[u8; 8]>::try_from(p.spi.as_slice()).map_or(0, u64::from_be_bytes);
            return Ok(IkeChoice {
                number: p.number,
                spi,
                suite: want.suite(),
                ours,
            });
        }
    }
    let suites: Vec<_> = accepted.iter().map(IkeProposal::suite).collect();
    Err(explain(
        &usable,
        &suites
            .iter()
            .map(|s| ike_transforms(*s))
            .collect::<Vec<_>>(),
        &[transform::DH],
    ))
}

/// Chooses for a child SA.
pub fn select_esp(
    offered: &Sa,
    accepted: &[EspProposal],
    dh: ChildDh,
) -> Result<EspChoice, Mismatch> {
    let usable: Vec<&Proposal> = offered
        .proposals
        .iter()
        .filter(|p| p.protocol == protocol::ESP && p.spi.len() == 4 && known_types(p))
        .collect();
    for (ours, want) in accepted.iter().enumerate() {
        for p in &usable {
            let Some(dh) = choose_dh(p, dh) else { continue };
            let spi = <[u8; 4]>::try_from(p.spi.as_slice()).map_or(0, u32::from_be_bytes);
            let spi_fits = spi >= ravelin_types::SPI_MIN;
            if spi_fits
                && cipher_fits(p, want.transform.into())
                && has(p, transform::ESN, esn_id(want.extended_sequence), None)
            {
                let suite = want.suite();
                return Ok(EspChoice {
                    number: p.number,
                    spi: Spi(spi),
                    suite,
                    dh,
                    ours,
                });
            }
        }
    }
    let wanted = match dh {
        ChildDh::Require(group) => Some(group),
        ChildDh::Ignore | ChildDh::Optional => None,
    };
    let sets: Vec<_> = accepted
        .iter()
        .map(|a| esp_transforms(a.suite(), wanted))
        .collect();
    let checked: &[u8] = if wanted.is_some() {
        &[transform::ESN, transform::DH]
    } else {
        &[transform::ESN]
    };
    Err(explain(&usable, &sets, checked))
}

/// `None`: does not fit; `Some(None)`: fits without key exchange.
fn choose_dh(p: &Proposal, policy: ChildDh) -> Option<Option<DhGroup>> {
    match policy {
        ChildDh::Ignore => Some(None),
        ChildDh::Require(group) => {
            has(p, transform::DH, group.to_id(), None).then_some(Some(group))
        }
        ChildDh::Optional if may_lack(p, transform::DH) => Some(None),
        ChildDh::Optional => of(p, transform::DH)
            .find_map(|t| DhGroup::from_id(t.id))
            .map(Some),
    }
}

/// The transforms of an IKE suite.
pub fn ike_transforms(s: IkeSuite) -> Vec<Transform> {
    let mut out = cipher_transforms(s.into());
    out.push(Transform::plain(transform::PRF, s.prf.to_id()));
    out.push(Transform::plain(transform::DH, s.dh.to_id()));
    out
}

/// The transforms of an ESP suite.
pub fn esp_transforms(s: EspSuite, dh: Option<DhGroup>) -> Vec<Transform> {
    let mut out = cipher_transforms(s.transform.into());
    out.extend(dh.map(|group| Transform::plain(transform::DH, group.to_id())));
    out.push(Transform::plain(
        transform::ESN,
        esn_id(s.extended_sequence),
    ));
    out
}

fn cipher_transforms(ids: CipherIds) -> Vec<Transform> {
    let encr = match ids.key_bits {
        Some(bits) => Transform::keyed(transform::ENCR, ids.encr, bits),
        None => Transform::plain(transform::ENCR, ids.encr),
    };
    let integ = ids.integ.map(|id| Transform::plain(transform::INTEG, id));
    [encr].into_iter().chain(integ).collect()
}

/// What we offer for an IKE SA.
pub fn offer_ike(accepted: &[IkeProposal], spi: &[u8]) -> Sa {
    let proposals = (1u8..).zip(accepted).map(|(number, a)| Proposal {
        number,
        protocol: protocol::IKE,
        spi: spi.to_vec(),
        transforms: ike_transforms(a.suite()),
    });
    Sa {
        proposals: proposals.collect(),
    }
}

/// What we offer for a child SA.
pub fn offer_esp(accepted: &[EspProposal], dh: Option<DhGroup>, spi: Spi) -> Sa {
    let proposals = (1u8..).zip(accepted).map(|(number, a)| Proposal {
        number,
        protocol: protocol::ESP,
        spi: spi.0.to_be_bytes().to_vec(),
        transforms: esp_transforms(a.suite(), dh),
    });
    Sa {
        proposals: proposals.collect(),
    }
}

/// The one proposal of a response.
pub fn answer(number: u8, protocol: u8, spi: &[u8], transforms: Vec<Transform>) -> Sa {
    Sa {
        proposals: vec![Proposal {
            number,
            protocol,
            spi: spi.to_vec(),
            transforms,
        }],
    }
}

/// Finds the first transform type without a common choice.
fn explain(offered: &[&Proposal], accepted: &[Vec<Transform>], extra: &[u8]) -> Mismatch {
    let kinds = [transform::ENCR, transform::INTEG, transform::PRF]
        .into_iter()
        .chain(extra.iter().copied());
    for kind in kinds {
        let ours = distinct(accepted.iter().flatten().filter(|t| t.kind == kind));
        let theirs = distinct(offered.iter().flat_map(|p| of(p, kind)));
        let lacking = accepted
            .iter()
            .any(|set| set.iter().all(|t| t.kind != kind));
        let theirs_lack = offered.iter().any(|p| may_lack(p, kind));
        let common = ours.iter().any(|t| theirs.contains(t)) || (lacking && theirs_lack);
        let moot = ours.is_empty() && theirs.is_empty();
        if !common && !moot {
            let or_none = |list: Vec<String>| {
                if list.is_empty() {
                    "none".to_owned()
                } else {
                    list_text(&list)
                }
            };
            return Mismatch {
                what: type_name(kind),
                offered: or_none(theirs),
                accepted: or_none(ours),
            };
        }
    }
    let whole = |set: &[Transform]| set.iter().map(transform_name).collect::<Vec<_>>().join("/");
    let offered: Vec<_> = offered.iter().map(|p| whole(&p.transforms)).collect();
    let accepted: Vec<_> = accepted.iter().map(|set| whole(set)).collect();
    let none = if offered.is_empty() {
        "no proposal of this protocol".to_owned()
    } else {
        list_text(&offered)
    };
    Mismatch {
        what: "combination",
        offered: none,
        accepted: list_text(&accepted),
    }
}

fn distinct<'a>(transforms: impl Iterator<Item = &'a Transform>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in transforms.map(transform_name) {
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out
}

fn type_name(kind: u8) -> &'static str {
    match kind {
        transform::ENCR => "encryption",
        transform::INTEG => "integrity",
        transform::PRF => "pseudorandom function",
        transform::DH => "key exchange group",
        transform::ESN => "extended sequence numbers",
        _ => "transform",
    }
}

/// A transform by the name operators know, or by its number.
pub fn transform_name(t: &Transform) -> String {
    let bits = match t.key_bits() {
        Ok(bits) => bits,
        Err(_) => return format!("transform {}/{} with unknown attributes", t.kind, t.id),
    };
    let known = match t.kind {
        transform::ENCR => EncrAlg::from_id(t.id, bits).map(|a| a.to_string()),
        transform::INTEG => IntegAlg::from_id(t.id).map(|a| a.to_string()),
        transform::PRF => PrfAlg::from_id(t.id).map(|a| a.to_string()),
        transform::DH => DhGroup::from_id(t.id).map(|a| a.to_string()),
        _ => None,
    };
    known.unwrap_or_else(|| match (registry_name(t.kind, t.id), bits) {
        (Some(name), Some(bits)) => format!("{name}_{bits}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(bits)) => format!("{} {} ({bits} bits)", type_name(t.kind), t.id),
        (None, None) => format!("{} {}", type_name(t.kind), t.id),
    })
}

/// Names of algorithms that IKE itself does not have, but ESP or a peer may.
fn registry_name(kind: u8, id: u16) -> Option<&'static str> {
    Some(match (kind, id) {
        (transform::ENCR, 2) => "DES",
        (transform::ENCR, 3) => "3DES",
        (transform::ENCR, 11) => "NULL",
        (transform::ENCR, 12) => "AES_CBC",
        (transform::ENCR, 13) => "AES_CTR",
        (transform::ENCR, 14) => "AES_CCM_8",
        (transform::ENCR, 16) => "AES_CCM_16",
        (transform::ENCR, 18) => "AES_GCM_8",
        (transform::ENCR, 19) => "AES_GCM_12",
        (transform::ENCR, 20) => "AES_GCM_16",
        (transform::ENCR, 21) => "NULL_AUTH_AES_GMAC",
        (transform::ENCR, 28) => "CHACHA20_POLY1305",
        (transform::INTEG | transform::DH, NONE) => "NONE",
        (transform::INTEG, 1) => "HMAC_MD5_96",
        (transform::INTEG, 2) => "HMAC_SHA1_96",
        (transform::INTEG, 5) => "AES_XCBC_96",
        (transform::INTEG, 14) => "HMAC_SHA2_512_256",
        (transform::PRF, 1) => "PRF_HMAC_MD5",
        (transform::PRF, 2) => "PRF_HMAC_SHA1",
        (transform::PRF, 4) => "PRF_AES128_XCBC",
        (transform::PRF, 7) => "PRF_HMAC_SHA2_512",
        (transform::DH, 1) => "MODP_768",
        (transform::DH, 2) => "MODP_1024",
        (transform::DH, 5) => "MODP_1536",
        (transform::DH, 15) => "MODP_3072",
        (transform::DH, 16) => "MODP_4096",
        (transform::DH, 17) => "MODP_6144",
        (transform::DH, 18) => "MODP_8192",
        (transform::DH, 21) => "ECP_521",
        (transform::DH, 32) => "CURVE_448",
        (transform::ESN, 0) => "no ESN",
        (transform::ESN, 1) => "ESN",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
