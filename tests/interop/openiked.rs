//! OpenIKED as the peer: keys and certificates, both families, rekeys with PFS, our probes and deletions, fragments. Its
//! build for Linux has AES-CBC with HMAC-SHA-1 for ESP and no other. Traffic goes through each pair that both ends agreed on.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "certificates/realm.rs"]
mod realm;

use ravelin_pki::Store;
use ravelin_pki::testca::KeyKind;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::openiked::OpenIked;
use ravelin_tests::site::{Addresses, ENB_ID, GATEWAY_ID, PRE_SHARED_KEY, Site, V4, V6};
use ravelin_tests::wait::wait_until;
use realm::{Case, Realm, certificate, configuration};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const PINGS: usize = 2;
const CORE_V4: &str = "198.51.100.0/24";
const CORE_V6: &str = "2001:db8:b::/64";
const PROBES: &str = "liveness probes sent";
const JOINED: &str = "messages joined from fragments";
const CUT: &str = "messages sent as fragments";

/// iked.conf of one policy; `more` follows its identities.
fn policy(a: Addresses, core: &str, ours: &str, gateway: &str, more: &str) -> String {
    format!(
        "set fragmentation
set nomobike
ikev2 \"enb\" active esp from {} to {core} local {} peer {} \\
  ikesa enc aes-256-gcm prf hmac-sha2-256 group ecp256 \\
  childsa auth hmac-sha1 enc aes-256 group ecp256 noesn \\
  srcid {ours} dstid {gateway} {more}\n",
        a.enb_inner, a.enb_outer, a.gateway_outer
    )
}

struct Scene {
    site: Site,
    gateway: Gateway,
}

impl Scene {
    fn start(&self, name: &str, configuration: &str, files: &[(String, Vec<u8>)]) -> OpenIked {
        let folder = self.site.folder().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        OpenIked::start(&self.site.enb, &folder, configuration, files).unwrap()
    }

    fn count(&self, name: &str) -> u64 {
        self.gateway.ike_statistics().unwrap()[name]
    }

    /// Waits until it has an IKE SA and so many SAs have gone to its kernel, and sends through the newest pair.
    fn carries(&mut self, peer: &mut OpenIked, addresses: Addresses, sas: usize) {
        let outcome = wait_until("a pair", LIMIT, || {
            let there = peer.established()? == 1;
            Ok((there && peer.esp.sas() >= sas).then_some(()))
        });
        let outcome = outcome.and_then(|()| peer.esp.ping(&self.site.enb, addresses, PINGS));
        outcome.unwrap_or_else(|error| {
            let ours = self.gateway.daemon("iked").unwrap().log();
            panic!("{error}\niked: {ours}\nopeniked: {}", peer.log())
        });
    }
}

fn by_key() -> String {
    format!("ikelifetime 6 psk \"{PRE_SHARED_KEY}\"")
}

/// By keys over IPv4: what it begins and what we begin.
fn whole_life(scene: &mut Scene, own: &[(String, Vec<u8>)]) {
    let text = policy(V4, CORE_V4, ENB_ID, GATEWAY_ID, &by_key());
    let mut peer = scene.start("v4", &text, own);
    scene.carries(&mut peer, V4, 2);
    let order = |what: &str| format!("request security {what} rekey all");
    // Not right after a rekey of the IKE SA: it may stop there, between its answer and its kernel.
    scene.gateway.cli(&order("ipsec")).unwrap();
    scene.carries(&mut peer, V4, 4);
    assert!(
        peer.log()
            .contains("(enc aes-256 auth hmac-sha1 group ecp256)")
    );
    let rekeyed = |peer: &OpenIked| peer.log().matches("rekeyed as new IKESA").count();
    let before = rekeyed(&peer);
    scene.gateway.cli(&order("ike")).unwrap();
    wait_until("our rekey of the IKE SA", LIMIT, || {
        Ok((rekeyed(&peer) > before).then_some(()))
    })
    .unwrap();
    wait_until("its rekey of the IKE SA", LIMIT, || {
        Ok((rekeyed(&peer) >= 2).then_some(()))
    })
    .unwrap();
    let probes = scene.count(PROBES);
    wait_until("an answered probe of ours", LIMIT, || {
        Ok((scene.count(PROBES) > probes).then_some(()))
    })
    .unwrap();
    scene.carries(&mut peer, V4, 4);
    let clear = "clear security ike security-associations";
    scene.gateway.cli(clear).unwrap();
    wait_until("the end of the tunnel", LIMIT, || {
        Ok((peer.established()? == 0).then_some(()))
    })
    .unwrap();
}

#[test]
fn openiked_sets_up_rekeys_probes_and_deletes() {
    let p256 = Realm::new("p256", KeyKind::P256);
    let rsa = Realm::new("rsa", KeyKind::Rsa(2048));
    let profiles = ["p256", "rsa"]
        .map(|name| format!("ca-profile {name} {{ revocation-check disable; }}\n"))
        .concat();
    let cbc = "proposal esp-cbc { protocol esp; allow-weak; authentication-algorithm hmac-sha1-96; encryption-algorithm aes-256-cbc; }";
    let text = configuration(&profiles, &[Case::of("p256"), Case::of("rsa")])
        .replacen(
            "proposal esp-gcm {",
            &format!("{cbc}\nproposal esp-gcm {{"),
            1,
        )
        .replace(
            "proposals esp-gcm;",
            "proposals esp-cbc; perfect-forward-secrecy { keys group19; }",
        )
        .replace("interval 10;", "interval 2;");
    let site = Site::new("openiked").unwrap();
    let gateway = site
        .start_gateway_prepared(&text, |gateway| {
            let store = Store::open(&gateway.pki_folder()).unwrap();
            for realm in [&p256, &rsa] {
                realm.store(&store, realm.ca.root());
            }
        })
        .unwrap();
    let mut scene = Scene { site, gateway };
    // It does not start without a key of its own.
    let own = p256.enbs[0].1.key.private_key_to_pem_pkcs8().unwrap();
    let own = [("private/local.key".to_owned(), own)];
    whole_life(&mut scene, &own);
    for (name, realm) in [("p256", &p256), ("rsa", &rsa)] {
        let pem = |der: &[u8]| certificate(der).to_pem().unwrap().into_bytes();
        let enb = &realm.enbs[0].1;
        let files = [
            ("ca/root.crt", pem(realm.ca.root())),
            ("ca/access.crt", pem(realm.ca.access())),
            ("certs/enb.crt", pem(&enb.certificate)),
            (
                "private/local.key",
                enb.key.private_key_to_pem_pkcs8().unwrap(),
            ),
        ]
        .map(|(name, octets)| (name.to_owned(), octets));
        let (ours, theirs) = (format!("enb.{name}.example"), format!("gw.{name}.example"));
        let text = policy(V4, CORE_V4, &ours, &theirs, "rfc7427");
        let fragments = (scene.count(JOINED), scene.count(CUT));
        let mut peer = scene.start(name, &text, &files);
        scene.carries(&mut peer, V4, 2);
        // Chains of RSA are too long for one datagram.
        let cut = scene.count(JOINED) > fragments.0 && scene.count(CUT) > fragments.1;
        assert!(cut || name != "rsa");
    }
    let text = policy(V6, CORE_V6, ENB_ID, GATEWAY_ID, &by_key());
    let mut peer = scene.start("v6", &text, &own);
    scene.carries(&mut peer, V6, 2);
}
