//! `show chassis hardware` and `show system alarms`.

use super::{line, wrapped};
use ravelin_ctl::host::{Alarm, Binding, CryptoFunction, Nic, Platform, Severity};

/// The machine, what planed has of it, then two lines or more per NIC and crypto device: what it is, and how it is driven and why.
pub(super) fn hardware(platform: &Platform) -> String {
    let machine = &platform.machine;
    let plan = &platform.plan;
    let model = format!("{} {}", machine.vendor, machine.product);
    let mut out = row("Machine", model.trim());
    let processors = format!("{} x {}", machine.processors, or_dash(&machine.processor));
    out.push_str(&row("Processors", &processors));
    out.push_str(&row("Memory", &format!("{} MiB", machine.memory_mib)));
    out.push_str(&row("Kernel", &machine.kernel));
    let packets = format!(
        "{} workers, {} MiB for packets in {}",
        plan.workers,
        plan.packet_memory_mib,
        pages(platform)
    );
    out.push_str(&row("Data plane", &packets));
    out.push_str(&format!(
        "\n{:<12}{:<14}{:<19}{}\n",
        "Interface", "PCI address", "MAC address", "Model"
    ));
    platform
        .nics
        .iter()
        .for_each(|nic| out.push_str(&nic_rows(nic)));
    if !platform.crypto.is_empty() {
        out.push_str(&format!("\n{:<16}{}\n", "Crypto device", "Model"));
    }
    let rows = platform.crypto.iter().map(crypto_rows);
    out.extend(rows);
    out
}

fn row(name: &str, value: &str) -> String {
    wrapped(&format!("{name:<12}"), or_dash(value), 12)
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn pages(platform: &Platform) -> String {
    if platform.plan.ordinary_pages {
        return "ordinary pages".to_owned();
    }
    let used = platform.plan.pages.last();
    used.map_or("hugepages".to_owned(), |pages| {
        format!("hugepages of {} MiB", pages.size_kib >> 10)
    })
}

fn nic_rows(nic: &Nic) -> String {
    let pci = nic.pci.map_or("-".to_owned(), |pci| pci.to_string());
    let mac = nic.mac.map_or("-".to_owned(), |mac| mac.to_string());
    let head = format!("{:<12}{pci:<14}{mac:<19}", nic.name);
    let driver = match (&nic.driver, nic.binding) {
        (Some(driver), Binding::Management | Binding::Bifurcated | Binding::AfPacket) => {
            format!("{} ({driver})", nic.binding)
        }
        _ => nic.binding.to_string(),
    };
    let before = nic.driver_before.as_deref();
    let before = before.filter(|_| nic.driver_before != nic.driver);
    let model = model(&nic.model, nic.vendor, nic.device);
    line(&head, &model) + &driver_row(&driver, before, &nic.reason)
}

fn crypto_rows(device: &CryptoFunction) -> String {
    let head = format!("{:<16}", device.pci.to_string());
    let before = device.driver_before.as_deref();
    let before = before.filter(|_| device.driver_before != device.driver);
    let model = model(&device.model, device.vendor, device.device);
    line(&head, &model) + &driver_row(&device.binding.to_string(), before, &device.reason)
}

fn model(name: &str, vendor: u16, device: u16) -> String {
    let text = format!("{name} [{vendor:04x}:{device:04x}]");
    text.trim_start().to_owned()
}

fn driver_row(driver: &str, before: Option<&str>, reason: &str) -> String {
    let before = before.map_or(String::new(), |before| format!(", before {before}"));
    wrapped("  Driver: ", &format!("{driver}{before}: {reason}"), 10)
}

/// One line per alarm and more where its text is long.
pub(super) fn alarms(list: &[Alarm]) -> String {
    if list.is_empty() {
        return "No alarms currently active\n".to_owned();
    }
    let plural = if list.len() == 1 { "" } else { "s" };
    let mut out = format!("{} alarm{plural} currently active\n", list.len());
    out.push_str(&format!(
        "{:<8}{:<16}{}\n",
        "Class", "Subject", "Description"
    ));
    for alarm in list {
        let class = match alarm.severity {
            Severity::Major => "Major",
            Severity::Minor => "Minor",
        };
        let head = format!("{class:<8}{:<15} ", alarm.subject);
        out.push_str(&wrapped(&head, &alarm.text, 24));
    }
    out
}
