//! The payload chain and its generic header (RFC 7296 section 3.2).

use super::codec::{Reader, put_len};
use super::{MAX_PAYLOADS, ParseError, ParseErrorKind};
use super::{auth::Auth, cert::Cert, certreq::CertReq, cp::Cp, delete::Delete, id::Id, ke::Ke};
use super::{nonce::Nonce, notify::Notify};
use super::{opaque::Opaque, opaque::Unknown, sa::Sa, sk::Sk, skf::Skf, ts::Ts, vendor::Vendor};

const GENERIC_OCTETS: usize = 4;
const CRITICAL: u8 = 0x80;

/// Names the payload in which an error lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadType {
    /// The fixed header.
    Header,
    /// A payload by its number.
    Payload(u8),
}

/// Payload numbers (IANA registry "IKEv2 Payload Types").
pub mod number {
    /// End of the chain.
    pub const NONE: u8 = 0;
    /// Security association.
    pub const SA: u8 = 33;
    /// Key exchange.
    pub const KE: u8 = 34;
    /// Identification of the initiator.
    pub const ID_I: u8 = 35;
    /// Identification of the responder.
    pub const ID_R: u8 = 36;
    /// Certificate.
    pub const CERT: u8 = 37;
    /// Certificate request.
    pub const CERTREQ: u8 = 38;
    /// Authentication.
    pub const AUTH: u8 = 39;
    /// Nonce.
    pub const NONCE: u8 = 40;
    /// Notify.
    pub const NOTIFY: u8 = 41;
    /// Delete.
    pub const DELETE: u8 = 42;
    /// Vendor ID.
    pub const VENDOR: u8 = 43;
    /// Traffic selectors of the initiator.
    pub const TS_I: u8 = 44;
    /// Traffic selectors of the responder.
    pub const TS_R: u8 = 45;
    /// Encrypted and authenticated.
    pub const SK: u8 = 46;
    /// Configuration.
    pub const CP: u8 = 47;
    /// Extensible authentication.
    pub const EAP: u8 = 48;
    /// Encrypted and authenticated fragment (RFC 7383).
    pub const SKF: u8 = 53;
}

impl std::fmt::Display for PayloadType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let PayloadType::Payload(kind) = *self else {
            return f.write_str("header");
        };
        let name = match kind {
            number::SA => "SA",
            number::KE => "KE",
            number::ID_I => "IDi",
            number::ID_R => "IDr",
            number::CERT => "CERT",
            number::CERTREQ => "CERTREQ",
            number::AUTH => "AUTH",
            number::NONCE => "Nonce",
            number::NOTIFY => "Notify",
            number::DELETE => "Delete",
            number::VENDOR => "Vendor ID",
            number::TS_I => "TSi",
            number::TS_R => "TSr",
            number::SK => "SK",
            number::CP => "CP",
            number::EAP => "EAP",
            number::SKF => "SKF",
            other => return write!(f, "payload {other}"),
        };
        write!(f, "payload {name}")
    }
}

/// One payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Proposals or the chosen one.
    Sa(Sa),
    /// Key exchange.
    Ke(Ke),
    /// Identity of the initiator.
    IdI(Id),
    /// Identity of the responder.
    IdR(Id),
    /// Certificate.
    Cert(Cert),
    /// Certificate request.
    CertReq(CertReq),
    /// Authentication data.
    Auth(Auth),
    /// Nonce.
    Nonce(Nonce),
    /// Notification.
    Notify(Notify),
    /// Deletion.
    Delete(Delete),
    /// Vendor ID.
    Vendor(Vendor),
    /// Traffic selectors of the initiator.
    TsI(Ts),
    /// Traffic selectors of the responder.
    TsR(Ts),
    /// The encrypted envelope.
    Sk(Sk),
    /// A fragment of an encrypted envelope.
    Skf(Skf),
    /// Configuration.
    Cp(Cp),
    /// Known payloads whose content is not looked at here: EAP.
    Opaque(Opaque),
    /// Any other number.
    Unknown(Unknown),
}

impl Payload {
    /// The payload's number.
    pub fn kind(&self) -> u8 {
        match self {
            Payload::Sa(_) => number::SA,
            Payload::Ke(_) => number::KE,
            Payload::IdI(_) => number::ID_I,
            Payload::IdR(_) => number::ID_R,
            Payload::Cert(_) => number::CERT,
            Payload::CertReq(_) => number::CERTREQ,
            Payload::Auth(_) => number::AUTH,
            Payload::Nonce(_) => number::NONCE,
            Payload::Notify(_) => number::NOTIFY,
            Payload::Delete(_) => number::DELETE,
            Payload::Vendor(_) => number::VENDOR,
            Payload::TsI(_) => number::TS_I,
            Payload::TsR(_) => number::TS_R,
            Payload::Sk(_) => number::SK,
            Payload::Skf(_) => number::SKF,
            Payload::Cp(_) => number::CP,
            Payload::Opaque(o) => o.kind,
            Payload::Unknown(u) => u.kind,
        }
    }

