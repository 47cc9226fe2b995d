//! libreswan as the peer: keys and certificates, both families, rekeys with PFS, probes and deletions from either end, fragments, leases,
//! redirects. And libreswan as a hostile peer, by its own faults on purpose. Traffic goes through each pair that both ends agreed on.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "certificates/realm.rs"]
mod realm;

use ravelin_pki::Store;
use ravelin_pki::testca::KeyKind;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::libreswan::{Libreswan, database};
use ravelin_tests::netns::run;
use ravelin_tests::site::{
    Addresses, CONFIGURATION, ENB_ID, GATEWAY_ID, PRE_SHARED_KEY, Site, V4, V6, with_gateway,
};
use ravelin_tests::wait::wait_until;
use realm::{Case, Realm, certificate, configuration};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const PINGS: usize = 2;
const CORE_V4: &str = "198.51.100.0/24";
const CORE_V6: &str = "2001:db8:b::/64";
const PROBES: &str = "liveness probes sent";
const PROBED: &str = "liveness probes answered";
const JOINED: &str = "messages joined from fragments";
const CUT: &str = "messages sent as fragments";

/// A connection of ipsec.conf between these addresses; `more` are its further lines.
fn connection(name: &str, a: Addresses, core: &str, more: &str) -> String {
    format!(
        "conn {name}
\tleft={}
\tright={}
\tleftsubnet={}
\trightsubnet={core}
\tike=aes_gcm256-sha2_256-dh19
\tesp=aes_gcm256;dh19
{more}",
        a.enb_outer, a.gateway_outer, a.enb_inner
    )
}

fn by_key(ours: &str, gateway: &str) -> String {
    format!("\tauthby=secret\n\tleftid=@{ours}\n\trightid=@{gateway}\n")
}

fn by_certificate(realm: &str, auth: &str) -> String {
    format!(
        "\tauthby={auth}\n\tleftcert={realm}\n\tsendca=all\n\tleftid=@{realm}-enb.{realm}.example\n\trightid=@gw.{realm}.example\n"
    )
}

fn secret(ours: &str, gateway: &str) -> String {
    format!("@{ours} @{gateway} : PSK \"{PRE_SHARED_KEY}\"\n")
}

/// Puts the eNodeB's key and chain, and the root as the only CA that is trusted, into an NSS database.
fn fill(nss: &Path, realm: &Realm) -> ravelin_tests::Result<()> {
    // NSS gives certificates of one subject one name, and the hierarchies use the same subjects.
    let enb = realm.ca.issue(&format!("{}-enb", realm.name), &[]).unwrap();
    let file = |name: &str| nss.join(format!("{}-{name}", realm.name));
    let pem = |der: &[u8]| certificate(der).to_pem().unwrap();
    std::fs::write(file("enb.pem"), pem(&enb.certificate)).unwrap();
    std::fs::write(file("access.pem"), pem(realm.ca.access())).unwrap();
    std::fs::write(file("root.pem"), pem(realm.ca.root())).unwrap();
    let key = enb.key.private_key_to_pem_pkcs8().unwrap();
    std::fs::write(file("key.pem"), key).unwrap();
    run(Command::new("openssl")
        .args([
            "pkcs12", "-export", "-passout", "pass:", "-name", realm.name, "-in",
        ])
        .arg(file("enb.pem"))
        .arg("-inkey")
        .arg(file("key.pem"))
        .arg("-certfile")
        .arg(file("access.pem"))
        .arg("-out")
        .arg(file("all.p12")))?;
    run(Command::new("pk12util")
        .args(["-W", "", "-d", &database(nss), "-i"])
        .arg(file("all.p12")))?;
    let root = format!("{}-root", realm.name);
    run(Command::new("certutil")
        .args([
            "-A",
            "-a",
            "-t",
            "CT,,",
            "-n",
            &root,
            "-d",
            &database(nss),
            "-i",
        ])
        .arg(file("root.pem")))
    .map(drop)
}

struct Scene {
    site: Site,
    gateway: Gateway,
    peer: Libreswan,
}

impl Scene {
    /// Value of a counter of ours.
    fn count(&self, name: &str) -> u64 {
        self.gateway.ike_statistics().unwrap()[name]
    }

    /// Waits until there is one of each at the peer, and `new` SAs in its kernel since `before`, and sends through the newest pair.
    fn carries(&mut self, name: &str, addresses: Addresses, (before, new): (usize, usize)) {
        let outcome = wait_until(&format!("the pair of {name}"), LIMIT, || {
            let there = self.peer.established(name)? == (1, 1);
            Ok((there && self.peer.esp.sas() >= before + new).then_some(()))
        });
        let outcome = outcome.and_then(|()| self.peer.esp.ping(&self.site.enb, addresses, PINGS));
        outcome.unwrap_or_else(|error| panic!("{name}: {error}\n{}", self.logs()));
    }

