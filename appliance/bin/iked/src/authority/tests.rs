use super::*;
use crate::pki::tests::{hierarchy, local, profile};
use ravelin_ike::identity::to_payload;
use ravelin_pki::testca::{Fault, Hierarchy, Issued};
use ravelin_pki::{AuthSignature, AuthorityId, CaProfile, Policy, Scheme};
use ravelin_types::Identity;
use tempfile::TempDir;

const OCTETS: &[u8] = b"RealMessage1 | NonceRData | MACedIDForI";

/// A gateway `gw` with a certificate that trusts the intermediate CA, on the real clock.
struct Scene {
    _folder: TempDir,
    ca: Hierarchy,
    pki: Pki,
    authority: Certificates,
    keys: Keys,
}

fn judge(profiles: Vec<CaProfile>, mode: CheckMode) -> Judge {
    let check = Check {
        mode,
        responder: None,
    };
    let names = profiles.iter().map(|p| p.name.clone());
    let checks = names.map(|name| (name, check.clone())).collect();
    Judge {
        validator: Validator::new(profiles, Policy::default()),
        checks,
        key_kinds: vec![],
        missing: None,
        allow_weak: false,
    }
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::open(folder.path(), wall_clock()).unwrap();
        let now = wall_clock();
        let ca = Hierarchy::new(ravelin_pki::testca::KeyKind::P256, now, "example.net").unwrap();
        let mut scene = Self {
            _folder: folder,
            authority: Certificates::new(pki.clone()),
            ca,
            pki,
            keys: Keys::default(),
        };
        let gw = Arc::new(local(&scene.ca.issue("gw", &[]).unwrap()));
        let signer = Signer {
            local: gw,
            accept: Accept::default(),
        };
        scene.keys.signers.insert("gw".to_owned(), signer);
        let trusted = profile("access", scene.ca.access());
        scene.pki.save_profile(trusted, now).unwrap();
        scene.judge_by(CheckMode::Soft, |_| {});
        scene
    }

    fn judge_by(&mut self, mode: CheckMode, change: impl FnOnce(&mut Judge)) {
        let mut judge = judge(vec![profile("access", self.ca.access())], mode);
        change(&mut judge);
        self.keys.judges.insert("gw".to_owned(), Arc::new(judge));
        self.authority.set(Arc::new(self.keys.clone()));
    }

    /// What `issued` proves by its own key, claiming to be `identity`.
    fn request(&self, issued: &Issued, identity: &Identity) -> VerifyRequest {
        let key = &local(issued).key;
        let scheme = Scheme::choose(key, Some(&[2, 3, 4, 5]), Accept::default()).unwrap();
        let signature = AuthSignature::sign(key, scheme, OCTETS).unwrap();
        let chain = issued.chain.iter().cloned();
        VerifyRequest {
            trust: "gw".to_owned(),
            identity: to_payload(identity),
            certificates: [issued.certificate.clone()]
                .into_iter()
                .chain(chain)
                .collect(),
            ocsp: None,
            method: signature.method,
            signature: signature.data,
            octets: OCTETS.to_vec(),
        }
    }

    fn verdict(&self, issued: &Issued, identity: &Identity) -> Result<(), String> {
        let verdict = self.authority.verify(&self.request(issued, identity));
        verdict.map_err(|denial| denial.to_string())
    }
}

fn fqdn(name: &str) -> Identity {
    Identity::Fqdn(format!("{name}.example.net"))
}

#[test]
fn a_signature_of_ours_is_accepted_by_another_of_us() {
    let scene = Scene::new();
    let mut sign = SignRequest {
        credential: "gw".to_owned(),
        peer_hashes: Some(vec![2]),
        ocsp: false,
        octets: OCTETS.to_vec(),
    };
    let local = &scene.keys.signers["gw"].local;
    let verify = |signature: &Signature| VerifyRequest {
        trust: "gw".to_owned(),
        identity: to_payload(&fqdn("gw")),
        certificates: local
            .certificates
            .iter()
            .map(|c| c.der().to_vec())
            .collect(),
        ocsp: None,
        method: signature.method,
        signature: signature.data.clone(),
        octets: OCTETS.to_vec(),
    };
    for (hashes, method) in [(Some(vec![2]), 14), (None, 9)] {
        sign.peer_hashes = hashes;
        let signature = scene.authority.sign(&sign).unwrap();
        assert_eq!(signature.method, method);
        assert_eq!(scene.authority.verify(&verify(&signature)), Ok(()));
    }
    sign.credential = "other".to_owned();
    let error = scene.authority.sign(&sign).unwrap_err().to_string();
    assert_eq!(error, "its certificate has left the configuration");
}

