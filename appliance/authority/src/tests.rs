use std::sync::Arc;

use super::*;
use ravelin_ike::identity::to_payload;
use ravelin_ike::{SignRequest, VerifyRequest};
use ravelin_pki::testca::{Hierarchy, KeyKind};
use ravelin_pki::{Accept, CaProfile, Certificate, Local, Policy, Validator, WallTime};
use ravelin_types::Identity;

const NOW: WallTime = WallTime(1_800_000_000);
const OCTETS: &[u8] = b"RealMessage1 | NonceRData | MACedIDForI";

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

#[test]
fn what_endpoints_offer_is_what_is_verified() {
    assert_eq!(
        ravelin_ike::authority::HASH_ALGORITHMS,
        ravelin_pki::HASH_ALGORITHMS
    );
}

#[test]
fn what_a_signer_sends_convinces_who_trusts_its_root() {
    for kind in [KeyKind::P256, KeyKind::Rsa(2048)] {
        let ca = Hierarchy::new(kind, NOW, "example.net").unwrap();
        let issued = ca.issue("gw1", &[]).unwrap();
        let pem = issued.key.private_key_to_pem_pkcs8().unwrap();
        let key = ravelin_pki::PrivateKey::import(&pem, &Default::default()).unwrap();
        let ders = [&issued.certificate, &issued.chain[0]].map(Vec::as_slice);
        let certificates = ders.into_iter().chain([ca.root()]).map(read);
        let signer = Signer {
            local: Arc::new(Local {
                key,
                certificates: certificates.collect(),
            }),
            accept: Accept::default(),
        };
        let sent = signer.credential("gw").unwrap();
        assert_eq!(sent.chain(), ders, "all but the root");
        let signature = signer.sign(&SignRequest {
            credential: sent.name().to_owned(),
            peer_hashes: Some(ravelin_pki::HASH_ALGORITHMS.to_vec()),
            ocsp: false,
            octets: OCTETS.to_vec(),
        });
        let signature = signature.unwrap();
        let anchors = vec![read(ca.root())];
        let name = "root".to_owned();
        let validator = Validator::new(vec![CaProfile { name, anchors }], Policy::default());
        let asked = trust("root", &validator, false).unwrap();
        assert_eq!(asked.authorities(), [*read(ca.root()).spki_sha1()]);
        let mut request = VerifyRequest {
            trust: asked.name().to_owned(),
            identity: to_payload(&Identity::Fqdn("gw1.example.net".into())),
            certificates: sent.chain().to_vec(),
            ocsp: None,
            method: signature.method,
            signature: signature.data,
            octets: OCTETS.to_vec(),
        };
        let claim = Claim::read(&request, &validator).unwrap();
        let path = claim.path(NOW).unwrap();
        assert_eq!(
            (path.certificates.len(), path.profile.as_str()),
            (3, "root")
        );
        assert_eq!(
            (claim.identity(), claim.signature(Accept::default())),
            (Ok(()), Ok(()))
        );
        request.octets.push(0);
        request.identity = to_payload(&Identity::Fqdn("gw2.example.net".into()));
        let claim = Claim::read(&request, &validator).unwrap();
        claim.identity().unwrap_err();
        claim.signature(Accept::default()).unwrap_err();
        request.certificates.clear();
        let none = Claim::read(&request, &validator).unwrap_err();
        assert_eq!(none.to_string(), "no certificate");
    }
}
