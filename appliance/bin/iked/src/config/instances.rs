//! Routing instances by their numbers.

use std::collections::HashMap;
use std::sync::Arc;

use ravelin_ctl::instance::RoutingInstance;
use ravelin_routing::TABLE_MAIN;
use ravelin_types::VrfId;

use super::ConfigError;

/// The routing instances of a configuration beside the default one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instances(Arc<HashMap<VrfId, RoutingInstance>>);

impl Instances {
    /// Those of a configuration.
    ///
    /// # Errors
    /// [`ConfigError::InstanceTwice`].
    pub(crate) fn of(all: &[RoutingInstance]) -> Result<Self, ConfigError> {
        let mut found = HashMap::new();
        for instance in all {
            let taken = instance.vrf == VrfId::DEFAULT
                || found.insert(instance.vrf, instance.clone()).is_some();
            if taken {
                return Err(ConfigError::InstanceTwice {
                    name: instance.name.clone(),
                    vrf: instance.vrf,
                });
            }
        }
        Ok(Self(Arc::new(found)))
    }

    /// Whether there is this one; the default one always is.
    pub fn has(&self, vrf: VrfId) -> bool {
        vrf == VrfId::DEFAULT || self.0.contains_key(&vrf)
    }

    /// Whether there is none beside the default one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This one, unless it is the default one or gone.
    pub fn get(&self, vrf: VrfId) -> Option<&RoutingInstance> {
        self.0.get(&vrf)
    }

    /// What people call it, unless it is the default one.
    pub fn name(&self, vrf: VrfId) -> Option<String> {
        let known = self.get(vrf).map(|instance| instance.name.clone());
        // One that a commit has removed: its sessions end, and are told.
        known.or_else(|| (vrf != VrfId::DEFAULT).then(|| vrf.0.to_string()))
    }

    /// The kernel's table of its routes.
    pub fn table(&self, vrf: VrfId) -> Option<u32> {
        let table = self.get(vrf).map(|instance| instance.table);
        table.or((vrf == VrfId::DEFAULT).then_some(TABLE_MAIN))
    }
}
