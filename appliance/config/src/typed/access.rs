//! `access`.

use super::read::text;
use super::security::{PreSharedKey, TrafficSelector, Vpn, VpnIke};
use ravelin_types::UnitName;
use serde::Deserialize;

/// `access`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Access {
    /// `profile`.
    #[serde(default)]
    pub profile: Vec<AccessProfile>,
}

/// `access profile`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AccessProfile {
    /// Name.
    pub name: String,
    /// `client`.
    #[serde(default)]
    pub client: Vec<AccessClient>,
}

/// `access profile client`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AccessClient {
    /// `*`, `*.` with the end of host names, or an identity.
    pub name: String,
    /// What these peers get.
    pub ike: ClientIke,
}

/// `access profile client ike`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClientIke {
    /// Name of the IKE policy.
    pub ike_policy: String,
    /// Name of the IPsec policy.
    pub ipsec_policy: String,
    /// Tunnel interface.
    #[serde(deserialize_with = "text")]
    pub interface_id: UnitName,
    /// When stated, instead of the key of the IKE policy.
    #[serde(default)]
    pub pre_shared_key: PreSharedKey,
    /// Selectors.
    #[serde(default)]
    pub traffic_selector: Vec<TrafficSelector>,
}

impl ClientIke {
    /// The VPN of these peers at a gateway: what it does not state is as a VPN has it by default.
    pub fn vpn(&self, name: &str, gateway: &str) -> Vpn {
        Vpn {
            name: name.to_owned(),
            bind_interface: self.interface_id.clone(),
            mode: "tunnel".to_owned(),
            df_bit: "clear".to_owned(),
            outer_dscp: None,
            copy_outer_dscp: false,
            tfc_padding: None,
            tunnel_mtu: None,
            ike: VpnIke {
                gateway: gateway.to_owned(),
                ipsec_policy: self.ipsec_policy.clone(),
                anti_replay_window_size: None,
                idle_time: None,
                no_anti_replay: false,
            },
            traffic_selector: self.traffic_selector.clone(),
            establish_tunnels: None,
        }
    }
}
