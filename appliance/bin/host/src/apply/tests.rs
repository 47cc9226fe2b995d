use super::*;
use std::path::Path;

fn machine() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    for made in ["/etc", "/data/config", "/proc/sys/kernel"] {
        fs::create_dir_all(root.path(made)).unwrap();
    }
    for (path, text) in [
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        ("/etc/shadow", "root:*:20000::::::\n"),
        ("/etc/group", "ravelin-cli:x:605:\n"),
        ("/proc/sys/kernel/hostname", "(none)\n"),
    ] {
        fs::write(root.path(path), text).unwrap();
    }
    (folder, root)
}

fn text(root: &Root, path: &str) -> String {
    fs::read_to_string(root.path(path)).unwrap()
}

fn faults(root: &Root) -> Vec<String> {
    let text = fs::read(root.path(Path::new(RUN_FOLDER).join(APPLIED_FILE))).unwrap();
    serde_json::from_slice::<Applied>(&text).unwrap().faults
}

#[test]
fn what_is_wanted_becomes_true() {
    let (_folder, root) = machine();
    let config = HostConfig {
        host_name: Some("gw1.example.net".to_owned()),
        users: factory().users,
        ..HostConfig::default()
    };
    let path = root.path(CONFIG_FOLDER).join(FILE_NAME);
    files::replace_json(&path, &config, 0o600).unwrap();
    run(&root, &[]).unwrap();
    assert_eq!(faults(&root), Vec::<String>::new());
    assert_eq!(
        text(&root, "/proc/sys/kernel/hostname"),
        "gw1.example.net\n"
    );
    assert!(text(&root, "/etc/hosts").contains("127.0.1.1 gw1.example.net gw1\n"));
    assert!(text(&root, "/etc/passwd").contains("admin:x:2000:"));
    assert!(text(&root, "/run/issue.d/10-ravelin.issue").contains("admin has no password yet"));
    assert!(text(&root, "/run/systemd/network/20-fxp0.network").contains("DHCP=no"));
}

#[test]
fn without_a_readable_file_there_are_the_factorys_users() {
    let (_folder, root) = machine();
    run(&root, &[]).unwrap();
    assert_eq!(
        faults(&root),
        Vec::<String>::new(),
        "mgmtd tells why itself"
    );
    assert_eq!(text(&root, "/etc/hostname"), "ravelin\n");
    assert!(text(&root, "/etc/shadow").contains("\nadmin::20000:"));
    assert!(text(&root, "/run/systemd/network/20-fxp0.network").contains("DHCP=yes"));
    let path = root.path(CONFIG_FOLDER).join(FILE_NAME);
    for (broken, expected) in [("{", "host.json: EOF"), ("{\"version\":9}", "host.json: ")] {
        fs::write(&path, broken).unwrap();
        run(&root, &[]).unwrap();
        let faults = faults(&root);
        assert!(
            faults.len() == 1 && faults[0].contains(expected),
            "{faults:?}"
        );
        assert!(text(&root, "/etc/passwd").contains("admin:x:2000:"));
    }
}
