//! A strongSwan eNodeB: charon-systemd with userspace ESP (kernel-libipsec) in its own namespace.
//!
//! The build machines' kernel may lack ESP, so traffic goes through the `kernel-libipsec` plugin: tunnel mode, always in
//! UDP 4500. Each instance has its own configuration folder and control socket.

use crate::netns::{Netns, run};
use crate::process::Process;
use crate::{BenchError, Result};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const READY_LIMIT: Duration = Duration::from_secs(30);
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Where `./x` puts the plugin for ML-KEM, or says why it could not be built.
const PLUGIN_FOLDER: &str = "/usr/lib/ipsec/plugins";
const PLUGINS: &str = "random nonce aes md5 sha1 sha2 hmac cmac xcbc kdf gcm ccm ctr chapoly openssl x509 pem pkcs1 pkcs8 pubkey constraints \
                       curve25519 ml kernel-libipsec kernel-netlink socket-default vici updown";

/// A connection of swanctl.conf.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Our outer address.
    pub local: String,
    /// The gateway's outer address.
    pub remote: String,
    /// Our identity.
    pub local_id: String,
    /// The gateway's identity.
    pub remote_id: String,
    /// Pre-shared key.
    pub psk: String,
    /// IKE proposals.
    pub proposals: String,
    /// More lines of the connection: `rekey_time = 2s`.
    pub options: Vec<String>,
    /// Post-quantum pre-shared keys by identifier; an option `ppk_id` names the one to use.
    pub ppks: Vec<(String, String)>,
    /// Child SAs.
    pub children: Vec<Child>,
}

/// A child of a connection.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Our side's prefixes, comma-separated.
    pub local_ts: String,
    /// The far side's prefixes.
    pub remote_ts: String,
    /// ESP proposals.
    pub proposals: String,
    /// More lines of the child.
    pub options: Vec<String>,
}

impl Child {
    /// A child with AES-256-GCM that never rekeys by itself.
    pub fn new(name: &str, local_ts: &str, remote_ts: &str) -> Self {
        Self {
            name: name.to_owned(),
            local_ts: local_ts.to_owned(),
            remote_ts: remote_ts.to_owned(),
            proposals: "aes256gcm16".to_owned(),
            options: vec!["rekey_time = 0".to_owned()],
        }
    }
}

/// A running strongSwan.
pub struct StrongSwan {
    netns_name: String,
    folder: PathBuf,
    process: Process,
}

/// Why there is no ML-KEM, which Debian's packages leave out and `./x` builds; `None` when there is.
pub fn ml_kem_missing() -> Option<String> {
    let folder = Path::new(PLUGIN_FOLDER);
    let missing = !folder.join("libstrongswan-ml.so").exists();
    missing.then(|| {
        let said = fs::read_to_string(folder.join("ml.missing"));
        said.map_or_else(
            |_| "strongSwan has no plugin ml".to_owned(),
            |said| said.trim().to_owned(),
        )
    })
}

impl StrongSwan {
    /// Starts charon in `netns` with its files and log in `folder`.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start(netns: &Netns, folder: &Path, connections: &[Connection]) -> Result<Self> {
        Self::start_with(netns, folder, &swanctl_conf(connections), &[])
    }

    /// Starts charon with this swanctl.conf and with more files of its folder, as `x509/enb.pem`.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_with(
        netns: &Netns,
        folder: &Path,
        configuration: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<Self> {
        Self::start_loading("", netns, folder, configuration, files)
    }

    /// The same with further plugins.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_loading(
        plugins: &str,
        netns: &Netns,
        folder: &Path,
        configuration: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<Self> {
        let folder = folder.join("strongswan");
        for part in ["conf.d", "x509", "x509ca", "private"] {
            fs::create_dir_all(folder.join(part))
                .map_err(|e| BenchError::io("make strongswan's folder", e))?;
        }
        for (name, content) in files {
            let path = folder.join(name);
            fs::write(&path, content)
                .map_err(|e| BenchError::io(format!("write {}", path.display()), e))?;
        }
        write(
            &folder.join("strongswan.conf"),
            &daemon_conf(plugins, &folder, &crate::runtime_folder(netns.name())?),
        )?;
        write(&folder.join("swanctl.conf"), configuration)?;
        let mut command = netns.command("/usr/bin/env");
        command
            .arg("-i")
            .args(environment(&folder))
            .arg("/usr/sbin/charon-systemd");
        let process = Process::start("charon", &folder, &mut command)?;
        let mut peer = Self {
            netns_name: netns.name().to_owned(),
            folder,
            process,
        };
        crate::wait::wait_until("strongSwan's control socket", READY_LIMIT, || {
            peer.process.check()?;
            Ok(peer.swanctl(&["--stats"]).ok())
        })?;
        peer.load()?;
        Ok(peer)
    }

    /// Loads (again) what swanctl.conf says.
    ///
    /// # Errors
    /// When swanctl refuses it.
    pub fn load(&self) -> Result<()> {
        self.swanctl(&["--load-all", "--noprompt"]).map(drop)
    }

    /// Replaces the connections.
    ///
    /// # Errors
    /// When swanctl refuses them.
    pub fn configure(&self, connections: &[Connection]) -> Result<()> {
        write(
            &self.folder.join("swanctl.conf"),
            &swanctl_conf(connections),
        )?;
        self.load()
    }

    /// Brings a child up and waits for it.
    ///
    /// # Errors
    /// [`BenchError::Command`] with strongSwan's log of the failed exchange.
    pub fn initiate(&self, child: &str) -> Result<String> {
        self.swanctl(&["--initiate", "--child", child, "--timeout", "20"])
    }

    /// Brings an IKE SA up, and of its children only what goes with IKE_AUTH.
    ///
    /// # Errors
    /// As [`StrongSwan::initiate`].
    pub fn initiate_ike(&self, connection: &str) -> Result<String> {
        self.swanctl(&["--initiate", "--ike", connection, "--timeout", "20"])
    }

    /// Deletes an IKE SA by its connection's name.
    ///
    /// # Errors
    /// When there is none.
    pub fn terminate(&self, connection: &str) -> Result<String> {
        self.swanctl(&["--terminate", "--ike", connection, "--timeout", "10"])
    }

    /// Rekeys a child or (`--ike`) an IKE SA.
    ///
    /// # Errors
    /// When there is none.
    pub fn rekey(&self, what: &str, name: &str) -> Result<String> {
        self.swanctl(&["--rekey", what, name])
    }

    /// `swanctl --list-sas`.
    ///
    /// # Errors
    /// When the daemon is gone.
    pub fn list_sas(&self) -> Result<String> {
        self.swanctl(&["--list-sas"])
    }

    /// How many IKE SAs are established.
    ///
    /// # Errors
    /// When the daemon is gone.
    pub fn established(&self) -> Result<usize> {
        Ok(self
            .list_sas()?
            .lines()
            .filter(|l| l.contains(", ESTABLISHED, "))
            .count())
    }

    /// How many child SAs are installed.
    ///
    /// # Errors
    /// When the daemon is gone.
    pub fn children(&self) -> Result<usize> {
        Ok(self
            .list_sas()?
            .lines()
            .filter(|l| l.contains(", INSTALLED, "))
            .count())
    }

    /// Its version: `6.0.1`.
    ///
    /// # Errors
    /// When swanctl cannot run.
    pub fn version(&self) -> Result<String> {
        let text = self.swanctl(&["--version"])?;
        let version = text.split_whitespace().find_map(|word| {
            let word = word.trim_start_matches('v');
            word.starts_with(|c: char| c.is_ascii_digit())
                .then(|| word.to_owned())
        });
        version.ok_or_else(|| BenchError::Unexpected(format!("swanctl --version said: {text}")))
    }

    /// charon's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("charon.log.txt")).unwrap_or_default()
    }

    /// The process, to kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Runs swanctl against this instance.
    ///
    /// # Errors
    /// [`BenchError::Command`] with its output.
    pub fn swanctl(&self, arguments: &[&str]) -> Result<String> {
        run(&mut self.swanctl_command(arguments))
    }

    /// The same to be run later, by another thread.
    pub fn swanctl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns_name, "/usr/bin/env", "-i"]);
        command
            .args(environment(&self.folder))
            .arg("swanctl")
            .args(arguments);
        command
    }
}

