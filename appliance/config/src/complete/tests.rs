use super::*;
use crate::model::tests::{MODEL, SAMPLE};

fn offered(words: &str, partial: &str) -> Completion {
    let tree = MODEL.parse("t.conf", SAMPLE).unwrap();
    let words: Vec<&str> = words.split_whitespace().collect();
    complete(MODEL.schema(), &tree, &words, partial)
}

fn texts(words: &str, partial: &str) -> Vec<String> {
    offered(words, partial)
        .candidates
        .into_iter()
        .map(|c| c.text)
        .collect()
}

#[test]
fn statements_and_values_come_from_the_model() {
    assert_eq!(
        texts("", ""),
        [
            "system",
            "chassis",
            "interfaces",
            "routing-options",
            "routing-instances",
            "security",
            "access"
        ]
    );
    assert_eq!(texts("security", "ip"), ["ipsec"]);
    assert_eq!(
        texts("security ike proposal P dh-group", ""),
        [
            "group14",
            "group15",
            "group16",
            "group17",
            "group18",
            "group19",
            "group20",
            "group21",
            "group27",
            "group28",
            "group29",
            "group30",
            "group31",
            "group32",
            "ml-kem-512",
            "ml-kem-768",
            "ml-kem-1024",
            "group1",
            "group2",
            "group5",
            "group22",
            "group23",
            "group24"
        ]
    );
    assert_eq!(
        texts("security ike gateway G dead-peer-detection", "p"),
        ["probe-idle-tunnel"]
    );
    assert_eq!(
        texts("security ike gateway G dead-peer-detection interval", ""),
        ["<interval>"]
    );
}

#[test]
fn names_come_from_the_tree() {
    assert_eq!(
        texts("interfaces", "ge"),
        ["ge-0/0/0", "ge-0/0/1", "<name>"]
    );
    assert_eq!(
        texts("security ike policy P proposals", ""),
        ["IKE_PROP", "<proposals>"]
    );
    assert_eq!(
        texts("security ike policy P proposals [ IKE_PROP", ""),
        Vec::<String>::new()
    );
    assert_eq!(
        texts("security ipsec vpn", ""),
        ["avpn_ipsec_vpn", "<name>"]
    );
}

#[test]
fn it_tells_where_a_statement_ends_and_what_is_unknown() {
    assert!(offered("system host-name gw", "").complete);
    assert!(!offered("system", "").complete);
    assert!(offered("security ike gateway G dead-peer-detection", "").complete);
    assert_eq!(offered("security nonsense", "").unknown, Some(1));
    assert_eq!(offered("system host-name gw more", "").unknown, Some(3));
}

#[test]
fn hints_describe_the_value() {
    let hint = offered("security ike proposal P lifetime-seconds", "")
        .candidates
        .remove(0);
    assert_eq!(hint.kind, CandidateKind::Hint);
    assert_eq!(
        hint.help,
        "Time after which the IKE SA is rekeyed: a number of 2..86400 (seconds)"
    );
}
