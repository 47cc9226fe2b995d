use super::*;
use crate::complete::{CandidateKind, complete};
use std::sync::LazyLock;

mod system;

pub(crate) const SAMPLE: &str = include_str!("sample.conf");

pub(crate) static MODEL: LazyLock<Model> = LazyLock::new(|| Model::new().unwrap());

/// The lines of the refusal of `text`.
pub(crate) fn refused(text: &str) -> Vec<String> {
    match MODEL.load("t.conf", text) {
        Ok(_) => panic!("accepted"),
        Err(Problem::Refused(refusal)) => refusal.to_string().lines().map(str::to_owned).collect(),
        Err(Problem::Model(error)) => panic!("{error}"),
    }
}

/// The refusal of the sample with `from` replaced by `to`.
fn broken(from: &str, to: &str) -> Vec<String> {
    assert!(SAMPLE.contains(from), "the sample has no {from}");
    refused(&SAMPLE.replacen(from, to, 1))
}

#[test]
fn the_sample_is_read_into_types() {
    let config = MODEL.load("t.conf", SAMPLE).unwrap().config;
    assert_eq!(config.system.host_name.as_deref(), Some("gw1"));
    let names: Vec<_> = config
        .interfaces()
        .iter()
        .map(|i| i.name.as_str())
        .collect();
    assert_eq!(names, ["ge-0/0/0", "ge-0/0/1", "lo0", "st0"]);
    let [untrust, trust, _, st0] = config.interfaces() else {
        panic!("four interfaces");
    };
    assert_eq!(untrust.mtu, Some(1500), "the default");
    assert_eq!(trust.unit[1].vlan_id, Some(100));
    assert_eq!(st0.mtu, None);
    assert_eq!(st0.unit[0].mtu(), Some(1400));
    assert_eq!(st0.unit[0].protected_prefix.len(), 2);
    let addresses: Vec<_> = untrust.unit[0].addresses().map(|a| a.to_string()).collect();
    assert_eq!(addresses, ["198.51.100.1/24", "2001:db8:1::1/64"]);
    assert_eq!(config.static_routes().count(), 5);
    assert_eq!(config.static_routes().filter(|r| r.discard).count(), 1);
    let gateway = &config.security.ike.gateway[0];
    assert!(
        gateway
            .dead_peer_detection
            .as_ref()
            .unwrap()
            .probe_idle_tunnel
    );
    assert_eq!(
        gateway.dynamic.as_ref().unwrap().ike_user_type,
        "group-ike-id"
    );
    let key = config.security.ike.policy[0]
        .pre_shared_key
        .ascii_text
        .as_ref();
    assert_eq!(key.unwrap().expose(), "### someverylongsecretkeyhere");
    assert_eq!(config.security.ipsec.vpn[0].df_bit, "clear");
    assert_eq!(config.security.ipsec.anti_replay_window_size, 512);
    assert!(!format!("{config:?}").contains("someverylong"));
}

#[test]
fn an_empty_text_is_the_factory_configuration() {
    let config = MODEL.load("t.conf", "# nothing\n").unwrap().config;
    assert!(config.interfaces().is_empty());
    assert!(config.security.ike.gateway.is_empty());
}

#[test]
fn printed_text_reads_as_the_same_tree_in_both_forms() {
    let tree = MODEL.parse("t.conf", SAMPLE).unwrap();
    let braces = MODEL.print(&tree, Secrets::Show);
    assert!(
        MODEL.parse("again", &braces).unwrap() == tree,
        "{}",
        *braces
    );
    assert_eq!(
        *MODEL.print(&MODEL.parse("again", &braces).unwrap(), Secrets::Show),
        *braces
    );
    let lines = MODEL.print_set(&tree, Secrets::Show);
    assert!(MODEL.parse("lines", &lines).unwrap() == tree, "{}", *lines);
    assert!(
        lines.contains("set interfaces ge-0/0/1 unit 100 vlan-id 100\n"),
        "{}",
        *lines
    );
}

