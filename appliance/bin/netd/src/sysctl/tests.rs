use super::*;

fn tree(label: &str) -> Tree {
    let root = std::env::temp_dir().join(format!("netd-{label}-{}", std::process::id()));
    for (family, settings) in [("ipv4", INTERFACE_V4), ("ipv6", INTERFACE_V6)] {
        for interface in ["all", "default", "ge-0-0-0.100"] {
            let folder = root.join(family).join("conf").join(interface);
            fs::create_dir_all(&folder).unwrap();
            for (setting, _) in settings {
                fs::write(folder.join(setting), "7\n").unwrap();
            }
        }
    }
    fs::write(root.join("ipv4/ip_forward"), "1\n").unwrap();
    Tree::at(root)
}

fn read(tree: &Tree, setting: &str) -> String {
    fs::read_to_string(tree.root.join(setting)).unwrap()
}

#[test]
fn a_host_forwards_nothing() {
    let tree = tree("host");
    assert!(tree.secure_host().unwrap() > HOST.len());
    assert_eq!(tree.secure_host().unwrap(), 0, "all is as it shall be");
    for (setting, value) in HOST {
        assert_eq!(read(&tree, setting), *value, "{setting}");
    }
    for interface in ["all", "default", "ge-0-0-0.100"] {
        for (setting, value) in INTERFACE_V4 {
            assert_eq!(
                read(&tree, &format!("ipv4/conf/{interface}/{setting}")),
                *value
            );
        }
        for (setting, value) in INTERFACE_V6 {
            assert_eq!(
                read(&tree, &format!("ipv6/conf/{interface}/{setting}")),
                *value
            );
        }
    }
    fs::remove_dir_all(&tree.root).unwrap();
}

#[test]
fn one_interface_alone_and_an_absent_one() {
    let tree = tree("interface");
    tree.secure_interface("ge-0-0-0.100").unwrap();
    assert_eq!(read(&tree, "ipv4/conf/ge-0-0-0.100/arp_ignore"), "1");
    assert_eq!(read(&tree, "ipv4/conf/all/arp_ignore"), "7\n");
    tree.secure_interface("absent").unwrap();
    fs::remove_dir_all(&tree.root).unwrap();
}
