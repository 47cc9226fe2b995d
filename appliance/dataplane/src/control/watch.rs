//! What the workers shall show, and whose packets they saw.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ravelin_types::{PairId, Spi};

use super::Controller;
use crate::platform::Platform;
use crate::watch::Watch;

impl<P: Platform> Controller<P> {
    /// What the workers shall show from the next [`Controller::publish`] on.
    pub fn set_watch(&mut self, watch: Option<Watch>) {
        self.working.watch = watch.map(Arc::new);
        self.dirty = true;
    }

    /// The pair that an SPI of ours belongs to.
    pub fn pair_of_inbound(&self, spi: Spi) -> Option<PairId> {
        self.pairs.with_inbound(spi)
    }

    /// The pairs that these SPIs of peers belong to; looks at every pair once, however many are asked for.
    pub fn pairs_of_outbound(
        &self,
        wanted: &HashSet<(IpAddr, Spi)>,
    ) -> HashMap<(IpAddr, Spi), PairId> {
        if wanted.is_empty() {
            return HashMap::new();
        }
        let named = |(pair, peer, spi)| ((peer, spi), pair);
        let all = self.pairs.outbound().map(named);
        all.filter(|(key, _)| wanted.contains(key)).collect()
    }
}