#[test]
fn a_profile_of_the_key_manager_hides_its_key_and_shows_its_identifier() {
    let manager = "security {
    key-manager {
        profiles enb {
            static {
                key-id ascii-text enb-1;
                key hexadecimal \"00ff\"; ## SECRET-DATA
            }
        }
    }
}
";
    let tree = MODEL.parse("t.conf", manager).unwrap();
    assert_eq!(*MODEL.print(&tree, Secrets::Show), manager);
    let hidden = MODEL.print(&tree, Secrets::Hide);
    assert_eq!(*hidden, manager.replace("\"00ff\"", "<hidden>"));
}

#[test]
fn secrets_are_hidden_and_a_hidden_one_is_refused() {
    let tree = MODEL.parse("t.conf", SAMPLE).unwrap();
    let shown = MODEL.print(&tree, Secrets::Show);
    let line = "pre-shared-key ascii-text \"### someverylongsecretkeyhere\"; ## SECRET-DATA\n";
    assert!(shown.contains(line), "{}", *shown);
    let hidden = MODEL.print(&tree, Secrets::Hide);
    assert!(!hidden.contains("someverylong"));
    assert!(hidden.contains("pre-shared-key ascii-text <hidden>; ## SECRET-DATA\n"));
    let lines = refused(&hidden);
    assert!(
        lines[0].ends_with("the secret is hidden in this text; write it out"),
        "{lines:?}"
    );
}

