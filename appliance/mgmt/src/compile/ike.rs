//! iked's part: gateways with their proposals, keys and tunnels.

mod access;
mod authentication;

use super::instances::Instances;
use super::{CompileError, sets};
use authentication::{authentication, ca_profiles, local_identity, subject_peer};
use ravelin_config::Config;
use ravelin_config::typed::{
    Gateway, IkePolicy, IkeProposal, IpsecPolicy, IpsecProposal, PathMtu, TfcPadding, TraceOptions,
    Vpn,
};
use ravelin_ctl::ike as part;
use ravelin_ctl::ike::{Establish, IkeConfig, PeerAddress, RemotePeer};
use ravelin_ctl::sa::{self, DfBit};
use ravelin_types::{
    AdditionalKe, EspEncr, EspTransform, Identity, IkeInteg, IkeSuite, IpsecMode, IpsecProtocol,
    LIFE_KILOBYTE_OCTETS, NodeId, Prefix, Prf, UnitName, Volume, VrfId,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `lifetime-seconds` of the proposals of a set: the defaults of the model.
const SET_IKE_LIFETIME_S: u32 = 28_800;
const SET_ESP_LIFETIME_S: u32 = 3_600;

pub(super) fn compile(
    config: &Config,
    instances: &Instances,
    errors: &mut Vec<CompileError>,
    warnings: &mut Vec<String>,
) -> IkeConfig {
    let mut gateways = Vec::new();
    for gateway in &config.security.ike.gateway {
        let made = match &gateway.access_profile {
            Some(profile) => access::gateways(config, gateway, profile, warnings),
            None => self::gateway(config, gateway, warnings).map(|made| vec![made]),
        };
        match made {
            Ok(mut made) => {
                for made in &mut made {
                    place(made, gateway, instances);
                }
                if made.iter().all(|made| made.vpns.is_empty()) {
                    warnings.push(format!(
                        "[security ike gateway {}] no VPN uses this gateway: its peers get no tunnel",
                        gateway.name
                    ));
                }
                gateways.extend(made);
            }
            Err(message) => errors.push(CompileError {
                path: format!("security ike gateway {}", gateway.name),
                message,
            }),
        }
    }
    IkeConfig {
        node: NodeId::default(),
        gateways,
        ca_profiles: ca_profiles(config),
        hold_s: super::chassis::hold_s(config),
        trace: config.security.ike.traceoptions.as_ref().map(traced),
        instances: instances.list.clone(),
    }
}

/// Puts a gateway and its VPNs into routing instances: IKE and ESP are where the external interface is, the packets inside where the
/// tunnel interface is.
fn place(made: &mut part::GatewayConfig, gateway: &Gateway, instances: &Instances) {
    made.vrf = instances.vrf(&gateway.external_interface);
    for vpn in &mut made.vpns {
        vpn.inner_vrf = instances.vrf(&UnitName::new("st0", vpn.tunnel_unit));
    }
}

fn gateway(
    config: &Config,
    gateway: &Gateway,
    warnings: &mut Vec<String>,
) -> Result<part::GatewayConfig, String> {
    let name = gateway.ike_policy.as_deref().unwrap_or_default();
    let vpns = config.security.ipsec.vpn.iter();
    let vpns = vpns.filter(|vpn| vpn.ike.gateway == gateway.name);
    let peers = Peers {
        name: gateway.name.clone(),
        addresses: addresses(gateway),
        remote: remote(gateway)?,
        policy: policy(config, name)?,
        vpns: vpns
            .map(|vpn| self::vpn(config, vpn, warnings))
            .collect::<Result<_, _>>()?,
    };
    serve(config, gateway, peers, warnings)
}

/// `traceoptions`, whose file without a name has the model's defaults.
fn traced(options: &TraceOptions) -> part::TraceOptions {
    let file = options.file.first();
    let has = |flag: &str| {
        let wanted = |f: &String| f == "all" || f == flag;
        options.flag.is_empty() || options.flag.iter().any(wanted)
    };
    let remote = options.gateway_filter.remote_address.as_deref();
    part::TraceOptions {
        file: file.map_or_else(|| "ike".to_owned(), |file| file.name.clone()),
        size_octets: file.map_or(1 << 20, |file| file.size),
        files: file.map_or(3, |file| file.files),
        messages: has("ike"),
        notes: has("general"),
        local: options.gateway_filter.local_address,
        remote: remote.and_then(|text| {
            let host = |address| Some(Prefix::host(address));
            text.parse().map_or_else(|_| text.parse().ok(), host)
        }),
    }
}

fn policy<'a>(config: &'a Config, name: &str) -> Result<&'a IkePolicy, String> {
    let policy = config.security.ike.policy.iter().find(|p| p.name == name);
    // The model's leafref holds the name to an entry; this is for a model that would not.
    policy.ok_or_else(|| format!("no policy `{name}`"))
}

