//! `system login`, the management interface and its instance; and texts on top of others.

use super::{MODEL, SAMPLE, refused};
use crate::text::Secrets;

const HOST: &str = r#"system {
    host-name gw1;
    login {
        user admin {
            full-name "Anna Admin";
            class super-user;
            authentication {
                encrypted-password "$6$saltsalt$0123456789abcdefghijklmnopqrstuvwxyz"; ## SECRET-DATA
                ssh-ed25519 [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 anna@desk" "ssh-ed25519 AAAAC3NzaC1lZDI1NTE6" ];
            }
        }
        user watch {
            class read-only;
            authentication {
                ssh-rsa "ssh-rsa AAAAB3NzaC1yc2E= x \"y\"";
            }
        }
    }
}
interfaces {
    fxp0 {
        unit 0 {
            family inet {
                dhcp;
            }
            family inet6 {
                address 2001:db8:9::1/64;
            }
        }
    }
}
routing-instances {
    mgmt_junos {
        routing-options {
            static {
                route 0.0.0.0/0 next-hop 192.0.2.254;
            }
            rib mgmt_junos.inet6.0 {
                static {
                    route ::/0 next-hop 2001:db8:9::ff;
                }
            }
        }
    }
}
"#;

#[test]
fn users_and_the_management_interface_are_read_and_printed() {
    let parsed = MODEL.load("t.conf", HOST).map_err(|e| e.to_string());
    let parsed = parsed.unwrap();
    assert_eq!(*MODEL.print(&parsed.tree, Secrets::Show), HOST);
    let [admin, watch] = parsed.config.system.login.user.as_slice() else {
        panic!("two users");
    };
    assert_eq!(
        (admin.class.as_str(), watch.class.as_str()),
        ("super-user", "read-only")
    );
    assert_eq!(admin.full_name.as_deref(), Some("Anna Admin"));
    let hash = admin.authentication.encrypted_password.as_ref().unwrap();
    assert!(hash.expose().starts_with("$6$saltsalt$"));
    assert_eq!(admin.authentication.keys().count(), 2);
    let keys: Vec<&str> = watch.authentication.keys().collect();
    assert_eq!(keys, ["ssh-rsa AAAAB3NzaC1yc2E= x \"y\""]);
    let fxp0 = &parsed.config.interfaces()[0].unit[0];
    assert!(fxp0.inet().unwrap().dhcp && !fxp0.inet6().unwrap().dhcp);
    let routes: Vec<_> = parsed.config.management_routes().collect();
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[1].next_hop[0].to_string(), "2001:db8:9::ff");
    assert_eq!(parsed.config.static_routes().count(), 0);
}

const INSTANCE: &str = r#"routing-instances {
    core {
        description "Towards the core";
        instance-type virtual-router;
        interface [ ge-0/0/1.0 st0.1 ];
        routing-options {
            static {
                route 10.8.0.0/16 discard;
                route 10.9.0.0/16 next-hop [ 10.1.0.9 st0.1 ];
            }
            rib core.inet6.0 {
                static {
                    route ::/0 next-hop 2001:db8::1;
                }
            }
        }
    }
}
"#;

#[test]
fn virtual_routers_are_read_and_printed() {
    let parsed = MODEL.load("t.conf", INSTANCE).map_err(|e| e.to_string());
    let parsed = parsed.unwrap();
    assert_eq!(*MODEL.print(&parsed.tree, Secrets::Show), INSTANCE);
    let [core] = parsed.config.routing_instances().collect::<Vec<_>>()[..] else {
        panic!("one instance");
    };
    let units: Vec<String> = core.interface.iter().map(ToString::to_string).collect();
    assert_eq!(units, ["ge-0/0/1.0", "st0.1"]);
    let routes: Vec<_> = core.static_routes().collect();
    assert_eq!((routes.len(), routes[1].next_hop.len()), (3, 2));
    assert!(routes[0].discard);
    assert_eq!(parsed.config.management_routes().count(), 0);
    let lines = refused(&INSTANCE.replacen("rib core", "rib blue", 1));
    assert!(lines[0].contains("[routing-instances core routing-options rib blue.inet6.0]"));
    let lines = refused(&INSTANCE.replacen("virtual-router", "vrf", 1));
    assert!(lines[0].contains("expected virtual-router"), "{lines:?}");
}

