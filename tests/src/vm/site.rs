//! The three guests, joined and addressed as [`crate::site`] has it.

use super::appliance::{self, Appliance};
use super::evidence::{carried, kernel_sas, native_esp};
use super::peer::{Peer, host_script, strongswan_script};
use crate::site::{Addresses, CONFIGURATION, V4, V6, enb_connection};
use crate::{BenchError, Result};
use ravelin_qemu::{Disk, GuestPlan, Lab, Link, NicModel, minutes};
use std::time::Duration;

/// From the login prompt to the first tunnel, on a machine that does other things as well.
pub const TUNNEL_LIMIT: Duration = minutes(5);
/// What the gateway is called.
pub const HOST_NAME: &str = "secgw";
/// Pings and KiB each way, enough to see that every packet crosses and few enough for an emulated processor.
const PINGS: u32 = 10;
const TCP_KIB: u32 = 512;

/// What differs between sites.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Model of the gateway's data NICs.
    pub model: NicModel,
    /// Outer addresses of the tunnel.
    pub outer: Addresses,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            model: NicModel::virtio(),
            outer: V4,
        }
    }
}

/// The guests and the links between them. They end with this value.
#[derive(Debug)]
pub struct Site {
    /// The eNodeB.
    pub enb: Peer,
    /// The host of the core.
    pub core: Peer,
    /// The gateway.
    pub gateway: Appliance,
    /// Between eNodeB and gateway.
    pub access: Link,
    /// Between gateway and core.
    pub trust: Link,
    /// Their folders.
    pub lab: Lab,
    outer: Addresses,
}

impl Site {
    /// Starts all three: the gateway with its day-0 configuration on an ISO.
    ///
    /// # Errors
    /// When something cannot be started.
    pub fn start(test: &str, options: Options) -> Result<Self> {
        Self::start_with(test, options, |lab, plan| {
            let seed = appliance::seed(lab, &configuration(), HOST_NAME)?;
            Ok(plan.disk(Disk::cd(&seed)))
        })
    }

    /// Starts all three; the gateway has no day-0 source.
    ///
    /// # Errors
    /// When something cannot be started.
    pub fn start_without_day0(test: &str, options: Options) -> Result<Self> {
        Self::start_with(test, options, |_, plan| Ok(plan))
    }

    /// The same with a machine that `change` has changed.
    ///
    /// # Errors
    /// When something cannot be started.
    pub fn start_with(
        test: &str,
        options: Options,
        change: impl FnOnce(&Lab, GuestPlan) -> Result<GuestPlan>,
    ) -> Result<Self> {
        Self::start_on(test, options, |lab, links| {
            change(lab, appliance::plan("gateway", options.model, &links)?)
        })
    }

    /// The same with a machine of one's own, which is joined to the access link and to that of the core.
    ///
    /// # Errors
    /// When something cannot be started.
    pub fn start_on(
        test: &str,
        options: Options,
        machine: impl FnOnce(&Lab, [&Link; 2]) -> Result<GuestPlan>,
    ) -> Result<Self> {
        let lab = Lab::new(test)?;
        crate::nonces::watch(CONFIGURATION);
        let access = Link::new(&lab, "access")?;
        let trust = Link::new(&lab, "core")?;
        // The peers first: their boot is short, and the time of a tunnel is the gateway's.
        let mut enb = Peer::start(&lab, "enb", &access, &enb_script(options.outer))?;
        let mut core = Peer::start(&lab, "corehost", &trust, &core_script())?;
        enb.ready()?;
        core.ready()?;
        let plan = machine(&lab, [&access, &trust])?;
        Ok(Self {
            enb,
            core,
            gateway: Appliance::start(plan, &lab)?,
            access,
            trust,
            lab,
            outer: options.outer,
        })
    }

    /// Waits for the first tunnel and returns the time since QEMU's start.
    ///
    /// # Errors
    /// When none comes up.
    pub fn tunnel(&mut self) -> Result<Duration> {
        let start = self.gateway.guest().started()?;
        self.enb.wait_tunnel(0, TUNNEL_LIMIT)?;
        Ok(start.elapsed())
    }

