//! Carries DPDK's log lines into the `log` crate. It does not filter: DPDK's own level does that first.

use std::ffi::c_char;

/// Registers the sink; called before and after `rte_eal_init`, which may set its own stream.
pub(crate) fn install() {
    // SAFETY: `sink` is a valid function for the life of the process; the shim keeps one stream.
    let rc = unsafe { dpdk_sys::rv_log_open(Some(sink)) };
    if rc != 0 {
        log::warn!("DPDK's log lines stay on standard error: no log stream");
    }
}

extern "C" fn sink(level: u32, text: *const c_char, len: usize) {
    if text.is_null() || len == 0 {
        return;
    }
    // SAFETY: the shim passes a readable buffer of `len` octets that lives during the call.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        log::log!(target: "dpdk", severity(level), "{line}");
    }
}

fn severity(level: u32) -> log::Level {
    match level {
        0..=dpdk_sys::RTE_LOG_ERR => log::Level::Error,
        dpdk_sys::RTE_LOG_WARNING => log::Level::Warn,
        dpdk_sys::RTE_LOG_NOTICE | dpdk_sys::RTE_LOG_INFO => log::Level::Info,
        _ => log::Level::Debug,
    }
}
