//! The key schedule (RFC 7296 sections 2.13 to 2.18).

use ravelin_crypto::{Error, Secret, SkCipher, prf, prf_plus};
use ravelin_types::{IkeSuite, Prf, SecretBytes};
use serde::{Deserialize, Serialize};

use crate::proposal::EspSuite;

/// RFC 7296 section 2.15: the pad of the shared-key method, without a terminator.
const KEY_PAD: &[u8] = b"Key Pad for IKEv2";

/// The keys of an IKE SA.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct IkeKeys {
    pub(crate) d: SecretBytes,
    pub(crate) ai: SecretBytes,
    pub(crate) ar: SecretBytes,
    pub(crate) ei: SecretBytes,
    pub(crate) er: SecretBytes,
    pub(crate) pi: SecretBytes,
    pub(crate) pr: SecretBytes,
}

/// Nonces and SPIs of the exchange that makes an IKE SA.
pub(crate) struct Seeds<'a> {
    pub(crate) nonce_i: &'a [u8],
    pub(crate) nonce_r: &'a [u8],
    pub(crate) spi_i: u64,
    pub(crate) spi_r: u64,
}

/// The secrets of the key exchanges of one SA: that of the first, and those of additional ones in their order (RFC 9370).
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Shared {
    first: SecretBytes,
    more: SecretBytes,
}

impl From<Secret> for Shared {
    fn from(first: Secret) -> Self {
        Shared {
            first: stored(first),
            more: SecretBytes::new(Vec::new()),
        }
    }
}

impl Shared {
    /// Adds that of the next key exchange.
    pub(crate) fn mix(&mut self, next: &Secret) {
        let mut more = Vec::with_capacity(self.more.expose().len() + next.len());
        more.extend_from_slice(self.more.expose());
        more.extend_from_slice(next.as_bytes());
        self.more = SecretBytes::new(more);
    }
}

impl IkeKeys {
    /// SKEYSEED = prf(Ni | Nr, g^ir), then the expansion (section 2.14).
    pub(crate) fn initial(
        suite: IkeSuite,
        shared: &Secret,
        seeds: &Seeds<'_>,
    ) -> Result<IkeKeys, Error> {
        let (nonce_i, nonce_r) = (seeds.nonce_i, seeds.nonce_r);
        let key = if suite.prf().has_fixed_key() {
            // Section 2.14: half of its bits from each nonce, the first ones.
            let half = suite.prf().key_octets() / 2;
            [first(nonce_i, half), first(nonce_r, half)].concat()
        } else {
            [nonce_i, nonce_r].concat()
        };
        let skeyseed = prf(suite.prf(), &key, &[shared.as_bytes()])?;
        IkeKeys::expand(suite, &skeyseed, seeds)
    }

    /// SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr) with the old SA's function (section 2.18); RFC 9370 section 2.2.4 appends the
    /// secrets of additional key exchanges.
    pub(crate) fn rekeyed(
        suite: IkeSuite,
        old_prf: Prf,
        old_d: &SecretBytes,
        shared: &Shared,
        seeds: &Seeds<'_>,
    ) -> Result<IkeKeys, Error> {
        let (first, more) = (shared.first.expose(), shared.more.expose());
        let parts = [first, seeds.nonce_i, seeds.nonce_r, more];
        let skeyseed = prf(old_prf, old_d.expose(), &parts)?;
        IkeKeys::expand(suite, &skeyseed, seeds)
    }

    /// SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr): the keys after an additional key exchange of a set-up (RFC 9370 section 2.2.2).
    pub(crate) fn mixed(
        &self,
        suite: IkeSuite,
        shared: Secret,
        seeds: &Seeds<'_>,
    ) -> Result<IkeKeys, Error> {
        IkeKeys::rekeyed(suite, suite.prf(), &self.d, &shared.into(), seeds)
    }

    /// SK_d = prf+ (PPK, SK_d'), SK_pi and SK_pr likewise: the keys with a post-quantum pre-shared key (RFC 8784 section 3).
    pub(crate) fn with_ppk(&self, alg: Prf, ppk: &SecretBytes) -> Result<IkeKeys, Error> {
        let mixed = |key: &SecretBytes| {
            let octets = key.expose().len();
            prf_plus(alg, ppk.expose(), &[key.expose()], octets).map(stored)
        };
        Ok(IkeKeys {
            d: mixed(&self.d)?,
            pi: mixed(&self.pi)?,
            pr: mixed(&self.pr)?,
            ..self.clone()
        })
    }