#[test]
fn each_step_refuses_by_name() {
    let mut scene = Scene::new();
    let enb = scene.ca.issue("enb1", &[]).unwrap();
    assert_eq!(scene.verdict(&enb, &fqdn("enb1")), Ok(()));
    let error = scene.verdict(&enb, &fqdn("enb2")).unwrap_err();
    assert!(
        error.contains("`CN=enb1,O=Ravelin Test` does not speak for `enb2.example.net`"),
        "{error}"
    );
    let stranger = hierarchy().issue("enb1", &[]).unwrap();
    let error = scene.verdict(&stranger, &fqdn("enb1")).unwrap_err();
    assert!(error.contains("CA profile access"), "{error}");
    let expired = scene.ca.faulty("enb1", Fault::Expired).unwrap();
    let error = scene.verdict(&expired, &fqdn("enb1")).unwrap_err();
    assert!(error.contains("expired at"), "{error}");
    let mut forged = scene.request(&enb, &fqdn("enb1"));
    forged.octets.push(0);
    let error = scene.authority.verify(&forged).unwrap_err().to_string();
    assert!(
        error.contains("does not verify with the key of ECDSA P-256"),
        "{error}"
    );
    let mut garbage = scene.request(&enb, &fqdn("enb1"));
    garbage.certificates[0] = vec![0x30, 0];
    let error = scene.authority.verify(&garbage).unwrap_err().to_string();
    assert!(error.starts_with("the peer's certificate: "), "{error}");
    let mut unread = scene.request(&enb, &fqdn("enb1"));
    unread.certificates.push(vec![0x30, 0]);
    assert_eq!(scene.authority.verify(&unread), Ok(()));
    scene.judge_by(CheckMode::Soft, |judge| {
        judge.key_kinds = vec![KeyKind::Rsa]
    });
    let error = scene.verdict(&enb, &fqdn("enb1")).unwrap_err();
    assert_eq!(
        error,
        "certificate `CN=enb1,O=Ravelin Test` has a key of ECDSA P-256, and the proposals of its policy accept other kinds"
    );
    let none = Some("CA profile ran has no certificate loaded".to_owned());
    scene.judge_by(CheckMode::Soft, |judge| {
        judge.validator = Validator::new(vec![], Policy::default());
        judge.missing = none;
    });
    let error = scene.verdict(&enb, &fqdn("enb1")).unwrap_err();
    assert!(
        error.ends_with("CA profile ran has no certificate loaded"),
        "{error}"
    );
    scene.authority.set(Arc::default());
    let error = scene.verdict(&enb, &fqdn("enb1")).unwrap_err();
    assert_eq!(error, "its trusted CAs have left the configuration");
}

#[test]
fn revocation_is_judged_by_the_mode_of_the_profile() {
    let mut scene = Scene::new();
    let (good, bad) = (
        scene.ca.issue("enb1", &[]).unwrap(),
        scene.ca.issue("enb2", &[]).unwrap(),
    );
    let both = |scene: &Scene| {
        (
            scene.verdict(&good, &fqdn("enb1")),
            scene.verdict(&bad, &fqdn("enb2")),
        )
    };
    assert_eq!(both(&scene), (Ok(()), Ok(())));
    scene.judge_by(CheckMode::Strict, |_| {});
    let error = both(&scene).0.unwrap_err();
    assert!(
        error.contains("whether it is revoked is not known"),
        "{error}"
    );
    let now = wall_clock();
    let list = scene.ca.revocation_list(&[&bad], now).unwrap();
    let issuer = Certificate::from_der(scene.ca.access()).unwrap();
    scene
        .pki
        .take_list(&AuthorityId::of(&issuer), &list, now)
        .unwrap();
    for mode in [CheckMode::Strict, CheckMode::Soft] {
        scene.judge_by(mode, |_| {});
        let (good, bad) = both(&scene);
        assert_eq!(good, Ok(()), "{mode:?}");
        assert!(bad.unwrap_err().ends_with("it is revoked"), "{mode:?}");
    }
    scene.judge_by(CheckMode::Disable, |_| {});
    assert_eq!(both(&scene), (Ok(()), Ok(())));
}
