//! FRR in a namespace: zebra, mgmtd, bgpd and bfdd in a pathspace of their own, asked through vtysh.
//!
//! bfdd runs under SCHED_FIFO: at normal priority on a loaded machine its own timers miss their time, and sessions flap that nothing
//! is wrong with.

use crate::netns::{Netns, run};
use crate::process::Process;
use crate::wait::wait_until;
use crate::{BenchError, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const DAEMONS: [&str; 4] = ["zebra", "mgmtd", "bgpd", "bfdd"];
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Above everything that is not real time.
const PRIORITY: &str = "20";

/// A BGP speaker with one neighbour, watched by BFD (100 ms, three times).
#[derive(Debug, Clone)]
pub struct Speaker<'a> {
    /// Our AS.
    pub asn: u32,
    /// Our address, which is the router id too.
    pub local: &'a str,
    /// The device it is on.
    pub device: &'a str,
    /// The neighbour's AS.
    pub peer_asn: u32,
    /// The neighbour.
    pub peer: &'a str,
}

impl Speaker<'_> {
    fn configuration(&self) -> String {
        let Speaker {
            asn,
            local,
            device,
            peer_asn,
            peer,
        } = self;
        format!(
            "frr defaults datacenter\nno ip forwarding\nno ipv6 forwarding\n!\n\
             router bgp {asn}\n bgp router-id {local}\n no bgp ebgp-requires-policy\n \
             neighbor {peer} remote-as {peer_asn}\n neighbor {peer} bfd\n exit\n!\n\
             bfd\n peer {peer} local-address {local} interface {device}\n  \
             receive-interval 100\n  transmit-interval 100\n  detect-multiplier 3\n exit\nexit\n"
        )
    }
}

/// Whether real-time priority can be had here; the reason if not.
///
/// # Errors
/// When chrt is missing or the kernel refuses.
pub fn realtime() -> Result<()> {
    run(Command::new("chrt").args(["--fifo", PRIORITY, "true"])).map(drop)
}

/// The state of a BFD session and of the BGP session that it watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    /// BFD says up.
    pub bfd_up: bool,
    /// How often BFD went down.
    pub bfd_downs: u64,
    /// BGP says Established.
    pub established: bool,
    /// How often BGP was lost.
    pub bgp_downs: u64,
}

impl Sessions {
    /// Both are up.
    pub fn are_up(&self) -> bool {
        self.bfd_up && self.established
    }
}

/// Running FRR.
pub struct Frr {
    pathspace: String,
    netns_name: String,
    peer: String,
    /// The last started ends first.
    daemons: Vec<Process>,
    files: PathBuf,
}

impl Frr {
    /// Starts the daemons in `netns`, logs in `folder`.
    ///
    /// # Errors
    /// When a daemon does not start or the configuration is refused.
    pub fn start(netns: &Netns, folder: &Path, speaker: &Speaker<'_>) -> Result<Self> {
        let pathspace = netns.name().to_owned();
        let folder = folder.join(format!("frr-{pathspace}"));
        let files = Path::new("/etc/frr").join(&pathspace);
        std::fs::create_dir_all(&folder).map_err(|e| BenchError::io("make FRR's folder", e))?;
        let configuration = folder.join("frr.conf");
        std::fs::write(&configuration, speaker.configuration())
            .map_err(|e| BenchError::io("write frr.conf", e))?;
        run(Command::new("sh").args([
            "-ec",
            &format!(
                "install -d -o frr -g frr /run/frr /var/tmp/frr /run/frr/{pathspace} {files}
                 install -o frr -g frr -m 640 {configuration} {files}/frr.conf
                 install -o frr -g frr -m 640 /dev/null {files}/vtysh.conf",
                files = files.display(),
                configuration = configuration.display(),
            ),
        ]))?;
        let mut frr = Self {
            pathspace,
            netns_name: netns.name().to_owned(),
            peer: speaker.peer.to_owned(),
            daemons: Vec::new(),
            files,
        };
        for daemon in DAEMONS {
            let mut command = netns.command("chrt");
            if daemon == "bfdd" {
                command.args(["--fifo", PRIORITY]);
            } else {
                command.args(["--other", "0"]);
            }
            command.arg(format!("/usr/lib/frr/{daemon}"));
            command.args(["-N", &frr.pathspace, "-A", "127.0.0.1"]);
            let process = Process::start(daemon, &folder, &mut command)?;
            frr.daemons.push(process);
        }
        wait_until("FRR to take its configuration", READY_LIMIT, || {
            for daemon in &mut frr.daemons {
                daemon.check()?;
            }
            let taken = frr.vtysh("show running-config").is_ok_and(|text| {
                text.contains("router bgp") || frr.command().arg("-b").output().is_err()
            });
            if !taken {
                drop(frr.command().arg("-b").output());
            }
            Ok(taken.then_some(()))
        })?;
        Ok(frr)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.netns_name, "vtysh", "-N"])
            .arg(&self.pathspace);
        command
    }

    /// Runs one vtysh command.
    ///
    /// # Errors
    /// When vtysh fails.
    pub fn vtysh(&self, command: &str) -> Result<String> {
        run(self.command().args(["-c", command]))
    }

    fn ask(&self, command: &str) -> Result<Value> {
        let text = self.vtysh(command)?;
        serde_json::from_str(&text)
            .map_err(|e| BenchError::Unexpected(format!("`{command}` said {text}: {e}")))
    }

    /// The two sessions with the neighbour.
    ///
    /// # Errors
    /// When FRR does not answer.
    pub fn sessions(&self) -> Result<Sessions> {
        let peer = self.peer.as_str();
        let bfd = self.ask("show bfd peers json")?;
        let counters = self.ask("show bfd peers counters json")?;
        let bgp = self.ask(&format!("show bgp neighbors {peer} json"))?;
        let of_peer = |list: &Value| -> Value {
            let rows = list.as_array().into_iter().flatten();
            let found = rows.into_iter().find(|row| row["peer"] == *peer);
            found.cloned().unwrap_or(Value::Null)
        };
        let bgp = &bgp[peer];
        Ok(Sessions {
            bfd_up: of_peer(&bfd)["status"] == "up",
            bfd_downs: of_peer(&counters)["session-down"].as_u64().unwrap_or(0),
            established: bgp["bgpState"] == "Established",
            bgp_downs: bgp["connectionsDropped"].as_u64().unwrap_or(0),
        })
    }

    /// Waits until both sessions are up.
    ///
    /// # Errors
    /// When they do not come up.
    pub fn wait_up(&self, limit: Duration) -> Result<Sessions> {
        wait_until("BFD and BGP to come up", limit, || {
            Ok(self.sessions().ok().filter(Sessions::are_up))
        })
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        while let Some(mut daemon) = self.daemons.pop() {
            drop(daemon.kill());
        }
        drop(std::fs::remove_dir_all(&self.files));
    }
}
