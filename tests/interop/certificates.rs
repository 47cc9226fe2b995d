//! Certificates against strongSwan: all kinds of keys and signatures, chains in fragments, one direction by a key, subjects as
//! identities, OCSP responses in IKE, and certificates that are refused, each with its reason in one line. strongSwan begins, and once we do.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "certificates/realm.rs"]
mod realm;

use ravelin_pki::testca::{Fault, Issued, KeyKind};
use ravelin_pki::{AuthorityId, CaProfile, Certificate, Local, PrivateKey, Store};
use ravelin_tests::gateway::Gateway;
use ravelin_tests::process::Process;
use ravelin_tests::site::{Site, V4};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use realm::{Case, Realm, certificate, configuration, now};
use std::path::Path;
use std::time::Duration;

const KEY: &str = "one direction";

/// A connection of strongSwan, and its child of the same name.
fn connection(name: &str, local: &str, remote: &str) -> String {
    format!(
        "  {name} {{
    version = 2
    local_addrs = {}
    remote_addrs = {}
    proposals = aes256gcm16-prfsha256-ecp256
    rekey_time = 0
    local {{
{local}
    }}
    remote {{
{remote}
    }}
    children {{
      {name} {{
        local_ts = 10.45.0.1/32
        remote_ts = 198.51.100.0/24
        esp_proposals = aes256gcm16
        rekey_time = 0
      }}
    }}
  }}
",
        V4.enb_outer, V4.gateway_outer
    )
}

/// The eNodeB of a realm by a signature scheme.
fn by_certificate(name: &str, realm: &str, enb: &str, auth: &str) -> String {
    let local = format!("auth = {auth}\ncerts = {realm}-{enb}.pem\nid = {enb}.{realm}.example");
    connection(
        name,
        &local,
        &format!("auth = pubkey\nid = gw.{realm}.example"),
    )
}

/// An eNodeB of realm p256 that names this post-quantum pre-shared key.
fn with_ppk(name: &str, ppk_id: &str) -> String {
    let version = format!("version = 2\n    ppk_id = {ppk_id}");
    by_certificate(name, "p256", "ppk", "pubkey").replacen("version = 2", &version, 1)
}

struct Scene {
    site: Site,
    gateway: Gateway,
    peer: StrongSwan,
}

impl Scene {
    /// Brings a tunnel up, sends through it and ends it. What strongSwan logged meanwhile.
    fn connects(&mut self, name: &str) -> String {
        let before = self.peer.log().len();
        if let Err(error) = self.peer.initiate(name) {
            let log = self.gateway.daemon("iked").unwrap().log();
            panic!(
                "{name}: {error}\niked: {log}\ncharon: {}",
                &self.peer.log()[before..]
            );
        }
        let answers = ping(&self.site.enb, V4.enb_inner, V4.core, 2, 56).unwrap();
        assert_eq!(answers, 2, "{name}");
        self.peer.terminate(name).unwrap();
        self.peer.log()[before..].to_owned()
    }

    /// A tunnel that must not come up: the line that says why. iked writes five lines about a peer in ten seconds, so it is tried
    /// until its line is there.
    fn refused(&mut self, name: &str, reason: &str) {
        let before = self.gateway.daemon("iked").unwrap().log().len();
        let log = wait_until(name, Duration::from_secs(20), || {
            assert!(self.peer.initiate(name).is_err(), "{name} is up");
            let log = self.gateway.daemon("iked")?.log()[before..].to_owned();
            Ok(log.contains("IKE_AUTH").then_some(log))
        });
        let log = log.unwrap();
        let lines: Vec<&str> = log.lines().filter(|l| l.contains("IKE_AUTH")).collect();
        assert!(
            lines.len() == 1 && lines[0].contains(reason),
            "{name}: one line with `{reason}`, not {lines:#?}"
        );
    }
}