    /// Brings a connection up.
    fn comes_up(&mut self, name: &str, addresses: Addresses) {
        let before = self.peer.esp.sas();
        let outcome = self.peer.initiate(name);
        outcome.unwrap_or_else(|error| panic!("{name}: {error}\n{}", self.logs()));
        self.carries(name, addresses, (before, 2));
    }

    /// Waits until neither end has anything left of a connection.
    fn is_gone(&mut self, name: &str, peer: &str) {
        let outcome = wait_until(&format!("the end of {name}"), LIMIT, || {
            let ours = (self.gateway).cli("show security ipsec security-associations")?;
            Ok((self.peer.established(name)? == (0, 0) && !ours.contains(peer)).then_some(()))
        });
        outcome.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
    }

    fn logs(&mut self) -> String {
        let ours = self.gateway.daemon("iked").unwrap().log();
        format!("iked: {ours}\npluto: {}", self.peer.log())
    }
}

/// By keys over IPv4: every exchange from either end.
fn whole_life(scene: &mut Scene) {
    scene.comes_up("v4", V4);
    let order = |what: &str| format!("request security {what} rekey all");
    let before = scene.peer.esp.sas();
    scene.peer.rekey("--rekey-child", "v4").unwrap();
    scene.carries("v4", V4, (before, 2));
    scene.peer.rekey("--rekey-ike", "v4").unwrap();
    scene.gateway.cli(&order("ike")).unwrap();
    let before = scene.peer.esp.sas();
    scene.gateway.cli(&order("ipsec")).unwrap();
    scene.carries("v4", V4, (before, 2));
    // With PFS, in both directions.
    let log = scene.peer.log();
    for end in ["initiator", "responder"] {
        let child = |l: &&str| l.contains(&format!("{end} rekeyed Child SA"));
        let line = log.lines().find(child);
        assert!(line.is_some_and(|l| l.contains("-DH19")), "{end}: {log}");
        let ike = format!("{end} rekeyed IKE SA");
        assert!(log.contains(&ike), "{ike}: {log}");
    }

    let probes = scene.count(PROBES);
    wait_until("an answered probe of ours", LIMIT, || {
        Ok((scene.count(PROBES) > probes).then_some(()))
    })
    .unwrap();
    let probed = scene.count(PROBED);
    let states = scene.peer.whack(&["--showstates"]).unwrap();
    let ike = states.lines().find(|l| l.contains("(established IKE SA)"));
    let number = ike.unwrap().trim_start_matches('#').split(':').next();
    let probe = format!("initiate_v2_liveness:{}", number.unwrap());
    scene.peer.impair(&probe).unwrap();
    wait_until("a probe of libreswan", LIMIT, || {
        Ok((scene.count(PROBED) > probed).then_some(()))
    })
    .unwrap();
    scene.carries("v4", V4, (0, 0));
    scene.peer.terminate("v4").unwrap();
    scene.is_gone("v4", "192.0.2.10");
}

/// By keys over IPv6: we delete it, and libreswan, which wants it to be up, begins it anew.
fn over_ipv6(scene: &mut Scene) {
    scene.comes_up("v6", V6);
    let before = scene.peer.esp.sas();
    let clear = "clear security ike security-associations";
    scene.gateway.cli(clear).unwrap();
    scene.carries("v6", V6, (before, 2));
    assert!(scene.peer.log().contains("received Delete"));
    scene.peer.terminate("v6").unwrap();
    scene.is_gone("v6", "2001:db8:a::10");
}

/// A gateway with addresses for its peers, and others that send theirs to it.
const LEASING: (&str, &str) = ("lease", "192.0.2.3");
const SENDING: [(&str, &str, &str); 2] = [
    ("init", "192.0.2.4", "ike-sa-init"),
    ("auth", "192.0.2.5", "ike-auth"),
];
/// One that gives no addresses, and sends its peers by order to the site's own.
const ORDERED: (&str, &str) = ("order", "192.0.2.6");

