//! Routing instances, which planed and iked know alike.

use ravelin_types::{MAX_INSTANCES, VrfId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A routing instance beside the default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingInstance {
    /// Its number. It stays with the name from commit to commit: sessions in the vault and SAs of planed know the instance by it.
    pub vrf: VrfId,
    /// Its name in the configuration.
    pub name: String,
    /// The kernel's VRF device, to which the twins of its interfaces are enslaved. It may appear later than the configuration.
    pub device: String,
    /// The kernel's table of its routes, that of the device.
    pub table: u32,
}

/// Reads at most [`MAX_INSTANCES`].
pub(crate) fn bounded<'de, D: Deserializer<'de>>(
    source: D,
) -> Result<Vec<RoutingInstance>, D::Error> {
    let instances = Vec::deserialize(source)?;
    if instances.len() > MAX_INSTANCES {
        let expected = format!("at most {MAX_INSTANCES}");
        return Err(D::Error::invalid_length(
            instances.len(),
            &expected.as_str(),
        ));
    }
    Ok(instances)
}

#[cfg(test)]
mod tests;
