//! Choosing a suite (RFC 7296 section 2.7), and naming what was missing when none fits.
//!
//! Our order of preference decides. Of a proposal that mixes AEAD and other ciphers only a consistent choice is made
//! (section 3.3.3). A proposal with a transform type that we do not know, or a transform with attributes that we do not
//! know, is passed over (section 3.3.6).

mod mismatch;

use ravelin_types::{
    AdditionalKe, DhGroup, EspEncr, EspInteg, EspTransform, IkeInteg, IkeSuite, IpsecProtocol,
    MAX_ADDITIONAL_KE, Spi,
};
use serde::{Deserialize, Serialize};

pub use mismatch::Mismatch;

use crate::config::{EspProposal, IkeProposal};
use crate::msg::sa::{Proposal, Sa, Transform, protocol, transform};

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

/// Transform types of additional key exchanges, in the order of the exchanges.
pub type Places = [u8; MAX_ADDITIONAL_KE];

/// As we offer them: one type after the other.
const CONSECUTIVE: Places = [6, 7, 8, 9, 10, 11, 12];

/// The key exchanges of a child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeMethods {
    /// That of CREATE_CHILD_SA.
    pub first: DhGroup,
    /// Those of IKE_FOLLOWUP_KE.
    pub additional: AdditionalKe,
    /// Their transform types.
    pub places: Places,
}

impl KeMethods {
    /// As we offer them.
    pub fn new(first: DhGroup, additional: AdditionalKe) -> Self {
        KeMethods {
            first,
            additional,
            places: CONSECUTIVE,
        }
    }
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
    /// Transform types of its additional key exchanges.
    pub places: Places,
    /// Index of our proposal.
    pub ours: usize,
    /// What the answer says besides.
    pub nones: Nones,
}

impl IkeChoice {
    /// The transforms of the answer.
    pub fn transforms(&self) -> Vec<Transform> {
        let suite = ike_transforms(self.suite, self.places);
        self.nones.with(suite)
    }
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
    /// Fresh key exchanges, when agreed.
    pub dh: Option<KeMethods>,
    /// Index of our proposal.
    pub ours: usize,
    /// What the answer says besides.
    pub nones: Nones,
}

impl EspChoice {
    /// The transforms of the answer.
    pub fn transforms(&self) -> Vec<Transform> {
        self.nones.with(esp_transforms(self.suite, self.dh))
    }
}

/// Types of which the chosen proposal offers NONE and the suite has nothing. RFC 7296 section 2.7: "The accepted cryptographic suite
/// MUST contain exactly one transform of each type included in the proposal."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nones(u16);

impl Nones {
    /// What a suite may be without.
    fn kinds() -> impl Iterator<Item = u8> {
        [transform::ENCR, transform::INTEG]
            .into_iter()
            .chain(key_exchanges())
    }

    fn of(p: &Proposal, suite: &[Transform]) -> Nones {
        let lacks = |kind: u8| suite.iter().all(|t| t.kind != kind);
        let said = |kind: &u8| has(p, *kind, NONE, None) && lacks(*kind);
        let kinds = Nones::kinds().filter(said);
        Nones(kinds.fold(0, |all, kind| all | 1 << kind))
    }

    /// The transforms of the answer: those of the suite, and these.
    fn with(self, mut suite: Vec<Transform>) -> Vec<Transform> {
        let said = Nones::kinds().filter(|kind| self.0 & 1 << kind != 0);
        suite.extend(said.map(|kind| Transform::plain(kind, NONE)));
        suite
    }
}

/// Which key exchange a child SA may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildDh {
    /// In IKE_AUTH there is none, whatever is offered.
    Ignore,
    /// These (perfect forward secrecy is configured).
    Require(DhGroup, AdditionalKe),
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
        .all(|t| (transform::ENCR..=transform::ADDKE7).contains(&t.kind))
}

/// The transform types at which the proposal has these additional key exchanges, in this order, and needs no others: RFC 9370 section
/// 2.2.2 has one chosen of each type that is offered, and NONE may be among them.
fn place(p: &Proposal, wanted: AdditionalKe) -> Option<Places> {
    fn fit(p: &Proposal, kind: u8, wanted: &[DhGroup], found: &mut Vec<u8>) -> bool {
        if kind > transform::ADDKE7 {
            return wanted.is_empty();
        }
        if let Some((first, rest)) = wanted.split_first() {
            if has(p, kind, first.iana(), None) {
                found.push(kind);
                if fit(p, kind + 1, rest, found) {
                    return true;
                }
                found.pop();
            }
        }
        may_lack(p, kind) && fit(p, kind + 1, wanted, found)
    }
    let wanted: Vec<_> = wanted.iter().collect();
    let mut found = Vec::with_capacity(wanted.len());
    fit(p, transform::ADDKE1, &wanted, &mut found).then(|| places(&found))
}

