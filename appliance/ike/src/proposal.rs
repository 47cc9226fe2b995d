//! Choosing a suite (RFC 7296 section 2.7), and naming what was missing when none fits.
//!
//! Our order of preference decides. Of a proposal that mixes AEAD and other ciphers only a consistent choice is made
//! (section 3.3.3). A proposal with a transform type that we do not know, or a transform with attributes that we do not
//! know, is passed over (section 3.3.6).

use ravelin_types::{
    DhGroup, EspEncr, EspInteg, EspTransform, IkeInteg, IkeSuite, IpsecProtocol, Spi,
};
use serde::{Deserialize, Serialize};

use crate::config::{EspProposal, IkeProposal};
use crate::error::list_text;
use crate::msg::sa::{Proposal, Sa, Transform, protocol, transform};
use crate::registry::{transform_name, type_name};

const ESN_NO: u16 = 0;
const ESN_YES: u16 = 1;
const NONE: u16 = 0;

/// The suite of a child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SuiteIds", try_from = "SuiteIds")]
pub struct EspSuite {
    /// ESP or AH.
    pub protocol: IpsecProtocol,
    /// Encryption and integrity; of AH no cipher and an HMAC, or AES-GMAC.
    pub transform: EspTransform,
    /// Extended sequence numbers.
    pub extended_sequence: bool,
}

/// A suite by number, as records store it: encryption, key bits (0 without a Key Length attribute), integrity, extended sequence
/// numbers, protocol; 0 where there is none.
#[derive(Serialize, Deserialize)]
struct SuiteIds([u16; 5]);

impl From<EspSuite> for SuiteIds {
    fn from(s: EspSuite) -> Self {
        let ids = CipherIds::from(s.transform);
        SuiteIds([
            ids.encr,
            ids.key_bits.unwrap_or(NONE),
            ids.integ.unwrap_or(NONE),
            esn_id(s.extended_sequence),
            match s.protocol {
                IpsecProtocol::Esp => NONE,
                IpsecProtocol::Ah => protocol::AH.into(),
            },
        ])
    }
}

impl TryFrom<SuiteIds> for EspSuite {
    type Error = UnknownSuite;

