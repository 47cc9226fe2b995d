//! Fuzzes IKE_AUTH with certificates: the content of encrypted messages to an endpoint that knows nothing of the peer yet, wants a
//! certificate of it and has one itself. Paths, identities and signatures are judged as iked judges them.
//!
//! An input is up to two messages, each `flags, first payload, length (16 bits)`, then that many octets of payloads. Flags: bit 0 adds an
//! AUTH payload that is right for IDi, by the key of the CA; bit 1 has the CA sign what the first X.509 CERT payload has, so that inputs
//! are what a certificate says; bit 2: as two fragments.
#![no_main]

#[path = "../authority.rs"]
mod authority;
// Some of it is for the other target.
#[allow(dead_code)]
#[path = "../peer.rs"]
mod peer;

use authority::{NOW, SEQUENCE, authority, element};
use libfuzzer_sys::fuzz_target;
use peer::{IKE_AUTH, Peer};
use ravelin_authority::{Claim, Signer, trust};
use ravelin_ike::config::{LocalProof, PeerProof};
use ravelin_ike::msg::Payload;
use ravelin_ike::msg::auth::Auth;
use ravelin_ike::msg::cert::encoding;
use ravelin_ike::msg::payload::{emit_chain, parse_chain};
use ravelin_ike::{Authority, Denial, SignRequest, Signature, VerifyRequest};
use ravelin_pki::{
    Accept, AuthSignature, CaProfile, Certificate, Local, OcspResponse, Policy, Scheme, Status,
    Validator,
};
use ravelin_types::Time;
use std::sync::{Arc, OnceLock};

const MESSAGES: u32 = 2;
const ADD_AUTH: u8 = 1;
const SIGN_CERTIFICATE: u8 = 2;
const FRAGMENTS: u8 = 4;
/// Digital Signature (RFC 7427 section 3).
const DIGITAL: u8 = 14;
/// An answer that stands for one about our certificate.
const TRY_LATER: [u8; 5] = [0x30, 3, 0x0a, 1, 3];

/// What iked's authority does, with one CA.
struct Real {
    signer: Signer,
    validator: Validator,
    ca: Certificate,
}

impl Authority for Real {
    fn sign(&self, request: &SignRequest) -> Result<Signature, Denial> {
        let signature = self.signer.sign(request)?;
        Ok(Signature {
            ocsp: request.ocsp.then(|| TRY_LATER.to_vec()),
            ..signature
        })
    }

    fn verify(&self, request: &VerifyRequest) -> Result<(), Denial> {
        let claim = Claim::read(request, &self.validator)?;
        claim.path(NOW).map_err(|e| Denial::new(&e.to_string()))?;
        claim.identity()?;
        if let Some(der) = &request.ocsp {
            let read = OcspResponse::read(der, &self.ca, None, NOW, false)
                .map_err(|e| Denial::new(&e.to_string()))?;
            if let Status::Revoked = read.status(&claim.certificate, &self.ca, NOW) {
                return Err(Denial::new("revoked"));
            }
        }
        claim.signature(Accept::default())
    }
}

struct Target {
    ca: authority::Authority,
    peer: Peer,
}

static TARGET: OnceLock<Target> = OnceLock::new();

fn target() -> Target {
    let (ca, ours) = (authority(), authority());
    let signer = Signer {
        local: Arc::new(Local {
            key: ours.key,
            certificates: vec![ours.certificate],
        }),
        accept: Accept::default(),
    };
    let anchors = vec![ca.certificate.clone()];
    let name = "fuzz".to_owned();
    let validator = Validator::new(vec![CaProfile { name, anchors }], Policy::default());
    let credential = signer.credential("gateway").unwrap();
    let trusted = trust("fuzz", &validator, true).unwrap();
    let proofs = (
        LocalProof::Certificate(Arc::new(credential)),
        PeerProof::Certificate(Arc::new(trusted)),
    );
    let real = Real {
        signer,
        validator,
        ca: ca.certificate.clone(),
    };
    let peer = Peer::half_open(proofs, Box::new(real));
    Target { ca, peer }
}

/// What the flags add to the payloads of an input, if it has any that can be read.
fn completed(target: &Target, flags: u8, first: u8, chain: &[u8]) -> Option<(u8, Vec<u8>)> {
    if flags & (ADD_AUTH | SIGN_CERTIFICATE) == 0 {
        return None;
    }
    let mut payloads = parse_chain(first, chain, 0).ok()?;
    if flags & SIGN_CERTIFICATE != 0 {
        let to_sign = payloads.iter_mut().find_map(|payload| match payload {
            Payload::Cert(cert) if cert.encoding == encoding::X509_SIGNATURE => Some(cert),
            _ => None,
        })?;
        let says = std::mem::take(&mut to_sign.data);
        let signed = target.ca.signed(|_| element(SEQUENCE, &says));
        to_sign.data = element(SEQUENCE, &signed);
    }
    if flags & ADD_AUTH != 0 {
        let id = payloads.iter().find_map(|payload| match payload {
            Payload::IdI(id) => Some(id),
            _ => None,
        })?;
        let octets = target.peer.signed_octets(id);
        let made = AuthSignature::sign(&target.ca.key, Scheme::DigitalEd25519, &octets);
        payloads.push(Payload::Auth(Auth {
            method: DIGITAL,
            data: made.ok()?.data,
        }));
    }
    Some(emit_chain(&payloads))
}

fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(target);
    let (peer, now) = (&target.peer, Time(2));
    let (mut endpoint, mut journal) = peer.restored(now);
    let mut rest = data;
    for id in 1..=MESSAGES {
        let [flags, first, high, low, tail @ ..] = rest else {
            break;
        };
        let octets = usize::from(u16::from_be_bytes([*high, *low]));
        let (chain, tail) = tail.split_at(octets.min(tail.len()));
        rest = tail;
        let made = completed(target, *flags, *first, chain);
        let (first, chain) = made.unwrap_or_else(|| (*first, chain.to_vec()));
        let messages = if flags & FRAGMENTS == 0 {
            vec![peer.seal(IKE_AUTH, false, id, first, &chain)]
        } else {
            peer.cut(IKE_AUTH, false, id, first, &chain, 2)
        };
        for message in &messages {
            for answer in peer.deliver(&mut endpoint, message, now, &mut journal) {
                peer.check(&answer.data);
            }
        }
    }
    assert!(endpoint.child_sas().count() <= 1);
});
