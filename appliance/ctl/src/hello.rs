//! The version handshake that opens every connection.

use ravelin_types::InstanceId;
use serde::{Deserialize, Serialize};

/// Version of all messages of this crate. Processes of different versions refuse each other by name.
pub const PROTOCOL_VERSION: u32 = 27;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Device holder.
    Netd,
    /// Packet mover.
    Planed,
    /// IKE daemon.
    Iked,
    /// Configuration owner.
    Mgmtd,
    /// A person's or a tool's client.
    Operator,
}

impl Role {
    /// The process's name: `ravelin-planed`.
    pub fn process_name(self) -> &'static str {
        match self {
            Role::Netd => "ravelin-netd",
            Role::Planed => "ravelin-planed",
            Role::Iked => "ravelin-iked",
            Role::Mgmtd => "ravelin-mgmtd",
            Role::Operator => "ravelin",
        }
    }
}

/// First frame in each direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the sender.
    pub version: u32,
    /// Who it is.
    pub role: Role,
    /// This run of it.
    pub instance: InstanceId,
    /// Process id.
    pub pid: u32,
    /// Software version, for people.
    pub software: String,
}

impl Hello {
    /// A greeting of this build.
    pub fn new(role: Role, instance: InstanceId) -> Self {
        Self {
            version: PROTOCOL_VERSION,
            role,
            instance,
            pid: std::process::id(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