    fn parse(
        kind: u8,
        critical: bool,
        next: u8,
        body: &[u8],
        base: usize,
    ) -> Result<Payload, ParseError> {
        let r = Reader::new(body, base, PayloadType::Payload(kind));
        Ok(match kind {
            number::SA => Payload::Sa(Sa::parse(r)?),
            number::KE => Payload::Ke(Ke::parse(r)?),
            number::ID_I => Payload::IdI(Id::parse(r)?),
            number::ID_R => Payload::IdR(Id::parse(r)?),
            number::CERT => Payload::Cert(Cert::parse(r)?),
            number::CERTREQ => Payload::CertReq(CertReq::parse(r)?),
            number::AUTH => Payload::Auth(Auth::parse(r)?),
            number::NONCE => Payload::Nonce(Nonce::parse(r)?),
            number::NOTIFY => Payload::Notify(Notify::parse(r)?),
            number::DELETE => Payload::Delete(Delete::parse(r)?),
            number::VENDOR => Payload::Vendor(Vendor::parse(r)),
            number::TS_I => Payload::TsI(Ts::parse(r)?),
            number::TS_R => Payload::TsR(Ts::parse(r)?),
            number::SK => Payload::Sk(Sk::parse(next, r)),
            number::SKF => Payload::Skf(Skf::parse(next, r)?),
            number::CP => Payload::Cp(Cp::parse(r)?),
            number::EAP => Payload::Opaque(Opaque::parse(kind, r)),
            _ => Payload::Unknown(Unknown {
                kind,
                critical,
                data: body.to_vec(),
            }),
        })
    }

    fn emit_body(&self, out: &mut Vec<u8>) {
        match self {
            Payload::Sa(p) => p.emit(out),
            Payload::Ke(p) => p.emit(out),
            Payload::IdI(p) | Payload::IdR(p) => p.emit(out),
            Payload::Cert(p) => p.emit(out),
            Payload::CertReq(p) => p.emit(out),
            Payload::Auth(p) => p.emit(out),
            Payload::Nonce(p) => p.emit(out),
            Payload::Notify(p) => p.emit(out),
            Payload::Delete(p) => p.emit(out),
            Payload::Vendor(p) => p.emit(out),
            Payload::TsI(p) | Payload::TsR(p) => p.emit(out),
            Payload::Sk(p) => p.emit(out),
            Payload::Skf(p) => p.emit(out),
            Payload::Cp(p) => p.emit(out),
            Payload::Opaque(p) => out.extend_from_slice(&p.data),
            Payload::Unknown(p) => out.extend_from_slice(&p.data),
        }
    }
}

/// Parses a chain whose first payload has type `first`; `base` is the offset of `data` in the message.
pub fn parse_chain(first: u8, data: &[u8], base: usize) -> Result<Vec<Payload>, ParseError> {
    let mut out = Vec::new();
    let mut next = first;
    let mut r = Reader::new(data, base, PayloadType::Header);
    while next != number::NONE {
        let kind = next;
        let at = r.offset();
        r = Reader::new(r.rest(), at, PayloadType::Payload(kind));
        if out.len() == MAX_PAYLOADS {
            return Err(r.error(ParseErrorKind::TooMany));
        }
        next = r.u8()?;
        let critical = r.u8()? & CRITICAL != 0;
        let length = usize::from(r.u16()?);
        let Some(length) = length.checked_sub(GENERIC_OCTETS) else {
            return Err(r.error(ParseErrorKind::Length));
        };
        let at = r.offset();
        let body = r.bytes(length)?;
        out.push(Payload::parse(kind, critical, next, body, at)?);
        if kind == number::SK || kind == number::SKF {
            // RFC 7296 section 3.14: the encrypted payload is the last; its next-payload field names the first inside.
            return if r.left() == 0 {
                Ok(out)
            } else {
                Err(r.error(ParseErrorKind::Misplaced))
            };
        }
    }
    r.end()?;
    Ok(out)
}

/// The octets of a chain and the type of its first payload.
pub fn emit_chain(payloads: &[Payload]) -> (u8, Vec<u8>) {
    let mut out = Vec::new();
    let mut following = payloads.iter().skip(1);
    for payload in payloads {
        let next = match (payload, following.next()) {
            (Payload::Sk(sk), _) => sk.first,
            (Payload::Skf(skf), _) => skf.first,
            (_, Some(p)) => p.kind(),
            (_, None) => number::NONE,
        };
        let critical = matches!(payload, Payload::Unknown(u) if u.critical);
        let start = out.len();
        out.extend_from_slice(&[next, if critical { CRITICAL } else { 0 }, 0, 0]);
        payload.emit_body(&mut out);
        let mut length = Vec::with_capacity(2);
        put_len(&mut length, out.len() - start);
        if let Some(field) = out.get_mut(start + 2..start + 4) {
            field.copy_from_slice(&length);
        }
    }
    (payloads.first().map_or(number::NONE, Payload::kind), out)
}