#[test]
fn certificates_of_all_kinds_against_strongswan() {
    let rsa = Realm::new("rsa", KeyKind::Rsa(2048));
    let mut p256 = Realm::new("p256", KeyKind::P256);
    let mut p384 = Realm::new("p384", KeyKind::P384);
    let mut ed25519 = Realm::new("ed25519", KeyKind::Ed25519);
    let peer = ed25519.ca.issue("peer", &[]).unwrap();
    ed25519.enbs.push(("peer".to_owned(), peer));
    let ppk = p256.ca.issue("ppk", &[]).unwrap();
    p256.enbs.push(("ppk".to_owned(), ppk));
    p256.with_fault("expired", Fault::Expired);
    p256.with_fault("stranger", Fault::UnknownCa);
    p256.with_fault("weak", Fault::WeakKey);
    p384.with_fault("revoked", Fault::Revoked);

    let subject = Case {
        name: "subject",
        who: "dynamic distinguished-name wildcard CN=enb; local-identity distinguished-name;"
            .to_owned(),
        ..Case::of("p256")
    };
    let ours_by_key = Case {
        name: "peer-certificate",
        policy: format!(
            "pre-shared-key ascii-text \"{KEY}\"; certificate trusted-ca ca-profile p256;"
        ),
        who: "dynamic hostname .p256.example; local-identity hostname key.example;".to_owned(),
        ..Case::of("p256")
    };
    let theirs_by_key = Case {
        name: "our-certificate",
        policy: format!(
            "pre-shared-key ascii-text \"{KEY}\"; certificate local-certificate gw-p256;"
        ),
        who: "dynamic hostname .key.example; local-identity hostname gw.p256.example;".to_owned(),
        ..Case::of("p256")
    };
    let outgoing = Case {
        name: "outgoing",
        who: "address 192.0.2.10; remote-identity hostname peer.ed25519.example; local-identity hostname gw.ed25519.example;".to_owned(),
        establish: "immediately",
        // A key that strongSwan has not, so it goes by the signature without.
        policy: format!("{} ppk-profile outgoing; ppk-optional;", Case::of("ed25519").policy),
    };
    let mixed = Case {
        name: "ppk",
        who: "dynamic hostname ppk.p256.example; local-identity hostname gw.p256.example;"
            .to_owned(),
        policy: format!("{} ppk-profile enb; ppk-optional;", Case::of("p256").policy),
        ..Case::of("p256")
    };
    let cases = [
        outgoing,
        mixed,
        Case::of("rsa"),
        Case::of("p256"),
        Case::of("p384"),
        Case::of("ed25519"),
        subject,
        ours_by_key,
        theirs_by_key,
    ];
    let open = |name| format!("ca-profile {name} {{ revocation-check disable; }}\n");
    let profiles = [
        open("rsa"),
        open("p256"),
        open("ed25519"),
        "ca-profile p384;\n".to_owned(),
    ];

    let by_key = |name: &str| format!("auth = psk\nid = {name}");
    let certificate_of = |enb: &str| format!("auth = pubkey\ncerts = p256-{enb}.pem\n");
    let connections = [
        by_certificate("pkcs1", "rsa", "enb", "rsa-sha256"),
        by_certificate("pss", "rsa", "enb", "rsa/pss-sha384"),
        by_certificate("p256", "p256", "enb", "pubkey"),
        with_ppk("ppk", "enb\n    ppk_required = yes"),
        with_ppk("ppk-unknown", "unknown"),
        by_certificate("p384", "p384", "enb", "pubkey"),
        by_certificate("ed25519", "ed25519", "enb", "pubkey"),
        by_certificate("outgoing", "ed25519", "peer", "pubkey").replace("10.45.0.1", "10.45.0.2"),
        by_certificate("expired", "p256", "expired", "pubkey"),
        by_certificate("stranger", "p256", "stranger", "pubkey"),
        by_certificate("weak", "p256", "weak", "pubkey"),
        by_certificate("revoked", "p384", "revoked", "pubkey"),
        connection(
            "subject",
            &certificate_of("enb"),
            "auth = pubkey\nid = \"O=Ravelin Test, CN=gw\"",
        ),
        connection(
            "other-subject",
            &certificate_of("stranger"),
            "auth = pubkey\nid = \"O=Ravelin Test, CN=gw\"",
        ),
        connection(
            "peer-certificate",
            &format!("{}id = enb.p256.example", certificate_of("enb")),
            &by_key("key.example"),
        ),
        connection(
            "our-certificate",
            &by_key("a.key.example"),
            "auth = pubkey\nid = gw.p256.example",
        ),
    ];
    let secret = |name: &str, a: &str, b: &str| {
        format!("  ike-{name} {{\n    id-1 = {a}\n    id-2 = {b}\n    secret = \"{KEY}\"\n  }}\n")
    };
    let ppk =
        |id: &str| format!("  ppk-{id} {{\n    id = {id}\n    secret = \"{KEY} {id}\"\n  }}\n");
    let swanctl = format!(
        "connections {{\n{}}}\nsecrets {{\n{}{}{}{}}}\n",
        connections.concat(),
        secret("a", "key.example", "enb.p256.example"),
        secret("b", "a.key.example", "gw.p256.example"),
        ppk("enb"),
        ppk("unknown"),
    );
    let realms = [&rsa, &p256, &p384, &ed25519];
    let files: Vec<_> = realms.iter().flat_map(|realm| realm.files()).collect();

    let site = Site::new("certificates").unwrap();
    let peer = StrongSwan::start_with(&site.enb, site.folder(), &swanctl, &files).unwrap();
    let text = configuration(&profiles.concat(), &cases);
    let profile = |id: &str| {
        format!(
            "profiles {id} {{ static {{ key-id ascii-text {id}; key ascii-text \"{KEY} {id}\"; }} }}\n"
        )
    };
    let manager = format!(
        "    key-manager {{\n{}{}}}\n",
        profile("enb"),
        profile("outgoing")
    );
    let text = text.replacen("    pki {\n", &format!("{manager}    pki {{\n"), 1);
    let fill = |folder: &Path| {
        let store = Store::open(folder).unwrap();
        for realm in [&rsa, &p256, &ed25519] {
            realm.store(&store, realm.ca.root());
        }
        // The list of the CA right above is all that is needed when that is the anchor.
        p384.store(&store, p384.ca.access());
        let revoked: Vec<&Issued> = p384.enbs.iter().skip(1).map(|(_, issued)| issued).collect();
        let list = p384.ca.revocation_list(&revoked, now()).unwrap();
        let id = AuthorityId::of(&certificate(p384.ca.access()));
        store.save_crl(&id, &list).unwrap();
    };
    let gateway = site
        .start_gateway_prepared(&text, |gateway| fill(&gateway.pki_folder()))
        .unwrap();
    let mut scene = Scene {
        site,
        gateway,
        peer,
    };

    // Ours comes first, by itself.
    wait_until("the tunnel that we begin", Duration::from_secs(30), || {
        Ok((scene.peer.established()? == 1).then_some(()))
    })
    .unwrap_or_else(|error| {
        let log = scene.gateway.daemon("iked").unwrap().log();
        panic!("{error}\niked: {log}\ncharon: {}", scene.peer.log());
    });
    assert!(
        scene
            .peer
            .list_sas()
            .unwrap()
            .contains("gw.ed25519.example")
    );
    let log = scene.peer.log();
    assert!(log.contains("no PPK available, using NO_PPK_AUTH"), "{log}");
    scene.peer.terminate("outgoing").unwrap();

    let log = scene.connects("pkcs1");
    assert!(
        log.contains("authentication of 'enb.rsa.example' (myself) with RSA_EMSA_PKCS1_SHA2_256"),
        "{log}"
    );
    assert!(
        log.contains("authentication of 'gw.rsa.example' with RSA_EMSA_PSS"),
        "{log}"
    );
    assert!(
        log.contains("splitting IKE message") && log.contains("reassembled fragmented IKE message"),
        "{log}"
    );
    let log = scene.connects("pss");
    assert!(log.contains("(myself) with RSA_EMSA_PSS_SHA2_384"), "{log}");
    let log = scene.connects("p256");
    assert!(
        log.contains("authentication of 'gw.p256.example' with ECDSA_WITH_SHA256_DER successful"),
        "{log}"
    );
    for step in ["sending issuer cert", "received issuer cert"] {
        let wanted = format!("{step} \"O=Ravelin Test, CN=Access CA\"");
        assert!(log.contains(&wanted), "{log}");
    }
    let log = scene.connects("ppk");
    assert!(log.contains("using PPK for PPK_ID 'enb'"), "{log}");
    let log = scene.connects("ppk-unknown");
    assert!(
        log.contains("authentication of 'gw.p256.example' with ECDSA_WITH_SHA256_DER successful"),
        "{log}"
    );
    assert!(!log.contains("using PPK"), "{log}");
    let log = scene.connects("p384");
    assert!(
        log.contains("authentication of 'gw.p384.example' with ECDSA_WITH_SHA384_DER successful"),
        "{log}"
    );
    let log = scene.connects("ed25519");
    assert!(
        log.contains("authentication of 'gw.ed25519.example' with ED25519 successful"),
        "{log}"
    );
    let log = scene.connects("subject");
    assert!(
        log.contains("authentication of 'O=Ravelin Test, CN=gw' with ECDSA"),
        "{log}"
    );
    let log = scene.connects("peer-certificate");
    assert!(
        log.contains("authentication of 'key.example' with pre-shared key successful"),
        "{log}"
    );
    let log = scene.connects("our-certificate");
    assert!(
        log.contains("authentication of 'a.key.example' (myself) with pre-shared key"),
        "{log}"
    );

    scene.refused(
        "expired",
        "certificate `CN=expired,O=Ravelin Test` of CA profile p256: expired at ",
    );
    scene.refused(
        "stranger",
        "of CA profile p256: its issuer `CN=Access CA,O=Ravelin Test` is not known",
    );
    scene.refused("weak", "its key of RSA 1024 is too weak");
    scene.refused(
        "revoked",
        "certificate `CN=revoked,O=Ravelin Test` of CA profile p384: it is revoked",
    );
    scene.refused("other-subject", "a distinguished name with CN=enb");
    // And nothing of that harms who is good.
    scene.connects("p384");
}

