//! The peer: strongSwan's charon with what makes it fastest.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ravelin_tests::netns::run;
use ravelin_tests::process::Process;
use ravelin_tests::wait::wait_until;

use crate::Failure;
use crate::method::{Credentials, Method};
use crate::responder::Responder;
use crate::stage::{GATEWAY, GATEWAY_ID, KEY, SUFFIX, Stage};

const READY_LIMIT: Duration = Duration::from_secs(60);
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// charon at work.
pub struct Charon {
    pub responder: Responder,
    _process: Process,
}

impl Charon {
    /// Starts it for tunnels with this proposal of the IKE SA.
    pub fn start(
        stage: &Stage,
        proposal: &str,
        credentials: &Credentials,
    ) -> Result<Self, Failure> {
        let folder = &stage.logs;
        let hook = stage.run.join("xfrm.so");
        compile(&hook)?;
        let socket = format!("unix://{}/vici", stage.run.display());
        write(&folder.join("strongswan.conf"), &daemon_conf(&socket))?;
        let conf = connections(proposal, credentials.method);
        write(&folder.join("swanctl.conf"), &conf)?;
        place(folder, credentials)?;
        let environment = [
            PATH.to_owned(),
            format!("STRONGSWAN_CONF={}/strongswan.conf", folder.display()),
            format!("SWANCTL_DIR={}", folder.display()),
        ];
        let mut command = stage.on_responder_cpu();
        command
            .args(["/usr/bin/env", "-i"])
            .args(&environment)
            .arg(format!("LD_PRELOAD={}", hook.display()))
            .arg("/usr/sbin/charon-systemd");
        let mut process = Process::start("charon", folder, &mut command)?;
        let swanctl = |arguments: &[&str]| {
            let mut command = stage.responder.command("/usr/bin/env");
            command.arg("-i").args(&environment).arg("swanctl");
            run(command.args(arguments))
        };
        wait_until("charon's control socket", READY_LIMIT, || {
            process.check()?;
            Ok(swanctl(&["--stats"]).ok())
        })?;
        swanctl(&["--load-all", "--noprompt"])?;
        Ok(Self {
            responder: Responder::new(process.pid()),
            _process: process,
        })
    }
}

fn compile(hook: &Path) -> Result<(), Failure> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("perf/ike/xfrm.c");
    let mut command = Command::new("cc");
    command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]);
    run(command.arg(source).arg("-o").arg(hook))?;
    Ok(())
}

/// Copies what swanctl loads: both CAs, the certificate and its key.
fn place(folder: &Path, credentials: &Credentials) -> Result<(), Failure> {
    if credentials.method == Method::Psk {
        return Ok(());
    }
    let name = credentials.gateway();
    let files = [
        ("x509ca", "root.pem".to_owned()),
        ("x509ca", "access.pem".to_owned()),
        ("x509", format!("{name}.pem")),
        ("private", format!("{name}.key")),
    ];
    for (part, file) in files {
        let (from, part) = (credentials.file(&file), folder.join(part));
        std::fs::create_dir_all(&part).map_err(|error| Failure::file(&part, error))?;
        std::fs::copy(&from, part.join(file)).map_err(|error| Failure::file(&from, error))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::file(path, error))
}

/// OpenSSL before the plugins with portable code, no log, no limit on set-ups, tables as large as ours.
fn daemon_conf(socket: &str) -> String {
    format!(
        "charon-systemd {{
  load = openssl random nonce x509 pem pkcs1 pkcs8 pubkey constraints kdf kernel-netlink socket-default vici
  install_routes = no
  install_virtual_ip = no
  ikesa_table_size = 65536
  ikesa_table_segments = 16
  dos_protection = no
  init_limit_half_open = 0
  init_limit_job_load = 0
  receive_delay = 0
  journal {{
    default = -1
  }}
  plugins {{
    vici {{
      socket = {socket}
    }}
  }}
}}
swanctl {{
  socket = {socket}
}}
"
    )
}

fn connections(proposal: &str, method: Method) -> String {
    let (local, remote) = match method {
        Method::Psk => ("auth = psk".to_owned(), "auth = psk"),
        Method::Ecdsa | Method::Rsa => {
            let name = GATEWAY_ID.split('.').next().unwrap_or(GATEWAY_ID);
            let own = format!("auth = pubkey\n      certs = {name}.pem");
            (own, "auth = pubkey\n      cacerts = root.pem")
        }
    };
    format!(
        "connections {{
  enb {{
    version = 2
    local_addrs = {GATEWAY}
    proposals = {proposal}
    rekey_time = 0
    dpd_delay = 0
    unique = never
    local {{
      {local}
      id = {GATEWAY_ID}
    }}
    remote {{
      {remote}
      id = *.{SUFFIX}
    }}
    children {{
      enb {{
        local_ts = 0.0.0.0/0
        remote_ts = 0.0.0.0/0
        esp_proposals = aes256gcm16
        rekey_time = 0
        policies = no
      }}
    }}
  }}
}}
secrets {{
  ike-enb {{
    secret = \"{KEY}\"
  }}
}}
"
    )
}
