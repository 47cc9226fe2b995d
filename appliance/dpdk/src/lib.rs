//! Safe wrapper of DPDK.
