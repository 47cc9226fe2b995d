//! The answer (RFC 6960 section 4.2): structure, signature, responder.

use super::{ANSWER_LIFE_S, Answer, MAX_OCSP_OCTETS, NONCE, OcspError, SHA1, SHA256, Says};
use crate::algorithm::Hash;
use crate::certificate::Certificate;
use crate::der::read::Reader;
use crate::der::{BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE};
use crate::error::Error;
use crate::revocation::crl::SKEW_S;
use crate::signature;
use crate::time::WallTime;

/// id-pkix-ocsp-basic.
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
/// id-kp-OCSPSigning.
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
/// Certificates and answers of one response that are read.
const MAX_CERTIFICATES: usize = 4;
const MAX_ANSWERS: usize = 32;
const ENUMERATED: u8 = 0x0a;
const GENERALIZED_TIME: u8 = 0x18;

/// BasicOCSPResponse, as it came.
struct Basic<'a> {
    /// ResponseData with its tag and length: what is signed.
    to_verify: &'a [u8],
    responder: Responder<'a>,
    answers: Reader<'a>,
    extensions: Option<&'a [u8]>,
    algorithm: &'a [u8],
    signature: &'a [u8],
    certificates: Vec<Certificate>,
}

enum Responder<'a> {
    Name(&'a [u8]),
    /// SHA-1 of its public key.
    Key(&'a [u8]),
}

/// The answers, and whether whoever can forge weak signatures may have made them.
pub(super) fn read(
    der: &[u8],
    issuer: &Certificate,
    nonce: Option<&[u8]>,
    now: WallTime,
    allow_weak: bool,
) -> Result<(Vec<Answer>, bool), OcspError> {
    if der.len() > MAX_OCSP_OCTETS {
        return Err(OcspError::Format(Error::TooLarge {
            what: "an OCSP answer",
            octets: der.len(),
            limit: MAX_OCSP_OCTETS,
        }));
    }
    let content = envelope(der)?;
    let basic = Basic::read(content).ok_or(malformed("its structure"))?;
    let weak = basic.verify(issuer, now, allow_weak)?;
    basic.check_extensions(nonce)?;
    Ok((basic.answers(issuer, now)?, weak))
}

fn malformed(why: &'static str) -> OcspError {
    let what = "an OCSP answer";
    OcspError::Format(Error::Malformed { what, why })
}

/// The BasicOCSPResponse within an OCSPResponse.
fn envelope(der: &[u8]) -> Result<&[u8], OcspError> {
    let outer = || {
        let mut whole = Reader::new(der);
        let mut outer = whole.inside(SEQUENCE)?;
        whole.end()?;
        let status = outer.element(ENUMERATED)?;
        Some((outer, status))
    };
    let (mut outer, status) = outer().ok_or(malformed("no DER"))?;
    let refused = match status {
        [0] => None,
        [1] => Some("the question is malformed"),
        [2] => Some("internal error"),
        [3] => Some("try later"),
        [5] => Some("the question must be signed"),
        [6] => Some("not authorised"),
        _ => Some("a status that is not known"),
    };
    if let Some(refused) = refused {
        return Err(OcspError::NoAnswer(refused));
    }
    let mut basic = || {
        let mut bytes = outer.inside(0xa0)?.inside(SEQUENCE)?;
        let kind = bytes.element(OID)?;
        let content = bytes.element(OCTET_STRING)?;
        bytes.end()?;
        (kind == BASIC).then_some(content)
    };
    basic().ok_or(malformed("not a basic response"))
}

impl<'a> Basic<'a> {
    fn read(content: &'a [u8]) -> Option<Self> {
        let mut whole = Reader::new(content);
        let mut basic = whole.inside(SEQUENCE)?;
        whole.end()?;
        let to_verify = basic.whole(SEQUENCE)?;
        let algorithm = basic.whole(SEQUENCE)?;
        // No octet of it is unused.
        let (unused, signature) = basic.element(BIT_STRING)?.split_first()?;
        let mut certificates = vec![];
        if let Some(list) = basic.optional(0xa0)? {
            let mut list = Reader::new(list).inside(SEQUENCE)?;
            while !list.is_empty() {
                let der = list.whole(SEQUENCE)?;
                if certificates.len() == MAX_CERTIFICATES {
                    return None;
                }
                certificates.push(Certificate::from_der(der).ok()?);
            }
        }
        basic.end()?;
        let mut data = Reader::new(to_verify).inside(SEQUENCE)?;
        // The version is 1 when it is absent, and then only.
        let version = data.optional(0xa0)?;
        let responder = match data.optional(0xa1)? {
            Some(name) => Responder::Name(name),
            None => Responder::Key(Reader::new(data.element(0xa2)?).element(OCTET_STRING)?),
        };
        data.element(GENERALIZED_TIME)?;
        let answers = data.inside(SEQUENCE)?;
        let extensions = data.optional(0xa1)?;
        data.end()?;
        (*unused == 0 && version.is_none()).then_some(Self {
            to_verify,
            responder,
            answers,
            extensions,
            algorithm,
            signature,
            certificates,
        })
    }

    /// Section 4.2.2.2: who signed, and whether it may. True: weakly.
    fn verify(&self, issuer: &Certificate, now: WallTime, allow: bool) -> Result<bool, OcspError> {
        let none = || OcspError::Responder(issuer.to_string());
        let mut others = self.certificates.iter();
        let (responder, weak) = if self.is_responder(issuer)? {
            (issuer, false)
        } else {
            let found = others.find(|c| self.is_responder(c).unwrap_or(false));
            let found = found.ok_or_else(none)?;
            (found, authorised(found, issuer, now, allow)?)
        };
        let scheme = signature::scheme(self.algorithm).ok_or(OcspError::Algorithm)?;
        let sha1 = scheme.hash() == Some(Hash::Sha1);
        if sha1 && !allow {
            return Err(OcspError::Algorithm);
        }
        let good = signature::verify(responder, scheme, self.to_verify, self.signature)?;
        match good {
            true => Ok(weak || sha1),
            false => Err(OcspError::Signature(responder.to_string())),
        }
    }

    fn is_responder(&self, certificate: &Certificate) -> Result<bool, OcspError> {
        Ok(match self.responder {
            Responder::Name(name) => {
                let name = crate::DistinguishedName::from_der(name)?;
                name.matches(certificate.subject())
            }
            Responder::Key(hash) => {
                let ours = ravelin_crypto::sha1(&[certificate.key_bits()]);
                ours.map_err(Error::from)? == hash
            }
        })
    }

    fn check_extensions(&self, nonce: Option<&[u8]>) -> Result<(), OcspError> {
        let Some(list) = self.extensions else {
            return Ok(());
        };
        let found = extensions(list).ok_or(malformed("its extensions"))?;
        for (oid, critical, value) in found {
            if oid == NONCE {
                let sent = Reader::new(value).element(OCTET_STRING);
                // A peer's answer may have the nonce of whom the peer asked.
                if nonce.is_some() && sent != nonce {
                    return Err(OcspError::Nonce);
                }
            } else if critical {
                return Err(OcspError::Critical);
            }
        }
        Ok(())
    }

    /// Those about certificates of `issuer`.
    fn answers(&self, issuer: &Certificate, now: WallTime) -> Result<Vec<Answer>, OcspError> {
        let mut list = self.answers;
        let mut answers = vec![];
        let mut count = 0;
        while !list.is_empty() {
            count += 1;
            if count > MAX_ANSWERS {
                return Err(malformed("more than 32 answers"));
            }
            let single = list.inside(SEQUENCE).and_then(Single::read);
            let single = single.ok_or(malformed("an answer"))?;
            if single.critical {
                return Err(OcspError::Critical);
            }
            if !single.is_of(issuer)? {
                continue;
            }
            if single.this_update.0 > now.0.saturating_add(SKEW_S) {
                return Err(OcspError::NotYet(single.this_update));
            }
            let life = WallTime(single.this_update.0.saturating_add(ANSWER_LIFE_S));
            answers.push(Answer {
                serial: single.serial.to_vec(),
                says: single.says,
                until: single.next_update.unwrap_or(life),
            });
        }
        match answers.is_empty() {
            true => Err(OcspError::Other(issuer.to_string())),
            false => Ok(answers),
        }
    }
}

/// Whether the CA has authorised the responder by a certificate of its own making. True: one that is weak.
fn authorised(
    responder: &Certificate,
    issuer: &Certificate,
    now: WallTime,
    allow_weak: bool,
) -> Result<bool, OcspError> {
    let weak = responder.key_algorithm().is_weak() || responder.weak_signature().is_some();
    let signed = || responder.x509().verify(issuer.public_key());
    let purposes = responder.extended_key_usage().unwrap_or_default();
    let usage = responder.key_usage();
    let why = if !responder.issuer().matches(issuer.subject()) || !signed().unwrap_or(false) {
        "is not issued by the CA that is asked about"
    } else if !purposes.iter().any(|purpose| purpose == OCSP_SIGNING) {
        "is not for signing OCSP answers"
    } else if usage.is_some_and(|usage| !usage.digital_signature && !usage.non_repudiation) {
        "is not for signatures"
    } else if now < responder.not_before() || now > responder.not_after() {
        "is not valid now"
    } else if weak && !allow_weak {
        "is too weak"
    } else {
        return Ok(weak);
    };
    Err(OcspError::ResponderCertificate {
        certificate: responder.to_string(),
        why,
    })
}

/// SingleResponse.
struct Single<'a> {
    algorithm: &'a [u8],
    name_hash: &'a [u8],
    key_hash: &'a [u8],
    serial: &'a [u8],
    says: Says,
    this_update: WallTime,
    next_update: Option<WallTime>,
    /// It has a critical extension.
    critical: bool,
}

