//! `show security ipsec acceleration`.

use super::wrapped;
use ravelin_ctl::acceleration::{Acceleration, DeviceState, Served};
use std::fmt::Write;

/// How the devices do, and which engine serves how many SAs.
pub(super) fn text(all: &Acceleration) -> String {
    let mut out = String::new();
    for device in &all.devices {
        out.push_str(&device_text(device));
    }
    let _ = writeln!(out, "CPU: {}\n", all.cpu);
    let _ = writeln!(
        out,
        "{:<26}{:>8}{:>9}  Why",
        "SAs served by", "Inbound", "Outbound"
    );
    for served in &all.engines {
        let Served {
            device,
            why,
            inbound,
            outbound,
        } = served;
        let name = device.as_deref().unwrap_or("CPU");
        let why = why.as_deref().unwrap_or_default();
        let line = format!("{name:<26}{inbound:>8}{outbound:>9}  {why}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn device_text(device: &DeviceState) -> String {
    let driver = device.driver.as_deref().unwrap_or("none");
    let mut out = format!("Crypto device: {}, driver: {driver}\n", device.name);
    let state = if device.serves { "Serves" } else { "Idle" };
    let remark = device.remark.as_ref().map(|text| format!(": {text}"));
    let text = format!("{state}{}", remark.unwrap_or_default());
    out.push_str(&wrapped("  State: ", &text, 9));
    if device.driver.is_some() {
        let _ = writeln!(
            out,
            "  Queues: {}, keys: {} of {}",
            device.queues, device.keys, device.max_keys
        );
        let _ = writeln!(
            out,
            "  Packets: {}, errors: {}, lost: {}",
            device.packets, device.errors, device.lost
        );
    }
    out.push('\n');
    out
}