/// Peers of a gateway: all of them, or those of one client of its access profile.
struct Peers<'a> {
    name: String,
    addresses: Option<Vec<PeerAddress>>,
    remote: RemotePeer,
    policy: &'a IkePolicy,
    vpns: Vec<part::VpnConfig>,
}

fn serve(
    config: &Config,
    gateway: &Gateway,
    peers: Peers<'_>,
    warnings: &mut Vec<String>,
) -> Result<part::GatewayConfig, String> {
    let policy = peers.policy;
    Ok(part::GatewayConfig {
        name: peers.name,
        vrf: VrfId::DEFAULT,
        local_addresses: local_addresses(config, gateway)?,
        remote_addresses: peers.addresses,
        remote: peers.remote,
        local_identity: local_identity(gateway),
        proposals: proposals(config, policy, warnings)?,
        authentication: authentication(config, gateway, policy)?,
        dead_peer_detection: gateway.dead_peer_detection.as_ref().map(probing),
        nat_keepalive_s: gateway.nat_keepalive,
        mobike: gateway.mobike,
        request_window: gateway.request_window,
        reauth_frequency: policy.reauth_frequency,
        quick_crash_detection: gateway.quick_crash_detection,
        connections_limit: gateway.connections_limit,
        connections_per_address: gateway.connections_per_address,
        pool: pool(config, gateway)?,
        redirect: gateway.redirect.as_ref().map(|redirect| part::Redirect {
            to: redirect.address,
            at: match redirect.at.as_str() {
                "ike-auth" => part::RedirectAt::Auth,
                "request" => part::RedirectAt::Order,
                _ => part::RedirectAt::Init,
            },
        }),
        vpns: peers.vpns,
    })
}

fn pool(config: &Config, gateway: &Gateway) -> Result<Option<part::AddressPool>, String> {
    let Some(name) = &gateway.address_pool else {
        return Ok(None);
    };
    let pool = config
        .security
        .ike
        .address_pool
        .iter()
        .find(|p| p.name == *name);
    // The model's leafref holds the name to an entry; this is for a model that would not.
    let pool = pool.ok_or_else(|| format!("no address pool `{name}`"))?;
    Ok(Some(part::AddressPool {
        name: pool.name.clone(),
        inet: pool.inet,
        inet6: pool.inet6,
        dns: pool.dns.clone(),
    }))
}

/// Where a gateway listens: its `local-address`, or the first address of each family of its interface.
fn local_addresses(config: &Config, gateway: &Gateway) -> Result<Vec<IpAddr>, String> {
    let own = unit_addresses(config, &gateway.external_interface);
    let mut chosen = Vec::new();
    if let Some(address) = gateway.local_address {
        if !own.contains(&address) {
            return Err(format!(
                "`local-address` {address} is not an address of `external-interface` {}",
                gateway.external_interface
            ));
        }
        chosen.push(address);
    } else {
        chosen.extend(own.iter().find(|a| a.is_ipv4()));
        chosen.extend(own.iter().find(|a| a.is_ipv6()));
        if chosen.is_empty() {
            return Err(format!(
                "`external-interface` {} has no address",
                gateway.external_interface
            ));
        }
    }
    // What a name stands for may be of either family.
    let fits = |local: &IpAddr, peer: &PeerAddress| match peer {
        PeerAddress::Address(address) => address.is_ipv4() == local.is_ipv4(),
        PeerAddress::Name(_) => true,
    };
    let peers = addresses(gateway);
    let peers = peers.as_deref().unwrap_or_default();
    if let Some(peer) = (peers.iter()).find(|peer| !chosen.iter().any(|local| fits(local, peer))) {
        return Err(format!(
            "no local address is of the family of `address` {peer}"
        ));
    }
    chosen.retain(|local| peers.is_empty() || peers.iter().any(|peer| fits(local, peer)));
    Ok(chosen)
}