    /// {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)
    fn expand(suite: IkeSuite, skeyseed: &Secret, seeds: &Seeds<'_>) -> Result<IkeKeys, Error> {
        let p = suite.prf().key_octets();
        let a = suite.integ().map_or(0, |i| i.key_octets());
        let e = suite.encr().key_octets();
        let (spi_i, spi_r) = (seeds.spi_i.to_be_bytes(), seeds.spi_r.to_be_bytes());
        let seed: [&[u8]; 4] = [seeds.nonce_i, seeds.nonce_r, &spi_i, &spi_r];
        let all = prf_plus(
            suite.prf(),
            skeyseed.as_bytes(),
            &seed,
            3 * p + 2 * a + 2 * e,
        )?;
        let parts = all.split([p, a, a, e, e, p, p]);
        let [d, ai, ar, ei, er, pi, pr] = parts
            .ok_or(Error::TooMuchKeymat { octets: all.len() })?
            .map(stored);
        Ok(IkeKeys {
            d,
            ai,
            ar,
            ei,
            er,
            pi,
            pr,
        })
    }

    /// The protection of messages from the original initiator and from its responder.
    pub(crate) fn ciphers(&self, suite: IkeSuite) -> Result<(SkCipher, SkCipher), Error> {
        let (encr, integ) = (suite.encr(), suite.integ());
        Ok((
            SkCipher::new(encr, integ, self.ei.expose(), self.ai.expose())?,
            SkCipher::new(encr, integ, self.er.expose(), self.ar.expose())?,
        ))
    }
}

/// A nonce has at least 16 octets (section 2.10).
fn first(nonce: &[u8], octets: usize) -> &[u8] {
    nonce.get(..octets).unwrap_or(nonce)
}

fn stored(secret: Secret) -> SecretBytes {
    SecretBytes::new(secret.as_bytes().to_vec())
}

/// The keys of a child SA, by who sends.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ChildKeys {
    pub(crate) encr_i: SecretBytes,
    pub(crate) integ_i: SecretBytes,
    pub(crate) encr_r: SecretBytes,
    pub(crate) integ_r: SecretBytes,
}

impl ChildKeys {
    /// KEYMAT = prf+(SK_d, [ g^ir (new) | ] Ni | Nr ); initiator to responder first, encryption before integrity (section 2.17).
    /// RFC 9370 section 2.2.4 appends the secrets of additional key exchanges.
    pub(crate) fn derive(
        ike: IkeSuite,
        sk_d: &SecretBytes,
        suite: EspSuite,
        shared: Option<&Shared>,
        nonce_i: &[u8],
        nonce_r: &[u8],
    ) -> Result<ChildKeys, Error> {
        let e = suite.transform.encr().keymat_octets();
        let a = suite.transform.keymat_octets() - e;
        let first = shared.map_or(&[][..], |s| s.first.expose());
        let more = shared.map_or(&[][..], |s| s.more.expose());
        let seed: [&[u8]; 4] = [first, nonce_i, nonce_r, more];
        let all = prf_plus(ike.prf(), sk_d.expose(), &seed, 2 * (e + a))?;
        let parts = all.split([e, a, e, a]);
        let [encr_i, integ_i, encr_r, integ_r] = parts
            .ok_or(Error::TooMuchKeymat { octets: all.len() })?
            .map(stored);
        Ok(ChildKeys {
            encr_i,
            integ_i,
            encr_r,
            integ_r,
        })
    }
}

/// What one side signs: its first message, the other's nonce, and its identity under SK_p (section 2.15).
pub(crate) struct Signed<'a> {
    pub(crate) message: &'a [u8],
    pub(crate) nonce: &'a [u8],
    pub(crate) sk_p: &'a SecretBytes,
    pub(crate) id_body: &'a [u8],
    /// Empty without IKE_INTERMEDIATE exchanges.
    pub(crate) int_auth: &'a [u8],
}

impl Signed<'_> {
    /// Section 2.15: InitiatorSignedOctets = RealMessage1 | NonceRData | MACedIDForI, with MACedIDForI = prf(SK_pi, RestOfInitIDPayload);
    /// the responder's accordingly. RFC 7427 section 3 has method 14 sign the same; RFC 9242 section 3.3.2 appends IntAuth.
    pub(crate) fn octets(&self, alg: Prf) -> Result<Vec<u8>, Error> {
        let maced = prf(alg, self.sk_p.expose(), &[self.id_body])?;
        let parts = [self.message, self.nonce, maced.as_bytes(), self.int_auth];
        Ok(parts.concat())
    }
}

/// AUTH = prf( prf(Shared Secret, "Key Pad for IKEv2"), <SignedOctets>)
pub(crate) fn psk_auth(alg: Prf, psk: &SecretBytes, signed: &Signed<'_>) -> Result<Secret, Error> {
    let key = prf(alg, psk.expose(), &[KEY_PAD])?;
    prf(alg, key.as_bytes(), &[&signed.octets(alg)?])
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod vectors;
