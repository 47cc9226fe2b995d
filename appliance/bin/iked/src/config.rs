//! iked's part of the configuration: prepared, applied or forgotten at a generation (design decision D12), and split into
//! what the IKE endpoint negotiates and what the daemon itself needs to install a pair.

mod addresses;
mod instances;
mod proof;
mod subject;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ravelin_ctl::daemon::{Part, Reply};
use ravelin_ctl::ike::{
    Authentication, CaProfile, DpdMode, EspProposal, Establish, GatewayConfig, IkeConfig,
    RedirectAt, RemotePeer, RevocationMode, TraceOptions, VpnConfig,
};
use ravelin_ctl::sa::{DfBit, TfcPadding};
use ravelin_ike::config as ike;
use ravelin_types::{Generation, NodeId, Prefix, SecretBytes, TrafficSelector, VrfId};

use crate::authority::Keys;
use crate::names::{Answers, MAX_NAMES};
use crate::pki::{Contents, Pki, Source};
pub use instances::Instances;
use proof::Proofs;

/// How long packets on a replaced inbound SA are still accepted: above the reordering of any path that carries IKE.
const LINGER: Duration = Duration::from_secs(5);
/// Gateways at most: one per peer at the size of DESIGN.md section 5.
const MAX_GATEWAYS: usize = 65_536;

/// What the daemon needs of a VPN that the endpoint does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelParameters {
    /// N of `st0.N`.
    pub tunnel_unit: u32,
    /// Routing instance of the inner packets.
    pub inner_vrf: VrfId,
    /// Anti-replay window in packets.
    pub replay_window: u32,
    /// DF policy.
    pub df_bit: DfBit,
    /// DSCP of the outer header; else the inner packet's.
    pub outer_dscp: Option<u8>,
    /// The outer header's DSCP goes inside at decapsulation (the uniform model of RFC 2983); else the inner packet keeps its own.
    pub copy_outer_dscp: bool,
    /// Padding against traffic analysis, for tunnel mode of ESP.
    pub tfc_padding: Option<TfcPadding>,
    /// Inner MTU in octets.
    pub tunnel_mtu_octets: Option<u16>,
}

/// A VPN that is established when there is traffic for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnTraffic {
    /// Its gateway.
    pub gateway: String,
    /// Its name.
    pub vpn: String,
    tunnel_unit: u32,
    selectors: Vec<(Prefix, Prefix)>,
}

impl OnTraffic {
    fn of(gateway: &GatewayConfig, vpn: &VpnConfig) -> Self {
        Self {
            gateway: gateway.name.clone(),
            vpn: vpn.name.clone(),
            tunnel_unit: vpn.tunnel_unit,
            selectors: vpn.selectors.iter().map(|s| (s.local, s.remote)).collect(),
        }
    }

    /// Whether it takes what goes through this unit between these ends, ours and the peer's.
    pub fn serves(&self, unit: u32, (ours, theirs): (IpAddr, IpAddr)) -> bool {
        let mut selectors = self.selectors.iter();
        self.tunnel_unit == unit
            && selectors.any(|(local, remote)| local.contains(ours) && remote.contains(theirs))
    }
}

/// A configuration in the daemon's shape.
#[derive(Debug, Clone, Default)]
pub struct Compiled {
    /// This node.
    pub node: NodeId,
    /// For the endpoint.
    pub ike: Arc<ike::Config>,
    /// By names of gateway and VPN.
    pub tunnels: HashMap<(String, String), TunnelParameters>,
    /// VPNs that are established when there is traffic for them.
    pub on_traffic: Vec<OnTraffic>,
    /// Where to listen, each once.
    pub listen: Vec<(VrfId, IpAddr)>,
    /// Routing instances beside the default one.
    pub instances: Instances,
    /// How long `ari-ts` routes stay without a planed that forwards.
    pub hold_s: u32,
    /// Where revocation lists are.
    pub sources: Vec<Source>,
    /// For the authority.
    pub keys: Arc<Keys>,
    /// `traceoptions`.
    pub trace: Option<TraceOptions>,
    /// What is missing among the certificates, a line each.
    pub faults: Vec<String>,
    /// Host names of peers that are not known, or not known any more, a line each.
    pub unresolved: Vec<String>,
    /// Host names of peers.
    pub hosts: BTreeSet<String>,
    source: Arc<IkeConfig>,
    contents: Arc<Contents>,
    answers: Arc<Answers>,
}