/// OpenSSL as CA and as its responder at the eNodeB, which its certificate names and the gateway's does not.
const OCSP_CA: &str = "
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout ca.key -out ca.pem \
        -subj /CN=ca -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    n=0
    for name in gw enb; do
        n=$((n + 1))
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
        echo subjectAltName=DNS:$name.ocsp.example >$name.ext
        if [ $name = enb ]; then echo 'authorityInfoAccess=OCSP;URI:http://192.0.2.10:8888' >>enb.ext; fi
        openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -set_serial $n -days 9 -extfile $name.ext -out $name.pem
        printf 'V\\t400101000000Z\\t\\t0%d\\tunknown\\t/CN=%s\\n' $n $name >>index.txt
    done";
const OCSP_RESPONDER: &str = "exec openssl ocsp -port 8888 -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 1";

/// RFC 4806: each end accepts the other by the response that comes with its certificate, when it has no other.
#[test]
fn responses_of_ocsp_come_along_in_ike() {
    let site = Site::new("stapled_ocsp").unwrap();
    let folder = site.folder().to_owned();
    let in_folder = |script: &str| format!("cd {}; {script}", folder.display());
    site.enb.sh(&in_folder(OCSP_CA)).unwrap();
    let mut responder = site.enb.command("sh");
    responder.args(["-ec", &in_folder(OCSP_RESPONDER)]);
    let responder = Process::start("responder", &folder, &mut responder).unwrap();
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let parsed = |name: &str| Certificate::from_file(&read(name)).unwrap();

    // strongSwan asks no responder about the gateway: it is told of none.
    let enb = |name: &str, ocsp: &str, revocation: &str| {
        let version = format!("version = 2\n    ocsp = {ocsp}");
        let gateway = format!("auth = pubkey\nid = gw.ocsp.example\nrevocation = {revocation}");
        let own = "auth = pubkey\ncerts = enb.pem\nid = enb.ocsp.example";
        connection(name, own, &gateway).replacen("version = 2", &version, 1)
    };
    let swanctl = [
        enb("theirs", "reply", "ifuri"),
        enb("neither", "reply", "strict"),
        enb("both", "both", "strict"),
    ];
    let swanctl = format!("connections {{\n{}}}\n", swanctl.concat());
    let files = [
        ("x509ca", "ca.pem"),
        ("x509", "enb.pem"),
        ("private", "enb.key"),
    ];
    let files = files.map(|(part, name)| (format!("{part}/{name}"), read(name)));
    let peer =
        StrongSwan::start_loading("revocation curl", &site.enb, &folder, &swanctl, &files).unwrap();
    let profile = "ca-profile ocsp { revocation-check { use-ocsp; ocsp { url http://192.0.2.10:8888/; } } }\n";
    let text = configuration(profile, &[Case::of("ocsp")]);
    let gateway = site.start_gateway_prepared(&text, |gateway| {
        let store = Store::open(&gateway.pki_folder()).unwrap();
        let local = Local {
            key: PrivateKey::import(&read("gw.key"), &Default::default()).unwrap(),
            certificates: parsed("gw.pem"),
        };
        store.save_local("gw-ocsp", &local).unwrap();
        let profile = CaProfile {
            name: "ocsp".to_owned(),
            anchors: parsed("ca.pem"),
        };
        store.save_profile(&profile).unwrap();
    });
    let mut scene = Scene {
        site,
        gateway: gateway.unwrap(),
        peer,
    };
    // At the first contact the gateway has no response but the peer's.
    let log = scene.connects("theirs");
    assert!(
        log.contains("sending OCSP status for certificate \"CN=enb\""),
        "{log}"
    );
    assert!(scene.peer.initiate("neither").is_err());
    wait_until("the gateway's response", Duration::from_secs(20), || {
        Ok(scene.peer.initiate("both").ok())
    })
    .unwrap();
    scene.peer.terminate("both").unwrap();
    let log = scene.connects("both");
    assert!(
        log.contains("received OCSP response issued by \"CN=ca\""),
        "{log}"
    );
    drop(responder);
}
