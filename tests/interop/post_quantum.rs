//! What keeps SAs with a strongSwan safe from quantum computers: post-quantum pre-shared keys (RFC 8784), and ML-KEM after another key
//! exchange (RFC 9370) or alone. Either end begins, and both rekey.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::{Child, Connection, StrongSwan, ml_kem_missing};
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// The gateway knows its peer by address, so either may begin; ours does when the core sends.
fn configuration(policy: &str) -> String {
    let manager = "    key-manager {
        profiles first { static { key-id ascii-text first; key ascii-text \"first-secret\"; } }
        profiles second { static { key-id ascii-text second; key hexadecimal 00112233445566778899aabbccddeeff; } }
    }
    ike {
";
    let dynamic = "dynamic {
                hostname .enb.example;
                ike-user-type group-ike-id;
            }";
    let peer = "address 192.0.2.10; remote-identity hostname enb1.enb.example;";
    let everything = "traffic-selector inet {
                local-ip 0.0.0.0/0;
                remote-ip 0.0.0.0/0;
            }
            traffic-selector inet6 {
                local-ip ::/0;
                remote-ip ::/0;
            }
            establish-tunnels responder-only;";
    let own = "traffic-selector own { local-ip 198.51.100.0/24; remote-ip 10.45.0.1/32; }
            establish-tunnels on-traffic;";
    CONFIGURATION
        .replacen("    ike {\n", manager, 1)
        .replacen(
            "pre-shared-key ascii",
            &format!("{policy} pre-shared-key ascii"),
            1,
        )
        .replacen(dynamic, peer, 1)
        .replacen(everything, own, 1)
}

const OPTIONAL: &str = "ppk-profile [ first second ]; ppk-optional;";
/// The second, as strongSwan has it.
const SECOND: &str = "0x00112233445566778899aabbccddeeff";
const REQUIRED: &str = "ppk-profile [ first second ];";

/// strongSwan's connection with this post-quantum pre-shared key, and with more options.
fn connection(id: &str, secret: &str, options: &[&str]) -> Connection {
    let mut connection = Connection {
        children: vec![Child::new("enb-s1", "10.45.0.1/32", "198.51.100.0/24")],
        ppks: vec![(id.to_owned(), secret.to_owned())],
        ..enb_connection("enb", V4)
    };
    let options = options.iter().map(|option| (*option).to_owned());
    connection.options.extend(options);
    connection
}

struct Scene {
    site: Site,
    gateway: Gateway,
    peer: StrongSwan,
}

impl Scene {
    /// A strongSwan without a connection beside this gateway.
    fn new(name: &str, text: &str) -> Self {
        let site = Site::new(name).unwrap();
        Self {
            gateway: site.start_gateway_with(text).unwrap(),
            peer: StrongSwan::start(&site.enb, site.folder(), &[]).unwrap(),
            site,
        }
    }

    fn commit(&self, text: &str) {
        let file = self.site.folder().join("next.conf");
        std::fs::write(&file, text).unwrap();
        let load = format!("request system configuration load file {}", file.display());
        self.gateway.cli(&load).unwrap();
    }

    /// strongSwan's connection with this key, and with more options.
    fn peer_has(&self, id: &str, secret: &str, options: &[&str]) {
        self.peer_is(connection(id, secret, options));
    }

    fn peer_is(&self, connection: Connection) {
        self.peer.configure(&[connection]).unwrap();
    }

    /// The tunnel is there, with what these lines say of its IKE SA.
    fn is_up(&self, lines: &[&str]) {
        let answered = ping(&self.site.enb, V4.enb_inner, V4.core, 2, 56).unwrap();
        assert_eq!(answered, 2, "{lines:?}");
        let shown = self
            .gateway
            .cli("show security ike security-associations detail")
            .unwrap();
        for line in lines {
            assert!(shown.contains(&format!("{line}\n")), "{line} in {shown}");
        }
    }

