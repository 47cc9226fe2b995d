//! Watches the kernel of a namespace by `ip monitor`: what happens to links, addresses and routes while a test does something else.

use crate::Result;
use crate::netns::Netns;
use crate::process::Process;
use crate::wait::wait_until;
use nix::sys::signal::Signal;
use std::path::Path;
use std::time::Duration;

const READY_LIMIT: Duration = Duration::from_secs(20);

/// A running `ip monitor`.
pub struct Monitor {
    process: Process,
    netns_name: String,
}

impl Monitor {
    /// Starts and waits until it listens.
    ///
    /// # Errors
    /// When it does not report a change that is made to try it.
    pub fn start(netns: &Netns, folder: &Path) -> Result<Self> {
        let name = format!("ip-monitor-{}", netns.name());
        let mut command = netns.command("ip");
        command.args(["-o", "monitor", "link", "address", "route"]);
        let process = Process::start(&name, folder, &mut command)?;
        let monitor = Self {
            process,
            netns_name: netns.name().to_owned(),
        };
        monitor.mark(netns, "192.0.2.254")?;
        Ok(monitor)
    }

    /// What happened: one line an event, without the marks and without neighbours.
    ///
    /// # Errors
    /// When the end is not reported.
    pub fn finish(mut self, netns: &Netns) -> Result<Vec<String>> {
        self.mark(netns, "192.0.2.253")?;
        self.process.signal(Signal::SIGINT);
        self.process.stop()?;
        let log = self.process.log();
        let foreign = |line: &&str| !line.contains("192.0.2.25");
        Ok(log.lines().filter(foreign).map(str::to_owned).collect())
    }

    /// Adds and removes an address of `lo` until the monitor tells of it: it listens, and everything before has been told.
    fn mark(&self, netns: &Netns, address: &str) -> Result<()> {
        let what = format!("ip monitor in {} to report", self.netns_name);
        wait_until(&what, READY_LIMIT, || {
            // A gateway that reconciles its addresses just then takes it away first.
            netns.sh(&format!(
                "ip addr add {address}/32 dev lo; ip addr del {address}/32 dev lo 2>&1 || true"
            ))?;
            Ok(self
                .process
                .log()
                .contains(&format!("Deleted local {address}"))
                .then_some(()))
        })
    }
}

/// Lines that tell of a change of addresses, routes or carrier. A line about a link with carrier tells of none: readers of a port are
/// counted in its promiscuity.
pub fn disturbances<'a>(events: &'a [String], expected: &[&str]) -> Vec<&'a str> {
    let disturbs = |line: &&str| {
        let link =
            line.contains(" mtu ") && line.contains("LOWER_UP") && !line.starts_with("Deleted");
        !link && !expected.iter().any(|text| line.contains(text))
    };
    events.iter().map(String::as_str).filter(disturbs).collect()
}
