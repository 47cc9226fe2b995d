use super::*;

#[test]
fn a_storage_interface_without_a_disk_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    assert!(!awaits_disk(&root), "no USB at all");
    let interface = |name: &str, class: &str| {
        let path = root.path(USB).join(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("bInterfaceClass"), format!("{class}\n")).unwrap();
        path
    };
    interface("1-1:1.0", "03");
    assert!(!awaits_disk(&root), "a keyboard");
    let stick = interface("1-2:1.0", "08");
    assert!(awaits_disk(&root));
    fs::create_dir_all(stick.join("host6/target6:0:0/6:0:0:0")).unwrap();
    assert!(awaits_disk(&root));
    fs::create_dir(stick.join("host6/target6:0:0/6:0:0:0/block")).unwrap();
    assert!(!awaits_disk(&root));
    interface("1-3:1.0", "08");
    assert!(awaits_disk(&root), "the second one");
}