/// The configuration with these gateways.
fn with_leases(text: &str) -> String {
    let pool = "address-pool ran { inet 10.45.7.0/24; }\n        gateway enb-v4 {";
    let text = text.replacen("gateway enb-v4 {", pool, 1);
    let text = with_gateway(&text, LEASING.0, LEASING.1, "address-pool ran;");
    let first = "redirect { address 192.0.2.1; at request; }";
    let text = with_gateway(&text, ORDERED.0, ORDERED.1, first);
    SENDING.iter().fold(text, |text, (name, address, at)| {
        let to = format!(
            "address-pool ran; redirect {{ address {}; at {at}; }}",
            LEASING.1
        );
        with_gateway(&text, name, address, &to)
    })
}

/// libreswan asks for an inner address, and goes from each of the other gateways to the one that it is sent to.
fn leased_and_sent_away(scene: &mut Scene) {
    let arrives = |scene: &mut Scene, name: &str, before: usize| {
        let command = "show security ike security-associations | display json";
        let outcome = wait_until(&format!("the lease of {name}"), LIMIT, || {
            let report: serde_json::Value =
                serde_json::from_str(&scene.gateway.cli(command)?).unwrap();
            let sas = report["ike_security_associations"].as_array().unwrap();
            // What it was redirected from in IKE_AUTH it leaves to us.
            let here = format!("{}:", LEASING.1);
            let mut there =
                (sas.iter()).filter(|sa| sa["local"].as_str().unwrap().starts_with(&here));
            let lease = there.next().and_then(|sa| sa["leases"][0].as_str());
            Ok(lease.map(str::to_owned))
        });
        let lease = outcome.unwrap_or_else(|error| panic!("{error}\n{}", scene.logs()));
        let addresses = Addresses {
            gateway_outer: LEASING.1.parse().unwrap(),
            enb_inner: lease.parse().unwrap(),
            ..V4
        };
        scene.carries(name, addresses, (before, 2));
    };
    for name in [LEASING.0, "init", "auth"] {
        let before = scene.peer.esp.sas();
        scene.peer.begin(name).unwrap();
        arrives(scene, name, before);
        scene.peer.terminate(name).unwrap();
        scene.is_gone(name, "192.0.2.10");
    }
}

/// An order sends libreswan from one gateway to another, with its tunnel.
fn ordered_away(scene: &mut Scene) {
    let (name, address) = ORDERED;
    let there = Addresses {
        gateway_outer: address.parse().unwrap(),
        ..V4
    };
    scene.comes_up(name, there);
    let before = scene.peer.esp.sas();
    let order = "request security ike redirect peer 192.0.2.10";
    scene.gateway.cli(order).unwrap();
    scene.carries(name, V4, (before, 2));
    scene.peer.terminate(name).unwrap();
    scene.is_gone(name, "192.0.2.10");
}

/// A commit names libreswan as a peer whose tunnel we begin.
fn begun_by_us(scene: &mut Scene, profiles: &str, mut cases: Vec<Case>) {
    cases.push(Case {
        name: "outgoing",
        policy: format!("pre-shared-key ascii-text \"{PRE_SHARED_KEY}\";"),
        who: "address 192.0.2.10; remote-identity hostname called.example; local-identity hostname caller.example;".to_owned(),
        establish: "immediately",
    });
    let before = scene.peer.esp.sas();
    let file = scene.site.folder().join("outgoing.conf");
    std::fs::write(&file, configuration(profiles, &cases)).unwrap();
    let load = format!("request system configuration load file {}", file.display());
    scene.gateway.cli(&load).unwrap();
    scene.carries("called", V4, (before, 2));
}