#[test]
fn errors_name_place_path_and_what_was_expected() {
    let cases = [
        (
            "proposal IKE_PROP {",
            "propsal IKE_PROP {",
            "[security ike] unknown statement `propsal`; expected traceoptions, proposal, policy, address-pool or gateway (did you mean `proposal`?)",
        ),
        (
            "host-name gw1;",
            "host-name \"a b\";",
            "t.conf:3:5: [system host-name] `a b` is not accepted; expected a host name",
        ),
        (
            "dh-group group19;",
            "dh-group group2;",
            "[security ike proposal IKE_PROP] RFC 8247 advises against this algorithm; `allow-weak` accepts it",
        ),
        (
            "lifetime-seconds 3600;",
            "lifetime-seconds 1;",
            "`1` is not accepted; expected a number of 2..86400 (seconds)",
        ),
        (
            "            proposals IKE_PROP;",
            "            proposals [ IKE_PROP OTHER ];",
            "t.conf:73:34: [security ike policy IKE_POLICY proposals] no `security ike proposal OTHER` exists; expected IKE_PROP",
        ),
        (
            "gateway avpn_ike_gw;",
            "gateway nobody;",
            "[security ipsec vpn avpn_ipsec_vpn ike gateway] no `security ike gateway nobody` exists; expected avpn_ike_gw",
        ),
        (
            "            dh-group group19;\n",
            "",
            "t.conf:65:18: [security ike proposal IKE_PROP] `dh-group` is missing; expected group14, group15, group16, group17, group18, group19, group20, group21, group27, group28, group29, group30, group31, group32, ml-kem-512, ml-kem-768, ml-kem-1024, group1, group2, group5, group22, group23 or group24",
        ),
        (
            "            authentication-algorithm sha-256;\n",
            "",
            "[security ike proposal IKE_PROP] `encryption-algorithm` needs an `authentication-algorithm` beside it",
        ),
        (
            "encryption-algorithm aes-256-gcm;",
            "encryption-algorithm aes-256-cbc;",
            "`encryption-algorithm` needs an `authentication-algorithm` beside it",
        ),
        (
            "encryption-algorithm aes-256-gcm;",
            "encryption-algorithm aes-256-gcm; authentication-algorithm hmac-sha-256-128;",
            "`authentication-algorithm` does not go with it",
        ),
        (
            "encryption-algorithm aes-256-gcm;",
            "encryption-algorithm 3des-cbc; authentication-algorithm hmac-sha-256-128;",
            "RFC 8221 advises against this algorithm; `allow-weak` accepts it",
        ),
        (
            "encryption-algorithm aes-256-gcm;",
            "encryption-algorithm aes-256-cbc; authentication-algorithm hmac-md5-96;",
            "RFC 8221 advises against this algorithm; `allow-weak` accepts it",
        ),
        (
            "external-interface lo0.0;",
            "external-interface lo0.7;",
            "[security ike gateway avpn_ike_gw external-interface] no such unit under `interfaces`",
        ),
        (
            "bind-interface st0.0;",
            "bind-interface st0.5;",
            "no such unit under `interfaces`",
        ),
        (
            "bind-interface st0.0;",
            "bind-interface lo0.0;",
            "`lo0.0` is not accepted; expected a tunnel unit, as st0.0",
        ),
        (
            "vlan-id 100;\n",
            "\n",
            "[interfaces ge-0/0/1 unit 100] a unit other than 0 of a port needs `vlan-id` or `vlan-tags`",
        ),
        (
            "vlan-id 100;\n",
            "vlan-id 100; vlan-tags { outer 7; inner 8; }\n",
            "excludes `vlan-id`",
        ),
        ("vlan-id 100;\n", "vlan-tags outer 7;\n", "inner"),
        (
            "        device 0000:00:04.0;\n",
            "        device 0000:00:04.0; driver kernel;\n",
            "only a port that is found by its name has its driver chosen",
        ),
        (
            "    lo0 {",
            "    lo0 { mtu 1500;",
            "st0 takes its MTU from `unit N family inet mtu`, and lo0 has none",
        ),
        (
            "                ike-user-type group-ike-id;",
            "                inet 192.0.2.1;",
            "`inet` excludes `hostname` of line 79",
        ),
        (
            "address 10.1.0.1/24;",
            "address 10.1.0.1;",
            "expected an IPv4 address with its prefix length",
        ),
        (
            "            dynamic {\n                hostname .example.net;\n                ike-user-type group-ike-id;\n            }\n",
            "",
            "[security ike gateway avpn_ike_gw] a statement is missing: address, dynamic or access-profile",
        ),
        (
            "local-ip 0.0.0.0/0;",
            "local-ip ::/0;",
            "[security ipsec vpn avpn_ipsec_vpn traffic-selector ts] `local-ip` and `remote-ip` are of different families",
        ),
        (
            "pre-shared-key ascii-text \"### someverylongsecretkeyhere\"; ## SECRET-DATA",
            "",
            "[security ike policy IKE_POLICY] `pre-shared-key` is missing",
        ),
        (
            "ascii-text \"### someverylongsecretkeyhere\"",
            "hexadecimal abc",
            "a hexadecimal key has an even number of the digits 0-9 and a-f",
        ),
        (
            "            dh-group group19;\n",
            "            dh-group group19\n",
            "t.conf:68:13: [security ike proposal IKE_PROP dh-group] expected `;` at the end of `dh-group`, found `authentication-algorithm`",
        ),
        (
            "            proposals IKE_PROP;",
            "            proposals;",
            "`proposals` needs a value; expected the name of a `security ike proposal`",
        ),
        (
            "mtu 9000;",
            "mtu { }",
            "`mtu` needs a value; expected a number of 1280..9192 (octets)",
        ),
    ];
    for (from, to, wanted) in cases {
        let lines = broken(from, to);
        assert!(
            lines.iter().any(|l| l.contains(wanted)),
            "{to:?} gave {lines:#?}\nnot {wanted}"
        );
    }
}