    /// So it is after it was rekeyed by us and by the peer. Then it is ended.
    fn stays(&self, lines: &[&str]) {
        self.is_up(lines);
        for what in ["ike", "ipsec"] {
            let rekey = format!("request security {what} rekey all");
            self.rekeyed(what, || self.gateway.cli(&rekey).map(drop));
        }
        self.rekeyed("ike", || self.peer.rekey("--ike", "enb").map(drop));
        self.rekeyed("ipsec", || self.peer.rekey("--child", "enb-s1").map(drop));
        self.is_up(lines);
        self.peer.terminate("enb").unwrap();
    }

    fn uses(&self, key: &str) {
        self.stays(&[&format!("Post-quantum pre-shared key: {key}")]);
    }

    /// The lines with SPIs of all SAs of a kind; an IKE SA that failed is shown for a while, and not meant.
    fn spis(&self, kind: &str) -> ravelin_tests::Result<Vec<String>> {
        let command = format!("show security {kind} security-associations detail");
        let report = self.gateway.report(&command)?;
        let all = report[format!("{kind}_security_associations")].as_array();
        let is_up = |sa: &&serde_json::Value| sa["state"].is_null() || sa["state"] == "UP";
        let up: Vec<_> = all.unwrap().iter().filter(is_up).collect();
        let text = serde_json::to_string_pretty(&up).unwrap();
        let lines = text.lines().filter(|line| line.contains("spi"));
        Ok(lines.map(str::to_owned).collect())
    }

    fn rekeyed(&self, kind: &str, by: impl FnOnce() -> ravelin_tests::Result<()>) {
        let before = self.spis(kind).unwrap();
        by().unwrap();
        wait_until("the rekeyed SAs", PATIENCE, || {
            let now = self.spis(kind)?;
            let gone = before.iter().all(|line| !now.contains(line));
            Ok((gone && now.len() == before.len()).then_some(()))
        })
        .unwrap();
    }