#[test]
fn libreswan_sets_up_rekeys_probes_and_deletes() {
    let p256 = Realm::new("p256", KeyKind::P256);
    let rsa = Realm::new("rsa", KeyKind::Rsa(2048));
    let profiles = ["p256", "rsa"]
        .map(|name| format!("ca-profile {name} {{ revocation-check disable; }}\n"))
        .concat();
    let cases = || vec![Case::of("p256"), Case::of("rsa")];
    let text = configuration(&profiles, &cases())
        .replace(
            "proposals esp-gcm;",
            "proposals esp-gcm; perfect-forward-secrecy { keys group19; }",
        )
        .replace("interval 10;", "interval 2;");
    let text = with_leases(&text);
    let site = Site::new("libreswan").unwrap();
    let gateway = site
        .start_gateway_prepared(&text, |gateway| {
            let store = Store::open(&gateway.pki_folder()).unwrap();
            for realm in [&p256, &rsa] {
                realm.store(&store, realm.ca.root());
            }
        })
        .unwrap();
    let asking = |name: &str, address: &str| {
        let more = "\tnarrowing=yes\n\tleftmodecfgclient=yes\n\taccept-redirect=yes\n";
        let conn = connection(name, V4, CORE_V4, &(by_key(ENB_ID, GATEWAY_ID) + more));
        conn.replacen("right=192.0.2.1\n", &format!("right={address}\n"), 1)
            .replacen("leftsubnet=10.45.0.1\n", "leftsubnet=0.0.0.0/0\n", 1)
    };
    let sending = SENDING.map(|(name, address, _)| asking(name, address));
    let ordered = by_key(ENB_ID, GATEWAY_ID) + "\taccept-redirect=yes\n";
    let ordered = connection(ORDERED.0, V4, CORE_V4, &ordered);
    let at = format!("right={}\n", ORDERED.1);
    let connections = [
        asking(LEASING.0, LEASING.1),
        ordered.replacen("right=192.0.2.1\n", &at, 1),
        sending.concat(),
        connection("v4", V4, CORE_V4, &by_key(ENB_ID, GATEWAY_ID)),
        connection("v6", V6, CORE_V6, &by_key(ENB_ID, GATEWAY_ID)),
        connection("p256", V4, CORE_V4, &by_certificate("p256", "ecdsa")),
        connection("rsa", V4, CORE_V4, &by_certificate("rsa", "rsa-sha2")),
        connection(
            "called",
            V4,
            CORE_V4,
            &format!(
                "{}\tnarrowing=yes\n",
                by_key("called.example", "caller.example")
            ),
        ),
    ];
    let secrets = secret(ENB_ID, GATEWAY_ID) + &secret("called.example", "caller.example");
    let peer = Libreswan::start(
        &site.enb,
        site.folder(),
        &connections.concat(),
        &secrets,
        |nss| [&p256, &rsa].iter().try_for_each(|realm| fill(nss, realm)),
    )
    .unwrap();
    let mut scene = Scene {
        site,
        gateway,
        peer,
    };
    whole_life(&mut scene);
    over_ipv6(&mut scene);
    for (name, proof) in [("p256", "P-256 ECDSA"), ("rsa", "2048-bit RSASSA-PSS")] {
        let fragments = (scene.count(JOINED), scene.count(CUT));
        scene.comes_up(name, V4);
        // Chains of RSA are too long for one datagram.
        let cut = scene.count(JOINED) > fragments.0 && scene.count(CUT) > fragments.1;
        assert!(cut || name != "rsa");
        let proven = format!("authenticated peer certificate '@gw.{name}.example' and {proof}");
        let log = scene.peer.log();
        assert!(log.contains(&proven), "{proven}: {log}");
        scene.peer.terminate(name).unwrap();
        scene.is_gone(name, "192.0.2.10");
    }
    leased_and_sent_away(&mut scene);
    ordered_away(&mut scene);
    begun_by_us(&mut scene, &profiles, cases());
}

