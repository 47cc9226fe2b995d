//! What the store of certificates makes of gateways.

use super::*;
use crate::names::Answers;
use crate::pki::tests::{NOW, certificate, hierarchy, local, profile, put};
use ravelin_ctl::ike::{
    CaProfile, KeyKind, LocalIdentity, Revocation, RevocationMode, SubjectPattern,
};
use ravelin_ike::config::{LocalProof, PeerProof};
use ravelin_pki::CheckMode;
use ravelin_pki::testca::{Fault, Hierarchy};
use tempfile::TempDir;

fn ca_profile(name: &str, mode: RevocationMode, ocsp: bool) -> CaProfile {
    CaProfile {
        name: name.to_owned(),
        revocation: Revocation {
            mode,
            ocsp,
            crl_urls: vec![],
            crl_refresh_s: None,
            ocsp_url: None,
            ocsp_nonce: true,
        },
    }
}

/// The gateway `gw1.example.net`, with certificates in both directions, and a store without any.
struct Scene {
    _folder: TempDir,
    ca: Hierarchy,
    pki: Pki,
    names: Arc<Answers>,
    config: IkeConfig,
    store: ConfigStore,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::open(folder.path(), NOW).unwrap();
        let mut config = config();
        config.ca_profiles = vec![
            ca_profile("access", RevocationMode::Soft, false),
            ca_profile("other", RevocationMode::Disable, false),
        ];
        let gateway = &mut config.gateways[0];
        gateway.local_identity =
            LocalIdentity::Stated(Identity::Fqdn("gw1.example.net".to_owned()));
        gateway.authentication = Authentication {
            local_certificate: Some("gw1".to_owned()),
            trusted_cas: vec!["access".to_owned(), "other".to_owned()],
            ..Authentication::default()
        };
        Self {
            names: Arc::default(),
            _folder: folder,
            ca: hierarchy(),
            pki,
            config,
            store: ConfigStore::default(),
        }
    }

    fn put_certificate(&self) {
        let issued = self.ca.issue("gw1", &[]).unwrap();
        put(&self.pki, "gw1", Some(&local(&issued))).unwrap();
    }

    fn put_profiles(&self) {
        for name in ["access", "other"] {
            let profile = profile(name, self.ca.access());
            self.pki.save_profile(profile, NOW).unwrap();
        }
    }

    fn run(&mut self, change: impl FnOnce(&mut GatewayConfig)) -> Arc<Compiled> {
        change(&mut self.config.gateways[0]);
        let part = Part::Ike(self.config.clone());
        let reply = self
            .store
            .prepare(Generation(1), &part, &self.pki, &self.names);
        assert_eq!(reply, Reply::Prepared(Ok(())));
        self.store.apply(Generation(1)).unwrap()
    }

    /// The fault of a gateway whose certificate there is.
    fn fault(&mut self, change: impl FnOnce(&mut GatewayConfig)) -> String {
        self.put_certificate();
        self.put_profiles();
        let compiled = self.run(change);
        let LocalProof::Unable(why) = &compiled.ike.gateways[0].local_proof else {
            panic!("the gateway is able");
        };
        let [fault] = &compiled.faults[..] else {
            panic!("one fault: {:?}", compiled.faults);
        };
        assert_eq!(*fault, format!("gateway enb refuses its peers: {why}"));
        why.to_string()
    }
}

#[test]
fn what_is_missing_is_told_and_taken_up_when_it_comes() {
    let mut scene = Scene::new();
    let mut plain = super::config().gateways.remove(0);
    plain.name = "plain".to_owned();
    scene.config.gateways.push(plain);
    let first = scene.run(|_| {});
    assert_eq!(
        first.faults,
        [
            "gateway enb refuses its peers: there is no local certificate `gw1`",
            "CA profile access has no certificate loaded: peers that it certifies are refused",
            "CA profile other has no certificate loaded: peers that it certifies are refused",
        ]
    );
    assert!(matches!(
        first.ike.gateways[0].local_proof,
        LocalProof::Unable(_)
    ));
    assert!(
        scene.store.refresh(&scene.pki, &scene.names).is_none(),
        "nothing has changed"
    );
    scene.put_certificate();
    scene.put_profiles();
    let second = scene.store.refresh(&scene.pki, &scene.names).unwrap();
    assert!(second.faults.is_empty(), "{:?}", second.faults);
    let [gateway, plain] = &second.ike.gateways[..] else {
        panic!("two gateways");
    };
    assert!(!Arc::ptr_eq(gateway, &first.ike.gateways[0]));
    assert!(
        Arc::ptr_eq(plain, &first.ike.gateways[1]),
        "it is as it was"
    );
    let LocalProof::Certificate(credential) = &gateway.local_proof else {
        panic!("a certificate");
    };
    assert_eq!(credential.chain().len(), 2, "with the CA above it");
    let PeerProof::Certificate(trust) = &gateway.peer_proof else {
        panic!("trusted CAs");
    };
    assert_eq!((trust.authorities().len(), trust.ocsp()), (1, false));
    let judge = &second.keys.judges["enb"];
    let modes = [("access", CheckMode::Soft), ("other", CheckMode::Disable)];
    for (name, mode) in modes {
        assert_eq!((judge.checks[name].mode, name), (mode, name));
        assert_eq!(judge.checks[name].responder, None);
    }
    // The same again is the same gateway.
    let third = scene.run(|_| {});
    assert!(Arc::ptr_eq(&third.ike.gateways[0], gateway));
    assert_eq!(scene.store.generation(), Some(Generation(1)));
}