#[test]
fn broken_syntax_is_refused_at_its_place() {
    let cases = [
        ("system {\n", "t.conf:1:8: this `{` is not closed"),
        ("system { }\n}\n", "t.conf:2:1: this `}` closes nothing"),
        (
            "system { host-name \"gw;\n}\n",
            "t.conf:1:20: this text has no closing `\"` on its line",
        ),
        (
            "system\n",
            "t.conf:2:1: expected `;` or `{`, found the end of the text",
        ),
        ("/* system", "t.conf:1:1: this comment has no `*/`"),
        ("system [ a", "t.conf:1:8: this `[` is not closed"),
        (
            "system { host-name a\u{0}b; }",
            "t.conf:1:20: control character U+0000",
        ),
        ("{ }", "t.conf:1:1: expected a statement"),
        (
            "set system host-name\n",
            "t.conf:1:21: [system host-name] `host-name` needs a value",
        ),
        (
            "set system\nsystem { }",
            "t.conf:2:1: expected set, delete, deactivate or activate, found `system`",
        ),
        (
            "system;",
            "t.conf:1:7: [system] this statement is incomplete; expected host-name",
        ),
    ];
    for (text, wanted) in cases {
        let lines = refused(text);
        assert!(lines[0].starts_with(wanted), "{text:?} gave {lines:#?}");
    }
    assert!(refused(&"a{".repeat(40))[0].contains("nested more than 32 deep"));
    let many = refused("x;y;z;x;y;z;x;y;z;x;y;z;x;y;z;x;y;z;x;y;z;");
    assert_eq!(many.len(), 16);
}

#[test]
fn inactive_statements_stay_in_the_text_but_do_not_count() {
    let text = SAMPLE.replacen("route 203.0.113.0/24", "inactive: route 203.0.113.0/24", 1);
    let parsed = MODEL.load("t.conf", &text).unwrap();
    assert_eq!(parsed.config.static_routes().count(), 4);
    let printed = MODEL.print(&parsed.tree, Secrets::Show);
    assert!(
        printed.contains("inactive: route 203.0.113.0/24 discard;"),
        "{}",
        *printed
    );
    let lines = MODEL.print_set(&parsed.tree, Secrets::Show);
    assert!(lines.contains("deactivate routing-options static route 203.0.113.0/24\n"));
    assert!(MODEL.parse("lines", &lines).unwrap() == parsed.tree);
    assert!(MODEL.parse("braces", &printed).unwrap() == parsed.tree);
}

#[test]
fn set_lines_replace_and_delete() {
    let text = "set system host-name a\nset system host-name b\n\
        set routing-options static route 10.0.0.0/8 discard\n\
        set routing-options static route 10.0.0.0/8 next-hop 192.0.2.1\n\
        set routing-options static route 172.16.0.0/12 discard # gone again\n\
        delete routing-options static route 172.16.0.0/12\n";
    let tree = MODEL.parse("t.conf", text).unwrap();
    let wanted = "system {\n    host-name b;\n}\nrouting-options {\n    static {\n        route 10.0.0.0/8 next-hop 192.0.2.1;\n    }\n}\n";
    assert_eq!(*MODEL.print(&tree, Secrets::Show), wanted);
    let faults = MODEL.parse(
        "t.conf",
        "set system host-name a\ndelete system host-name\ndelete system host-name\n",
    );
    let faults = faults.map(drop).unwrap_err().to_string();
    assert_eq!(
        faults,
        "t.conf:3:15: [system host-name] there is no such statement"
    );
}

