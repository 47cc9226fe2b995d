//! `show chassis hardware` and `show system alarms`.

use super::{line, wrapped};
use ravelin_ctl::host::{Alarm, Binding, Nic, Platform, Severity};

/// The machine, what planed has of it, then two lines or more per NIC: what it is, and how it is driven and why.
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
    let model = format!("{} [{:04x}:{:04x}]", nic.model, nic.vendor, nic.device);
    let mut out = line(&head, model.trim_start());
    let driver = match (&nic.driver, nic.binding) {
        (Some(driver), Binding::Management | Binding::Bifurcated | Binding::AfPacket) => {
            format!("{} ({driver})", nic.binding)
        }
        _ => nic.binding.to_string(),
    };
    let before = match &nic.driver_before {
        Some(before) if nic.driver_before != nic.driver => format!(", before {before}"),
        _ => String::new(),
    };
    let text = format!("{driver}{before}: {}", nic.reason);
    out.push_str(&wrapped("  Driver: ", &text, 10));
    out
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
