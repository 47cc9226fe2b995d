use super::{configuration, core_script, enb_script};
use crate::site::V6;

#[test]
fn the_images_configuration_is_the_benchs_without_devices() {
    let text = configuration();
    assert!(!text.contains("net_af_packet"));
    assert!(text.contains("user admin {") && text.contains("dhcp;"));
    assert!(text.contains("address 192.0.2.1/24;"));
}

#[test]
fn the_enodeb_never_gives_up() {
    let script = enb_script(V6);
    for part in [
        "remote_addrs = 2001:db8:a::1",
        "keyingtries = 0",
        "start_action = start",
        "dpd_action = restart",
    ] {
        assert!(script.contains(part), "{part} is not in {script}");
    }
    assert!(core_script().contains("ip route add 2001:db8:45::/48 via 2001:db8:b::1"));
}