fn unit_addresses(config: &Config, name: &UnitName) -> Vec<IpAddr> {
    let interfaces = config.interfaces().iter();
    let units = interfaces.flat_map(|i| i.unit.iter().map(move |u| (i.unit_name(u), u)));
    units
        .filter(|(unit, _)| unit == name)
        .flat_map(|(_, unit)| unit.addresses().map(|a| a.address))
        .collect()
}

/// Where the one peer of a gateway is.
fn addresses(gateway: &Gateway) -> Option<Vec<PeerAddress>> {
    let place = |text: &String| {
        let named = |_| PeerAddress::Name(text.to_ascii_lowercase());
        text.parse().map_or_else(named, PeerAddress::Address)
    };
    let all = gateway.address.iter().map(place);
    (!gateway.address.is_empty()).then(|| all.collect())
}

fn remote(gateway: &Gateway) -> Result<RemotePeer, String> {
    if let Some(addresses) = addresses(gateway) {
        let who = &gateway.remote_identity;
        if who.general_ikeid {
            return Ok(RemotePeer::Anyone);
        }
        if let Some(subject) = &who.distinguished_name {
            return Ok(subject_peer(subject));
        }
        let places = || addresses.into_iter().map(PeerAddress::identity).collect();
        let stated = who.stated.identity().map(|identity| vec![identity]);
        return Ok(RemotePeer::Identities(stated.unwrap_or_else(places)));
    }
    let dynamic = gateway
        .dynamic
        .as_ref()
        .ok_or("neither `address` nor `dynamic`")?;
    if dynamic.identity.general_ikeid {
        return Ok(RemotePeer::Anyone);
    }
    if let Some(subject) = &dynamic.identity.distinguished_name {
        return Ok(subject_peer(subject));
    }
    let identity = dynamic.identity.stated.identity();
    let identity = identity.ok_or("`dynamic` names no identity")?;
    Ok(match identity {
        Identity::Fqdn(name) if dynamic.ike_user_type == "group-ike-id" => {
            RemotePeer::HostnameSuffix(name.trim_start_matches('.').to_owned())
        }
        identity => RemotePeer::Identities(vec![identity]),
    })
}

fn proposals(
    config: &Config,
    policy: &IkePolicy,
    warnings: &mut Vec<String>,
) -> Result<Vec<part::IkeProposal>, String> {
    if let Some(set) = &policy.proposal_set {
        let additional = AdditionalKe::new(sets::additional(set)).map_err(|e| e.to_string())?;
        let made = sets::ike(set).into_iter().map(|(encr, integ, prf, dh)| {
            let suite = IkeSuite::new(encr, integ, prf, dh).map_err(|error| error.to_string())?;
            let suite = suite.with_additional(additional);
            Ok(part::IkeProposal {
                suite: suite.map_err(|error| error.to_string())?,
                lifetime_s: SET_IKE_LIFETIME_S,
            })
        });
        return made.collect();
    }
    let all = &config.security.ike.proposal;
    let named = policy.proposals.iter();
    let named = named.filter_map(|name| all.iter().find(|p| p.name == *name));
    named.map(|from| proposal(from, warnings)).collect()
}