    /// Ping and TCP both ways, for both inner families: every octet arrives.
    ///
    /// # Errors
    /// When something does not.
    pub fn traffic(&mut self) -> Result<()> {
        for inner in [V4, V6] {
            self.pings(inner)?;
            self.enb.tcp(inner.enb_inner, inner.core, TCP_KIB)?;
            self.core.tcp(inner.core, inner.enb_inner, TCP_KIB)?;
        }
        Ok(())
    }

    /// Pings both ways; the first one of a direction may find no neighbour yet.
    ///
    /// # Errors
    /// When more than that is lost.
    pub fn pings(&mut self, inner: Addresses) -> Result<()> {
        let up = self.enb.ping(inner.enb_inner, inner.core, PINGS)?;
        let down = self.core.ping(inner.core, inner.enb_inner, PINGS)?;
        if up + 1 < PINGS || down + 1 < PINGS {
            return Err(BenchError::Unexpected(format!(
                "of {PINGS} pings between {} and {}, {up} were answered from the eNodeB and {down} from the core",
                inner.enb_inner, inner.core
            )));
        }
        Ok(())
    }

    /// That the tunnel is native ESP, by the link and by the peer's kernel ([`native_esp`]).
    ///
    /// # Errors
    /// When it is not.
    pub fn evidence(&mut self) -> Result<String> {
        let state = self.enb.run("ip -s xfrm state")?;
        let carried = carried(&self.access)?;
        native_esp(&carried, &kernel_sas(&state), u64::from(PINGS))
    }

    /// Waits until traffic crosses again by itself, after the gateway was away.
    ///
    /// # Errors
    /// When it does not.
    pub fn returned(&mut self, limit: Duration) -> Result<()> {
        let (from, to) = (V4.enb_inner, V4.core);
        ravelin_qemu::wait::wait_until("traffic through the returned tunnel", limit, || {
            Ok((self.enb.ping(from, to, 2)? == 2).then_some(()))
        })
    }

    /// Outer addresses of the tunnel.
    pub fn outer(&self) -> Addresses {
        self.outer
    }

    /// That no gateway repeated a nonce on the access link ([`crate::nonces`]).
    ///
    /// # Errors
    /// When one did.
    pub fn no_nonce_twice(&self) -> Result<()> {
        let mut judge = crate::nonces::Judge::of(crate::nonces::watched());
        judge.see(&self.access.captured()?);
        match crate::nonces::fault(judge.repeats()) {
            None => Ok(()),
            Some(fault) => Err(BenchError::Unexpected(fault.to_string())),
        }
    }
}

/// The gateway's configuration.
pub fn configuration() -> String {
    appliance::configuration(CONFIGURATION)
}

/// The eNodeB tries for ever, and again when the gateway does not answer any more.
fn enb_script(outer: Addresses) -> String {
    let mut connection = enb_connection("enb", outer);
    connection
        .options
        .extend(["keyingtries = 0".to_owned(), "dpd_delay = 3s".to_owned()]);
    for child in &mut connection.children {
        child.options.extend([
            "start_action = start".to_owned(),
            "dpd_action = restart".to_owned(),
        ]);
    }
    let hosts = host_script(
        &[
            format!("{}/24", V4.enb_outer),
            format!("{}/64", V6.enb_outer),
        ],
        &[
            format!("{}/32", V4.enb_inner),
            format!("{}/128", V6.enb_inner),
        ],
        &[],
    );
    hosts + &strongswan_script(&[connection])
}

fn core_script() -> String {
    host_script(
        &[format!("{}/24", V4.core), format!("{}/64", V6.core)],
        &[],
        &[
            "10.45.0.0/16 via 198.51.100.1".to_owned(),
            "2001:db8:45::/48 via 2001:db8:b::1".to_owned(),
        ],
    )
}

#[cfg(test)]
mod tests;
