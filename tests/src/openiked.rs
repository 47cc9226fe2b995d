//! An OpenIKED eNodeB: iked in its own namespace, its ESP by [`crate::kernelless`], its `/etc/iked` a folder of its own.

use crate::kernelless::Kernelless;
use crate::netns::{Netns, run};
use crate::process::Process;
use crate::{BenchError, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running iked of OpenBSD.
pub struct OpenIked {
    netns_name: String,
    socket: PathBuf,
    /// Its ESP.
    pub esp: Kernelless,
    process: Process,
}

impl OpenIked {
    /// Starts iked in `netns` with its files and log in `folder`: `configuration` is iked.conf(5), and `files` belong below
    /// `/etc/iked`, as `ca/ca.crt`.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start(
        netns: &Netns,
        folder: &Path,
        configuration: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<Self> {
        let etc = folder.join("etc");
        let write = |path: &Path, octets: &[u8]| {
            fs::write(path, octets)
                .map_err(|e| BenchError::io(format!("write {}", path.display()), e))
        };
        for part in ["ca", "certs", "crls", "private", "pubkeys"] {
            fs::create_dir_all(etc.join(part))
                .map_err(|e| BenchError::io("make iked's folder", e))?;
        }
        for (name, octets) in files {
            write(&etc.join(name), octets)?;
        }
        let conf = folder.join("iked.conf");
        write(&conf, configuration.as_bytes())?;
        // It holds keys: iked refuses one that others may read.
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o600))
            .map_err(|e| BenchError::io("hide iked.conf", e))?;
        let esp = Kernelless::new(netns, folder)?;
        let socket = crate::runtime_folder(netns.name())?.join("iked.sock");
        // The name space of mounts is that of `ip netns exec`. The library is for iked alone.
        let [library, sas] = esp
            .environment()
            .map(|(name, path)| format!("{name}={}", path.display()));
        let script =
            "mount --bind \"$1\" /etc/iked && exec env \"$4\" \"$5\" iked -dv -f \"$2\" -s \"$3\"";
        let mut command = netns.command("sh");
        command.args(["-ec", script, "sh"]);
        command.args([&etc, &conf, &socket]).args([&library, &sas]);
        let process = Process::start("openiked", folder, &mut command)?;
        let mut peer = Self {
            netns_name: netns.name().to_owned(),
            socket,
            esp,
            process,
        };
        crate::wait::wait_until("iked's control socket", READY_LIMIT, || {
            peer.process.check()?;
            Ok(peer.ikectl(&["show", "stats"]).ok())
        })?;
        Ok(peer)
    }

    /// Established IKE SAs.
    ///
    /// # Errors
    /// When it is gone.
    pub fn established(&self) -> Result<usize> {
        let sas = self.ikectl(&["show", "sa"])?;
        let up = |l: &&str| l.starts_with("iked_sas:") && l.contains(" ESTABLISHED ");
        Ok(sas.lines().filter(up).count())
    }

    /// Its output.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Runs ikectl against this instance.
    ///
    /// # Errors
    /// [`BenchError::Command`] with its output.
    pub fn ikectl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns_name, "timeout", "5", "ikectl"]);
        command.arg("-s").arg(&self.socket).args(arguments);
        run(&mut command)
    }
}