/// `authentication-algorithm` is the integrity of a cipher that has none of its own, and names the pseudorandom function; beside an AEAD it
/// does only the latter. What is weak is said at each commit (RFC 8247).
fn proposal(from: &IkeProposal, warnings: &mut Vec<String>) -> Result<part::IkeProposal, String> {
    let encr = from.encryption_algorithm;
    let stated = from.authentication_algorithm;
    let integ = stated.filter(|_| !encr.is_aead());
    let function = from.pseudorandom_function;
    let prf = function.unwrap_or(stated.map_or(Prf::HmacSha256, IkeInteg::prf));
    // The model refuses wrong pairs; this is for a model that would not.
    let suite = IkeSuite::new(encr, integ, prf, from.dh_group)
        .map_err(|error| format!("proposal `{}`: {error}", from.name))?;
    let suite = AdditionalKe::new(&from.additional_key_exchange)
        .and_then(|additional| suite.with_additional(additional))
        .map_err(|error| format!("proposal `{}`: {error}", from.name))?;
    for weak in suite.weak_parts() {
        warn(
            warnings,
            format!(
                "[security ike proposal {}] {weak} is weak: whoever records the negotiation may break it",
                from.name
            ),
        );
    }
    Ok(part::IkeProposal {
        suite,
        lifetime_s: from.lifetime_seconds,
    })
}

/// A proposal serves many gateways, its warning is given once.
fn warn(warnings: &mut Vec<String>, text: String) {
    if !warnings.contains(&text) {
        warnings.push(text);
    }
}

fn probing(from: &ravelin_config::typed::DeadPeerDetection) -> part::DeadPeerDetection {
    part::DeadPeerDetection {
        mode: match (from.always_send, from.probe_idle_tunnel) {
            (true, _) => part::DpdMode::AlwaysSend,
            (_, true) => part::DpdMode::ProbeIdleTunnel,
            _ => part::DpdMode::Optimized,
        },
        interval_s: from.interval,
        threshold: from.threshold,
    }
}

fn esp_proposals(
    config: &Config,
    policy: &IpsecPolicy,
    warnings: &mut Vec<String>,
) -> Result<Vec<part::EspProposal>, String> {
    if let Some(set) = &policy.proposal_set {
        let made = sets::esp(set).into_iter().map(|(encr, integ)| {
            Ok(part::EspProposal {
                protocol: IpsecProtocol::Esp,
                transform: EspTransform::new(encr, integ).map_err(|error| error.to_string())?,
                extended_sequence: false,
                lifetime_s: SET_ESP_LIFETIME_S,
                volume: Volume::UNLIMITED,
            })
        });
        return made.collect();
    }
    let all = &config.security.ipsec.proposal;
    let named = policy.proposals.iter();
    let named = named.filter_map(|name| all.iter().find(|p| p.name == *name));
    named.map(|from| esp_proposal(from, warnings)).collect()
}

/// The algorithms of a proposal; what is weak or readable is said at each commit (RFC 8221).
fn esp_proposal(
    from: &IpsecProposal,
    warnings: &mut Vec<String>,
) -> Result<part::EspProposal, String> {
    let protocol = match from.protocol.as_str() {
        "ah" => IpsecProtocol::Ah,
        _ => IpsecProtocol::Esp,
    };
    // AH has no cipher.
    let encr = from.encryption_algorithm.unwrap_or(EspEncr::Null);
    let integ = from.authentication_algorithm;
    // The model refuses wrong pairs; this is for a model that would not.
    let transform = EspTransform::new(encr, integ)
        .map_err(|error| format!("proposal `{}`: {error}", from.name))?;
    let mut say = |what: &str| {
        let text = format!("[security ipsec proposal {}] {transform} {what}", from.name);
        warn(warnings, text);
    };
    if transform.is_weak() {
        say("is weak: whoever records the traffic may read or forge it");
    }
    if encr.is_cleartext() {
        say("does not encrypt");
    }
    Ok(part::EspProposal {
        protocol,
        transform,
        extended_sequence: from.extended_sequence_number,
        lifetime_s: from.lifetime_seconds,
        volume: Volume {
            octets: from.lifetime_kilobytes.map_or(u64::MAX, |kilobytes| {
                u64::from(kilobytes) * LIFE_KILOBYTE_OCTETS
            }),
            packets: from.lifetime_packets.map_or(u64::MAX, u64::from),
        },
    })
}

