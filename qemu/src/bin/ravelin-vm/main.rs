//! `ravelin-vm run`: the appliance in a virtual machine, for people. Behind `./x vm run`.
//!
//! The serial console is the terminal that it is started on; Ctrl-] ends the machine. NIC 0 (`fxp0`) has QEMU's own network
//! with DHCP, and a port of the loopback leads to its SSH. Each further NIC (`ge-0/0/N`) is alone on a link, whose frames are
//! recorded and which others may join by its socket. At its end nothing is left but the records; what the machine wrote to
//! its disk stays only with `--disk`.
#![forbid(unsafe_code)]

mod options;
mod terminal;

use options::{Options, USAGE};
use ravelin_qemu::guest::Backend;
use ravelin_qemu::{Disk, DiskBus, Firmware, Guest, Lab, Link, Nic, NicModel, Result};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::parse(&arguments) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprint!("ravelin-vm: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ravelin-vm: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let lab = Lab::new("run")?;
    let links = (0..options.nics)
        .map(|number| Link::new(&lab, &format!("ge-0-0-{number}")))
        .collect::<Result<Vec<_>>>()?;
    let disk = match &options.disk {
        Some(kept) => Disk::kept(&options.image, kept),
        None => Disk::overlay(&options.image),
    };
    let mut plan = Guest::named("ravelin")
        .cpus(options.cpus)
        .memory_mib(options.memory_mib)
        .disk(disk)
        .nic(Nic::new(NicModel::virtio()).backend(Backend::User(vec![(options.ssh_port, 22)])));
    for link in &links {
        plan = plan.nic(Nic::new(options.model()).on(link));
    }
    for seed in &options.seeds {
        plan = plan.disk(Disk::read_only(seed).bus(DiskBus::of_medium(seed)));
    }
    if options.uefi {
        plan = plan.firmware(Firmware::Uefi);
    }
    if options.iommu {
        plan = plan.iommu();
    }
    let mut guest = plan.start_with_plain_serial(&lab)?;
    eprintln!("{}\n", guest.command_line());
    for link in &links {
        let (name, socket) = (link.name(), link.socket().display());
        let capture = link.capture_path().display();
        eprintln!("{name}: socket {socket}, recorded in {capture}");
    }
    let port = options.ssh_port;
    eprintln!("fxp0: ssh -p {port} admin@127.0.0.1");
    eprintln!("The console follows; Ctrl-] ends the machine.\n");
    let serial = guest.take_serial()?;
    match terminal::attach(serial)? {
        terminal::End::Guest => guest.wait_off(ravelin_qemu::seconds(20)),
        terminal::End::Person => guest.quit(),
    }
}
