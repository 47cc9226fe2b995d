//! What the firmware and the kernel say of the machine, and whether its processor can do what our programs are built for.

use std::fs;

use ravelin_ctl::host::{Alarm, Machine, Severity};

use crate::root::Root;

/// What the processor must have, as `/proc/cpuinfo` names it: what DPDK is compiled with, and what the AES-GCM of intel-ipsec-mb
/// needs.
const FLAGS: &[(&str, &str)] = &[
    ("ssse3", "SSSE3"),
    ("sse4_1", "SSE4.1"),
    ("sse4_2", "SSE4.2"),
    ("popcnt", "POPCNT"),
    ("aes", "AES-NI"),
    ("pclmulqdq", "PCLMULQDQ"),
];

/// What the processor lacks, as an alarm.
pub fn lacking(root: &Root) -> Option<Alarm> {
    let text = fs::read_to_string(root.path("/proc/cpuinfo")).unwrap_or_default();
    let flags: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == "flags")?
        .1
        .split_whitespace()
        .collect();
    let missing = FLAGS.iter().filter(|(flag, _)| !flags.contains(flag));
    let names: Vec<&str> = missing.map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| Alarm {
        severity: Severity::Major,
        subject: "processor".to_owned(),
        text: format!(
            "the processor lacks {}: no packets can be moved; give the virtual machine the processor of its host",
            names.join(", ")
        ),
    })
}

/// Looks at it. What cannot be read is left empty.
pub fn look(root: &Root) -> Machine {
    let text = |path: &str| {
        let text = fs::read_to_string(root.path(path)).unwrap_or_default();
        text.trim().to_owned()
    };
    let processors = text("/proc/cpuinfo");
    let value = |key: &str| {
        let lines = processors.lines().filter_map(|line| line.split_once(':'));
        let of_key =
            |(name, value): (&str, &str)| (name.trim() == key).then(|| value.trim().to_owned());
        lines.filter_map(of_key).collect::<Vec<String>>()
    };
    Machine {
        vendor: text("/sys/class/dmi/id/sys_vendor"),
        product: text("/sys/class/dmi/id/product_name"),
        processor: value("model name").into_iter().next().unwrap_or_default(),
        processors: u32::try_from(value("processor").len()).unwrap_or(u32::MAX),
        memory_mib: memory_kib(&text("/proc/meminfo")) >> 10,
        kernel: text("/proc/sys/kernel/osrelease"),
    }
}

/// `MemTotal` of `/proc/meminfo`.
fn memory_kib(meminfo: &str) -> u64 {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let number = total.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_lacking_processor_is_an_alarm() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        let file = root.path("/proc/cpuinfo");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "flags\t\t: fpu ssse3 sse4_1 sse4_2 popcnt\n").unwrap();
        let text = lacking(&root).unwrap().text;
        assert!(
            text.starts_with("the processor lacks AES-NI, PCLMULQDQ:"),
            "{text}"
        );
        fs::write(
            &file,
            "flags\t\t: aes pclmulqdq ssse3 sse4_1 sse4_2 popcnt\n",
        )
        .unwrap();
        assert_eq!(lacking(&root), None);
    }

    #[test]
    fn processors_and_memory_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for (path, text) in [
            (
                "/proc/cpuinfo",
                "processor\t: 0\nmodel name\t: A CPU\n\nprocessor\t: 1\nmodel name\t: A CPU\n",
            ),
            (
                "/proc/meminfo",
                "MemTotal:        2014776 kB\nMemFree: 1 kB\n",
            ),
            ("/sys/class/dmi/id/sys_vendor", "QEMU\n"),
        ] {
            let path = root.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = look(&root);
        assert_eq!((machine.processors, machine.memory_mib), (2, 1967));
        assert_eq!(
            (machine.vendor.as_str(), machine.processor.as_str()),
            ("QEMU", "A CPU")
        );
        assert_eq!(machine.product, "");
    }
}