fn vpn(config: &Config, vpn: &Vpn, warnings: &mut Vec<String>) -> Result<part::VpnConfig, String> {
    let ipsec = &config.security.ipsec;
    let policy = ipsec.policy.iter().find(|p| p.name == vpn.ike.ipsec_policy);
    let proposals = match policy {
        Some(policy) => esp_proposals(config, policy, warnings)?,
        None => Vec::new(),
    };
    let exchanges = policy
        .iter()
        .flat_map(|p| p.pfs().into_iter().chain(p.additional().to_vec()));
    for group in exchanges.filter(|group| group.is_weak()) {
        let path = format!(
            "security ipsec policy {} perfect-forward-secrecy",
            vpn.ike.ipsec_policy
        );
        warn(
            warnings,
            format!("[{path}] {group} is weak: whoever records the negotiation may break it"),
        );
    }
    // RFC 4303 appendix A2.2: the upper half of a number, which is not sent, is inferred from the window.
    if vpn.ike.no_anti_replay && proposals.iter().any(|p| p.extended_sequence) {
        return Err(format!(
            "vpn `{}`: `no-anti-replay` excludes `extended-sequence-number`",
            vpn.name
        ));
    }
    let window = vpn
        .ike
        .anti_replay_window_size
        .unwrap_or(ipsec.anti_replay_window_size);
    Ok(part::VpnConfig {
        name: vpn.name.clone(),
        tunnel_unit: vpn.bind_interface.unit,
        inner_vrf: VrfId::DEFAULT,
        mode: match vpn.mode.as_str() {
            "transport" => IpsecMode::Transport,
            _ => IpsecMode::Tunnel,
        },
        proposals,
        pfs: policy.and_then(|p| p.pfs()),
        additional: AdditionalKe::new(policy.map_or(&[], |p| p.additional()))
            .map_err(|error| format!("`perfect-forward-secrecy`: {error}"))?,
        selectors: selectors(vpn),
        replay_window: if vpn.ike.no_anti_replay {
            0
        } else {
            window.into()
        },
        df_bit: match vpn.df_bit.as_str() {
            "copy" => DfBit::Copy,
            "set" => DfBit::Set,
            _ => DfBit::Clear,
        },
        outer_dscp: vpn.outer_dscp,
        copy_outer_dscp: vpn.copy_outer_dscp,
        tfc_padding: vpn.tfc_padding.map(|padding| match padding {
            TfcPadding::Octets(octets) => sa::TfcPadding::Octets(octets),
            TfcPadding::Path(PathMtu::Mtu) => sa::TfcPadding::Mtu,
        }),
        tunnel_mtu_octets: vpn.tunnel_mtu,
        idle_s: vpn.ike.idle_time,
        establish: match vpn.establish_tunnels.as_deref() {
            Some("immediately") => Establish::Immediately,
            Some("on-traffic") => Establish::OnTraffic,
            _ => Establish::ResponderOnly,
        },
    })
}

/// The stated selectors, or everything of both families.
fn selectors(vpn: &Vpn) -> Vec<part::SelectorPair> {
    if vpn.traffic_selector.is_empty() {
        let any = [
            ("inet", IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            ("inet6", IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        ];
        let any = any.into_iter().filter_map(|(name, address)| {
            let prefix = Prefix::new(address, 0)?;
            Some(part::SelectorPair {
                name: name.to_owned(),
                local: prefix,
                remote: prefix,
            })
        });
        return any.collect();
    }
    let stated = vpn.traffic_selector.iter().map(|ts| part::SelectorPair {
        name: ts.name.clone(),
        local: ts.local_ip,
        remote: ts.remote_ip,
    });
    stated.collect()
}

#[cfg(test)]
mod tests;