/// A configuration that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Its outer packets are in a routing instance that is not there.
    #[error("security ike gateway {gateway}: there is no routing instance {}", .vrf.0)]
    GatewayInstance {
        /// Whose.
        gateway: String,
        /// Which.
        vrf: VrfId,
    },
    /// Its inner packets are.
    #[error("security ipsec vpn {vpn}: there is no routing instance {}", .vrf.0)]
    TunnelInstance {
        /// Whose.
        vpn: String,
        /// Which.
        vrf: VrfId,
    },
    /// A number twice, or that of the default routing instance.
    #[error("routing instance {name}: its number {} is taken", .vrf.0)]
    InstanceTwice {
        /// Its name.
        name: String,
        /// The number.
        vrf: VrfId,
    },
    /// A name twice.
    #[error("security ike gateway {gateway}: the name is used twice")]
    GatewayTwice {
        /// Whose.
        gateway: String,
    },
    /// A name twice.
    #[error("security ipsec vpn {vpn}: the name is used twice")]
    VpnTwice {
        /// Whose.
        vpn: String,
    },
    /// Something is missing.
    #[error("security ike gateway {gateway}: no {what}")]
    Missing {
        /// Whose.
        gateway: String,
        /// What.
        what: &'static str,
    },
    /// A text that is no distinguished name.
    #[error("security ike gateway {gateway}: distinguished-name: {error}")]
    Subject {
        /// Whose.
        gateway: String,
        /// Why.
        error: ravelin_pki::Error,
    },
    /// More certificates than a message of IKE carries.
    #[error("security ike gateway {gateway}: {error}")]
    Proof {
        /// Whose.
        gateway: String,
        /// What.
        error: ike::ProofError,
    },
    /// Too many.
    #[error("{count} gateways, at most {MAX_GATEWAYS} are possible")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Too many.
    #[error(
        "security ike: {count} host names as addresses of peers, at most {MAX_NAMES} are possible"
    )]
    TooManyNames {
        /// How many.
        count: usize,
    },
    /// mgmtd sent another daemon's part.
    #[error("this is not the configuration of iked")]
    WrongPart,
    /// Apply without prepare.
    #[error("generation {0} was not prepared")]
    NotPrepared(Generation),
}

/// Where the revocation lists of a profile are, unless nobody asks.
fn source(profile: &CaProfile) -> Option<Source> {
    let revocation = &profile.revocation;
    (revocation.mode != RevocationMode::Disable).then(|| Source {
        profile: profile.name.clone(),
        urls: revocation.crl_urls.clone(),
        refresh_s: revocation.crl_refresh_s,
    })
}

/// The running and the prepared configuration.
#[derive(Debug, Default)]
pub struct ConfigStore {
    running: Option<(Generation, Arc<Compiled>)>,
    prepared: Option<(Generation, Arc<Compiled>)>,
}

impl ConfigStore {
    /// The running configuration.
    pub fn running(&self) -> Option<&Arc<Compiled>> {
        self.running.as_ref().map(|(_, compiled)| compiled)
    }

    /// The running generation.
    pub fn generation(&self) -> Option<Generation> {
        self.running.as_ref().map(|(generation, _)| *generation)
    }

