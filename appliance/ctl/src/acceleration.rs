//! Crypto devices: which are wanted, and what they do (`show security ipsec acceleration`).

use serde::{Deserialize, Serialize};

/// A crypto device of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoDevice {
    /// PCI address, or the name of a software device.
    pub name: String,
    /// Arguments for its driver.
    pub arguments: Option<String>,
}

/// Who does the ciphers of the SAs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Acceleration {
    /// What the CPU's ciphers run.
    pub cpu: String,
    /// The devices.
    pub devices: Vec<DeviceState>,
    /// How many SAs each engine serves, and why.
    pub engines: Vec<Served>,
}

/// How a device does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceState {
    /// Its name.
    pub name: String,
    /// Its driver, once it was opened.
    pub driver: Option<String>,
    /// Whether it takes packets.
    pub serves: bool,
    /// What is to be said about it; why it takes no packets.
    pub remark: Option<String>,
    /// Queues in use, one per worker.
    pub queues: u32,
    /// Keys in it: one per SA and direction.
    pub keys: u32,
    /// How many it takes.
    pub max_keys: u32,
    /// Packets that it has done.
    pub packets: u64,
    /// Packets that it could not do.
    pub errors: u64,
    /// Packets that it did not give back.
    pub lost: u64,
}

/// SAs of one engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Served {
    /// Name of the device; none for the CPU.
    pub device: Option<String>,
    /// Why it is not a device.
    pub why: Option<String>,
    /// Inbound SAs.
    pub inbound: u64,
    /// Outbound SAs.
    pub outbound: u64,
}