#[test]
fn a_policy_says_what_certificates_of_peers_are_for() {
    let mut scene = Scene::new();
    scene.put_certificate();
    scene.put_profiles();
    let enb = scene.ca.issue("enb", &[]).unwrap();
    let server = scene.ca.faulty("enb", Fault::WrongEku).unwrap();
    // Of both, which one is accepted.
    let mut accepted = |usages: &[&str]| {
        let usages = usages.iter().map(|&usage| usage.to_owned()).collect();
        let compiled = scene.run(|g| g.authentication.extended_key_usages = usages);
        let validator = &compiled.keys.judges["enb"].validator;
        [&enb, &server].map(|issued| {
            let chain: Vec<_> = issued.chain.iter().map(|der| certificate(der)).collect();
            let peer = certificate(&issued.certificate);
            validator.validate(&peer, &chain, &[], NOW).is_ok()
        })
    };
    let (ike, tls_server) = ("1.3.6.1.5.5.7.3.17", "1.3.6.1.5.5.7.3.1");
    assert_eq!(accepted(&[]), [true, false]);
    assert_eq!(accepted(&[tls_server]), [false, true]);
    assert_eq!(accepted(&[ike, tls_server]), [true, true]);
}

#[test]
fn a_certificate_that_does_not_fit_is_a_fault() {
    let mut scene = Scene::new();
    let why = scene.fault(|g| g.authentication.key_kinds = vec![KeyKind::Rsa]);
    assert_eq!(
        why,
        "local certificate `gw1` has a key of ECDSA P-256, and the proposals of its policy accept other kinds"
    );
    let why = scene.fault(|g| {
        g.authentication.key_kinds = vec![KeyKind::Rsa, KeyKind::EcdsaP256];
        g.local_identity = LocalIdentity::Stated(Identity::Fqdn("gw2.example.net".to_owned()));
    });
    assert_eq!(
        why,
        "`local-identity`: certificate `CN=gw1,O=Ravelin Test` does not speak for `gw2.example.net`: \
         it needs such a dNSName and has gw1.example.net"
    );
    let why = scene.fault(|g| g.local_identity = LocalIdentity::Address);
    assert!(
        why.contains("`192.0.2.1`: it needs such a iPAddress"),
        "{why}"
    );
}

#[test]
fn a_key_that_waits_for_its_certificate_is_told_from_none() {
    let mut scene = Scene::new();
    let mut key_only = local(&scene.ca.issue("gw1", &[]).unwrap());
    key_only.certificates.clear();
    put(&scene.pki, "gw1", Some(&key_only)).unwrap();
    let compiled = scene.run(|_| {});
    assert_eq!(
        compiled.faults[0],
        "gateway enb refuses its peers: local certificate `gw1` has a key, and its certificate is not loaded yet"
    );
}

#[test]
fn identities_are_subjects_and_addresses_of_certificates() {
    let mut scene = Scene::new();
    scene.put_profiles();
    let names = [Identity::Ipv6("2001:db8::1".parse().unwrap())];
    let issued = scene.ca.issue("gw1", &names).unwrap();
    put(&scene.pki, "gw1", Some(&local(&issued))).unwrap();
    let compiled = scene.run(|g| g.local_identity = LocalIdentity::Subject);
    let first = ravelin_pki::Certificate::from_der(&issued.certificate).unwrap();
    let subject = Identity::Dn(first.subject().der().to_vec());
    assert_eq!(compiled.ike.gateways[0].local_identity, Some(subject));
    // One of both addresses is enough.
    let compiled = scene.run(|g| g.local_identity = LocalIdentity::Address);
    assert_eq!(compiled.faults, Vec::<String>::new());
    assert_eq!(compiled.ike.gateways[0].local_identity, None);
    let compiled = scene.run(|g| {
        g.remote = RemotePeer::Subject(SubjectPattern {
            container: None,
            wildcard: Some("CN=enb1".to_owned()),
        });
    });
    let gateway = &compiled.ike.gateways[0];
    let name = |text: &str| {
        let name = ravelin_pki::DistinguishedName::from_text(text).unwrap();
        Identity::Dn(name.der().to_vec())
    };
    assert!(gateway.accepts_identity(&name("CN=enb1,O=Example")));
    assert!(!gateway.accepts_identity(&name("CN=enb2,O=Example")));
}

#[test]
fn each_direction_may_keep_the_key() {
    let mut scene = Scene::new();
    scene.put_certificate();
    scene.put_profiles();
    let key = || Some(SecretBytes::new(b"secret".to_vec()));
    let compiled = scene.run(|g| {
        g.authentication.trusted_cas.clear();
        g.authentication.pre_shared_key = key();
    });
    let gateway = &compiled.ike.gateways[0];
    assert!(matches!(gateway.local_proof, LocalProof::Certificate(_)));
    assert_eq!(gateway.peer_proof, PeerProof::PreSharedKey);
    assert!(gateway.keys.default.is_some());
    let compiled = scene.run(|g| {
        g.authentication.trusted_cas = vec!["access".to_owned()];
        g.authentication.local_certificate = None;
    });
    let gateway = &compiled.ike.gateways[0];
    assert_eq!(gateway.local_proof, LocalProof::PreSharedKey);
    assert!(matches!(gateway.peer_proof, PeerProof::Certificate(_)));
    let error = compile(
        &Arc::new({
            scene.config.gateways[0].authentication.pre_shared_key = None;
            scene.config.clone()
        }),
        &scene.pki.contents(),
        &scene.names,
        None,
    );
    assert!(matches!(
        error,
        Err(ConfigError::Missing {
            what: "pre-shared key",
            ..
        })
    ));
}
