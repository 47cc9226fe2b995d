//! Groups 19 to 21, NIST P-256, P-384 and P-521 (RFC 5903), and 27 to 30, Brainpool (RFC 6954). A public value is x | y, the shared secret is x alone.

use std::sync::OnceLock;

use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, EcPointRef, PointConversionForm};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use ravelin_types::DhGroup;

use crate::error::{Error, library};
use crate::secret::Secret;

/// SEC 1 section 2.3.3: the mark of an uncompressed point, which IKE leaves out.
const UNCOMPRESSED: u8 = 4;

pub(super) fn generate(group: DhGroup) -> Result<(Secret, Vec<u8>), Error> {
    let curve = curve(group)?;
    let key = EcKey::generate(curve).map_err(library("ECP key generation"))?;
    let private = key
        .private_key()
        .to_vec_padded(i32::try_from(group.shared_octets()).unwrap_or(0))
        .map_err(library("ECP private value"))?;
    Ok((
        Secret::new(private),
        encode(group, curve, key.public_key())?,
    ))
}

pub(super) fn public_of(group: DhGroup, private: &[u8]) -> Result<Vec<u8>, Error> {
    let curve = curve(group)?;
    let mut context = BigNumContext::new_secure().map_err(library("ECP context"))?;
    let mut order = BigNum::new().map_err(library("ECP order"))?;
    curve
        .order(&mut order, &mut context)
        .map_err(library("ECP order"))?;
    let d = scalar(private)?;
    if d.num_bits() == 0 || d >= order {
        return Err(Error::PrivateInvalid { group });
    }
    let mut point = EcPoint::new(curve).map_err(library("ECP point"))?;
    point
        .mul_generator2(curve, &d, &mut context)
        .map_err(library("ECP public value"))?;
    encode(group, curve, &point)
}

pub(super) fn agree(
    group: DhGroup,
    private: &Secret,
    public: &[u8],
    peer_public: &[u8],
) -> Result<Secret, Error> {
    let curve = curve(group)?;
    // RFC 6989 section 2.3: both coordinates below p and the point on the curve, which decoding checks. The cofactor is 1 and the point
    // at infinity has no encoding of this length, so that such a point is of the whole group: OpenSSL need not multiply it by the
    // order to see that, neither as a check of the key nor when it is set as the peer's.
    let peer = decode(curve, peer_public).map_err(|_| Error::PeerPublicInvalid { group })?;
    let peer =
        EcKey::from_public_key(curve, &peer).map_err(|_| Error::PeerPublicInvalid { group })?;
    let peer = PKey::from_ec_key(peer).map_err(library("ECP public value"))?;
    let ours = decode(curve, public)?;
    let ours = EcKey::from_private_components(curve, &*scalar(private.as_bytes())?, &ours)
        .map_err(library("ECP private value"))?;
    let ours = PKey::from_ec_key(ours).map_err(library("ECP private value"))?;
    let mut deriver = Deriver::new(&ours).map_err(library("ECP agreement"))?;
    deriver
        .set_peer_ex(&peer, false)
        .map_err(|_| Error::PeerPublicInvalid { group })?;
    let shared = Secret::new(
        deriver
            .derive_to_vec()
            .map_err(|_| Error::PeerResult { group })?,
    );
    if shared.len() == group.shared_octets() {
        Ok(shared)
    } else {
        Err(Error::PeerResult { group })
    }
}

/// Made once: OpenSSL computes tables of its own for each.
fn curve(group: DhGroup) -> Result<&'static EcGroup, Error> {
    static CURVES: [OnceLock<EcGroup>; 7] = [const { OnceLock::new() }; 7];
    let (slot, nid) = match group {
        DhGroup::Ecp384 => (0, Nid::SECP384R1),
        DhGroup::Ecp521 => (1, Nid::SECP521R1),
        DhGroup::Brainpool224 => (2, Nid::BRAINPOOL_P224R1),
        DhGroup::Brainpool256 => (3, Nid::BRAINPOOL_P256R1),
        DhGroup::Brainpool384 => (4, Nid::BRAINPOOL_P384R1),
        DhGroup::Brainpool512 => (5, Nid::BRAINPOOL_P512R1),
        _ => (6, Nid::X9_62_PRIME256V1),
    };
    if let Some(curve) = CURVES[slot].get() {
        return Ok(curve);
    }
    let curve = EcGroup::from_curve_name(nid).map_err(library("ECP curve"))?;
    Ok(CURVES[slot].get_or_init(|| curve))
}

fn scalar(private: &[u8]) -> Result<BigNum, Error> {
    let mut d = BigNum::from_slice(private).map_err(library("ECP private value"))?;
    d.set_const_time();
    Ok(d)
}

fn encode(group: DhGroup, curve: &EcGroup, point: &EcPointRef) -> Result<Vec<u8>, Error> {
    let mut context = BigNumContext::new().map_err(library("ECP context"))?;
    let mut bytes = point
        .to_bytes(curve, PointConversionForm::UNCOMPRESSED, &mut context)
        .map_err(library("ECP encoding"))?;
    if bytes.len() != group.public_octets() + 1 {
        return Err(Error::PrivateInvalid { group });
    }
    bytes.remove(0);
    Ok(bytes)
}

fn decode(curve: &EcGroup, public: &[u8]) -> Result<EcPoint, Error> {
    let mut context = BigNumContext::new().map_err(library("ECP context"))?;
    let encoded = [&[UNCOMPRESSED], public].concat();
    EcPoint::from_bytes(curve, &encoded, &mut context).map_err(library("ECP point"))
}