/// The refusal of the text above with `from` replaced by `to`.
fn broken(from: &str, to: &str) -> String {
    assert!(HOST.contains(from), "no {from}");
    refused(&HOST.replacen(from, to, 1)).join("\n")
}

#[test]
fn bad_users_and_management_interfaces_are_refused_at_their_place() {
    for (from, to, expected) in [
        (
            "class super-user",
            "class root",
            "super-user, operator or read-only",
        ),
        ("            class read-only;\n", "", "class"),
        ("user admin", "user Admin", "a user name of small letters"),
        (
            "\"$6$saltsalt$",
            "\"$1$saltsalt$",
            "a password hash of crypt(5)",
        ),
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE6",
            "ssh-rsa AAAAC3",
            "an OpenSSH public key",
        ),
        ("anna@desk", "anna\\ndesk", "an OpenSSH public key"),
        ("unit 0", "unit 1", "unit 0 only"),
        ("unit 0 {", "unit 0 {\n vlan-id 7;", "fxp0 have no VLANs"),
        (
            "fxp0 {",
            "fxp0 {\n device 0000:00:04.0;",
            "fxp0 is the first NIC",
        ),
        ("mgmt_junos {", "blue {", "`instance-type` is missing"),
        (
            "mgmt_junos {",
            "mgmt_junos { instance-type virtual-router;",
            "the management instance has no type",
        ),
        ("rib mgmt_junos.", "rib blue.", "the instance's name"),
    ] {
        let lines = broken(from, to);
        assert!(lines.contains(expected), "{to}: {lines}");
        assert!(lines.starts_with("t.conf:"), "{lines}");
        assert!(!lines.contains("saltsalt"), "a secret is repeated: {lines}");
    }
    let lines = refused(&SAMPLE.replacen("family inet {", "family inet {\n dhcp;", 1));
    assert!(
        lines[0].contains("only the management interface fxp0"),
        "{lines:?}"
    );
}

#[test]
fn a_text_is_read_on_top_of_another() {
    let base = MODEL.parse("base", SAMPLE).unwrap();
    let amended = |text: &str| {
        let tree = MODEL.amend("terminal", &base, text);
        let tree = tree.map_err(|e| e.to_string()).unwrap();
        let judged = MODEL.validate("terminal", &tree).map_err(|e| e.to_string());
        judged.map(|config| (MODEL.print(&tree, Secrets::Show), config))
    };
    let (text, config) = amended("system { host-name gw2; } interfaces { lo0 { unit 0 { family inet { address 10.0.0.2/32; } } } }").unwrap();
    assert_eq!(config.system.host_name.as_deref(), Some("gw2"));
    assert!(text.contains("address 10.0.0.1/32;") && text.contains("address 10.0.0.2/32;"));
    assert!(text.contains("someverylongsecretkeyhere"), "secrets stay");
    let (text, _) = amended("set system host-name gw3\ndelete routing-options\n").unwrap();
    assert!(text.contains("host-name gw3;") && !text.contains("routing-options"));
    // One case of a choice takes the other's place.
    let (text, _) =
        amended("routing-options { static { route 203.0.113.0/24 next-hop 10.1.0.2; } }").unwrap();
    assert!(
        text.contains("route 203.0.113.0/24 next-hop 10.1.0.2;"),
        "{}",
        *text
    );
    // A fault of the new text has its place, one that it causes elsewhere has none.
    let error = amended("\nset security ike gateway avpn_ike_gw ike-policy NONE")
        .err()
        .unwrap();
    assert!(error.starts_with("terminal:2:"), "{error}");
    let twice = MODEL.amend("terminal", &base, "system { host-name a; host-name b; }");
    assert!(
        twice
            .err()
            .unwrap()
            .to_string()
            .contains("another value on line 1")
    );
    let unchanged = MODEL
        .amend("terminal", &base, "system { host-name gw1; }")
        .unwrap();
    assert!(unchanged == base);
}