    /// Checks a part and holds it, in place of what was prepared before.
    pub fn prepare(
        &mut self,
        generation: Generation,
        part: &Part,
        pki: &Pki,
        answers: &Arc<Answers>,
    ) -> Reply {
        let running = self.running.as_ref().map(|(_, running)| &**running);
        let compiled = match part {
            Part::Ike(config) => {
                let config = Arc::new(config.clone());
                compile(&config, &pki.contents(), answers, running)
            }
            Part::Plane(_) => Err(ConfigError::WrongPart),
        };
        Reply::Prepared(match compiled {
            Ok(compiled) => {
                self.prepared = Some((generation, Arc::new(compiled)));
                Ok(())
            }
            Err(error) => {
                self.prepared = None;
                Err(error.to_string())
            }
        })
    }

    /// Makes the prepared configuration the running one and returns it.
    ///
    /// # Errors
    /// [`ConfigError::NotPrepared`].
    pub fn apply(&mut self, generation: Generation) -> Result<Arc<Compiled>, ConfigError> {
        match self.prepared.take() {
            Some((prepared, compiled)) if prepared == generation => {
                self.running = Some((generation, Arc::clone(&compiled)));
                Ok(compiled)
            }
            other => {
                self.prepared = other;
                Err(ConfigError::NotPrepared(generation))
            }
        }
    }

    /// Compiles what runs anew when certificates or addresses of host names have changed since, and returns it.
    pub fn refresh(&mut self, pki: &Pki, answers: &Arc<Answers>) -> Option<Arc<Compiled>> {
        let (generation, running) = self.running.as_ref()?;
        let contents = pki.contents();
        if Arc::ptr_eq(&contents, &running.contents) && Arc::ptr_eq(answers, &running.answers) {
            return None;
        }
        match compile(&running.source, &contents, answers, Some(running)) {
            Ok(compiled) => {
                let compiled = Arc::new(compiled);
                self.running = Some((*generation, Arc::clone(&compiled)));
                Some(compiled)
            }
            // It was compiled before, and neither makes a difference to what can be refused.
            Err(error) => {
                log::error!("certificates or addresses that changed are not taken up: {error}");
                None
            }
        }
    }

    /// Forgets what was prepared for this generation.
    pub fn abort(&mut self, generation: Generation) {
        if self
            .prepared
            .as_ref()
            .is_some_and(|(prepared, _)| *prepared == generation)
        {
            self.prepared = None;
        }
    }
}

/// Checks and translates. Gateways that are as they are in `previous` stay the same allocation, by which negotiations know them.
///
/// # Errors
/// [`ConfigError`], naming the statement.
pub fn compile(
    config: &Arc<IkeConfig>,
    contents: &Arc<Contents>,
    answers: &Arc<Answers>,
    previous: Option<&Compiled>,
) -> Result<Compiled, ConfigError> {
    if config.gateways.len() > MAX_GATEWAYS {
        return Err(ConfigError::TooMany {
            count: config.gateways.len(),
        });
    }
    let mut proofs = Proofs::new(config, contents);
    let mut ike = ike::Config::default();
    let mut out = Compiled {
        node: config.node,
        hold_s: config.hold_s,
        trace: config.trace.clone(),
        instances: Instances::of(&config.instances)?,
        sources: config.ca_profiles.iter().filter_map(source).collect(),
        source: Arc::clone(config),
        contents: Arc::clone(contents),
        answers: Arc::clone(answers),
        ..Compiled::default()
    };
    for gateway in &config.gateways {
        if ike.gateways.named(&gateway.name).is_some() {
            return Err(ConfigError::GatewayTwice {
                gateway: gateway.name.clone(),
            });
        }
        check_gateway(gateway)?;
        if !out.instances.has(gateway.vrf) {
            return Err(ConfigError::GatewayInstance {
                gateway: gateway.name.clone(),
                vrf: gateway.vrf,
            });
        }
        for vpn in &gateway.vpns {
            if !out.instances.has(vpn.inner_vrf) {
                return Err(ConfigError::TunnelInstance {
                    vpn: vpn.name.clone(),
                    vrf: vpn.inner_vrf,
                });
            }
            if vpn.establish == Establish::OnTraffic {
                out.on_traffic.push(OnTraffic::of(gateway, vpn));
            }
            let key = (gateway.name.clone(), vpn.name.clone());
            if out.tunnels.insert(key, parameters(vpn)).is_some() {
                return Err(ConfigError::VpnTwice {
                    vpn: vpn.name.clone(),
                });
            }
        }
        for address in &gateway.local_addresses {
            if !out.listen.contains(&(gateway.vrf, *address)) {
                out.listen.push((gateway.vrf, *address));
            }
        }
        let mut made = gateway_of(gateway, &mut proofs)?;
        made.remote_addresses = out.addresses_of(gateway);
        let same = previous.and_then(|p| p.ike.gateways.named(&made.name));
        let same = same.filter(|same| ***same == made);
        ike.gateways
            .push(same.map_or_else(|| Arc::new(made), Arc::clone));
    }
    if out.hosts.len() > MAX_NAMES {
        return Err(ConfigError::TooManyNames {
            count: out.hosts.len(),
        });
    }
    out.ike = Arc::new(ike);
    out.keys = Arc::new(proofs.keys);
    out.faults = proofs.faults;
    Ok(out)
}