/// The promise of design decision D11: Rust does not know the statements.
#[test]
fn a_leaf_added_to_a_module_needs_no_rust() {
    let added = "leaf colour { type enumeration { enum red { description \"Like fire\"; } enum blue; } \
        description \"Colour of the box\"; must \". != 'blue' or ../host-name\" { error-message \"a blue box needs a name\"; } } \
        leaf-list tag { type uint8 { range \"1..9\"; } description \"Tags\"; } leaf pin { rv:secret; type string; }";
    let sources: Vec<Source> = SOURCES
        .iter()
        .map(|(name, text)| match *name {
            "ravelin-system" => {
                let text = text.replacen("leaf host-name", &format!("{added}\n leaf host-name"), 1);
                (*name, &*Box::leak(text.into_boxed_str()))
            }
            _ => (*name, *text),
        })
        .collect();
    let model = Model::with_sources(&sources).unwrap();
    let text = "system {\n    colour red;\n    tag [ 1 2 ];\n    pin \"1234\"; ## SECRET-DATA\n}\n";
    let parsed = model.load("t.conf", text).unwrap();
    assert_eq!(*model.print(&parsed.tree, Secrets::Show), text);
    assert!(
        model
            .print_set(&parsed.tree, Secrets::Hide)
            .contains("set system pin <hidden> ## SECRET-DATA\n")
    );
    let offered = complete(model.schema(), &parsed.tree, &["system", "colour"], "r");
    assert_eq!(offered.candidates.len(), 1);
    assert_eq!(offered.candidates[0].text, "red");
    assert_eq!(offered.candidates[0].help, "Like fire");
    let names = complete(model.schema(), &parsed.tree, &["system"], "");
    let names: Vec<_> = names
        .candidates
        .iter()
        .map(|c| (c.text.as_str(), c.kind))
        .collect();
    let statement = CandidateKind::Statement;
    assert_eq!(names[..2], [("colour", statement), ("tag", statement)]);
    let fault = |text| match model.load("t.conf", text) {
        Err(Problem::Refused(refusal)) => refusal.to_string(),
        _ => panic!("accepted"),
    };
    assert_eq!(
        fault("system {\n colour green;\n}"),
        "t.conf:2:2: [system colour] `green` is not accepted; expected red or blue"
    );
    assert_eq!(
        fault("system {\n colour blue;\n}"),
        "t.conf:2:2: [system colour] a blue box needs a name"
    );
    assert!(fault("system { tag 10; }").contains("expected a number of 1..9"));
    assert!(fault("system { color red; }").contains("did you mean `colour`?"));
}

#[test]
fn containers_without_meaning_leave_no_trace() {
    let text = "set interfaces lo0 unit 0 family inet\ndelete interfaces lo0\n";
    assert!(MODEL.parse("t.conf", text).unwrap() == Tree::default());
    assert!(MODEL.parse("t.conf", "security { ike { } }").unwrap() == Tree::default());
    let dpd = "security { ike { gateway G { dead-peer-detection; } } }";
    let printed = MODEL.print(&MODEL.parse("t.conf", dpd).unwrap(), Secrets::Show);
    assert!(printed.contains("dead-peer-detection;\n"));
}

#[test]
fn the_site_of_the_system_tests_is_valid() {
    let site = include_str!("../../../../tests/configs/site.conf");
    let config = MODEL.load("site.conf", site).unwrap().config;
    assert_eq!(config.security.ipsec.vpn.len(), 2);
}

#[test]
fn any_garbage_returns() {
    for text in [
        "",
        "\u{feff}",
        "\"",
        "\\",
        ";;;",
        "[[[",
        "system { host-name \"\\x\"; }",
        "inactive:",
        "set",
        "set\nset\n",
        "security { ike { proposal",
    ] {
        crate::parse(text);
    }
    crate::parse(SAMPLE);
}

#[test]
fn the_announcement_is_read_printed_and_completed() {
    let text = "chassis {\n    high-availability {\n        hold-time 30;\n        services-redundancy-group 1 {\n            \
        active-signal-route 192.0.2.201;\n            monitor {\n                interface [ ge-0/0/0 ge-0/0/1 ];\n            \
        }\n        }\n    }\n}\n";
    let parsed = MODEL.load("t.conf", text).unwrap();
    assert_eq!(*MODEL.print(&parsed.tree, Secrets::Show), text);
    let lines = MODEL.print_set(&parsed.tree, Secrets::Show);
    assert!(lines.contains(
        "set chassis high-availability services-redundancy-group 1 active-signal-route 192.0.2.201\n"
    ));
    let node = parsed.config.chassis.high_availability;
    assert_eq!(node.hold_time, Some(30));
    let group = &node.services_redundancy_group[0];
    assert_eq!(group.active_signal_route.len(), 1);
    assert_eq!(group.monitor.interface, ["ge-0/0/0", "ge-0/0/1"]);
    let offered = complete(
        MODEL.schema(),
        &parsed.tree,
        &[
            "chassis",
            "high-availability",
            "services-redundancy-group",
            "1",
        ],
        "a",
    );
    assert_eq!(offered.candidates[0].text, "active-signal-route");
}