fn places(found: &[u8]) -> Places {
    let mut places = CONSECUTIVE;
    places
        .iter_mut()
        .zip(found)
        .for_each(|(place, kind)| *place = *kind);
    places
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
        let fits = |p: &Proposal| {
            let fits = cipher_fits(p, want.suite.into())
                && has(p, transform::PRF, want.suite.prf().iana(), None)
                && has(p, transform::DH, want.suite.dh().iana(), None);
            place(p, want.suite.additional()).filter(|_| fits)
        };
        let found = usable
            .iter()
            .find_map(|p| fits(p).map(|places| (p, places)));
        if let Some((p, places)) = found {
            let spi = <[u8; 8]>::try_from(p.spi.as_slice()).map_or(0, u64::from_be_bytes);
            return Ok(IkeChoice {
                number: p.number,
                spi,
                suite: want.suite,
                places,
                ours,
                nones: Nones::of(p, &ike_transforms(want.suite, places)),
            });
        }
    }
    let sets: Vec<_> = accepted
        .iter()
        .map(|a| ike_transforms(a.suite, CONSECUTIVE))
        .collect();
    let checked: Vec<u8> = key_exchanges().collect();
    Err(mismatch::explain(&usable, &sets, &checked))
}

/// The transform types of key exchanges.
fn key_exchanges() -> impl Iterator<Item = u8> {
    std::iter::once(transform::DH).chain(transform::ADDKE1..=transform::ADDKE7)
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
        ChildDh::Require(group, additional) => Some(KeMethods::new(group, additional)),
        ChildDh::Ignore | ChildDh::Optional => None,
    };
    let sets: Vec<_> = accepted
        .iter()
        .map(|a| esp_transforms(a.suite(), wanted))
        .collect();
    let exchanges = key_exchanges().filter(|_| wanted.is_some());
    let checked: Vec<u8> = std::iter::once(transform::ESN).chain(exchanges).collect();
    Err(mismatch::explain(&usable, &sets, &checked))
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
fn choose_dh(p: &Proposal, policy: ChildDh) -> Option<Option<KeMethods>> {
    match policy {
        ChildDh::Ignore => Some(None),
        ChildDh::Require(first, additional) => {
            let places = place(p, additional)?;
            let methods = KeMethods {
                first,
                additional,
                places,
            };
            has(p, transform::DH, first.iana(), None).then_some(Some(methods))
        }
        ChildDh::Optional if key_exchanges().all(|kind| may_lack(p, kind)) => Some(None),
        ChildDh::Optional => any_methods(p).map(Some),
    }
}

/// What the peer insists on, as far as we know it; all different.
fn any_methods(p: &Proposal) -> Option<KeMethods> {
    let (mut methods, mut found) = (Vec::new(), Vec::new());
    for kind in key_exchanges().filter(|kind| !may_lack(p, *kind)) {
        let known = of(p, kind).filter(|t| t.key_bits() == Ok(None));
        let fresh = known
            .filter_map(|t| DhGroup::from_iana(t.id))
            .find(|method| !methods.contains(method))?;
        methods.push(fresh);
        found.push(kind);
    }
    let (first, additional) = methods.split_first()?;
    let (kind, found) = found.split_first()?;
    // Without a first one there is nothing to follow up.
    (*kind == transform::DH).then_some(())?;
    Some(KeMethods {
        first: *first,
        additional: AdditionalKe::new(additional).ok()?,
        places: places(found),
    })
}

/// The transforms of an IKE suite.
fn ike_transforms(s: IkeSuite, places: Places) -> Vec<Transform> {
    let mut out = cipher_transforms(s.into());
    out.push(Transform::plain(transform::PRF, s.prf().iana()));
    out.push(Transform::plain(transform::DH, s.dh().iana()));
    out.extend(additional_transforms(s.additional(), places));
    out
}

fn additional_transforms(
    additional: AdditionalKe,
    places: Places,
) -> impl Iterator<Item = Transform> {
    let at = places.into_iter().zip(additional.iter());
    at.map(|(kind, method)| Transform::plain(kind, method.iana()))
}

/// The transforms of a suite of a child SA.
fn esp_transforms(s: EspSuite, dh: Option<KeMethods>) -> Vec<Transform> {
    let mut out = match s.protocol {
        IpsecProtocol::Esp => cipher_transforms(s.transform.into()),
        IpsecProtocol::Ah => vec![Transform::plain(
            transform::INTEG,
            ah_integrity(s.transform),
        )],
    };
    if let Some(methods) = dh {
        out.push(Transform::plain(transform::DH, methods.first.iana()));
        out.extend(additional_transforms(methods.additional, methods.places));
    }
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
        transforms: ike_transforms(a.suite, CONSECUTIVE),
    });
    Sa {
        proposals: proposals.collect(),
    }
}

/// What we offer for a child SA; AH and ESP in proposals of their own.
pub fn offer_esp(accepted: &[EspProposal], dh: Option<KeMethods>, spi: Spi) -> Sa {
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

#[cfg(test)]
mod tests;