/// What becomes of a set-up.
enum Outcome {
    Up,
    /// The IKE SA is up without a child, and if there is a reason, it is shown.
    Childless(&'static str),
    /// Discarded under this counter.
    Counted(&'static str),
    /// Refused with this reason.
    Failed(&'static str),
}
use Outcome::{Childless, Counted, Failed, Up};

/// Faults of its own that libreswan has while it sets up.
const IMPAIRMENTS: &[(&str, Outcome)] = &[
    // Octets and flags that are to be ignored.
    ("minor_version_bump", Up),
    ("send_bogus_payload_flag", Up),
    ("send_bogus_isakmp_flag", Up),
    ("send_nonzero_reserved", Up),
    ("send_nonzero_reserved_id", Up),
    ("add_unknown_v2_payload_to:IKE_SA_INIT", Up),
    ("add_unknown_v2_payload_to_sk:IKE_AUTH", Up),
    ("add_v2_notification:COOKIE", Up),
    ("send_bogus_dcookie", Up),
    ("send_no_idr", Up),
    ("ke_payload:duplicate", Up),
    // The same datagrams again and again.
    ("duplicate_outbound", Up),
    ("replay_outbound", Up),
    ("corrupt_encrypted", Counted("responses repeated")),
    // Nonsense.
    ("major_version_bump", Counted("malformed message")),
    ("ke_payload:omit", Counted("malformed message")),
    ("ke_payload:empty", Counted("malformed message")),
    (
        "ike_initiator_spi:0",
        Counted("exchange not possible in this state"),
    ),
    ("ke_payload:5", Failed("is not a valid element")),
    (
        "ike_key_length_attribute:omit",
        Failed("no proposal chosen"),
    ),
    (
        "ike_key_length_attribute:duplicate",
        Failed("unknown attributes"),
    ),
    (
        // A transform of type 99: (99 << 16) + 1.
        "ikev2_add_ike_transform:6488065",
        Failed("no proposal chosen"),
    ),
    ("v2_proposal_dh:omit", Failed("key exchange group")),
    ("number_of_TSi_selectors:0", Failed("payload TSi")),
    ("number_of_TSi_selectors:200", Failed("payload TSi")),
    ("number_of_TSr_selectors:2", Failed("payload TSr")),
    ("force_v2_auth_method:NULL", Failed("NULL (13)")),
    (
        "add_unknown_v2_payload_to:IKE_SA_INIT unknown_v2_payload_critical",
        Failed("unknown critical payload"),
    ),
    (
        "add_unknown_v2_payload_to_sk:IKE_AUTH unknown_v2_payload_critical",
        Failed("unknown critical payload"),
    ),
    // No child, or none that can be.
    ("omit_v2_ike_auth_child", Childless("")),
    (
        "child_key_length_attribute:omit",
        Childless("no proposal chosen"),
    ),
    (
        "child_key_length_attribute:duplicate",
        Childless("unknown attributes"),
    ),
    (
        "ikev2_add_child_transform:6488065",
        Childless("no proposal chosen"),
    ),
];

/// Faults while it rekeys a child, and why it is refused.
const REKEY_IMPAIRMENTS: &[(&str, &str)] = &[
    (
        "add_unknown_v2_payload_to_sk:CREATE_CHILD_SA unknown_v2_payload_critical",
        "unknown critical payload",
    ),
    ("ke_payload:5", "is not a valid element"),
];

impl Scene {
    fn impair(&self, how: &str) {
        for one in how.split(' ') {
            self.peer.impair(one).unwrap();
        }
    }

    /// Whether that has become of the set-up of the bad connection.
    fn has_become(&self, outcome: &Outcome, before: u64) -> ravelin_tests::Result<Option<()>> {
        let up = self.peer.established("bad")?;
        let shown = |reason: &str| {
            let failures = self.gateway.cli("show security ike failures")?;
            Ok::<bool, ravelin_tests::BenchError>(failures.contains(reason))
        };
        let done = match outcome {
            Up => up == (1, 1),
            Childless(reason) => up == (1, 0) && (reason.is_empty() || shown(reason)?),
            Counted(counter) => self.count(counter) > before,
            Failed(reason) => up == (0, 0) && shown(reason)?,
        };
        Ok(done.then_some(()))
    }
}

#[test]
fn an_impaired_libreswan_is_refused_and_harms_nobody() {
    let site = Site::new("libreswan_impaired").unwrap();
    let gateway = site.start_gateway_with(CONFIGURATION).unwrap();
    let connections = [
        connection("good", V6, CORE_V6, &by_key(ENB_ID, GATEWAY_ID)),
        connection("bad", V4, CORE_V4, &by_key("bad.enb.example", GATEWAY_ID)),
    ];
    let secrets = secret(ENB_ID, GATEWAY_ID) + &secret("bad.enb.example", GATEWAY_ID);
    let connections = connections.concat();
    let peer = Libreswan::start(&site.enb, site.folder(), &connections, &secrets, |_| Ok(()));
    let mut scene = Scene {
        site,
        gateway,
        peer: peer.unwrap(),
    };
    scene.comes_up("good", V6);
    for (how, outcome) in IMPAIRMENTS {
        let before = match outcome {
            Counted(counter) => scene.count(counter),
            _ => 0,
        };
        scene.impair(how);
        // It tells of each failure by its status too.
        drop(scene.peer.begin("bad"));
        let seen = wait_until(how, LIMIT, || scene.has_become(outcome, before));
        seen.unwrap_or_else(|error| panic!("{error}\n{}", scene.logs()));
        scene.impair("none");
        drop(scene.peer.terminate("bad"));
        (scene.gateway).cli("clear security ike failures").unwrap();
    }
    for (how, reason) in REKEY_IMPAIRMENTS {
        scene.peer.initiate("bad").unwrap();
        scene.impair(how);
        let rekey = ["--rekey-child", "--asynchronous", "--name", "bad"];
        scene.peer.whack(&rekey).unwrap();
        let outcome = wait_until(how, LIMIT, || {
            let failures = scene.gateway.cli("show security ike failures")?;
            Ok(failures.contains(reason).then_some(()))
        });
        outcome.unwrap_or_else(|error| panic!("{error}\n{}", scene.logs()));
        scene.impair("none");
        drop(scene.peer.terminate("bad"));
        (scene.gateway).cli("clear security ike failures").unwrap();
    }
    scene.carries("good", V6, (0, 0));
}
