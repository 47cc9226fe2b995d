//! Our responder: the released iked between its stand-ins.

use std::path::PathBuf;

use ravelin_ctl::ike::{
    Authentication, CaProfile, DeadPeerDetection, DpdMode, EspProposal, Establish, GatewayConfig,
    IkeConfig, IkeProposal, LocalIdentity, RemotePeer, Revocation, RevocationMode, SelectorPair,
    VpnConfig,
};
use ravelin_ctl::sa::DfBit;
use ravelin_tests::process::Process;
use ravelin_types::{
    AdditionalKe, EspTransform, Identity, IkeEncr, IkeSuite, IpsecMode, IpsecProtocol, NodeId,
    Prefix, SecretBytes, UnitName, Volume, VrfId,
};

use crate::Failure;
use crate::method::{self, Credentials, Method};
use crate::responder::Responder;
use crate::stage::{GATEWAY, GATEWAY_ID, KEY, SUFFIX, Stage, program};
use crate::standin::StandIns;

const IKE_LIFETIME_S: u32 = 86_400;
const ESP_LIFETIME_S: u32 = 28_800;
const REPLAY_WINDOW: u32 = 512;
const DPD_THRESHOLD: u8 = 3;

/// iked at work.
pub struct Ours {
    pub responder: Responder,
    pub stand_ins: StandIns,
    process: Process,
    vault: PathBuf,
    suite: String,
    method: Method,
}

impl Ours {
    /// Starts it for tunnels with this suite, and with this interval of probes in seconds.
    pub fn start(
        stage: &Stage,
        suite: &str,
        credentials: &Credentials,
        dpd_s: Option<u16>,
    ) -> Result<Self, Failure> {
        // The tunnel interface, which netd would hold: without it the kernel takes no route.
        let device = UnitName::new("st0", 0).kernel();
        stage.responder.sh(&format!(
            "ip tuntap add name {device} mode tun\nip link set {device} up"
        ))?;
        if credentials.method != Method::Psk {
            credentials.store(&stage.run.join("pki"))?;
        }
        let stand_ins = StandIns::start(&stage.run)?;
        let process = launch(stage)?;
        let mut ours = Self {
            responder: Responder::new(process.pid()),
            stand_ins,
            process,
            vault: stage.run.join("iked.vault"),
            suite: suite.to_owned(),
            method: credentials.method,
        };
        let config = ours.config(dpd_s)?;
        ours.stand_ins.welcome(&config)?;
        Ok(ours)
    }

    /// Another interval of probes.
    pub fn probe(&mut self, dpd_s: Option<u16>) -> Result<(), Failure> {
        let config = self.config(dpd_s)?;
        self.stand_ins.configure(&config)
    }

    /// Dies without a word, starts again, and has taken up what the vault holds when this returns.
    pub fn restart(&mut self, stage: &Stage, dpd_s: Option<u16>) -> Result<(), Failure> {
        self.process.kill()?;
        self.process = launch(stage)?;
        self.responder = Responder::new(self.process.pid());
        let config = self.config(dpd_s)?;
        self.stand_ins.welcome(&config)
    }

    /// Octets of the vault.
    pub fn vault_octets(&self) -> Result<u64, Failure> {
        let data = std::fs::metadata(&self.vault);
        data.map(|data| data.len())
            .map_err(|error| Failure::file(&self.vault, error))
    }

    fn config(&self, dpd_s: Option<u16>) -> Result<IkeConfig, Failure> {
        let refused = || Failure::Refused(format!("the suite {}", self.suite));
        let suite = suite(&self.suite).ok_or_else(refused)?;
        let everything = Prefix::new([0, 0, 0, 0].into(), 0).ok_or_else(refused)?;
        let vpn = VpnConfig {
            name: "enb".to_owned(),
            tunnel_unit: 0,
            inner_vrf: VrfId::DEFAULT,
            mode: IpsecMode::Tunnel,
            proposals: vec![EspProposal {
                protocol: IpsecProtocol::Esp,
                transform: EspTransform::AES_256_GCM,
                extended_sequence: false,
                lifetime_s: ESP_LIFETIME_S,
                volume: Volume::UNLIMITED,
            }],
            pfs: None,
            additional: AdditionalKe::NONE,
            selectors: vec![SelectorPair {
                name: "all".to_owned(),
                local: everything,
                remote: everything,
            }],
            replay_window: REPLAY_WINDOW,
            df_bit: DfBit::Clear,
            outer_dscp: None,
            copy_outer_dscp: false,
            tfc_padding: None,
            tunnel_mtu_octets: None,
            idle_s: None,
            establish: Establish::ResponderOnly,
        };
        let gateway = GatewayConfig {
            name: "enb".to_owned(),
            vrf: VrfId::DEFAULT,
            local_addresses: vec![GATEWAY],
            remote_addresses: None,
            remote: RemotePeer::HostnameSuffix(SUFFIX.to_owned()),
            local_identity: LocalIdentity::Stated(Identity::Fqdn(GATEWAY_ID.to_owned())),
            proposals: vec![IkeProposal {
                suite,
                lifetime_s: IKE_LIFETIME_S,
            }],
            authentication: self.authentication(),
            dead_peer_detection: dpd_s.map(|interval_s| DeadPeerDetection {
                mode: DpdMode::ProbeIdleTunnel,
                interval_s,
                threshold: DPD_THRESHOLD,
            }),
            nat_keepalive_s: 0,
            mobike: false,
            request_window: 1,
            reauth_frequency: 0,
            quick_crash_detection: false,
            connections_limit: None,
            connections_per_address: None,
            redirect: None,
            pool: None,
            vpns: vec![vpn],
        };
        Ok(IkeConfig {
            node: NodeId::default(),
            gateways: vec![gateway],
            // The peer looks nothing up either.
            ca_profiles: vec![CaProfile {
                name: method::TRUSTED.to_owned(),
                revocation: Revocation {
                    mode: RevocationMode::Disable,
                    ocsp: false,
                    crl_urls: vec![],
                    crl_refresh_s: None,
                    ocsp_url: None,
                    ocsp_nonce: false,
                },
            }],
            ..IkeConfig::default()
        })
    }

    fn authentication(&self) -> Authentication {
        match self.method {
            Method::Psk => Authentication::pre_shared(SecretBytes::new(KEY.as_bytes().to_vec())),
            Method::Ecdsa | Method::Rsa => Authentication {
                local_certificate: Some(method::LOCAL.to_owned()),
                trusted_cas: vec![method::TRUSTED.to_owned()],
                ..Authentication::default()
            },
        }
    }
}

fn launch(stage: &Stage) -> Result<Process, Failure> {
    let mut command = stage.on_responder_cpu();
    // The peer writes no lines for each tunnel either. The other is the unit's.
    command
        .args(["env", "RUST_LOG=warn"])
        .arg("GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.tcache_count=512")
        .arg(program("ravelin-iked")?)
        .arg("--run-dir")
        .arg(&stage.run);
    Ok(Process::start("iked", &stage.logs, &mut command)?)
}

/// `cipher/prf/group`.
fn suite(text: &str) -> Option<IkeSuite> {
    let mut parts = text.split('/');
    let encr: IkeEncr = parts.next()?.parse().ok()?;
    let (prf, dh) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    IkeSuite::new(encr, None, prf, dh).ok()
}
