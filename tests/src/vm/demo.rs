//! `./x vm demo`: the image does the main job, between guests with Debian's kernel, and comes back after a reboot.
//!
//! What is printed on the way comes from the gateway's serial console and from the peer. The last line is judged by captures outside
//! of the gateway and by the peer's kernel. Times are judged only on a machine that is idle before and after.

use super::site::{Options, Site, TUNNEL_LIMIT};
use crate::{BenchError, Result};
use ravelin_qemu::calibration::calibrate;
use ravelin_qemu::{NicModel, minutes};
use std::time::{Duration, Instant};

/// From QEMU's start to the login prompt, and to the first tunnel, on an idle machine under TCG.
const BOOT_MOST: Duration = Duration::from_secs(60);
const TUNNEL_MOST: Duration = Duration::from_secs(90);

/// What is shown from the serial console.
const SHOWN: [&str; 6] = [
    "show chassis hardware",
    "show system processes",
    "show interfaces terse",
    "show security ike security-associations",
    "show security ipsec security-associations",
    "show security drops",
];

/// Models by their names on the command line.
pub const MODELS: [(&str, NicModel); 3] = [
    ("virtio", NicModel::virtio()),
    ("virtio-vfio", NicModel::virtio_iommu()),
    ("vmxnet3", NicModel::Vmxnet3),
];

/// Runs the demo with data NICs of that name, and returns its last line.
///
/// # Errors
/// When anything is not as it should be.
pub fn run(model_name: &str) -> Result<String> {
    let known = MODELS.iter().find(|(name, _)| *name == model_name);
    let Some((_, model)) = known else {
        let names = MODELS.map(|(name, _)| name).join(", ");
        let text = format!("no NIC model {model_name}; there are {names}");
        return Err(BenchError::Unexpected(text));
    };
    let before = calibrate();
    say(&before.to_string());
    say("starting the eNodeB, the core host, then the gateway with its day-0 ISO");
    let options = Options {
        model: *model,
        ..Options::default()
    };
    let mut site = Site::start("vm-demo", options)?;
    say(&site.gateway.guest().command_line());
    let boot = site.gateway.booted()?;
    say(&format!("login prompt after {:.1} s", boot.as_secs_f64()));
    let tunnel = site.tunnel()?;
    say(&format!("tunnel after {:.1} s", tunnel.as_secs_f64()));
    site.traffic()?;
    say("ping and TCP cross both ways, IPv4 and IPv6");
    site.gateway.login()?;
    for command in SHOWN {
        println!(
            "\nadmin@secgw> {command}\n{}",
            site.gateway.cli(command)?.trim_end()
        );
    }
    println!(
        "\nenb# ip -s xfrm state\n{}",
        without_keys(&site.enb.run("ip -s xfrm state")?)
    );
    print!("{}", site.evidence()?);
    reboot(&mut site)?;
    site.traffic()?;
    print!("{}", site.evidence()?);
    site.no_nonce_twice()?;
    drop(site);
    let after = calibrate();
    say(&after.to_string());
    if before.fit() && after.fit() {
        judge("login prompt", boot, BOOT_MOST)?;
        judge("first tunnel", tunnel, TUNNEL_MOST)?;
    }
    Ok(format!(
        "vm-demo: ok boot_s={} tunnel_s={} esp=native nic={model_name}",
        boot.as_secs(),
        tunnel.as_secs()
    ))
}

/// The gateway reboots by command, and the tunnel returns although nobody does anything.
fn reboot(site: &mut Site) -> Result<()> {
    let before = site.enb.tunnels_so_far()?;
    say("rebooting the gateway");
    let start = Instant::now();
    let console = site.gateway.guest().console()?;
    console.send_line("request system reboot")?;
    console.expect(r"\[yes,no\]", minutes(1))?;
    console.send_line("yes")?;
    site.gateway.booted()?;
    say(&format!(
        "login prompt again after {} s",
        start.elapsed().as_secs()
    ));
    site.enb.wait_tunnel(before, TUNNEL_LIMIT)?;
    site.returned(minutes(2))?;
    say(&format!(
        "tunnel again after {} s",
        start.elapsed().as_secs()
    ));
    Ok(())
}

fn judge(what: &str, took: Duration, most: Duration) -> Result<()> {
    if took <= most {
        return Ok(());
    }
    Err(BenchError::Unexpected(format!(
        "{what} after {:.1} s on an idle machine, at most {} s are wanted",
        took.as_secs_f64(),
        most.as_secs()
    )))
}

/// The kernel's list of SAs as it may be shown.
fn without_keys(state: &str) -> String {
    let secret = |line: &str| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("aead" | "enc" | "auth" | "auth-trunc"))
    };
    let shown = state.lines().map(|line| {
        let cut = line.split(" 0x").next().unwrap_or_default();
        if secret(line) {
            format!("{cut} (key)\n")
        } else {
            format!("{line}\n")
        }
    });
    shown.collect()
}

fn say(text: &str) {
    println!("vm-demo: {text}");
}