impl<'a> Single<'a> {
    fn read(mut single: Reader<'a>) -> Option<Self> {
        let mut id = single.inside(SEQUENCE)?;
        let mut algorithm = id.inside(SEQUENCE)?;
        let hash = algorithm.element(OID)?;
        let name_hash = id.element(OCTET_STRING)?;
        let key_hash = id.element(OCTET_STRING)?;
        let serial = id.element(INTEGER)?;
        id.end()?;
        let says = if single.optional(0x80)?.is_some() {
            Says::Good
        } else if single.optional(0xa1)?.is_some() {
            Says::Revoked
        } else {
            single.element(0x82)?;
            Says::Unknown
        };
        let this_update = WallTime::from_generalized(single.element(GENERALIZED_TIME)?)?;
        let next_update = match single.optional(0xa0)? {
            None => None,
            Some(time) => {
                let time = Reader::new(time).element(GENERALIZED_TIME)?;
                Some(WallTime::from_generalized(time)?)
            }
        };
        let critical = match single.optional(0xa1)? {
            None => false,
            Some(list) => extensions(list)?.iter().any(|(_, critical, _)| *critical),
        };
        single.end()?;
        Some(Self {
            algorithm: hash,
            name_hash,
            key_hash,
            serial,
            says,
            this_update,
            next_update,
            critical,
        })
    }

    fn is_of(&self, issuer: &Certificate) -> Result<bool, Error> {
        let (name, key) = (issuer.subject().der(), issuer.key_bits());
        Ok(match self.algorithm {
            SHA1 => {
                ravelin_crypto::sha1(&[name])? == self.name_hash
                    && ravelin_crypto::sha1(&[key])? == self.key_hash
            }
            SHA256 => {
                ravelin_crypto::sha256(&[name])? == self.name_hash
                    && ravelin_crypto::sha256(&[key])? == self.key_hash
            }
            _ => false,
        })
    }
}

/// Number, whether critical, value.
type Extension<'a> = (&'a [u8], bool, &'a [u8]);

fn extensions(list: &[u8]) -> Option<Vec<Extension<'_>>> {
    let mut outer = Reader::new(list);
    let mut list = outer.inside(SEQUENCE)?;
    outer.end()?;
    let mut found = vec![];
    while !list.is_empty() {
        let mut extension = list.inside(SEQUENCE)?;
        let oid = extension.element(OID)?;
        let critical = extension.optional(0x01)?.is_some_and(|value| value != [0]);
        let value = extension.element(OCTET_STRING)?;
        extension.end()?;
        found.push((oid, critical, value));
    }
    Some(found)
}