fn environment(folder: &Path) -> [String; 3] {
    let folder = folder.display();
    [
        format!("PATH={PATH}"),
        format!("STRONGSWAN_CONF={folder}/strongswan.conf"),
        format!("SWANCTL_DIR={folder}"),
    ]
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| BenchError::io(format!("write {}", path.display()), e))
}

fn daemon_conf(plugins: &str, folder: &Path, run_folder: &Path) -> String {
    let (folder, run_folder) = (folder.display(), run_folder.display());
    format!(
        "charon-systemd {{
  load = {PLUGINS} {plugins}
  port = 500
  port_nat_t = 4500
  install_routes = yes
  retransmit_timeout = 1.0
  retransmit_tries = 4
  delete_rekeyed_delay = 2
  make_before_break = yes
  filelog {{
    main {{
      path = {folder}/charon.log.txt
      default = 1
      ike = 2
      flush_line = yes
    }}
  }}
  journal {{
    default = -1
  }}
  plugins {{
    vici {{
      socket = unix://{run_folder}/vici
    }}
    socket-default {{
      fwmark = 0x42
    }}
    kernel-netlink {{
      fwmark = !0x42
    }}
    kernel-libipsec {{
      allow_peer_ts = yes
    }}
  }}
}}
swanctl {{
  socket = unix://{run_folder}/vici
}}
"
    )
}

/// The text of swanctl.conf.
pub(crate) fn swanctl_conf(connections: &[Connection]) -> String {
    let mut text = String::from("connections {\n");
    let mut secrets = String::from("secrets {\n");
    for c in connections {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  {} {{\n    version = 2\n    local_addrs = {}\n    remote_addrs = {}\n    proposals = {}\n",
            c.name, c.local, c.remote, c.proposals
        );
        for option in &c.options {
            let _ = writeln!(text, "    {option}");
        }
        let _ = write!(
            text,
            "    local {{\n      auth = psk\n      id = {}\n    }}\n    remote {{\n      auth = psk\n      id = {}\n    }}\n    children {{\n",
            c.local_id, c.remote_id
        );
        for child in &c.children {
            let _ = write!(
                text,
                "      {} {{\n        local_ts = {}\n        remote_ts = {}\n        esp_proposals = {}\n",
                child.name, child.local_ts, child.remote_ts, child.proposals
            );
            for option in &child.options {
                let _ = writeln!(text, "        {option}");
            }
            text.push_str("      }\n");
        }
        text.push_str("    }\n  }\n");
        let _ = write!(
            secrets,
            "  ike-{} {{\n    id-1 = {}\n    id-2 = {}\n    secret = \"{}\"\n  }}\n",
            c.name, c.local_id, c.remote_id, c.psk
        );
        for (at, (id, secret)) in c.ppks.iter().enumerate() {
            let _ = write!(
                secrets,
                "  ppk-{}-{at} {{\n    id = {id}\n    secret = \"{secret}\"\n  }}\n",
                c.name
            );
        }
    }
    text + "}\n" + &secrets + "}\n"
}
