//! A libreswan eNodeB: pluto in its own namespace, its ESP by [`crate::kernelless`]. Control and state are in folders of its own.

use crate::kernelless::Kernelless;
use crate::netns::{Netns, run};
use crate::process::Process;
use crate::wait::wait_until;
use crate::{BenchError, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PROGRAMS: &str = "/usr/libexec/ipsec";
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running pluto.
pub struct Libreswan {
    netns_name: String,
    folder: PathBuf,
    run_folder: PathBuf,
    /// Its ESP.
    pub esp: Kernelless,
    process: Process,
}

impl Libreswan {
    /// Starts pluto in `netns` with its files and log in `folder`. `connections` are sections of ipsec.conf(5), `secrets` is
    /// ipsec.secrets(5), and `store` fills the NSS database, whose folder it is given.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start(
        netns: &Netns,
        folder: &Path,
        connections: &str,
        secrets: &str,
        store: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let folder = folder.join("libreswan");
        let nss = folder.join("nss");
        fs::create_dir_all(&nss).map_err(|e| BenchError::io("make libreswan's folder", e))?;
        run(Command::new("certutil")
            .args(["-N", "--empty-password", "-d"])
            .arg(database(&nss)))?;
        store(&nss)?;
        let configuration = format!(
            "config setup
\tnssdir={nss}
\tlogfile={folder}/pluto.log.txt
\tlogip=no
\tikev1-policy=drop
\tdnssec-enable=no
\tuniqueids=no
conn %default
\tkeyexchange=ikev2
\tauto=add
\tesn=no
\tretransmit-timeout=8s
\tleftupdown=
{connections}",
            nss = nss.display(),
            folder = folder.display()
        );
        for (name, text) in [("ipsec.conf", configuration.as_str()), ("secrets", secrets)] {
            fs::write(folder.join(name), text)
                .map_err(|e| BenchError::io(format!("write libreswan's {name}"), e))?;
        }
        let run_folder = crate::runtime_folder(netns.name())?;
        let esp = Kernelless::new(netns, &folder)?;
        let mut command = netns.command(&format!("{PROGRAMS}/pluto"));
        command.arg("--nofork");
        for (option, path) in [
            ("--config", &folder.join("ipsec.conf")),
            ("--secretsfile", &folder.join("secrets")),
            ("--rundir", &run_folder),
            ("--ipsecdir", &folder),
            ("--dumpdir", &folder),
        ] {
            command.arg(option).arg(path);
        }
        command.envs(esp.environment());
        let process = Process::start("pluto", &folder, &mut command)?;
        let mut peer = Self {
            netns_name: netns.name().to_owned(),
            folder,
            run_folder,
            esp,
            process,
        };
        // pluto has its connections added by a child of its own; the last of them is there when all are.
        let last = connections.lines().rfind(|l| l.starts_with("conn "));
        let last = last.map_or("", |line| line.trim_start_matches("conn "));
        let added = format!("\"{last}\": added IKEv2 connection");
        wait_until("pluto's connections", READY_LIMIT, || {
            peer.process.check()?;
            let log = peer.log();
            match log.lines().find(|l| l.contains("failed to add")) {
                Some(line) => Err(BenchError::Unexpected(line.to_owned())),
                None => Ok(log.contains(&added).then_some(())),
            }
        })?;
        wait_until("pluto's secrets", READY_LIMIT, || {
            Ok(peer.log().contains("loading secrets").then_some(()))
        })?;
        Ok(peer)
    }

    /// Brings a connection up and waits for it.
    ///
    /// # Errors
    /// [`BenchError::Command`] with its log of the failed exchange.
    pub fn initiate(&self, connection: &str) -> Result<String> {
        let seen = self.log().len();
        let text = self.whack(&["--initiate", "--name", connection])?;
        // It also ends well when it gives up for now.
        if self.log()[seen..].contains("established Child SA") {
            return Ok(text);
        }
        Err(BenchError::Unexpected(format!("no child SA: {text}")))
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// When it is gone.
    pub fn begin(&self, connection: &str) -> Result<String> {
        self.whack(&["--initiate", "--asynchronous", "--name", connection])
    }

    /// Deletes a connection's SAs.
    ///
    /// # Errors
    /// When there are none.
    pub fn terminate(&self, connection: &str) -> Result<String> {
        self.whack(&["--terminate", "--name", connection])
    }

    /// Rekeys a child (`--rekey-child`) or an IKE SA (`--rekey-ike`).
    ///
    /// # Errors
    /// When there is none.
    pub fn rekey(&self, what: &str, connection: &str) -> Result<String> {
        self.whack(&[what, "--name", connection])
    }

    /// Makes it misbehave, or by `none` behave.
    ///
    /// # Errors
    /// When it does not know how.
    pub fn impair(&self, how: &str) -> Result<String> {
        self.whack(&["--impair", how])
    }

    /// Established (IKE SAs, child SAs) of a connection.
    ///
    /// # Errors
    /// When it is gone.
    pub fn established(&self, connection: &str) -> Result<(usize, usize)> {
        let states = self.whack(&["--showstates"])?;
        let named = format!("\"{connection}\"");
        let own = states.lines().filter(|l| l.contains(&named));
        let count = |what| own.clone().filter(|l| l.contains(what)).count();
        Ok((
            count("(established IKE SA)"),
            count("(established Child SA)"),
        ))
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("pluto.log.txt")).unwrap_or_default()
    }

    /// The process, to look whether it lives.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Runs whack against this instance.
    ///
    /// # Errors
    /// [`BenchError::Command`] with its output.
    pub fn whack(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns_name, "timeout", "20"]);
        command.arg(format!("{PROGRAMS}/whack"));
        command
            .arg("--rundir")
            .arg(&self.run_folder)
            .args(arguments);
        run(&mut command)
    }
}

/// How certutil and pk12util name an NSS database.
pub fn database(folder: &Path) -> String {
    format!("sql:{}", folder.display())
}