    fn try_from(
        SuiteIds([encr, bits, integ, esn, number]): SuiteIds,
    ) -> Result<Self, UnknownSuite> {
        let bits = (bits != NONE).then_some(bits);
        let encr = EspEncr::from_iana(encr, bits).ok_or(UnknownSuite)?;
        let integ = match integ {
            NONE => None,
            id => Some(EspInteg::from_iana(id).ok_or(UnknownSuite)?),
        };
        let transform = EspTransform::new(encr, integ).map_err(|_| UnknownSuite)?;
        Ok(EspSuite {
            protocol: match u8::try_from(number) {
                Ok(0) => IpsecProtocol::Esp,
                Ok(protocol::AH) => IpsecProtocol::Ah,
                _ => return Err(UnknownSuite),
            },
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
        let (encr, key_bits) = s.encr().iana();
        CipherIds {
            encr,
            key_bits,
            integ: s.integ().map(IkeInteg::iana),
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

impl EspProposal {
    /// Without the lifetime.
    pub fn suite(&self) -> EspSuite {
        EspSuite {
            protocol: self.protocol,
            transform: self.transform,
            extended_sequence: self.extended_sequence,
        }
    }
}

/// The protocol's number in proposals (RFC 7296 section 3.3.1).
pub fn protocol_id(protocol: IpsecProtocol) -> u8 {
    match protocol {
        IpsecProtocol::Esp => protocol::ESP,
        IpsecProtocol::Ah => protocol::AH,
    }
}

/// The protocol of this number.
pub(crate) fn protocol_of(number: u8) -> Option<IpsecProtocol> {
    match number {
        protocol::ESP => Some(IpsecProtocol::Esp),
        protocol::AH => Some(IpsecProtocol::Ah),
        _ => None,
    }
}

/// The integrity transform of AH: that of the HMAC, or AES-GMAC as one (RFC 4543 section 5.2).
fn ah_integrity(transform: EspTransform) -> u16 {
    match (transform.integ(), transform.encr()) {
        (Some(integ), _) => integ.iana(),
        (None, EspEncr::Aes128Gmac) => 9,
        (None, EspEncr::Aes192Gmac) => 10,
        (None, EspEncr::Aes256Gmac) => 11,
        // The configuration has no such pair; it is never agreed on.
        (None, _) => NONE,
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
    /// What the answer says besides.
    pub nones: Nones,
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
    /// What the answer says besides.
    pub nones: Nones,
}

/// Types of which the chosen proposal offers NONE and the suite has nothing. RFC 7296 section 2.7: "The accepted cryptographic suite
/// MUST contain exactly one transform of each type included in the proposal."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nones(u8);

impl Nones {
    const KINDS: [u8; 3] = [transform::ENCR, transform::INTEG, transform::DH];

    fn of(p: &Proposal, suite: &[Transform]) -> Nones {
        let lacks = |kind: u8| suite.iter().all(|t| t.kind != kind);
        let said = |kind: &u8| has(p, *kind, NONE, None) && lacks(*kind);
        let kinds = Nones::KINDS.into_iter().filter(said);
        Nones(kinds.fold(0, |all, kind| all | 1 << kind))
    }

    /// The transforms of the answer: those of the suite, and these.
    pub fn with(self, mut suite: Vec<Transform>) -> Vec<Transform> {
        let kinds = Nones::KINDS.into_iter();
        let said = kinds.filter(|kind| self.0 & 1 << kind != 0);
        suite.extend(said.map(|kind| Transform::plain(kind, NONE)));
        suite
    }
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
            cipher_fits(p, want.suite.into())
                && has(p, transform::PRF, want.suite.prf().iana(), None)
                && has(p, transform::DH, want.suite.dh().iana(), None)
        };
        if let Some(p) = usable.iter().find(fits) {
            let spi = <[u8; 8]>::try_from(p.spi.as_slice()).map_or(0, u64::from_be_bytes);
            return Ok(IkeChoice {
                number: p.number,
                spi,
                suite: want.suite,
                ours,
                nones: Nones::of(p, &ike_transforms(want.suite)),
            });
        }
    }
    let sets: Vec<_> = accepted.iter().map(|a| ike_transforms(a.suite)).collect();
    Err(explain(&usable, &sets, &[transform::DH]))
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
        .filter(|p| protocol_of(p.protocol).is_some() && p.spi.len() == 4 && known_types(p))
        .collect();
    for (ours, want) in accepted.iter().enumerate() {
        for p in &usable {
            let Some(dh) = choose_dh(p, dh) else { continue };
            let spi = <[u8; 4]>::try_from(p.spi.as_slice()).map_or(0, u32::from_be_bytes);
            let spi_fits = spi >= ravelin_types::SPI_MIN;
            if spi_fits
                && p.protocol == protocol_id(want.protocol)
                && algorithms_fit(p, want)
                && has(p, transform::ESN, esn_id(want.extended_sequence), None)
            {
                let suite = want.suite();
                return Ok(EspChoice {
                    number: p.number,
                    spi: Spi(spi),
                    suite,
                    dh,
                    ours,
                    nones: Nones::of(p, &esp_transforms(suite, dh)),
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

/// Whether an answer names one suite (section 2.7): one proposal, and "exactly one transform of each type" in it.
pub fn is_one_suite(answer: &Sa) -> bool {
    let [proposal] = answer.proposals.as_slice() else {
        return false;
    };
    let single = |t: &Transform| of(proposal, t.kind).count() == 1;
    proposal.transforms.iter().all(single)
}

fn algorithms_fit(p: &Proposal, want: &EspProposal) -> bool {
    match want.protocol {
        IpsecProtocol::Esp => cipher_fits(p, want.transform.into()),
        // Section 3.3.3: "AH: INTEG, ESN".
        IpsecProtocol::Ah => {
            has(p, transform::INTEG, ah_integrity(want.transform), None)
                && may_lack(p, transform::ENCR)
        }
    }
}

/// `None`: does not fit; `Some(None)`: fits without key exchange.
fn choose_dh(p: &Proposal, policy: ChildDh) -> Option<Option<DhGroup>> {
    match policy {
        ChildDh::Ignore => Some(None),
        ChildDh::Require(group) => has(p, transform::DH, group.iana(), None).then_some(Some(group)),
        ChildDh::Optional if may_lack(p, transform::DH) => Some(None),
        ChildDh::Optional => of(p, transform::DH)
            .find_map(|t| DhGroup::from_iana(t.id))
            .map(Some),
    }
}

/// The transforms of an IKE suite.
pub fn ike_transforms(s: IkeSuite) -> Vec<Transform> {
    let mut out = cipher_transforms(s.into());
    out.push(Transform::plain(transform::PRF, s.prf().iana()));
    out.push(Transform::plain(transform::DH, s.dh().iana()));
    out
}

/// The transforms of a suite of a child SA.
pub fn esp_transforms(s: EspSuite, dh: Option<DhGroup>) -> Vec<Transform> {
    let mut out = match s.protocol {
        IpsecProtocol::Esp => cipher_transforms(s.transform.into()),
        IpsecProtocol::Ah => vec![Transform::plain(
            transform::INTEG,
            ah_integrity(s.transform),
        )],
    };
    out.extend(dh.map(|group| Transform::plain(transform::DH, group.iana())));
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
        transforms: ike_transforms(a.suite),
    });
    Sa {
        proposals: proposals.collect(),
    }
}

/// What we offer for a child SA; AH and ESP in proposals of their own.
pub fn offer_esp(accepted: &[EspProposal], dh: Option<DhGroup>, spi: Spi) -> Sa {
    let proposals = (1u8..).zip(accepted).map(|(number, a)| Proposal {
        number,
        protocol: protocol_id(a.protocol),
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

#[cfg(test)]
mod tests;
