use super::*;

#[test]
fn tables_have_the_name_of_their_instance() {
    let instances = [RoutingInstance {
        vrf: VrfId(2),
        name: "core".to_owned(),
        device: "core".to_owned(),
        table: 6102,
    }];
    let name = |vrf, prefix: &str| table_name(&instances, VrfId(vrf), &prefix.parse().unwrap());
    assert_eq!(name(0, "10.0.0.0/8"), "inet.0");
    assert_eq!(name(2, "10.0.0.0/8"), "core.inet.0");
    assert_eq!(name(2, "2001:db8::/32"), "core.inet6.0");
    assert_eq!(name(3, "::/0"), "3.inet6.0", "on its way out");
}
