//! Finds DPDK by pkg-config, compiles the shim and generates the bindings of an explicit allowlist.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The stable ABI series this crate is written against.
const DPDK_MIN_VERSION: &str = "24.11";
const DPDK_END_VERSION: &str = "24.12";

/// Exported functions of DPDK and intel-ipsec-mb; everything else comes from the shim (`rv_*`).
const FUNCTIONS: &[&str] = &[
    "rte_eal_init",
    "rte_eal_cleanup",
    "rte_eal_hotplug_add",
    "rte_eal_hotplug_remove",
    "rte_dev_probe",
    "rte_thread_register",
    "rte_thread_unregister",
    "rte_version",
    "rte_pktmbuf_pool_create",
    "rte_mempool_free",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_close",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_is_valid_port",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_macaddr_get",
    "rte_eth_dev_default_mac_addr_set",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_vlan_filter",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_disable",
    "rte_eth_allmulticast_enable",
    "rte_eth_stats_get",
    "rte_eth_stats_reset",
    "rte_ring_get_memsize",
    "rte_ring_init",
    "rte_rcu_qsbr_get_memsize",
    "rte_rcu_qsbr_init",
    "rte_rcu_qsbr_thread_register",
    "rte_rcu_qsbr_thread_unregister",
    "rte_fib_free",
    "rte_fib_add",
    "rte_fib_delete",
    "rte_fib_lookup_bulk",
    "rte_cryptodev_start",
    "rte_cryptodev_stop",
    "rte_cryptodev_close",
    "rte_cryptodev_sym_session_pool_create",
    "rte_cryptodev_sym_get_private_session_size",
    "imb_get_strerror",
    "imb_clear_mem",
    "free_mb_mgr",
    "rv_.*",
];
const TYPES: &[&str] = &[
    "rv_.*",
    "rte_eth_stats",
    "rte_ether_addr",
    "gcm_key_data",
    "gcm_context_data",
    "chacha20_poly1305_context_data",
    "IMB_MGR",
    "IMB_ARCH",
];
const VARIABLES: &[&str] = &["RV_.*", "RTE_LOG_.*", "IMB_ARCH_.*", "IMB_FEATURE_.*"];
/// Types whose layout Rust cannot express, or that we never look into.
const OPAQUE: &[&str] = &[
    "rte_mempool",
    "rte_ring",
    "rte_fib",
    "rte_rcu_qsbr",
    "rte_mbuf",
    "rte_crypto_op",
    "IMB_MGR",
    "rte_arp_.*",
    "rte_l2tpv2_.*",
    "rte_gtp_.*",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\ndpdk-sys: {why}\n");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    for input in [
        "build.rs",
        "csrc/shim.h",
        "csrc/shim.c",
        "csrc/cryptodev.h",
        "csrc/cryptodev.c",
    ] {
        println!("cargo:rerun-if-changed={input}");
    }
    let dpdk = pkg_config::Config::new()
        .range_version(DPDK_MIN_VERSION..DPDK_END_VERSION)
        .cargo_metadata(false)
        .probe("libdpdk")
        .map_err(|e| {
            format!(
                "DPDK {DPDK_MIN_VERSION} was not found by pkg-config ({}).\nInstall libdpdk-dev and pkgconf of Debian 13 \
                 (or build inside the project's sysroot), or point PKG_CONFIG_PATH at its libdpdk.pc.",
                e.to_string().lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
            )
        })?;
    let cflags = cflags()?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    cc::Build::new()
        .file("csrc/shim.c")
        .file("csrc/cryptodev.c")
        .flag("-std=gnu11")
        // rte_fib_rcu_qsbr_add is still marked experimental in 24.11.
        .define("ALLOW_EXPERIMENTAL_API", None)
        .flag("-O3")
        .flag("-Wall")
        .flag("-Wextra")
        .flag("-Wno-unused-parameter")
        .flags(&cflags)
        .try_compile("ravelin_dpdk_shim")
        .map_err(|e| {
            format!(
                "the C shim does not compile (are libdpdk-dev and libipsec-mb-dev installed?): {e}"
            )
        })?;
    bind(&cflags)?
        .write_to_file(out.join("bindings.rs"))
        .map_err(|e| format!("bindings.rs: {e}"))?;

    for dir in &dpdk.link_paths {
        println!("cargo:rustc-link-search=native={}", dir.display());
    }
    for lib in dpdk.libs.iter().filter(|lib| lib.starts_with("rte_")) {
        println!("cargo:rustc-link-lib={lib}");
    }
    println!("cargo:rustc-link-lib=IPSec_MB");
    Ok(())
}

/// The words of `pkg-config --cflags libdpdk`: they hold `-include` and `-march` that the pkg-config crate drops.
fn cflags() -> Result<Vec<String>, String> {
    let tool = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    let output = Command::new(&tool)
        .args(["--cflags", "libdpdk"])
        .output()
        .map_err(|e| format!("{tool}: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "{tool} --cflags libdpdk: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(str::to_owned)
        .collect())
}

fn bind(cflags: &[String]) -> Result<bindgen::Bindings, String> {
    let mut builder = bindgen::Builder::default()
        .header("csrc/cryptodev.h")
        .clang_args(cflags)
        .use_core()
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .generate_comments(false)
        .rust_target(bindgen::RustTarget::stable(85, 0).map_err(|e| e.to_string())?);
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in VARIABLES {
        builder = builder.allowlist_var(name);
    }
    for name in OPAQUE {
        builder = builder.opaque_type(name);
    }
    builder
        .generate()
        .map_err(|e| format!("bindgen (is LIBCLANG_PATH set to clang's library folder?): {e}"))
}
