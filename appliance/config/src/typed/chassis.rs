//! `chassis`.

use super::read::texts;
use serde::Deserialize;
use std::net::IpAddr;

/// `chassis`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Chassis {
    /// `high-availability`.
    #[serde(default)]
    pub high_availability: HighAvailability,
}

/// `chassis high-availability`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HighAvailability {
    /// Seconds for which routes of tunnels stay without a packet mover; the model's default always fills it in.
    pub hold_time: Option<u16>,
    /// `services-redundancy-group`, in the order of their numbers.
    #[serde(default)]
    pub services_redundancy_group: Vec<RedundancyGroup>,
}

/// `services-redundancy-group`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RedundancyGroup {
    /// Its number.
    pub number: u8,
    /// Host routes that stand while this node forwards.
    #[serde(default, deserialize_with = "texts")]
    pub active_signal_route: Vec<IpAddr>,
    /// `monitor`.
    #[serde(default)]
    pub monitor: Monitor,
}

/// `services-redundancy-group N monitor`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Monitor {
    /// Ports that must have a link.
    #[serde(default)]
    pub interface: Vec<String>,
}
