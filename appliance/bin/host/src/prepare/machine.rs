//! What the firmware and the kernel say of the machine.

use std::fs;

use ravelin_ctl::host::Machine;

use crate::root::Root;

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