fn check_gateway(gateway: &GatewayConfig) -> Result<(), ConfigError> {
    let missing = |what| {
        Err(ConfigError::Missing {
            gateway: gateway.name.clone(),
            what,
        })
    };
    if gateway.local_addresses.is_empty() {
        return missing("local address");
    }
    if gateway.proposals.is_empty() {
        return missing("proposal");
    }
    if lacks_key(&gateway.authentication) {
        return missing("pre-shared key");
    }
    if gateway.vpns.iter().any(|vpn| vpn.proposals.is_empty()) {
        return missing("ESP proposal");
    }
    if gateway.vpns.iter().any(|vpn| vpn.selectors.is_empty()) {
        return missing("traffic selector");
    }
    Ok(())
}

/// A key is needed for each direction without certificates.
fn lacks_key(authentication: &Authentication) -> bool {
    let key = authentication.pre_shared_key.as_ref();
    let listed = authentication.key_list.is_some();
    let needed =
        authentication.local_certificate.is_none() || authentication.trusted_cas.is_empty();
    needed && !listed && key.is_none_or(SecretBytes::is_empty)
}

fn parameters(vpn: &VpnConfig) -> TunnelParameters {
    TunnelParameters {
        tunnel_unit: vpn.tunnel_unit,
        inner_vrf: vpn.inner_vrf,
        replay_window: vpn.replay_window,
        df_bit: vpn.df_bit,
        outer_dscp: vpn.outer_dscp,
        copy_outer_dscp: vpn.copy_outer_dscp,
        tfc_padding: vpn.tfc_padding,
        tunnel_mtu_octets: vpn.tunnel_mtu_octets,
    }
}

