//! Certificates of a system test: a CA with the certificates of a gateway and of its peers, and the configuration of gateways that use them.

#![allow(dead_code)] // each test uses its part

use ravelin_pki::testca::{Fault, Hierarchy, Issued, KeyKind};
use ravelin_pki::{CaProfile, Certificate, Local, PrivateKey, Store, WallTime};
use ravelin_tests::site::CONFIGURATION;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// A CA with the certificate of a gateway below it, and the certificates of eNodeBs.
pub struct Realm {
    pub name: &'static str,
    pub ca: Hierarchy,
    pub gateway: Issued,
    pub enbs: Vec<(String, Issued)>,
}

/// The wall clock.
pub fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    WallTime(since.as_secs().try_into().unwrap())
}

/// Parsed.
pub fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

impl Realm {
    pub fn new(name: &'static str, kind: KeyKind) -> Self {
        let ca = Hierarchy::new(kind, now(), &format!("{name}.example")).unwrap();
        let gateway = ca.issue("gw", &[]).unwrap();
        let enb = ca.issue("enb", &[]).unwrap();
        let enbs = vec![("enb".to_owned(), enb)];
        Self {
            name,
            ca,
            gateway,
            enbs,
        }
    }

    pub fn with_fault(&mut self, name: &str, fault: Fault) {
        let issued = self.ca.faulty(name, fault).unwrap();
        self.enbs.push((name.to_owned(), issued));
    }

    /// What strongSwan needs to be each eNodeB and to trust the gateway.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let pem = |der: &[u8]| certificate(der).to_pem().unwrap().into_bytes();
        let realm = self.name;
        let mut files = vec![
            (format!("x509ca/{realm}-root.pem"), pem(self.ca.root())),
            (format!("x509ca/{realm}-access.pem"), pem(self.ca.access())),
        ];
        for (name, issued) in &self.enbs {
            let key = issued.key.private_key_to_pem_pkcs8().unwrap();
            files.push((format!("x509/{realm}-{name}.pem"), pem(&issued.certificate)));
            files.push((format!("private/{realm}-{name}.pem"), key));
        }
        files
    }

    /// The gateway's side in iked's store; the anchor is the root, or the CA right above the peers.
    pub fn store(&self, store: &Store, anchor: &[u8]) {
        let issued = &self.gateway;
        let key = issued.key.private_key_to_pem_pkcs8().unwrap();
        let all = [&issued.certificate].into_iter().chain(&issued.chain);
        let local = Local {
            key: PrivateKey::import(&key, &Default::default()).unwrap(),
            certificates: all.map(|der| certificate(der)).collect(),
        };
        store
            .save_local(&format!("gw-{}", self.name), &local)
            .unwrap();
        let profile = CaProfile {
            name: self.name.to_owned(),
            anchors: vec![certificate(anchor)],
        };
        store.save_profile(&profile).unwrap();
    }
}

/// A gateway of the configuration with its policy and VPN: `who` are its statements on identities.
pub struct Case {
    pub name: &'static str,
    pub policy: String,
    pub who: String,
    pub establish: &'static str,
}

impl Case {
    pub fn of(realm: &'static str) -> Self {
        Self {
            name: realm,
            policy: format!(
                "certificate {{ local-certificate gw-{realm}; trusted-ca ca-profile {realm}; }}"
            ),
            who: format!(
                "dynamic hostname .{realm}.example; local-identity hostname gw.{realm}.example;"
            ),
            establish: "responder-only",
        }
    }
}

/// The site's configuration with these gateways beside its own.
pub fn configuration(profiles: &str, cases: &[Case]) -> String {
    let proposal = "proposal certificates { dh-group group19; encryption-algorithm aes-256-gcm; }";
    let (mut ike, mut ipsec) = (format!("{proposal}\n"), String::new());
    for Case {
        name,
        policy,
        who,
        establish,
    } in cases
    {
        // Writing to a String cannot fail.
        let _ = writeln!(
            ike,
            "policy {name} {{ proposals certificates; {policy} }}
             gateway {name} {{ ike-policy {name}; {who} local-address 192.0.2.1; external-interface ge-0/0/0.0; }}"
        );
        let _ = writeln!(
            ipsec,
            "vpn {name} {{ bind-interface st0.0; ike {{ gateway {name}; ipsec-policy enb; }} establish-tunnels {establish};
             traffic-selector inet {{ local-ip 198.51.100.0/24; remote-ip 10.45.0.0/24; }} }}"
        );
    }
    let text = CONFIGURATION.replacen(
        "    ike {\n",
        &format!("    pki {{\n{profiles}}}\n    ike {{\n{ike}"),
        1,
    );
    text.replacen("    ipsec {\n", &format!("    ipsec {{\n{ipsec}"), 1)
}