    /// The packet by which we begin.
    fn core_sends(&self) {
        wait_until("the core's packets to cross", PATIENCE, || {
            let count = ping(&self.site.core, V4.core, V4.enb_inner, 1, 56)?;
            Ok((count == 1).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error}\ncharon: {}", self.peer.log()));
    }

    /// The next failure says this.
    fn told(&self, parts: &[&str]) {
        let shown = wait_until(parts[0], PATIENCE, || {
            let shown = self.gateway.cli("show security ike failures")?;
            let words: Vec<_> = shown.split_whitespace().collect();
            let text = words.join(" ");
            let all = parts.iter().all(|part| text.contains(part));
            Ok(all.then_some(shown))
        });
        let shown = shown.unwrap_or_else(|error| {
            let shown = self.gateway.cli("show security ike failures").unwrap();
            panic!("{error}: {parts:?} in {shown}");
        });
        assert!(!shown.contains("secret"), "{shown}");
        self.gateway.cli("clear security ike failures").unwrap();
    }

    fn peer_fails(&self, parts: &[&str]) {
        assert!(self.peer.initiate("enb-s1").is_err());
        self.told(parts);
    }
}

#[test]
fn post_quantum_pre_shared_keys_go_with_strongswan() {
    let mut scene = Scene::new("ppk", &configuration(OPTIONAL));

    // It begins: with a key of both, and with one that we have not and may do without.
    scene.peer_has("second", SECOND, &["ppk_id = second", "ppk_required = yes"]);
    scene.peer.initiate("enb-s1").unwrap();
    scene.uses("second");
    scene.peer_has("third", "third-secret", &["ppk_id = third"]);
    scene.peer.initiate("enb-s1").unwrap();
    scene.uses("none");
    scene.peer_has(
        "third",
        "third-secret",
        &["ppk_id = third", "ppk_required = yes"],
    );
    scene.peer_fails(&[
        "the post-quantum pre-shared key is not known",
        "third",
        "first, second",
    ]);
    scene.peer_has("first", "another-key", &["ppk_id = first"]);
    scene.peer_fails(&["the post-quantum pre-shared keys first differ"]);

    // We begin, and name the first; it may do without.
    scene.peer_has("first", "first-secret", &[]);
    scene.core_sends();
    scene.uses("first");
    scene.peer_has("third", "third-secret", &[]);
    scene.core_sends();
    scene.uses("none");

    // Nobody may do without.
    scene.commit(&configuration(REQUIRED));
    scene.peer_has("first", "first-secret", &["ppk_id = first"]);
    scene.peer.initiate("enb-s1").unwrap();
    scene.uses("first");
    scene.peer_has("first", "first-secret", &[]);
    scene.peer_fails(&["requires a post-quantum pre-shared key, and the peer uses none"]);
    scene.peer_has("third", "third-secret", &[]);
    wait_until("our set-up to be refused", PATIENCE, || {
        ping(&scene.site.core, V4.core, V4.enb_inner, 1, 56)?;
        let shown = scene.gateway.cli("show security ike failures")?;
        Ok((shown != "0 failures\n").then_some(()))
    })
    .unwrap();
    scene.told(&["AUTHENTICATION_FAILED (24) to post-quantum pre-shared key first"]);

    let shown = scene.gateway.cli("show configuration").unwrap();
    let log = scene.gateway.daemon("iked").unwrap().log();
    for text in [shown, log] {
        assert!(
            !text.contains("first-secret") && !text.contains("00112233"),
            "{text}"
        );
    }
}

#[test]
fn ml_kem_goes_with_strongswan() {
    if let Some(reason) = ml_kem_missing() {
        println!("SKIP ml_kem_goes_with_strongswan: {reason}");
        return;
    }
    let group = |name: &str| format!("   Diffie-Hellman group   : {name}");
    let set = configuration(OPTIONAL)
        .replacen("proposals ike-gcm;", "proposal-set post-quantum;", 1)
        .replacen(
            "proposals esp-gcm;",
            "proposals esp-gcm; perfect-forward-secrecy { keys group31; additional-key-exchange ml-kem-768; }",
            1,
        );
    let scene = Scene::new("ml_kem", &set);
    let hybrid = |id: &str, secret: &str, options: &[&str]| {
        let mut connection = connection(id, secret, options);
        connection.proposals = "aes256gcm16-prfsha384-x25519-ke1_mlkem768".into();
        connection.children[0].proposals = "aes256gcm16-x25519-ke1_mlkem768".into();
        connection
    };
    let both = group("group31+ml-kem-768");
    // It begins, with a post-quantum pre-shared key beside.
    let required = ["ppk_id = second", "ppk_required = yes"];
    scene.peer_is(hybrid("second", SECOND, &required));
    scene.peer.initiate("enb-s1").unwrap();
    scene.stays(&[&both, "Post-quantum pre-shared key: second"]);
    // We begin, and its key is another.
    scene.peer_is(hybrid("third", "third-secret", &[]));
    scene.core_sends();
    scene.stays(&[&both, "Post-quantum pre-shared key: none"]);

    // The other sizes, alone and in the second place.
    let proposals = "proposal alone { dh-group ml-kem-512; encryption-algorithm aes-256-gcm; }
        proposal last { dh-group group20; additional-key-exchange ml-kem-1024; encryption-algorithm aes-256-gcm; }
        proposal ike-gcm {";
    let text = configuration("")
        .replacen("proposal ike-gcm {", proposals, 1)
        .replacen("proposals ike-gcm;", "proposals [ alone last ];", 1);
    scene.commit(&text);
    for (offered, shown) in [
        ("mlkem512", "ml-kem-512"),
        ("ecp384-ke1_mlkem1024", "group20+ml-kem-1024"),
    ] {
        let mut connection = connection("third", "third-secret", &[]);
        connection.proposals = format!("aes256gcm16-prfsha256-{offered}");
        scene.peer_is(connection);
        scene.peer.initiate("enb-s1").unwrap();
        scene.is_up(&[&group(shown)]);
        scene.peer.terminate("enb").unwrap();
    }
}