fn gateway_of<'a>(
    gateway: &'a GatewayConfig,
    proofs: &mut Proofs<'a>,
) -> Result<ike::Gateway, ConfigError> {
    let proof = proofs.of(gateway).map_err(|error| ConfigError::Proof {
        gateway: gateway.name.clone(),
        error,
    })?;
    Ok(ike::Gateway {
        name: gateway.name.clone(),
        vrf: gateway.vrf,
        local_addresses: gateway.local_addresses.clone(),
        remote_addresses: None,
        remote: match gateway.remote.clone() {
            RemotePeer::HostnameSuffix(suffix) => ike::RemotePeer::HostnameSuffix(suffix),
            RemotePeer::Identities(identities) => ike::RemotePeer::Identities(identities),
            RemotePeer::Subject(pattern) => {
                let pattern = subject::subject(&pattern).map_err(|error| ConfigError::Subject {
                    gateway: gateway.name.clone(),
                    error,
                })?;
                ike::RemotePeer::Pattern(pattern)
            }
            RemotePeer::Anyone => ike::RemotePeer::Anyone,
        },
        local_identity: proof.identity,
        proposals: (gateway.proposals.iter())
            .map(|proposal| ike::IkeProposal {
                suite: proposal.suite,
                lifetime_s: proposal.lifetime_s,
            })
            .collect(),
        local_proof: proof.local,
        peer_proof: proof.peer,
        keys: ike::PreSharedKeys {
            default: gateway.authentication.pre_shared_key.clone(),
            list: (gateway.authentication.key_list.as_ref())
                .and_then(|name| proofs.key_list(&gateway.name, name)),
        },
        ppks: ppks_of(&gateway.authentication),
        dpd: gateway.dead_peer_detection.map(|dpd| ike::Dpd {
            mode: match dpd.mode {
                DpdMode::Optimized => ike::DpdMode::Optimized,
                DpdMode::ProbeIdleTunnel => ike::DpdMode::ProbeIdle,
                DpdMode::AlwaysSend => ike::DpdMode::AlwaysSend,
            },
            interval: Duration::from_secs(u64::from(dpd.interval_s)),
            threshold: dpd.threshold,
        }),
        nat_keepalive: (gateway.nat_keepalive_s > 0)
            .then(|| Duration::from_secs(u64::from(gateway.nat_keepalive_s))),
        always_port_4500: false,
        mobike: gateway.mobike,
        request_window: gateway.request_window,
        reauth_frequency: gateway.reauth_frequency.into(),
        quick_crash_detection: gateway.quick_crash_detection,
        pool: gateway.pool.as_ref().map(|pool| ike::AddressPool {
            name: pool.name.clone(),
            inet: pool.inet,
            inet6: pool.inet6,
            dns: pool.dns.clone(),
        }),
        connections: ike::ConnectionLimits {
            all: gateway.connections_limit.map(|limit| limit as usize),
            per_address: gateway.connections_per_address.map(|limit| limit as usize),
        },
        redirect: gateway.redirect.map(|redirect| ike::Redirect {
            to: redirect.to,
            at: match redirect.at {
                RedirectAt::Init => ike::RedirectAt::Init,
                RedirectAt::Auth => ike::RedirectAt::Auth,
                RedirectAt::Order => ike::RedirectAt::Order,
            },
        }),
        vpns: gateway.vpns.iter().map(vpn_of).collect(),
    })
}

fn ppks_of(authentication: &Authentication) -> ike::Ppks {
    let keys = authentication.ppks.iter().map(|ppk| ike::Ppk {
        id: ppk.id.clone(),
        key: ppk.key.clone(),
    });
    ike::Ppks {
        keys: keys.collect(),
        required: authentication.ppk_required,
    }
}

fn vpn_of(vpn: &VpnConfig) -> ike::Vpn {
    ike::Vpn {
        name: vpn.name.clone(),
        proposals: vpn.proposals.iter().map(esp_of).collect(),
        pfs: vpn.pfs,
        additional: vpn.additional,
        selectors: (vpn.selectors.iter())
            .map(|pair| ike::SelectorPair {
                local: TrafficSelector::from_prefix(pair.local),
                remote: TrafficSelector::from_prefix(pair.remote),
            })
            .collect(),
        mode: vpn.mode,
        linger: LINGER,
        idle: vpn.idle_s.map(|idle| Duration::from_secs(u64::from(idle))),
        establish_immediately: vpn.establish == Establish::Immediately,
    }
}

fn esp_of(proposal: &EspProposal) -> ike::EspProposal {
    ike::EspProposal {
        protocol: proposal.protocol,
        transform: proposal.transform,
        extended_sequence: proposal.extended_sequence,
        lifetime_s: proposal.lifetime_s,
        volume: proposal.volume,
    }
}

#[cfg(test)]
mod tests;
