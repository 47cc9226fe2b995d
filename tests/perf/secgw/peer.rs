//! The peer: DPDK's ipsec-secgw, in either of its modes, with its replay window off, which is its default and its best.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use ravelin_tests::rate::PEER_MODES;

use crate::Failure;
use crate::case::{Family, Setting};
use crate::packets::{self, NEIGHBOUR};
use crate::subject::{Cpus, Files, Kind, Subject};

/// How ipsec-secgw reaches its cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the queue of DPDK's device for it.
    Lookaside,
    /// By calls of the same device.
    CpuCrypto,
}

impl Mode {
    pub const ALL: [Mode; 2] = [Mode::Lookaside, Mode::CpuCrypto];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Lookaside => PEER_MODES[0],
            Mode::CpuCrypto => PEER_MODES[1],
        }
    }
}

/// Its port of the core is number 0, that of the access side, where ESP is, number 1.
const PORTS: [u64; 2] = [0, 1];
/// As ours.
const MTU_OCTETS: &str = "1600";
/// Far more than are in flight.
const BUFFERS: &str = "16383";
/// Its routing tables alone take 200; all processes together fit what `./x bench` borrows.
const MEMORY_MIB: &str = "384";

const FLOOR_MEMORY_MIB: &str = "96";

/// Starts it.
pub fn start(
    program: &Path,
    mode: Mode,
    setting: Setting,
    files: &Files,
    cpus: Cpus,
) -> Result<Subject, Failure> {
    let path = files.logs.join(format!("{}.cfg", mode.name()));
    let written = std::fs::write(&path, configuration(mode, setting));
    written.map_err(|error| Failure::File {
        path: path.clone(),
        error,
    })?;
    let mut command = Command::new(program);
    command
        .envs(Subject::environment(files, mode.name()))
        .args(eal_arguments(cpus, mode.name(), MEMORY_MIB))
        .args([
            "--vdev",
            setting.algorithm.crypto_device(),
            "--",
            "-p",
            "0x3",
            "-P",
            "-u",
            "0x2",
        ])
        .args([
            "--mtu",
            MTU_OCTETS,
            "-s",
            BUFFERS,
            "--rxoffload",
            "0",
            "--txoffload",
            "0",
        ])
        .arg(format!("--config=(0,0,{0}),(1,0,{0})", cpus.measured))
        .arg("-f")
        .arg(&path)
        .arg("-l");
    Subject::start(mode.name(), files, &mut command, PORTS, Kind::Gateway)
}

/// What DPDK is told: one thread, two ports without wires, pages as ours.
pub fn eal_arguments(cpus: Cpus, name: &str, memory_mib: &str) -> Vec<String> {
    let cpu = cpus.measured.to_string();
    let pages = if ordinary_pages() {
        "--no-huge"
    } else {
        "--in-memory"
    };
    let mut words = vec![
        "-l",
        &cpu,
        "--no-pci",
        "--no-telemetry",
        pages,
        "-m",
        memory_mib,
    ];
    let prefix = format!("--file-prefix={name}");
    words.extend([
        prefix.as_str(),
        "--vdev",
        "net_null0,no-rx=1",
        "--vdev",
        "net_null1,no-rx=1",
    ]);
    words.into_iter().map(str::to_owned).collect()
}

/// Whether there are no hugepages (`scripts/x/hugepages.sh`).
pub fn ordinary_pages() -> bool {
    std::env::var("RAVELIN_NO_HUGE").is_ok_and(|value| value == "1")
}

/// Its configuration file: for every SA a policy, as ours have selectors.
fn configuration(mode: Mode, setting: Setting) -> String {
    let Setting {
        algorithm,
        family,
        sas,
    } = setting;
    let (_, remote_bits, host_bits) = family.prefix_bits();
    let (ip, ports) = match family {
        Family::V4 => ("ipv4", "sport 0:65535 dport 0:65535"),
        Family::V6 => ("ipv6", "sport 0:65535 dport 0:65535"),
    };
    let (ours, peer) = (family.ours(), family.peer());
    let kind = match mode {
        Mode::Lookaside => "",
        Mode::CpuCrypto => " type cpu-crypto",
    };
    let mut text = String::new();
    for sa in 0..sas {
        let (out, inbound, remote) = (
            packets::peer_spi(sa).0,
            packets::spi(sa).0,
            family.remote(sa),
        );
        let cipher = algorithm.secgw(&packets::keymat(algorithm, sa));
        let _ = writeln!(
            text,
            "sp {ip} out esp protect {out} pri 1 dst {remote}/{host_bits} {ports}\n\
             sp {ip} in esp protect {inbound} pri 1 src {remote}/{host_bits} {ports}\n\
             sa out {out} {cipher} mode {ip}-tunnel src {ours} dst {peer}{kind}\n\
             sa in {inbound} {cipher} mode {ip}-tunnel src {peer} dst {ours}{kind}"
        );
    }
    let mac: Vec<String> = NEIGHBOUR
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let mac = mac.join(":");
    let _ = writeln!(
        text,
        "rt {ip} dst {peer}/{host_bits} port 1\n\
         rt {ip} dst {}/{host_bits} port 0\n\
         rt {ip} dst {}/{remote_bits} port 1\n\
         neigh port 0 {mac}\n\
         neigh port 1 {mac}",
        family.core(),
        family.remote(0),
    );
    text
}

/// The bare loop over the same ports, with bursts of this size.
pub fn start_floor(
    program: &Path,
    burst: usize,
    files: &Files,
    cpus: Cpus,
) -> Result<Subject, Failure> {
    let name = floor_name(burst);
    let mut command = Command::new(program);
    command
        .envs(Subject::environment(files, name))
        .args(eal_arguments(cpus, name, FLOOR_MEMORY_MIB))
        .args(["--", &burst.to_string()]);
    Subject::start(name, files, &mut command, PORTS, Kind::Loop)
}

fn floor_name(burst: usize) -> &'static str {
    if burst == PEER_BURST {
        "floor-32"
    } else {
        "floor-64"
    }
}

/// Packets that ipsec-secgw takes at once (`MAX_PKT_BURST` of its source).
pub const PEER_BURST: usize = 32;

/// The built programs.
pub struct Programs {
    pub secgw: PathBuf,
    pub floor: PathBuf,
    pub hook: PathBuf,
}
